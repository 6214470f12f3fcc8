"""The table of topics is complete, and says of every topic what people must know."""

import re

import pytest

from contracts.messages import MESSAGES
from contracts.topics import TOPIC_BY_NAME, TOPIC_OF, TOPICS, Topic


def test_every_message_has_one_topic() -> None:
    listed = [message for topic in TOPICS for message in topic.messages]
    assert sorted(message.__name__ for message in listed) == sorted(message.__name__ for message in MESSAGES)
    assert set(TOPIC_OF) == set(MESSAGES)


def test_names_are_unique_and_found_again() -> None:
    assert {topic.name: topic for topic in TOPICS} == TOPIC_BY_NAME
    assert len(TOPIC_BY_NAME) == len(TOPICS)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topic_says_who_writes_who_reads_and_how_long_it_is_kept(topic: Topic) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z]+", topic.name), "a name that Kafka takes, without prefix"
    assert topic.writer
    assert topic.readers
    assert topic.partitions >= 1
    assert topic.is_compacted == (topic.retention is None), "kept for ever means: the last of each subject"

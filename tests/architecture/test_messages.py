"""Every message that crosses a process is described: a topic, a schema, an example."""

import inspect
from pathlib import Path

import pytest

from contracts.messages import MESSAGES, Message
from contracts.topics import TOPIC_OF, TOPICS
from tests.architecture.tree import ROOT


def folded(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def described(folder: str, message: type[Message]) -> list[Path]:
    """The files of a folder of contracts that belong to ``message``, by their names."""
    name = folded(message.__name__)
    found = (ROOT / "contracts" / folder).rglob("*.json")
    return [
        path
        for path in found
        if folded(path.name.removesuffix(".json").split(".")[0]) in (name, f"{name}v1", f"{name}1")
    ]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_a_message_is_described(message: type[Message]) -> None:
    assert described("schemas", message), "no schema: python -m contracts.export"
    assert described("examples", message), "no golden example"
    assert message in TOPIC_OF, "no topic carries it"
    assert inspect.getdoc(message), "no docstring"


def test_no_message_is_forgotten() -> None:
    ours = {message for message in Message.__subclasses__() if message.__module__.startswith("contracts.")}
    assert ours == set(MESSAGES)
    assert sum(len(topic.messages) for topic in TOPICS) == len(set(MESSAGES)), "a message has one topic"

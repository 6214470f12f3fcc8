"""The AsyncAPI 3.0 document: topics as channels, messages with their envelope, who writes and who reads."""

from typing import Any

from contracts.json_schema import ENVELOPE, name_of
from contracts.messages import MESSAGES, Message
from contracts.topics import TOPICS, Topic

SCHEMAS = "../schemas/"
"""Where the schemas are, seen from the document."""
KAFKA_BINDING = "0.5.0"


def document(*, version: str, examples: dict[str, Any]) -> dict[str, Any]:
    """The whole document. ``examples``: the envelope of each message, by schema name."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Roaming hub: messages between adapters and the roaming service",
            "version": version,
            "description": "Every message travels in an envelope and is keyed by the envelope's subject, so that the "
            "messages of one subject stay in order. Delivery is at least once: handle a message id once only. "
            "Skip types, versions and fields that you do not know.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {name: operation for topic in TOPICS for name, operation in _operations(topic).items()},
        "components": {"messages": {name_of(message): _message(message, examples) for message in MESSAGES}},
    }


def _channel(topic: Topic) -> dict[str, Any]:
    kept = -1 if topic.retention is None else int(topic.retention.total_seconds() * 1000)
    return {
        "address": topic.name,
        "description": f"Written by {topic.writer}; read by {', '.join(topic.readers)}. " + _kept(topic),
        "messages": {
            name_of(message): {"$ref": f"#/components/messages/{name_of(message)}"} for message in topic.messages
        },
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": ["compact" if topic.is_compacted else "delete"],
                    "retention.ms": kept,
                },
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }


def _kept(topic: Topic) -> str:
    if topic.is_compacted:
        return "The last message of each subject is kept for ever."
    return f"Kept for {topic.retention}." if topic.retention else "Kept for ever."


def _operations(topic: Topic) -> dict[str, Any]:
    channel = {"$ref": f"#/channels/{topic.name}"}
    return {
        f"write.{topic.name}": {"action": "send", "channel": channel, "summary": f"By {topic.writer}."},
        f"read.{topic.name}": {"action": "receive", "channel": channel, "summary": f"By {', '.join(topic.readers)}."},
    }


def _message(message: type[Message], examples: dict[str, Any]) -> dict[str, Any]:
    name = name_of(message)
    return {
        "name": message.__name__,
        "title": name,
        "summary": " ".join((message.__doc__ or "").split()),
        "payload": {
            "allOf": [
                {"$ref": f"{SCHEMAS}{ENVELOPE}.json"},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": message.__name__},
                        "version": {"const": message.VERSION},
                        "body": {"$ref": f"{SCHEMAS}{name}.json"},
                    },
                },
            ]
        },
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "The envelope's subject."},
                "bindingVersion": KAFKA_BINDING,
            }
        },
        "examples": [{"name": name, "payload": examples[name]}] if name in examples else [],
    }

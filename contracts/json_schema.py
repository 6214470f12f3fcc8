"""The JSON Schema of every message and of the envelope, with the descriptions that stand in the code.

It says what is on the wire: decimals are JSON numbers, times are RFC 3339 with an offset, unknown fields are allowed.
"""

import ast
import enum
import functools
import inspect
import json
import re
import textwrap
import typing
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec

from contracts.envelope import Envelope
from contracts.messages import MESSAGES, Message
from contracts.topics import TOPIC_OF

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ENVELOPE = "Envelope"


def name_of(message: type[Message]) -> str:
    """Name and version, as files are called: ``TransactionStarted.v1``."""
    return f"{message.__name__}.v{message.VERSION}"


def all_schemas() -> dict[str, Schema]:
    """Every schema by name: ``Envelope`` and one per message and version."""
    schemas = {ENVELOPE: _schema(ENVELOPE, Envelope)}
    for message in MESSAGES:
        schema = _schema(name_of(message), message)
        schemas[name_of(message)] = {**schema, "x-topic": TOPIC_OF[message].name}
    return schemas


def _schema(name: str, cls: type[msgspec.Struct]) -> Schema:
    schema = msgspec.json.schema(cls)
    definitions: dict[str, Schema] = schema["$defs"]
    for found in _classes_within(cls):
        if issubclass(found, enum.Enum):
            _describe_members(definitions[found.__name__], found)
        else:
            _describe_fields(definitions[found.__name__], found)
    # As read back from a file, so that the two compare equal
    described: Schema = json.loads(json.dumps({"$schema": DIALECT, "$id": f"{name}.json", **schema}))
    return described


def _describe_fields(definition: Schema, cls: type[msgspec.Struct]) -> None:
    texts = attribute_docstrings(cls)
    for field in msgspec.structs.fields(cls):
        described = definition["properties"][field.encode_name]
        _correct(described, _plain_types(field.type))
        if field.name in texts:
            described["description"] = texts[field.name]


def _describe_members(definition: Schema, cls: type[enum.Enum]) -> None:
    definition["type"] = "string"
    if texts := attribute_docstrings(cls):
        definition["x-descriptions"] = {str(cls[name].value): text for name, text in sorted(texts.items())}


def _correct(described: Schema, types: set[Any]) -> None:
    """msgspec describes Decimal as it encodes it by default, and leaves out that our times have an offset."""
    for part in (described, *described.get("anyOf", ())):
        if part.get("format") == "decimal":
            part.update(type="number")
            del part["format"]
        elif part.get("type") == "string" and datetime in types:
            part["format"] = "date-time"
    if Decimal in types:
        described["x-exact"] = "decimal: read it as text, not as binary floating point"


def _plain_types(annotation: Any) -> set[Any]:
    inner = typing.get_args(annotation)
    return set().union(*(_plain_types(part) for part in inner)) if inner else {annotation}


def _classes_within(cls: type[Any], seen: set[type[Any]] | None = None) -> set[type[Any]]:
    """``cls`` and all structs and enums that its fields lead to."""
    seen = set() if seen is None else seen
    if cls in seen:
        return seen
    seen.add(cls)
    if issubclass(cls, msgspec.Struct):
        for field in msgspec.structs.fields(cls):
            for found in _plain_types(field.type):
                if isinstance(found, type) and issubclass(found, (msgspec.Struct, enum.Enum)):
                    _classes_within(found, seen)
    return seen


@functools.cache
def attribute_docstrings(cls: type[Any]) -> Mapping[str, str]:
    """The text under each attribute of a class, by attribute name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    texts: dict[str, str] = {}
    for before, after in pairwise(body):
        target = before.target if isinstance(before, ast.AnnAssign) else None
        if isinstance(before, ast.Assign):
            target = before.targets[0]  # type: ignore[assignment]
        is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(target, ast.Name) and is_text:
            texts[target.id] = re.sub(r"\s+", " ", str(after.value.value)).strip()  # type: ignore[attr-defined]
    return texts

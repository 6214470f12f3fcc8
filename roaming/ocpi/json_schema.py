"""JSON Schema of the tables: what a well-written body of a version looks like. What is tolerated beyond it is the
codecs' business and is not said here, but for words: unknown ones are always taken and passed on.
"""

from collections.abc import Callable
from typing import Any

from roaming.ocpi.fields import Form
from roaming.ocpi.kinds import (
    Choice,
    ClockTime,
    Degrees,
    Flag,
    Id,
    Kind,
    LocalDate,
    Number,
    Secret,
    Text,
    Timestamp,
    Url,
    Whole,
)
from roaming.ocpi.rules import Field, Ignored, Joint, ListOf

Schema = dict[str, Any]

_PRINTABLE = "^[ -~]+$"
_LONGEST_WORD = 255


class Schemas:
    """Collects the schemas of one version's objects, each under the name of its object."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        self._names: dict[tuple[int, bool], str] = {}
        self._kept: list[Form[Any]] = []

    def of_form(self, form: Form[Any], *, is_partial: bool = False) -> Schema:
        """A reference to the object's schema; ``is_partial``: to that of its PATCH form."""
        key = (id(form), is_partial)
        if key not in self._names:
            self._kept.append(form)  # ids are good for as long as their objects live
            self._names[key] = self._add(form.of.__name__ + ("Changes" if is_partial else ""), form, is_partial)
        return {"$ref": f"#/components/schemas/{self._names[key]}"}

    def _add(self, name: str, form: Form[Any], is_partial: bool) -> str:
        """Puts it under ``name``, or a numbered one where another object has it already (a Tariff that a CDR quotes
        may differ from a Tariff)."""
        schema = self._object(form, is_partial)
        number, free = 1, name
        while self.components.get(free, schema) != schema:
            number += 1
            free = f"{name}{number}"
        self.components[free] = schema
        return free

    def _object(self, form: Form[Any], is_partial: bool) -> Schema:
        properties: dict[str, Schema] = {}
        required: list[str] = []
        for rule in form.rules:
            if isinstance(rule, Ignored):
                properties[rule.wire] = {"description": f"Taken and not passed on: {rule.because}."}
            for line in rule.shown if isinstance(rule, Joint) else (rule,) if isinstance(rule, Field) else ():
                properties[line.wire] = self._line(line, is_partial)
                if line.is_required and not line.is_taken_quietly and not is_partial:
                    required.append(line.wire)
        if is_partial and "last_updated" in properties:
            required.append("last_updated")
        schema: Schema = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        return schema

    def _line(self, line: Field, is_partial: bool) -> Schema:
        if is_partial and line.keyed_by is not None and isinstance(line.kind, ListOf):
            return {"type": "array", "items": {}, "description": f"Merged into the list by {line.keyed_by}."}
        schema = self.of_kind(line.kind)
        if line.is_list and line.is_required:
            schema["minItems"] = 1
        return schema

    def of_kind(self, kind: Kind) -> Schema:
        """The schema of one value. A kind that is none of ``roaming.ocpi.kinds`` has a ``shown``: the kind on the
        wire that it is read from."""
        if isinstance(kind, Form):
            return self.of_form(kind)
        if isinstance(kind, ListOf):
            return {"type": "array", "items": self.of_kind(kind.kind)}
        plain = _PLAIN.get(type(kind))
        if plain is not None:
            return plain(kind)
        shown = getattr(kind, "shown", None)
        if shown is None:
            raise TypeError(f"{type(kind).__name__} does not say what it looks like: give it a `shown`")
        return self.of_kind(shown)


def _choice(kind: Choice) -> Schema:
    words = sorted(kind.words)
    return {"anyOf": [{"enum": words}, {"type": "string", "minLength": 1, "maxLength": _LONGEST_WORD}]}


def _whole(kind: Whole) -> Schema:
    schema: Schema = {"type": "integer"}
    lowest, highest = max(kind.lowest, 1 - 10**kind.digits), min(kind.highest, 10**kind.digits - 1)
    return schema | {"minimum": lowest, "maximum": highest}


def _degrees(kind: Degrees) -> Schema:
    pattern = rf"^-?[0-9]{{1,{len(str(kind.largest))}}}\.[0-9]{{{kind.fewest},{kind.most}}}$"
    return {"type": "string", "pattern": pattern}


_PLAIN: dict[type[Any], Callable[[Any], Schema]] = {
    Text: lambda kind: {"type": "string", "maxLength": kind.limit},
    Id: lambda kind: {"type": "string", "minLength": 1, "maxLength": kind.limit, "pattern": _PRINTABLE},
    Url: lambda kind: {"type": "string", "format": "uri", "maxLength": kind.limit},
    Flag: lambda _kind: {"type": "boolean"},
    Whole: _whole,
    Number: lambda _kind: {"type": "number"},
    Timestamp: lambda _kind: {"type": "string", "format": "date-time"},
    ClockTime: lambda _kind: {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
    LocalDate: lambda _kind: {"type": "string", "format": "date"},
    Degrees: _degrees,
    Secret: lambda _kind: {"type": "string", "pattern": "^[!-~]{1,64}$"},
    Choice: _choice,
}

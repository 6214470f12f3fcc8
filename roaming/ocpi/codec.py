"""Codec: one object in one OCPI version, both ways. This is the face of the tables in ``roaming.ocpi.forms`` and
``roaming.modules.*.codec``; callers need nothing else of the translation.

A codec never guesses in silence: what it tolerates on the way in is a ``Finding``, what it cannot say on the way out
a ``Loss``, and what would be untrue an ``EncodeError``.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from roaming.model.canonical import CanonicalObject
from roaming.model.version import Version
from roaming.ocpi.exact_json import MalformedJson, dump_json, parse_json
from roaming.ocpi.fields import Form
from roaming.ocpi.patch import Patch
from roaming.ocpi.translation import (
    DecodeContext,
    DecodeError,
    EncodeContext,
    EncodeError,
    Finding,
    FindingCode,
    Loss,
    Reading,
    Writing,
)

__all__ = [
    "Codec",
    "DecodeContext",
    "DecodeError",
    "Decoded",
    "EncodeContext",
    "EncodeError",
    "Encoded",
    "Finding",
    "FindingCode",
    "Loss",
    "MalformedJson",
    "Patch",
    "Version",
    "dump_json",
    "parse_json",
]

T = TypeVar("T", bound=CanonicalObject)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A body ready for ``dump_json``, and what it does not say."""

    body: dict[str, Any]
    losses: tuple[Loss, ...]


@dataclass(frozen=True)
class Decoded(Generic[T]):
    """An object, and the departures that were tolerated."""

    value: T
    findings: tuple[Finding, ...]


class Codec(Generic[T]):
    """One object in one version. Stateless and safe to share between tasks."""

    def __init__(self, version: Version, form: Form[T]) -> None:
        self.version = version
        self.form = form

    def encode(self, value: T, *, extra: bool = True, context: EncodeContext | None = None) -> Encoded:
        """``value`` as this version says it. ``extra``: also the unknown fields it came with; the caller says no when
        they came in a newer version. Raises ``EncodeError`` when the version cannot say the object at all."""
        writing = Writing(self.version, context or EncodeContext(), extra)
        body = self.form.write(value, writing, "")
        return Encoded(body, tuple(writing.losses))

    def decode(self, body: object, *, context: DecodeContext | None = None) -> Decoded[T]:
        """The object that ``body``, as ``parse_json`` gives it, stands for. Raises ``DecodeError``."""
        reading = Reading(self.version, context or DecodeContext())
        if type(body) is not dict:
            raise DecodeError("", f"expected an object, got {type(body).__name__}")
        value = self.form.read(body, reading, "")
        return Decoded(value, tuple(reading.findings))

    def decode_patch(self, body: object, *, context: DecodeContext | None = None) -> Patch[T]:
        """The PATCH form: only what ``body`` gives; ``null`` clears an optional field. Raises ``DecodeError``, also for
        ``null`` on a required field."""
        return self.form.read_changes(body, Reading(self.version, context or DecodeContext()))

    def encode_patch(self, patch: Patch[T], *, extra: bool = True, context: EncodeContext | None = None) -> Encoded:
        """``patch`` as a PATCH body of this version. Raises ``EncodeError`` when only the whole object can say it:
        then PUT that."""
        writing = Writing(self.version, context or EncodeContext(), extra)
        body = self.form.write_changes(patch, writing)
        return Encoded(body, tuple(writing.losses))

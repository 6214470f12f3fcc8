"""What all canonical objects share, and how they are stored.

Canonical objects are frozen and carry no rules of their own: what comes from outside is checked field by field
by the codec of its version (``roaming.ocpi.codec``), what we make ourselves by its type.

Text stands where OCPI has an enum, with the known values as a ``StrEnum`` beside it: a partner's unknown value
is kept as it came and never breaks a list.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Self, TypeVar

import msgspec

T = TypeVar("T", bound="CanonicalObject")


class CanonicalObject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Parent of every canonical object. Times are aware UTC, money and energy Decimal."""

    extra: Mapping[str, Any] | None = None
    """Fields of this object that its version's table does not know, as they came: given back to partners of
    the same or a newer version."""

    def with_live(self, live: str) -> Self:
        """This object under what changes so often that it is kept beside the document; see ``Location``."""
        return self


_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODERS: dict[type[CanonicalObject], msgspec.json.Decoder[Any]] = {}


def to_document(value: CanonicalObject) -> str:
    """The JSON text under which a canonical object is stored. Decimals stay exact."""
    return _ENCODER.encode(value).decode()


def from_document(cls: type[T], document: str | bytes, live: str = "") -> T:
    """The object stored under ``document`` and, over it, ``live``; exact to the digit, unknown fields included."""
    decoder = _DECODERS.get(cls)
    if decoder is None:
        decoder = _DECODERS[cls] = msgspec.json.Decoder(cls, float_hook=Decimal)
    result: T = decoder.decode(document)
    return result.with_live(live) if live else result

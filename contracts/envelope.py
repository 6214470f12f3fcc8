"""The wrapper every message travels in, and its JSON form.

JSON shape (one object, keys in this order)::

    {"id": "...", "type": "TransactionStarted", "version": 1, "subject": "demo/CS-1", "sequence": 42,
     "occurred_at": "2026-11-23T10:00:00Z", "recorded_at": "2026-11-23T10:00:00.120Z",
     "correlation_id": "...", "cause": null, "source": "adapter:ocpp-1", "body": {...}}

``id`` is computed from what the message says, not drawn at random, wherever the sender may have to say the
same thing twice: a repeat is then recognised by whoever handles it.
"""

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from contracts.messages import MESSAGES, Message

__all__ = ["Envelope", "MalformedEnvelope", "UnknownMessage", "decode", "encode", "message_id", "wrap"]


class MalformedEnvelope(ValueError):
    """The bytes are no envelope, or the body does not fit its type. The text names the field."""


class UnknownMessage(ValueError):
    """A message type or version this release does not know. Readers skip it and count it."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One message on its way. See the module docstring for the JSON shape."""

    id: str
    type: str
    version: int
    subject: str
    """Ordering key, such as ``network/station_id``: messages of one subject stay in order."""
    sequence: int
    """Rises with each message of this source; gaps are allowed."""
    occurred_at: datetime
    """When it happened, by the clock of whoever observed it (aware, UTC)."""
    recorded_at: datetime
    """When the sender made it durable (aware, UTC)."""
    correlation_id: str
    """Shared by all messages that belong to one story, such as one charge."""
    cause: str | None = None
    """``id`` of the message that led to this one."""
    source: str
    """Which process wrote it, such as ``adapter:ocpp-1``."""
    body: msgspec.Raw

    def message(self) -> Message:
        """The typed body.

        Raises ``UnknownMessage`` for a type or version from the future, ``MalformedEnvelope`` for a body
        that does not fit its type.
        """
        try:
            message: Message = _BODY_DECODERS[self.type, self.version].decode(self.body)
            return message
        except KeyError:
            raise UnknownMessage(f"{self.type} version {self.version}") from None
        except _UNREADABLE as error:
            raise MalformedEnvelope(f"{self.type} {self.id}: {error}") from None


# Bytes that are no UTF-8 are a ValueError, a number whose exponent no Decimal can hold is an ArithmeticError
_UNREADABLE = (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError)
_BODY_DECODERS: dict[tuple[str, int], msgspec.json.Decoder[Any]] = {
    (cls.__name__, cls.VERSION): msgspec.json.Decoder(cls) for cls in MESSAGES
}
_ENVELOPE_DECODER = msgspec.json.Decoder(Envelope)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_SIZES = tuple(size.to_bytes(4, "big") for size in range(256))


def wrap(
    message: Message,
    *,
    id: str,
    subject: str,
    sequence: int,
    occurred_at: datetime,
    recorded_at: datetime,
    correlation_id: str,
    source: str,
    cause: str | None = None,
) -> Envelope:
    """An envelope around ``message``. Both times must be aware."""
    if occurred_at.tzinfo is None or recorded_at.tzinfo is None:
        raise ValueError("occurred_at and recorded_at must be aware (UTC)")
    return Envelope(
        id=id,
        type=type(message).__name__,
        version=message.VERSION,
        subject=subject,
        sequence=sequence,
        occurred_at=occurred_at,
        recorded_at=recorded_at,
        correlation_id=correlation_id,
        cause=cause,
        source=source,
        body=msgspec.Raw(_ENCODER.encode(message)),
    )


def encode(envelope: Envelope) -> bytes:
    """The JSON bytes that go over the bus."""
    return _ENCODER.encode(envelope)


def decode(data: bytes) -> Envelope:
    """The envelope in ``data``; its body stays undecoded until ``message()``. Raises ``MalformedEnvelope``, and nothing
    else, whatever the bytes are."""
    try:
        return _ENVELOPE_DECODER.decode(data)
    except _UNREADABLE as error:
        raise MalformedEnvelope(str(error)) from None


def message_id(*parts: object) -> str:
    """A stable id (32 hex digits) from the parts that make a fact what it is.

    >>> message_id("start", "demo/CS-1", 1, "TAG", "2026-11-23T10:00:00Z", 100) == message_id(
    ...     "start", "demo/CS-1", 1, "TAG", "2026-11-23T10:00:00Z", 100)
    True
    """
    framed: list[bytes] = []
    for part in parts:
        text = str(part).encode()
        size = len(text)
        framed.append(_SIZES[size] if size < 256 else size.to_bytes(4, "big"))
        framed.append(text)
    return hashlib.blake2b(b"".join(framed), digest_size=16).hexdigest()

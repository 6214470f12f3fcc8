"""Messages as they come off the bus, for tests that need some."""

from datetime import UTC, datetime, timedelta

import msgspec

from contracts.envelope import Envelope, wrap
from contracts.messages import ConnectorStatusChanged, Message
from contracts.vocabulary import ConnectorStatus

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def a_status(station_id: str = "CS-1", *, connector_id: int = 1, info: str | None = None) -> ConnectorStatusChanged:
    """A connector of ``demo/<station_id>`` that became available."""
    return ConnectorStatusChanged(
        network="demo",
        station_id=station_id,
        connector_id=connector_id,
        status=ConnectorStatus.AVAILABLE,
        info=info,
    )


def an_envelope(message: Message, *, id: str, subject: str = "demo/CS-1", number: int = 0) -> Envelope:
    """``message`` on its way; ``number`` puts it in order and time."""
    at = NOON + timedelta(seconds=number)
    return wrap(
        message,
        id=id,
        subject=subject,
        sequence=number,
        occurred_at=at,
        recorded_at=at,
        correlation_id=id,
        source="adapter:test",
    )


def malformed(envelope: Envelope) -> Envelope:
    """The same with a body that does not fit its type."""
    return msgspec.structs.replace(envelope, body=msgspec.Raw(b'{"network": 1}'))


def from_the_future(envelope: Envelope) -> Envelope:
    """The same in a version that nobody knows yet."""
    return msgspec.structs.replace(envelope, version=99)

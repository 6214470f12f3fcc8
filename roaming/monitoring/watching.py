"""From what stations say to events for those who watch."""

from collections.abc import Sequence
from typing import Any

from contracts.messages import (
    ConnectorStatusChanged,
    FirmwareStatusReported,
    SecurityEventReported,
    StationBooted,
    StationConnected,
    StationDisconnected,
    StationFaultReported,
    StationMessageRejected,
)
from contracts.topics import EVENTS
from roaming.feed.telling import Event, event_id, tell
from roaming.monitoring.places import Places, places_of
from roaming.store.consume import Projection, Received
from roaming.store.database import Work


async def handle(work: Work, batch: Sequence[Received]) -> None:
    """The projection ``watching``."""
    messages: list[Any] = [received.message for received in batch]
    stations = {(message.network, message.station_id) for message in messages}
    places = await places_of(work.connection, stations)
    await tell(work, [event for received in batch for event in to_events(received, places)])


def to_events(received: Received, places: Places) -> list[Event]:
    """What there is to tell of a message."""
    message: Any = received.message
    kind, connector_id, data = _said(message)
    if not kind:
        return []
    event = Event(
        id=event_id(kind, received.envelope.id),
        kind=kind,
        at=received.envelope.occurred_at,
        parties=places.parties(message.network, message.station_id, connector_id or 0),
        data=places.named(message.network, message.station_id, connector_id) | data,
    )
    return [event]


def _said(message: Any) -> tuple[str, int | None, dict[str, Any]]:
    """Kind, connector where it is about one, and what belongs to the kind; no kind: nothing to tell."""
    match message:
        case StationConnected(is_admitted=True):
            return "station.connected", None, _fields(message, "protocol", "security_profile", "remote_address")
        case StationConnected():
            return "station.unknown", None, _fields(message, "protocol", "security_profile", "remote_address")
        case StationDisconnected():
            return "station.disconnected", None, _fields(message, "reason")
        case StationBooted():
            return "station.booted", None, _fields(message, "vendor", "model", "serial_number", "firmware_version")
        case StationFaultReported():
            said = _fields(message, "error_code", "info", "vendor_id", "vendor_error_code")
            return "station.fault", message.connector_id, said
        case SecurityEventReported():
            return "station.security", None, _fields(message, "event", "info", "at")
        case FirmwareStatusReported():
            return "station.firmware", None, {"status": message.status.value, "word": message.word}
        case StationMessageRejected():
            return "station.rejected", None, _fields(message, "kind", "reason", "number")
        case ConnectorStatusChanged():
            return "connector.status", message.connector_id, {"status": message.status.value, "info": message.info}
        case _:
            return "", None, {}


def _fields(message: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(message, name) for name in names}


PROJECTION = Projection(
    consumer="watching",
    topics=(EVENTS,),
    messages=(
        StationConnected,
        StationDisconnected,
        StationBooted,
        StationFaultReported,
        StationMessageRejected,
        SecurityEventReported,
        FirmwareStatusReported,
        ConnectorStatusChanged,
    ),
    handle=handle,
)

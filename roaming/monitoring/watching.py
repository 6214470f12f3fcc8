"""From what stations say to events for those who watch, and to what is known of how stations are."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from contracts.messages import (
    ConnectorStatusChanged,
    FirmwareStatusReported,
    MeterValuesTaken,
    OperationAnswered,
    SecurityEventReported,
    StationBooted,
    StationConnected,
    StationDisconnected,
    StationFaultReported,
    StationMessageRejected,
    StationReported,
)
from contracts.messages.operation import ConfigurationTold
from contracts.topics import EVENTS, METER
from roaming.feed.telling import Event, event_id, tell
from roaming.monitoring import days, knowing, lines
from roaming.monitoring.lines import Line
from roaming.monitoring.places import Places, places_of
from roaming.monitoring.ribbon import CONNECTION, OFFLINE, ONLINE, Change
from roaming.stations import displays
from roaming.store.consume import Projection, Received
from roaming.store.database import Work


async def handle(work: Work, batch: Sequence[Received]) -> None:
    """The projection ``watching``."""
    messages: list[Any] = [received.message for received in batch]
    stations = {(message.network, message.station_id) for message in messages}
    places = await places_of(work.connection, stations)
    known = await lines.lines_of(work.connection, stations)
    passage = Passage(known)
    events = [event for received in batch for event in passage.take(received, places)]
    await lines.write(work.connection, passage.changed)
    await days.write(work.connection, passage.changes)
    await knowing.write_faults(work.connection, passage.faults)
    await knowing.write_variables(work.connection, passage.variables)
    said = [(network, id, [pair[:2] for pair in variables]) for network, id, _, variables in passage.variables]
    said += [(told.network, told.station_id, [(key, "") for key in _unknown(told)]) for told in messages]
    await displays.note(work.connection, said)
    await tell(work, events)


def _unknown(message: Any) -> Sequence[str]:
    """Settings that a station was asked for and does not have."""
    told = message.told if isinstance(message, OperationAnswered) else None
    return told.unknown_keys if isinstance(told, ConfigurationTold) else ()


async def handle_meters(work: Work, batch: Sequence[Received]) -> None:
    """The projection ``meters``."""
    messages = [received.message for received in batch]
    await knowing.write_meters(work.connection, [m for m in messages if isinstance(m, MeterValuesTaken)])


class Passage:
    """What a batch changes, message by message."""

    def __init__(self, known: Mapping[tuple[str, str], Line]) -> None:
        self._lines = dict(known)
        self.changed: dict[tuple[str, str], Line] = {}
        self.changes: dict[days.Part, list[Change]] = {}
        self.faults: list[tuple[datetime, StationFaultReported]] = []
        self.variables: list[tuple[str, str, datetime, list[tuple[str, str, str]]]] = []

    def take(self, received: Received, places: Places) -> list[Event]:
        """Notes one message; returns what there is to tell of it."""
        message: Any = received.message
        at = received.envelope.occurred_at
        match message:
            case StationConnected() | StationDisconnected():
                return self._line(received, message, places)
            case ConnectorStatusChanged():
                part = (message.network, message.station_id, message.connector_id)
                self.changes.setdefault(part, []).append(Change(at, message.status.value, message.info or ""))
            case StationFaultReported():
                self.faults.append((at, message))
            case StationReported():
                told = list(knowing.of_report(message))
                self.variables.append((message.network, message.station_id, at, told))
            case OperationAnswered(told=ConfigurationTold() as configuration):
                told = list(knowing.of_configuration(configuration))
                self.variables.append((message.network, message.station_id, at, told))
            case _:
                pass
        return to_events(received, places)

    def _line(self, received: Received, message: StationConnected | StationDisconnected, places: Places) -> list[Event]:
        key, at = (message.network, message.station_id), received.envelope.occurred_at
        before = self._lines.get(key)
        line = lines.changed(before, message, at)
        if line is None:
            is_stranger = isinstance(message, StationConnected) and not message.is_admitted
            return to_events(received, places) if is_stranger else []
        self._lines[key] = self.changed[key] = line
        state = ONLINE if line.is_online else OFFLINE
        self.changes.setdefault((*key, CONNECTION), []).append(Change(at, state, line.why))
        events = to_events(received, places)
        if line.is_online and before is not None and before.is_told:
            events.append(_back(received, before, places))
        return events


def _back(received: Received, before: Line, places: Places) -> Event:
    named = places.named(before.network, before.station_id)
    return Event(
        id=event_id("station.online", received.envelope.id),
        kind="station.online",
        at=received.envelope.occurred_at,
        parties=places.parties(before.network, before.station_id),
        data=named | {"since": before.at, "reason": before.why},
    )


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
        StationReported,
        OperationAnswered,
    ),
    handle=handle,
)
METERS = Projection(consumer="meters", topics=(METER,), messages=(MeterValuesTaken,), handle=handle_meters)
PROJECTIONS = (PROJECTION, METERS)
TRIMMINGS = (*days.TRIMMINGS, *knowing.TRIMMINGS, *lines.TRIMMINGS)

"""The whole Location that a Session or CDR of 2.1.1 quotes, "with only the relevant EVSE and Connector": made from what
we have, and read for the few facts that are kept of it. (OCPI 2.1.1, mod_sessions and mod_cdrs)
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from roaming.model.identifiers import fold
from roaming.model.location import Location
from roaming.ocpi.forms.location import LOCATION_211
from roaming.ocpi.kinds import ID_36, Id
from roaming.ocpi.translation import DecodeError, Reading, Writing

ID_39 = Id(39)


def with_only(location: Location, evse_uid: str, connector_id: str) -> Location:
    """``location`` with that EVSE and connector alone, or without EVSEs when it does not know them. It counts as
    published here: who gets the session may know its place."""
    evses = tuple(
        msgspec.structs.replace(
            evse, connectors=tuple(entry for entry in evse.connectors if fold(entry.id) == fold(connector_id))
        )
        for evse in location.evses
        if fold(evse.uid) == fold(evse_uid)
    )
    known = tuple(evse for evse in evses if evse.connectors)
    return msgspec.structs.replace(location, evses=known, publish=True, publish_allowed_to=())


def write_location(location: Location, writing: Writing) -> tuple[dict[str, Any], Writing]:
    """``location`` in 2.1.1, and the writing that holds the losses: the caller says which of them are its own."""
    inner = Writing(writing.version, writing.context, writing.is_extra_wanted)
    return LOCATION_211.write(location, inner, ""), inner


@dataclass(frozen=True, slots=True)
class QuotedPlace:
    """Parts of a quoted Location as they came. ``evse`` and ``connector`` are ``None`` when it names none, or several
    and the context does not say which."""

    location: dict[str, Any]
    evse: dict[str, Any] | None
    connector: dict[str, Any] | None
    evse_path: str
    connector_path: str


def read_place(value: Any, reading: Reading, prefix: str) -> QuotedPlace:
    """Finds the one EVSE and connector that ``value`` is about. Raises ``DecodeError`` when it is no Location."""
    path = f"{prefix}location"
    location = _object(value, path)
    evse, evse_path = _pick(location, "evses", "uid", reading.context.evse_uid, path)
    connector, connector_path = _pick(evse or {}, "connectors", "id", reading.context.connector_id, evse_path)
    return QuotedPlace(location, evse, connector, evse_path, connector_path)


def read_ids(place: QuotedPlace, reading: Reading, prefix: str) -> tuple[str, str, str]:
    """Ids of location, EVSE and connector; what the body does not say comes from the context's open session."""
    location_id = ID_39.decode(place.location.get("id", ""), reading, f"{prefix}location.", "id")
    evse_uid, connector_id = reading.context.evse_uid, reading.context.connector_id
    if place.evse is not None:
        evse_uid = ID_39.decode(place.evse.get("uid", ""), reading, f"{place.evse_path}.", "uid")
    if place.connector is not None:
        connector_id = ID_36.decode(place.connector.get("id", ""), reading, f"{place.connector_path}.", "id")
    if evse_uid is None:
        raise DecodeError(f"{prefix}location.evses", "names no EVSE, or several: needs context.evse_uid")
    if connector_id is None:
        raise DecodeError(f"{place.evse_path}.connectors", "names no connector, or several: needs context.connector_id")
    return location_id, evse_uid, connector_id


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DecodeError(path, f"expected an object, got {type(value).__name__}")
    return value


def _pick(
    parent: dict[str, Any], name: str, key: str, wanted: str | None, path: str
) -> tuple[dict[str, Any] | None, str]:
    """The only entry of a list, or among several the one with the wanted key; and its path."""
    entries = parent.get(name) or []
    if not isinstance(entries, list):
        raise DecodeError(f"{path}.{name}", f"expected a list, got {type(entries).__name__}")
    for index, entry in enumerate(entries):
        found = _object(entry, f"{path}.{name}[{index}]").get(key)
        if len(entries) == 1 or (wanted is not None and isinstance(found, str) and fold(found) == fold(wanted)):
            return entry, f"{path}.{name}[{index}]"
    return None, f"{path}.{name}[0]"

"""What a request that is passed on names: places, sessions, reservations. Rules are asked about these, so that a field
of another type than its own is refused: it would hide from them what the far side may still read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roaming.ocpi.codec import parse_json
from roaming.ocpi.errors import InvalidParameters
from roaming.ocpi.module import Clue, OcpiRequest, Route

_REQUIRED = {
    "START_SESSION": "location_id",
    "RESERVE_NOW": "location_id",
    "UNLOCK_CONNECTOR": "location_id",
    "STOP_SESSION": "session_id",
    "CANCEL_RESERVATION": "reservation_id",
}
"""What each command is about (OCPI 2.1.1 to 2.3.0, commands)."""
PLACED = frozenset(name for name, required in _REQUIRED.items() if required == "location_id")
"""Commands that name a place themselves."""
ENDING = frozenset(("STOP_SESSION", "CANCEL_RESERVATION", "UNLOCK_CONNECTOR"))
"""Commands that begin nothing: a driver who may no longer charge somewhere must still get away from there."""
_NOT_ASSIGNED = "#NA"
"""``evse_uid`` of a booking option whose EVSE has yet to be chosen (OCPI 2.3.0, bookings)."""
NOWHERE = ("",)


@dataclass(frozen=True, kw_only=True)
class Named:
    """What a request names, in its address or its body; empty where it does not."""

    location_id: str = ""
    evse_uids: Sequence[str] = NOWHERE
    tariff_id: str = ""
    session_id: str = ""
    reservation_id: str = ""
    booking_location_id: str = ""


def named(request: OcpiRequest, route: Route) -> Named:
    """Raises ``InvalidParameters`` for a body that does not say what its command is about, or says it as what it cannot
    be."""
    path = request.path
    if "location_id" in path:
        return Named(location_id=path["location_id"], evse_uids=(path.get("evse_uid", ""),))
    if "tariff_id" in path:
        return Named(tariff_id=path["tariff_id"])
    if "session_id" in path:
        return Named(session_id=path["session_id"])
    body: Any = parse_json(request.body) if request.body.strip() else None
    body = body if isinstance(body, dict) else {}
    if (required := _REQUIRED.get(path.get("command", ""))) is not None and body.get(required) in (None, ""):
        raise InvalidParameters(f"{required}: required")
    return Named(
        location_id=_text(body, "location_id"),
        evse_uids=_uids(body, path.get("command", ""), route),
        session_id=_text(body, "session_id"),
        reservation_id=_number_or_text(body, "reservation_id"),
        booking_location_id=_text(body, "booking_location_id"),
    )


def _uids(body: Mapping[str, Any], command: str, route: Route) -> Sequence[str]:
    """In the one field that such a body has for them: others are unknown fields, which decide nothing."""
    if route.clue is Clue.DRIVER:
        uids = body.get("evse_uids")
        if uids is not None and not (isinstance(uids, list) and all(isinstance(uid, str) for uid in uids)):
            raise InvalidParameters("evse_uids: expected a list of strings")
        return [uid for uid in uids or () if uid] or NOWHERE
    if route.clue is Clue.TARGET:
        return (_text(body, "evse_uid"),) if command in PLACED else NOWHERE
    option = body.get("booking_option")
    uid = _text(option, "evse_uid", "booking_option.") if isinstance(option, dict) else ""
    return NOWHERE if uid.upper() == _NOT_ASSIGNED else (uid,)


def _text(body: Mapping[str, Any], name: str, prefix: str = "") -> str:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidParameters(f"{prefix}{name}: expected a string, got {type(value).__name__}")
    return value or ""


def _number_or_text(body: Mapping[str, Any], name: str) -> str:
    """2.1.1 has numbers where later versions have text."""
    value = body.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(body, name)

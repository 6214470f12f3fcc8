"""Charges described by constant power, as pricing cases and previews give them: a timeline of readings and states.

Knows no tariff.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any, Final

import msgspec

from roaming.rating.errors import MalformedTimeline
from roaming.rating.exact import EXACT, ZERO
from roaming.rating.timeline import ChargingState, Reading, StateChange, Timeline

_SECOND: Final = 1_000_000
_LONGEST: Final = Decimal(366 * 24 * 3600)


def story_of(session: Mapping[str, Any]) -> Timeline:
    """The timeline of a ``session`` of a pricing case.

    Either ``phases`` of ``seconds`` and ``power_kw``, or ``start_date_time``, ``end_date_time``, ``power_kw`` and
    ``requested_kwh``; ``current_a`` as it may be. Raises ``MalformedTimeline`` and ``msgspec.ValidationError``.
    """
    start = msgspec.convert(session["start_date_time"], datetime)
    current = None if session.get("current_a") is None else _number(session, "current_a")
    with localcontext(EXACT):
        if "phases" in session:
            phases = []
            for place, phase in enumerate(session["phases"]):
                seconds = _number(phase, "seconds", f"phases[{place}].")
                phases.append((int(seconds * _SECOND), _number(phase, "power_kw", f"phases[{place}].")))
            return of_phases(start, phases, current=current)
        end = msgspec.convert(session["end_date_time"], datetime)
        kwh = _number(session, "requested_kwh")
        return constant(start, end, power_kw=_number(session, "power_kw"), kwh=kwh, current=current)


def constant(
    start: datetime, end: datetime, *, power_kw: Decimal, kwh: Decimal, current: Decimal | None = None
) -> Timeline:
    """Charging at ``power_kw`` until ``kwh`` are in or the session ends, then connected until ``end``."""
    with localcontext(EXACT):
        length = (end - start) // timedelta(microseconds=1)
        if length < 0:
            raise MalformedTimeline(f"end_date_time {end} lies before start_date_time {start}; correct one of them")
        needed = int(kwh * 3_600 * _SECOND // power_kw) if power_kw else 0
        charged = min(needed, length)
        energy = kwh if needed <= length else _energy(power_kw, charged)
        if not power_kw:
            energy = ZERO
        pieces = [(charged, power_kw, energy), (length - charged, ZERO, ZERO)]
        return _timeline(start, end, pieces, current)


def of_phases(start: datetime, phases: Iterable[tuple[int, Decimal]], *, current: Decimal | None = None) -> Timeline:
    """Phases of microseconds and constant kW one after the other; 0 kW is connected and not charging."""
    with localcontext(EXACT):
        pieces = [(length, power, _energy(power, length)) for length, power in phases]
        end = start + timedelta(microseconds=sum(length for length, _, _ in pieces))
        return _timeline(start, end, pieces, current)


def _number(fields: Mapping[str, Any], name: str, where: str = "") -> Decimal:
    try:
        value = Decimal(str(fields[name]))
    except ArithmeticError:
        raise MalformedTimeline(f"{where}{name}: {fields[name]!r} is no number") from None
    if not value.is_finite() or value < 0:
        raise MalformedTimeline(f"{where}{name}: {value} is negative or no number; correct it")
    if name == "seconds" and value > _LONGEST:
        raise MalformedTimeline(f"{where}{name}: {value} is more than 366 days")
    return value


def _energy(power_kw: Decimal, microseconds: int) -> Decimal:
    """kWh, cut down to a millionth."""
    return (power_kw * microseconds * 1_000_000 // (3600 * _SECOND)).scaleb(-6)


def _timeline(
    start: datetime, end: datetime, pieces: Iterable[tuple[int, Decimal, Decimal]], current: Decimal | None
) -> Timeline:
    readings, states, at, register = [], [], start, ZERO
    for length, power, energy in pieces:
        if not length:
            continue
        flowing = current if power else current and ZERO
        readings.append(Reading(at, register, power.scaleb(3), flowing))
        states.append(StateChange(at, ChargingState.CHARGING if power else ChargingState.SUSPENDED_EV))
        at += timedelta(microseconds=length)
        register += energy.scaleb(3)
    readings.append(Reading(at, register))
    return Timeline(start=start, end=end, readings=tuple(readings), states=tuple(states))

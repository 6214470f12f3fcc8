"""The course of one charge as its station told it: pure, order-proof, and never billing what was not measured.

Facts may come twice, late and out of order; applying them in any order leads to the same course.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import msgspec

from contracts.messages import MeterValuesTaken, TokenOwner, TransactionEnded, TransactionStarted
from contracts.vocabulary import ConnectorStatus, Measurand, StopReason
from roaming.model.signed_records import SignedRecord
from roaming.model.tariff import Tariff
from roaming.rating.cutting import PricedSession, price_session
from roaming.rating.errors import MalformedTimeline
from roaming.rating.readings import DEFAULT_READINGS, Readings
from roaming.rating.switching import Since
from roaming.rating.timeline import Reading, StateChange, Timeline, charging_state

MAX_READINGS = 5_000
"""Three and a half days at a reading a minute. Of a station that sends more every second reading is kept."""
MAX_STATES = 500
"""A change every three minutes of a day. Of a station that changes its state more often, repeats are left out, then
neighbours are put together: how long each state lasted stays true, to the second."""
AT_ONE_MOMENT = 4
"""Signed readings of one context."""
TOGETHER = 4
"""States next to each other that are put together; there are three kinds of them."""


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """What is known since the start."""

    connector_id: int
    token_uid: str
    at: datetime
    register_wh: Decimal
    authorization: str
    basis: str | None = None
    reference: str | None = None
    command_id: str | None = None
    owner: TokenOwner | None = None
    """Whose token was accepted; unknown where the adapter did not say."""
    recorded_at: datetime | None = None
    """When its adapter heard of it; unknown of charges that began before this was kept."""


class End(msgspec.Struct, frozen=True, kw_only=True):
    """What is known since the end."""

    at: datetime
    register_wh: Decimal
    reason: str
    is_assumed: bool = False
    """Its station never said so. ``at`` is until when it can have gone on; once settled, when something was last known
    of it, and ``register_wh`` what was read then."""
    is_silent: bool = False
    """Assumed since nothing was heard of it, not since another charge began: a word of it takes the end back."""
    below_wh: Decimal | None = None
    """Assumed since another charge began at this register: what was read below it is not of that one, whatever its
    date. A clock that was set back dates the next charge before the readings of this one."""


State = tuple[datetime, str]
"""From when on, and which (``ConnectorStatus``)."""
MeterReading = tuple[datetime, Decimal, Decimal | None]
"""(time, Wh, W or nothing)."""


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. Readings are (time, Wh, W or nothing) in the order of time; states likewise.

    What is stored of a course has no readings: they have rows of their own and are put in for pricing."""

    start: Start | None = None
    end: End | None = None
    readings: tuple[MeterReading, ...] = ()
    states: tuple[State, ...] = ()
    signed: tuple[SignedRecord, ...] = ()
    """Exactly as the station sent them: the first and the last of each context, which prove what was charged in all;
    they may be kilobytes each."""
    correlation_id: str = ""
    late: int = 0
    """Facts that came after it was closed."""


def started(course: Course, message: TransactionStarted, correlation_id: str, *, recorded_at: datetime) -> Course:
    """With its start. A second start changes nothing."""
    if course.start is not None:
        return course
    start = Start(
        connector_id=message.connector_id,
        token_uid=message.token_uid,
        at=message.started_at,
        register_wh=message.register_wh,
        authorization=message.authorization.value,
        basis=message.authorization_basis.value if message.authorization_basis else None,
        reference=message.authorization_reference,
        command_id=message.command_id,
        owner=message.token_owner,
        recorded_at=recorded_at,
    )
    return msgspec.structs.replace(course, start=start, correlation_id=correlation_id)


def ended(course: Course, message: TransactionEnded) -> Course:
    """With its end. The first end counts, but a station's own takes the place of one that was assumed."""
    if course.end is not None and not course.end.is_assumed:
        return course
    end = End(at=message.ended_at, register_wh=message.register_wh, reason=message.reason.value)
    return msgspec.structs.replace(course, end=end)


def over(one: Start, other: Start) -> tuple[Start, datetime]:
    """Which of two charges of one connector is over, and until when it can have gone on: the other one began last.

    Stations tell of charges in the order of time (OCPP 1.6, section 3.7), so of two starts the one that is dated first
    and was heard last is of a clock that was set back; when it was heard is then the only time by both clocks. A
    station that tells what it had queued after what is new had counted less by then: its own times hold."""
    first, last = (one, other) if one.at <= other.at else (other, one)
    if first.at == last.at or first.recorded_at is None or last.recorded_at is None:
        return first, last.at
    if first.recorded_at > last.recorded_at and first.register_wh >= last.register_wh:
        return last, max(first.recorded_at, last.at)
    return first, last.at


def outlived(course: Course, at: datetime, *, by: Start) -> Course:
    """Taken to be over at ``at`` at the latest, when the charge ``by`` began, without a word of its station. Needs a
    start; changes nothing where an end is known, or assumed for an earlier time."""
    start, end = course.start, course.end
    assert start is not None
    if end is not None and (not end.is_assumed or end.at <= at):
        return course
    reason = StopReason.RULE.value
    assumed = End(at=at, register_wh=start.register_wh, reason=reason, is_assumed=True, below_wh=by.register_wh)
    return msgspec.structs.replace(course, end=assumed)


def fell_silent(course: Course, at: datetime) -> Course:
    """Taken to be over, since nothing more was heard of it until ``at``. Needs a start and no end."""
    start = course.start
    assert start is not None
    reason = StopReason.RULE.value
    assumed = End(at=at, register_wh=start.register_wh, reason=reason, is_assumed=True, is_silent=True)
    return msgspec.structs.replace(course, end=assumed)


def heard_again(course: Course) -> Course:
    """Goes on: it was only silent. Any other course stays as it is."""
    is_silent = course.end is not None and course.end.is_silent
    return msgspec.structs.replace(course, end=None) if is_silent else course


def told_late(course: Course) -> Course:
    """With one more fact that came after it was closed."""
    return msgspec.structs.replace(course, late=course.late + 1)


def settled(course: Course) -> Course:
    """A course whose end was assumed ends when something was last known of it, with what was last read then: nothing
    is billed that nobody measured. Needs the readings; any other course stays as it is."""
    start, end = course.start, course.end
    if start is None or end is None or not end.is_assumed:
        return course
    below = end.below_wh if end.below_wh is not None else start.register_wh
    known = [
        (at, register)
        for at, register, _ in course.readings
        if start.at < at and (at <= end.at or start.register_wh <= register < below)
    ]
    times = [at for at, _ in known] + [at for at, _ in course.states if start.at < at <= end.at]
    register = max(known)[1] if known else start.register_wh
    last = msgspec.structs.replace(end, at=max(times, default=start.at), register_wh=register)
    return msgspec.structs.replace(course, end=last)


def readings_of(message: MeterValuesTaken) -> tuple[MeterReading, ...]:
    """The registers and powers of these samples. They are kept apart from the course: a charge has hundreds."""
    found: list[MeterReading] = []
    for sample in message.samples:
        register = _total(sample.values, Measurand.ENERGY_REGISTER)
        if register is not None:
            found.append((sample.at, register, _total(sample.values, Measurand.POWER)))
    return tuple(found)


def signed_by(course: Course, message: MeterValuesTaken) -> Course:
    """With the signed readings of these samples."""
    given = [
        SignedRecord(
            at=sample.at,
            context=sample.context.value,
            data=entry.data,
            encoding_method=entry.encoding_method,
            public_key=entry.public_key,
            signing_method=entry.signing_method,
        )
        for sample in message.samples
        for entry in sample.signed
    ]
    return msgspec.structs.replace(course, signed=_first_and_last([*course.signed, *given])) if given else course


def with_readings(course: Course, added: Iterable[MeterReading]) -> Course:
    """With these readings; of several of one time the last counts."""
    readings = {at: (register, power) for at, register, power in (*course.readings, *added)}
    return msgspec.structs.replace(course, readings=thinned(tuple((at, *readings[at]) for at in sorted(readings))))


def _first_and_last(signed: Iterable[SignedRecord]) -> tuple[SignedRecord, ...]:
    """Of each context; of one moment as many as belong to one meter. Of what came twice, the one with its key."""
    known: dict[tuple[str, datetime], dict[str, SignedRecord]] = {}
    for record in sorted(signed, key=_how_complete):
        known.setdefault((record.context, record.at), {})[record.data] = record
    times: dict[str, list[datetime]] = {}
    for context, at in known:
        times.setdefault(context, []).append(at)
    kept = {(at, context) for context, all_of_it in times.items() for at in (min(all_of_it), max(all_of_it))}
    return tuple(
        known[context, at][data] for at, context in sorted(kept) for data in sorted(known[context, at])[:AT_ONE_MOMENT]
    )


def _how_complete(record: SignedRecord) -> tuple[str, ...]:
    return record.public_key or "", record.encoding_method or "", record.signing_method or ""


def thinned(readings: tuple[MeterReading, ...]) -> tuple[MeterReading, ...]:
    """At most ``MAX_READINGS``: the first and the last are always kept, and between them every second one where there
    are too many. What lies between two readings is spread evenly over their time, so none of the energy is lost."""
    while len(readings) > MAX_READINGS:
        readings = (*readings[:-1:2], readings[-1])
    return readings


def _total(values: tuple[object, ...], measurand: Measurand) -> Decimal | None:
    """The total of a sample: the value without phase, else the sum of the phases given."""
    found = [value for value in values if getattr(value, "measurand", None) == measurand]
    outlet = [value for value in found if not getattr(value, "location", None)] or found
    totals = [value.value for value in outlet if not value.phase]  # type: ignore[attr-defined]
    if totals:
        return Decimal(totals[-1])
    phases = {value.phase: value.value for value in outlet}  # type: ignore[attr-defined]
    return sum(phases.values(), Decimal(0)) if phases else None


def in_state(course: Course, at: datetime, state: ConnectorStatus) -> Course:
    """With a charging state from ``at`` on."""
    states = dict(course.states)
    states[at] = state.value
    ordered = sorted(states.items())
    if len(ordered) > MAX_STATES:
        ordered = _without_repeats(ordered)
    if len(ordered) > MAX_STATES:
        ordered = _without_repeats(_put_together(ordered))
    if len(ordered) > MAX_STATES:  # of more kinds of states than three
        ordered = [*ordered[: MAX_STATES - 1], ordered[-1]]
    return msgspec.structs.replace(course, states=tuple(ordered))


def _without_repeats(ordered: Sequence[State]) -> list[State]:
    """A state lasts until the next one: the same again says nothing new."""
    return [entry for number, entry in enumerate(ordered) if not number or ordered[number - 1][1] != entry[1]]


def _put_together(ordered: Sequence[State]) -> list[State]:
    """Of every few that follow one another, what is of one state in one piece, as long as its parts were. The last goes
    on and stays alone."""
    found: list[State] = []
    for first in range(0, len(ordered) - 1, TOGETHER):
        few = ordered[first : min(first + TOGETHER, len(ordered) - 1) + 1]
        lasted: dict[str, timedelta] = {}
        for (at, state), (until, _) in pairwise(few):
            lasted[state] = lasted.get(state, timedelta(0)) + (until - at)
        at = few[0][0]
        for state, duration in lasted.items():
            found.append((at, state))
            at += duration
    return [*found, ordered[-1]]


def _end_by_readings(start: datetime, times: Sequence[datetime]) -> datetime:
    """The end of a charge whose station dates it before the start, its clock having been set back: the last reading.
    Raises ``MalformedTimeline`` without any: the energy has no time to be priced in, and without it would be free."""
    last = max(times, default=start)
    if last <= start:
        raise MalformedTimeline("end: it is dated before the start, and no reading says when the charge ended")
    return last


def timeline_of(course: Course) -> Timeline:
    """What rating needs: from the start to the end, or to the last thing known. Needs a start.
    Raises ``MalformedTimeline`` for an end before the start that nothing else dates."""
    course = settled(course)
    start = course.start
    assert start is not None
    last_known = [at for at, _, _ in course.readings] + [at for at, _ in course.states]
    end = course.end.at if course.end is not None else max([start.at, *last_known])
    if end < start.at:
        end = _end_by_readings(start.at, [at for at, _, _ in course.readings])
    readings = [Reading(at=start.at, register_wh=start.register_wh)]
    readings += [
        Reading(at=at, register_wh=register, power_w=power)
        for at, register, power in course.readings
        if start.at < at < end or (at == end and course.end is None and at > start.at)
    ]
    if course.end is not None:
        readings.append(Reading(at=end, register_wh=course.end.register_wh))
    states = [
        StateChange(at=at, state=state)
        for at, status in course.states
        if at < end and (state := charging_state(status)) is not None
    ]
    return Timeline(start=start.at, end=end, readings=tuple(readings), states=tuple(states))


def priced(
    course: Course,
    tariff: Tariff | None,
    time_zone: str,
    readings: Readings = DEFAULT_READINGS,
    later: Sequence[Since] = (),
) -> PricedSession:
    """Charging periods and cost so far (or in the end); ``later``: tariffs that price it from a time on."""
    return price_session(timeline_of(course), tariff, time_zone, readings, later)

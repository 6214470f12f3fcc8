"""The state of a station over days: intervals from what was written down of each day. Pure.

A connector of a station that is away is OFFLINE, whatever it said last. A state is never too short to be kept: one
that began and ended at the same moment, as stations date by whole seconds, lasts 0 seconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

CONNECTION = -1
STATION = 0
ONLINE, OFFLINE, UNKNOWN = "ONLINE", "OFFLINE", "UNKNOWN"
MOST_CHANGES = 1_000
"""Of one part on one day; of more one in a second, and of still more the last one only."""
_GOOD = frozenset(
    {ONLINE, "AVAILABLE", "PREPARING", "CHARGING", "SUSPENDED_EV", "SUSPENDED_EVSE", "FINISHING", "RESERVED"}
)


@dataclass(frozen=True)
class Change:
    """A state from a moment on."""

    at: datetime
    state: str
    why: str = ""


@dataclass(frozen=True)
class Day:
    """What is written down of one part and day."""

    day: date
    before: str
    changes: Sequence[Sequence[object]]
    """``[seconds, state]`` or ``[seconds, state, why]``, to the millisecond."""


@dataclass(frozen=True)
class Interval:
    """A state for a while."""

    start: datetime
    end: datetime
    state: str
    why: str = ""

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


def merged(known: Sequence[Sequence[object]], new: Iterable[Change]) -> list[list[object]]:
    """The changes of a day with new ones among them, in the order of time, each state once in a row; of one moment in
    the order in which they were told, each state once."""
    by_moment: dict[tuple[float, str], list[object]] = {(_seconds(one), str(one[1])): list(one) for one in known}
    for change in new:
        since = change.at - _midnight(change.at.astimezone(UTC).date())
        at: float = since // timedelta(milliseconds=1) / 1000
        at = int(at) if at.is_integer() else at
        by_moment.pop((at, change.state), None)
        by_moment[at, change.state] = [at, change.state, *([change.why] if change.why else [])]
    kept = _without_repeats(sorted(by_moment.values(), key=_seconds))
    if len(kept) > MOST_CHANGES:
        kept = _without_repeats({int(_seconds(entry)): entry for entry in kept}.values())
    return [*kept[: MOST_CHANGES - 1], kept[-1]] if len(kept) > MOST_CHANGES else kept


def _without_repeats(entries: Iterable[list[object]]) -> list[list[object]]:
    kept: list[list[object]] = []
    for entry in entries:
        if not kept or kept[-1][1] != entry[1]:
            kept.append(entry)
    return kept


def _seconds(entry: Sequence[object]) -> float:
    return float(str(entry[0]))


def changes_of(days: Iterable[Day]) -> list[Change]:
    """All changes in the order of time, with what was before the first of them."""
    found: list[Change] = []
    for day in sorted(days, key=lambda day: day.day):
        midnight = _midnight(day.day)
        if not found and day.before:
            found.append(Change(midnight, day.before))
        for entry in day.changes:
            _, state, *why = entry
            found.append(Change(midnight + timedelta(seconds=_seconds(entry)), str(state), str(why[0]) if why else ""))
    return found


def intervals(changes: Sequence[Change], start: datetime, end: datetime) -> list[Interval]:
    """Without a gap from ``start`` to ``end``; UNKNOWN where nobody knows."""
    found: list[Interval] = []
    current = Change(start, UNKNOWN)
    for change in changes:
        if change.at >= end:
            break
        if change.at <= start:
            current = Change(start, change.state, change.why)
            continue
        if change.state == current.state:
            continue
        found.append(Interval(current.at, change.at, current.state, current.why))
        current = change
    return [*found, Interval(current.at, end, current.state, current.why)]


def overlaid(own: Sequence[Interval], connection: Sequence[Interval]) -> list[Interval]:
    """The intervals of a connector, cut by those in which its station was away."""
    found: list[Interval] = []
    for away in (interval for interval in connection if interval.state == OFFLINE):
        found.append(away)
    for one in own:
        rest = [(one.start, one.end)]
        for away in found:
            if away.state != OFFLINE or away not in connection:
                continue
            rest = [piece for start, end in rest for piece in _without(start, end, away)]
        found += [Interval(start, end, one.state, one.why) for start, end in rest]
    found.sort(key=lambda interval: (interval.start, interval.end))
    joined: list[Interval] = []
    for one in found:
        if joined and joined[-1].state == one.state and joined[-1].end == one.start:
            joined[-1] = Interval(joined[-1].start, one.end, one.state, joined[-1].why)
        else:
            joined.append(one)
    return joined


def _without(start: datetime, end: datetime, away: Interval) -> list[tuple[datetime, datetime]]:
    if away.end <= start or away.start >= end:
        return [(start, end)]
    pieces = [(start, away.start), (away.end, end)]
    return [(begin, until) for begin, until in pieces if begin < until]


def is_good(state: str) -> bool:
    """Drivers can use it, or do."""
    return state in _GOOD


def shares(found: Sequence[Interval]) -> Mapping[str, float]:
    """How much of the time that is known each state took, from 0 to 1."""
    known = [interval for interval in found if interval.state != UNKNOWN]
    total = sum(interval.seconds for interval in known)
    if not total:
        return {}
    taken: dict[str, float] = {}
    for interval in known:
        taken[interval.state] = taken.get(interval.state, 0.0) + interval.seconds
    return {state: seconds / total for state, seconds in sorted(taken.items(), key=lambda item: -item[1])}


def usable(found: Sequence[Interval]) -> float | None:
    """The share of the known time in which drivers could use it, or did; ``None``: nothing is known."""
    taken = shares(found)
    return sum(share for state, share in taken.items() if is_good(state)) if taken else None


def slots(found: Sequence[Interval], count: int) -> list[str]:
    """The state that took most of each of ``count`` equal parts of the time."""
    if not found:
        return []
    start, end = found[0].start, found[-1].end
    width = (end - start) / count
    told: list[str] = []
    position = 0
    for number in range(count):
        begin, until = start + number * width, start + (number + 1) * width
        while position < len(found) - 1 and found[position].end <= begin:
            position += 1
        taken: dict[str, float] = {}
        for interval in found[position:]:
            if interval.start >= until:
                break
            seconds = (min(interval.end, until) - max(interval.start, begin)).total_seconds()
            taken[interval.state] = taken.get(interval.state, 0.0) + seconds
        told.append(max(taken, key=lambda state: taken[state]))
    return told


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)

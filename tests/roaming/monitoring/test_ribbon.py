"""Ribbons: intervals without a gap, whatever order changes were told in, and what people see of them."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roaming.monitoring import drawing, showing
from roaming.monitoring.ribbon import (
    MOST_CHANGES,
    Change,
    Day,
    Interval,
    changes_of,
    intervals,
    merged,
    overlaid,
    shares,
    slots,
    usable,
)

MIDNIGHT = datetime(2026, 11, 29, tzinfo=UTC)
STATES = ["AVAILABLE", "CHARGING", "FAULTED", "OFFLINE"]


def at(hours: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hours)


def test_late_and_repeated_changes_find_their_place() -> None:
    known = merged([], [Change(at(2), "CHARGING"), Change(at(1), "AVAILABLE"), Change(at(3), "CHARGING")])
    assert known == [[3600, "AVAILABLE"], [7200, "CHARGING"]]
    again = merged(known, [Change(at(1.5), "FAULTED", "HighTemperature"), Change(at(1), "AVAILABLE")])
    assert again == [[3600, "AVAILABLE"], [5400, "FAULTED", "HighTemperature"], [7200, "CHARGING"]]


def test_a_station_that_flaps_does_not_fill_the_store() -> None:
    changes = [Change(MIDNIGHT + timedelta(seconds=n), STATES[n % 2]) for n in range(3 * MOST_CHANGES)]
    kept = merged([], changes)
    assert len(kept) == MOST_CHANGES
    assert kept[-1][0] == 3 * MOST_CHANGES - 1


def test_one_that_flaps_within_seconds_leaves_room_for_the_rest_of_the_day() -> None:
    step = timedelta(milliseconds=100)
    flapping = [Change(MIDNIGHT + n * step, STATES[n % 3]) for n in range(3 * MOST_CHANGES)]
    later = [Change(at(10), "FAULTED"), Change(at(10) + step, "AVAILABLE"), Change(at(11), "CHARGING")]
    kept = merged([], [*flapping, *later])
    assert len(kept) <= 3 * MOST_CHANGES / 10 + 3
    assert [entry[:2] for entry in kept[-2:]] == [[36_000.1, "AVAILABLE"], [39_600, "CHARGING"]]
    short = [Change(at(12), "FAULTED"), Change(at(12) + step, "AVAILABLE")]
    assert [entry[1] for entry in merged(kept, short)[-2:]] == ["FAULTED", "AVAILABLE"]


def ribbon_of(*told: Change) -> list[Interval]:
    return intervals(
        changes_of([Day(MIDNIGHT.date(), "AVAILABLE", merged([], told))]), at(1), at(1) + timedelta(days=90)
    )


def seconds_after_two(seconds: float) -> datetime:
    return at(2) + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("began", "ended", "lasted"),
    [(0.1, 0.7, 0.6), (0, 0, 0), (59.0, 60.0, 1), (0.0004, 0.0008, 0)],
    ids=["within a second", "dated by the same second", "a second", "a fraction of a millisecond"],
)
@pytest.mark.parametrize("state", ["FAULTED", "CHARGING"])
def test_no_state_is_too_short(state: str, began: float, ended: float, lasted: float) -> None:
    told = Change(seconds_after_two(began), state, "why"), Change(seconds_after_two(ended), "AVAILABLE")
    found = ribbon_of(*told)
    assert [one.state for one in found] == ["AVAILABLE", state, "AVAILABLE"]
    _, row, _ = showing.interval_rows({1: found})
    assert (row["state"], row["seconds"], row["why"]) == (state, lasted, "why")
    assert merged(merged([], told), told) == merged([], told), "told twice"
    assert {state: 0.0}.items() <= {name: round(share, 6) for name, share in shares(found).items()}.items()
    rects = list(ElementTree.fromstring(drawing.svg(found, "connector 1")))
    mark = rects[-1]
    assert (mark.get("fill"), float(mark.get("width", "0"))) == (drawing.COLOURS[state], drawing.MARK)
    assert "why" in str(mark[0].text)


def test_of_one_moment_the_state_told_last_goes_on() -> None:
    told = [Change(seconds_after_two(0), state) for state in ("CHARGING", "AVAILABLE", "FAULTED", "AVAILABLE")]
    assert [one.state for one in ribbon_of(*told)] == ["AVAILABLE", "CHARGING", "FAULTED", "AVAILABLE"]
    one_by_one = [[7200, "CHARGING"], [7200, "FAULTED"], [7200, "AVAILABLE"]]
    assert merged(merged(merged([], told[:2]), told[2:3]), told[3:]) == merged([], told) == one_by_one


def test_marks_of_many_are_one_and_troubles_lie_on_top() -> None:
    told = [Change(seconds_after_two(n), ("CHARGING", "FAULTED", "AVAILABLE")[n % 3]) for n in range(30)]
    rects = list(ElementTree.fromstring(drawing.svg(ribbon_of(*told), "connector 1")))
    marks = [rect for rect in rects if rect.get("y")]
    assert [mark.get("fill") for mark in marks] == [drawing.COLOURS[s] for s in ("AVAILABLE", "CHARGING", "FAULTED")]
    assert rects[-3:] == marks
    assert "and 9 more" in str(marks[-1][0].text)


def test_what_was_before_counts_and_the_unknown_is_said() -> None:
    days = [Day(date(2026, 11, 29), "AVAILABLE", [[3600, "CHARGING"], [7200, "AVAILABLE"]])]
    found = intervals(changes_of(days), at(-12), at(24))
    assert [(one.state, one.seconds / 3600) for one in found] == [
        ("UNKNOWN", 12),
        ("AVAILABLE", 1),
        ("CHARGING", 1),
        ("AVAILABLE", 22),
    ]
    assert intervals([], at(0), at(1)) == [Interval(at(0), at(1), "UNKNOWN")]
    assert usable(intervals([], at(0), at(1))) is None
    assert usable(found) == 1.0


def test_a_connector_of_a_station_that_is_away_is_offline() -> None:
    own = [Interval(at(0), at(10), "AVAILABLE"), Interval(at(10), at(20), "CHARGING")]
    line = [
        Interval(at(0), at(8), "ONLINE"),
        Interval(at(8), at(12), "OFFLINE", "silent"),
        Interval(at(12), at(20), "ONLINE"),
    ]
    assert [(one.state, one.start.hour, one.end.hour, one.why) for one in overlaid(own, line)] == [
        ("AVAILABLE", 0, 8, ""),
        ("OFFLINE", 8, 12, "silent"),
        ("CHARGING", 12, 20, ""),
    ]


changes = st.lists(
    st.builds(Change, st.integers(0, 86_399).map(lambda s: MIDNIGHT + timedelta(seconds=s)), st.sampled_from(STATES)),
    max_size=20,
    unique_by=lambda change: change.at,
)
crowded = st.lists(st.builds(Change, st.integers(0, 3).map(at), st.sampled_from(STATES)), max_size=12)
"""Several at a time."""


@given(own=crowded, line=crowded)
def test_nor_is_there_a_gap_beside_states_of_no_time(own: list[Change], line: list[Change]) -> None:
    mine, away = (
        intervals(changes_of([Day(MIDNIGHT.date(), "", merged([], each))]), at(0), at(24)) for each in (own, line)
    )
    for found in (mine, overlaid(mine, away)):
        assert (found[0].start, found[-1].end) == (at(0), at(24))
        assert all(one.end == next.start for one, next in pairwise(found))
    assert len(slots(mine, 50)) == 50


@given(own=changes, line=changes, data=st.data())
def test_there_is_never_a_gap(own: list[Change], line: list[Change], data: st.DataObject) -> None:
    """Nor does it matter in which order, and in how many pieces, changes were told."""
    shuffled = data.draw(st.permutations(own))
    cut = data.draw(st.integers(0, len(own)))
    assert merged(merged([], own), []) == merged([], shuffled)
    pieces = merged(merged([], shuffled[:cut]), shuffled[cut:])
    ends = [changes_of([Day(MIDNIGHT.date(), "", entries)]) for entries in (pieces, merged([], own))]
    mine, whole = (intervals(each, at(0), at(24)) for each in ends)
    away = intervals(sorted(line, key=lambda change: change.at), at(0), at(24))
    for found in (mine, whole, overlaid(whole, away)):
        assert (found[0].start, found[-1].end) == (at(0), at(24))
        assert all(one.end == next.start and one.state != next.state for one, next in pairwise(found))
        assert not found or abs(sum(shares(found).values()) - 1) < 1e-9 or not shares(found)
    assert len(slots(whole, 50)) == 50


def test_what_people_see() -> None:
    found = [
        Interval(at(0), at(6), "AVAILABLE"),
        Interval(at(6), at(8), "FAULTED", "<b>&"),
        Interval(at(8), at(12), "OFFLINE"),
    ]
    assert drawing.letters(found, 6) == "...Fxx"
    assert drawing.legend(["...Fxx"]) == ". AVAILABLE  F FAULTED  x OFFLINE"
    root = ElementTree.fromstring(drawing.svg(found, "CS-1 <1>"))
    widths = [float(rect.get("width", "0")) for rect in root]
    assert widths == [450, 150, 300]
    page = drawing.page("<CS>", [("connector 1", found)])
    assert "<b>" not in page
    assert "<CS>" not in page
    assert "usable 50.0%" in page
    assert drawing.svg([], "nothing") == ""

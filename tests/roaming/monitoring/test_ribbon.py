"""Ribbons: intervals without a gap, whatever order changes were told in, and what people see of them."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from roaming.monitoring import drawing
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

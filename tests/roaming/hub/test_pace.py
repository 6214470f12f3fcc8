"""Calls to one partner follow each other evenly."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from roaming.hub.pace import Pace


def test_without_a_limit_all_may_begin() -> None:
    pace = Pace()
    pace.began(0.0)
    assert (pace.room(0.0, 8), pace.wait(0.0)) == (8, 0.0)


@given(per_second=st.integers(1, 1000), pauses=st.lists(st.floats(0, 5), min_size=1, max_size=50))
def test_no_second_has_more_than_its_share_however_long_nothing_was_sent(per_second: int, pauses: list[float]) -> None:
    pace, now, begun = Pace(), 100.0, list[float]()
    pace.limit(per_second)
    for pause in pauses:
        now += pause
        now += pace.wait(now)
        if pace.room(now, 8):
            assert pace.room(now, 8) == 1
            pace.began(now)
            begun.append(now)
        assert pace.room(now, 8) == 0
    for earlier, later in itertools.pairwise(begun):
        assert later - earlier > 0.999 / per_second

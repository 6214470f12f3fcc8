"""Python's collector leaves alone what a process made at its start."""

import gc

from contracts.collector import COLLECT_AFTER, spare_collector


def test_what_start_up_made_is_left_alone_by_the_collector() -> None:
    before = gc.get_threshold()
    try:
        spare_collector()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold() == (COLLECT_AFTER, *before[1:])
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)

"""How Python's collector of circles is set in every process of ours that has started."""

import gc
from typing import Final

COLLECT_AFTER: Final = 10_000
"""New objects that may be part of a circle."""


def spare_collector() -> None:
    """Lets Python look for circles among what requests and batches leave behind only, and seldom: going over all that
    start-up made, again and again, took a quarter of the processor time of a batch, and held up every station for a
    tenth of a second."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)

"""Where a transaction stands, and what keeps it there."""

from datetime import datetime, timedelta
from enum import StrEnum

SHORTEST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)


class TransactionState(StrEnum):
    """Kept by name in ``transactions.state``."""

    NEW = "NEW"
    """Named by a fact, its start still to come."""
    OPEN = "OPEN"
    """It goes on."""
    ENDING = "ENDING"
    """The end is known; late values may come until ``close_at``. One that cannot be closed waits here, see ``trouble``:
    its closing is tried again for as long as it takes, as somebody may mend what stands in the way. A charge that says
    it took more than 366 days waits as well: no cost of it can be explained, and one without cost would be a claim."""
    CLOSED = "CLOSED"
    """Its session is COMPLETED."""
    REFUSED = "REFUSED"
    """It ended, and its token was never accepted, or was accepted by its operator's own central system for a driver
    whom no eMSP here knows: no session."""
    ORPHAN = "ORPHAN"
    """An end without a start."""
    GIVEN_UP = "GIVEN_UP"
    """It ended, and for 30 days nobody bound its station or knew its driver: no session."""


CLOSED_FOR_GOOD = (TransactionState.CLOSED, TransactionState.REFUSED, TransactionState.GIVEN_UP)
UNFINISHED = (TransactionState.NEW, TransactionState.OPEN, TransactionState.ENDING, TransactionState.ORPHAN)
UNPLACED = "Unplaced"
"""Kind of trouble (the text before the colon): the station's connector is not bound, or the driver is not known."""


def trouble_of(error: Exception) -> str:
    """What is kept of an error: the kind of trouble, a colon, the error's own words."""
    return f"{type(error).__name__}: {error}"


def is_same_trouble(one: str, other: str) -> bool:
    """Whether both are of one kind: the words may name a time that moves with every reading."""
    return one.partition(":")[0] == other.partition(":")[0]


def next_try(held_since: datetime, now: datetime, *, longest: timedelta = LONGEST_PAUSE) -> datetime:
    """When to try again what has failed since ``held_since``: each pause is as long as all before it, from
    ``SHORTEST_PAUSE`` to ``longest``."""
    return now + min(max(now - held_since, SHORTEST_PAUSE), longest)

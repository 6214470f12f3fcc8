"""When a list is pulled next. Pure: times in, times out."""

import hashlib
from datetime import datetime, timedelta

from roaming.ocpi.pulling import PullPace

FIRST_PAUSE = 2.0
LONGEST_PAUSE = 600.0
"""A partner that stays away is asked every ten minutes, so that it is caught up with soon after its return."""
TOO_OLD = timedelta(days=1)
"""A pull that stood still for longer begins anew: the page it would go on with shows another list by now."""


def share_of(*names: str) -> float:
    """A number from 0 to 1 that stays the same for these names and differs between them: everybody's place in a
    window."""
    digest = hashlib.blake2b("/".join(names).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32


def next_night(now: datetime, pace: PullPace, share: float) -> datetime:
    """The next nightly pull of whoever has this share of the window."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    begins = midnight + timedelta(hours=pace.night_hour) + timedelta(hours=pace.night_hours) * share
    while begins <= now:
        begins += timedelta(days=1)
    return begins


def kind_due(now: datetime, pace: PullPace, full_at: datetime | None) -> str:
    """FULL the first time and weekly, DELTA in between. Half a day of grace keeps the weekday."""
    if full_at is None or now - full_at >= pace.full_every - timedelta(hours=12):
        return "FULL"
    return "DELTA"


def pause_after(attempts: int, retry_after: float | None, jitter: float) -> timedelta:
    """How long to leave a partner alone after so many failures in a row, at least as long as it asked for.
    ``jitter`` from 0 to 1."""
    pause = min(FIRST_PAUSE * 2 ** min(attempts - 1, 20), LONGEST_PAUSE) * (1 + jitter / 4)
    return timedelta(seconds=max(pause, retry_after or 0.0))

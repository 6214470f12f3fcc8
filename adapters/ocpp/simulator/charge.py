"""One simulated charge: its clock, its meter, and what became of it. Pure, times are handed in."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self


@dataclass(kw_only=True)
class Charge:
    """A charge as the station's own books have it: what the hub must agree with in the end."""

    number: int
    station_id: str
    connector_id: int
    token: str
    started_at: datetime
    register_start_wh: int
    power_w: int
    planned: timedelta
    speed: float
    plugged_at: float
    """On the event loop's clock."""
    reservation_id: int | None = None
    transaction_id: int | str | None = None
    """Once the hub has answered; in 2.x from the start."""
    remote_start_number: int | None = None
    """Of the remote start it comes of (2.x)."""
    said: int = 0
    """How many messages about it so far."""
    id_tag_status: str | None = None
    stopped_at: datetime | None = None
    register_stop_wh: int | None = None
    stop_reason: str | None = None
    is_settled: bool = False
    """The hub has answered the stop."""

    @classmethod
    def plan_start(cls, *, now: datetime, planned: timedelta, speed: float) -> datetime:
        """A start so long ago that the fast clock has caught up with the real one when the charge ends."""
        return (now - planned * (1 - 1 / speed)).astimezone(UTC).replace(microsecond=0)

    def time(self, at: float, *, now: datetime) -> datetime:
        """Simulated time at ``at`` on the event loop's clock: never later than ``now``."""
        return min(self.started_at + timedelta(seconds=(at - self.plugged_at) * self.speed), now)

    def register(self, at: datetime) -> int:
        """The meter at a simulated time, in Wh. The car is full when the planned time is over."""
        seconds = min(at - self.started_at, self.planned).total_seconds()
        return self.register_start_wh + int(self.power_w * max(0.0, seconds) / 3600)

    @classmethod
    def from_journal(cls, left: dict[str, Any], station_id: str, *, power_w: int, speed: float) -> Self:
        """What ``to_journal`` has written, of a charge that goes on no more."""
        stopped = left["stopped_at"]
        return cls(
            number=left["number"],
            station_id=station_id,
            connector_id=left["connector_id"],
            token=left["token"],
            started_at=datetime.fromisoformat(left["started_at"]),
            register_start_wh=left["register_start_wh"],
            power_w=power_w,
            planned=timedelta(0),
            speed=speed,
            plugged_at=0.0,
            transaction_id=left["transaction_id"],
            stopped_at=datetime.fromisoformat(stopped) if stopped else None,
            register_stop_wh=left["register_stop_wh"],
            stop_reason=left["stop_reason"],
            remote_start_number=left.get("remote_start_number"),
            said=left.get("said", 0),
        )

    def to_journal(self) -> dict[str, Any]:
        """JSON for the journal."""
        return {
            "number": self.number,
            "connector_id": self.connector_id,
            "token": self.token,
            "started_at": self.started_at.isoformat(),
            "register_start_wh": self.register_start_wh,
            "transaction_id": self.transaction_id,
            "stopped_at": self.stopped_at.isoformat() if self.stopped_at else None,
            "register_stop_wh": self.register_stop_wh,
            "stop_reason": self.stop_reason,
            "remote_start_number": self.remote_start_number,
            "said": self.said,
        }


def timestamp(at: datetime) -> str:
    """As stations write it."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

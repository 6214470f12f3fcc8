"""What a simulated fleet is like, and what it reports. No behaviour."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from adapters.ocpp.simulator.scenarios import SCENARIOS, Pace

EventKind = Literal[
    "connected",
    "disconnected",
    "hung",
    "booted",
    "status",
    "authorized",
    "refused",
    "started",
    "meter",
    "stopped",
    "command",
]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened at a simulated station."""

    at: datetime
    station_id: str
    kind: EventKind
    detail: dict[str, Any] = field(default_factory=dict)


OnEvent = Callable[[Event], None]


class SimulatorConfig(BaseModel):
    """Settings of a simulated fleet."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="The hub's OCPP address, such as ws://127.0.0.1:9000/; identities are appended.")
    stations: int = Field(1, ge=1, description="How many stations.")
    prefix: str = Field("SIM-", description="Identities are this and a number: SIM-001.")
    password: str | None = Field(None, description="Password of every station; none: connect without.")
    passwords: dict[str, str] = Field(default_factory=dict, description="Password by identity, before `password`.")
    ocpp: tuple[Literal["1.6", "2.0.1", "2.1"], ...] = Field(
        ("1.6",), min_length=1, description="Versions that the stations speak, in turn."
    )
    connectors: int = Field(1, ge=1, le=20, description="Connectors of each station.")
    tokens: tuple[str, ...] = Field((), description="Tokens of the drivers that arrive by themselves.")
    arrival_seconds: float = Field(20, ge=0, description="Mean time between drivers at a station; 0: nobody comes.")
    charge_minutes: tuple[float, float] = Field((20, 60), description="Shortest and longest charge, simulated time.")
    power_w: int = Field(11000, gt=0, description="Charging power.")
    meter_seconds: float = Field(60, gt=0, description="Between meter values, simulated time.")
    speed: float = Field(60, ge=1, description="Simulated seconds in a second. Times are never in the future.")
    seed: int = Field(1, description="The same seed makes the same drivers.")
    vendor: str = Field("Simulated", max_length=20, description="Vendor in the boot.")
    model: str = Field("One", max_length=20, description="Model in the boot.")
    reconnect_seconds: tuple[float, float] = Field((0.5, 5), description="First and longest pause before a redial.")
    answer_seconds: float = Field(30, gt=0, description="Without an answer for so long a station redials.")
    is_offline_start_allowed: bool = Field(True, description="Charge without asking while the hub is away.")
    is_strict: bool = Field(False, description="Check every frame against the official schemas (slow).")
    scenarios: tuple[str, ...] = Field(
        ("steady",), min_length=1, description="What the stations do wrong, in turn; names are those of `SCENARIOS`."
    )
    share: float = Field(1, ge=0, le=1, description="Part of the stations that do so; the others are steady.")
    storm_seconds: float = Field(30, gt=0, description="Between two drops of all connections, in such a scenario.")
    away_hours: tuple[float, float] = Field(
        (1, 4), description="Shortest and longest time online and offline, simulated, in such a scenario."
    )
    firmware_failures: float = Field(0, ge=0, le=1, description="Part of the stations whose updates fail to install.")
    duration_seconds: float | None = Field(None, gt=0, description="Stop after this time.")
    journal: Path | None = Field(None, description="Folder in which unanswered messages survive a restart.")

    @field_validator("tokens")
    @classmethod
    def _fit_a_card(cls, tokens: tuple[str, ...]) -> tuple[str, ...]:
        if any(not 0 < len(token) <= 20 for token in tokens):
            raise ValueError("a card has 1 to 20 characters; start longer tokens remotely")
        return tokens

    @field_validator("scenarios")
    @classmethod
    def _are_known(cls, scenarios: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in scenarios if name not in SCENARIOS]:
            raise ValueError(f"no scenario {unknown[0]!r}: name some of {', '.join(SCENARIOS)}")
        return scenarios

    @property
    def pace(self) -> Pace:
        """How fast the fleet lives."""
        return Pace(speed=self.speed, storm_seconds=self.storm_seconds, away_hours=self.away_hours)

    def identities(self) -> tuple[str, ...]:
        """The identities of the fleet."""
        width = max(3, len(str(self.stations)))
        return tuple(f"{self.prefix}{number:0{width}d}" for number in range(1, self.stations + 1))

    def password_of(self, station_id: str) -> str | None:
        """What a station authenticates with."""
        return self.passwords.get(station_id, self.password)

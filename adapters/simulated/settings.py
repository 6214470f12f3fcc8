"""Settings of the simulated adapter."""

from pathlib import Path

from pydantic import BaseModel, Field


class SimulatedSettings(BaseModel):
    """How many stations there are, and how they behave."""

    stations: int = Field(default=2, ge=0, le=100_000)
    prefix: str = "SIM"
    """Stations are called ``SIM-0001``, ``SIM-0002`` …"""
    connectors: int = Field(default=2, ge=1, le=32)
    seed: int = 1
    power_w: int = Field(default=11_000, gt=0)
    sample_seconds: int = Field(default=60, gt=0)
    """Between two meter values, on the station's clock."""
    acceleration: float = Field(default=0.0, ge=0)
    """Seconds of charging per second of ours; 60: an hour in a minute. 0: nothing goes on by itself, ``charge`` is
    called."""
    admits_strangers: bool = False
    """Stations without an account charge at once instead of waiting to be bound."""
    patience: float = Field(default=5.0, gt=0)
    """Seconds a station waits for an authorisation."""
    memory: Path | None = None
    """File in which stations remember meters and open transactions over a restart."""
    script: tuple[str, ...] = ()
    """What every station does after its start: see ``script.py``."""

"""What a simulated station would keep in its own flash: meters and open transactions, over restarts."""

import os
from datetime import datetime
from pathlib import Path

import msgspec

from contracts.messages import TokenOwner
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus, ConnectorStatus


class OpenTransaction(msgspec.Struct, kw_only=True):
    """A charge that has begun and not ended."""

    transaction_id: str
    token_uid: str
    group_id: str | None
    started_at: datetime
    register_start_wh: int
    authorization: AuthorizationStatus
    authorization_basis: AuthorizationBasis | None
    authorization_reference: str | None
    command_id: str | None
    reservation_id: str | None
    wanted_wh: int
    """How much fits into the car's battery."""
    owner: TokenOwner | None = None


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """Kept for one token until it expires."""

    reservation_id: str
    token_uid: str | None
    group_id: str | None
    expires_at: datetime


class ConnectorMemory(msgspec.Struct, kw_only=True):
    """One connector as the station remembers it."""

    register_wh: int
    status: ConnectorStatus = ConnectorStatus.AVAILABLE
    is_plugged: bool = False
    transaction: OpenTransaction | None = None
    reservation: Reservation | None = None


class StationMemory(msgspec.Struct, kw_only=True):
    """One station as it remembers itself."""

    clock: datetime
    charges: int = 0
    """How many transactions it ever began."""
    connectors: dict[int, ConnectorMemory]


class Flash:
    """All stations' memories in one file; without a file they are forgotten at the end."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.stations: dict[str, StationMemory] = {}
        if path is not None and path.exists():
            self.stations = msgspec.json.decode(path.read_bytes(), type=dict[str, StationMemory])

    def save(self) -> None:
        """Replaces the file as a whole, so that a crash leaves the old or the new one."""
        if self._path is None:
            return
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(self.stations))
        os.replace(fresh, self._path)

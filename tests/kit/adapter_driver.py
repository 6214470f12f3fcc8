"""The hands of the shared adapter scenarios: one station, worked in the same words at every adapter.

``tests/ports/test_adapter.py`` looks for a module ``tests.kit.<adapter name>_driver`` per installed adapter and calls
its ``make_driver(tmp_path)``.
"""

from typing import Protocol

from pydantic import BaseModel

from adapters.kit.manifest import Adapter
from adapters.kit.runner import RunningKit


class AdapterDriver(Protocol):
    """One charging station with connectors 1 and 2, and a driver in front of it.

    Methods return when the station has its answer. They tell nothing about the facts: the scenarios read those from
    the bus.
    """

    adapter: Adapter
    settings: BaseModel
    """For ``run``. A restart uses them again: a port is the adapter's to choose."""
    station_id: str
    password: str | None
    """The scenarios admit ``station_id`` with the digest of this password before ``connect``."""

    async def connect(self, kit: RunningKit) -> None:
        """Connects the station to the running adapter and boots it. Returns when it was accepted. Called again
        after a restart: the station still knows its transaction, if one was running."""

    async def disconnect(self) -> None:
        """Loses the connection."""

    async def plug(self, connector: int) -> None:
        """The connector becomes PREPARING."""

    async def fail(self, connector: int) -> None:
        """The connector becomes FAULTED, with an error code."""

    async def start(self, connector: int, token_uid: str) -> None:
        """The driver presents a token and a transaction starts, with a meter value (connector CHARGING)."""

    async def repeat_start(self, connector: int) -> None:
        """Sends the same start once more, as if the answer had been lost."""

    async def meter(self, connector: int) -> None:
        """One meter value of the running transaction."""

    async def stop(self, connector: int) -> None:
        """The driver ends the transaction (connector FINISHING)."""

    async def close(self) -> None:
        """Puts everything away."""

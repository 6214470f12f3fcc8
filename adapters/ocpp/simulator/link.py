"""A simulated station's end of one connection, on the ``ocpp`` package: what all versions share. The package's read
loop dies of what it cannot read, and its ``call`` must not be awaited inside a handler: both are dealt with here."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from ocpp.exceptions import OCPPError

from adapters.ocpp.simulator.upkeep import UpkeepTaker


class CommandTaker(UpkeepTaker, Protocol):
    """The station behind the connection. Returns at once; what follows happens later."""

    def remote_start(
        self, id_tag: str, connector_id: int | None, *, remote_start_number: int | None = None
    ) -> tuple[bool, str | None]:
        """Whether it will, and which transaction it is if that is known already."""

    def remote_stop(self, transaction_id: int | str) -> bool: ...

    def is_charging(self, transaction_id: str) -> bool: ...

    def unlock(self, connector_id: int) -> bool: ...

    def reserve(self, connector_id: int, reservation_id: int, id_tag: str, expiry: str) -> str:
        """``Accepted``, ``Occupied`` or ``Rejected``."""

    def cancel_reservation(self, reservation_id: int) -> bool: ...

    def reset(self) -> None: ...

    def set_available(self, connector_id: int, is_operative: bool) -> bool: ...

    def set_profile(self, connector_id: int, profile: dict[str, Any]) -> bool: ...

    def clear_profile(
        self, profile_id: int | None, *, purpose: str | None = None, stack_level: int | None = None
    ) -> bool: ...

    def composite_schedule(self, connector_id: int, duration: int) -> dict[str, Any] | None: ...


class Line(Protocol):
    """One connection."""

    async def read(self) -> None:
        """Until the connection ends (raises ``websockets.ConnectionClosed``)."""

    async def ask(self, payload: Any) -> Any:
        """The hub's answer. Raises ``OCPPError`` for a CALLERROR, ``TimeoutError``, ``ConnectionClosed``."""


class Conversation:
    """Put before a ``ChargePoint`` of the package."""

    def __init__(self, station_id: str, socket: Any, taker: CommandTaker, *, seconds: float, is_strict: bool) -> None:
        super().__init__(station_id, socket, response_timeout=seconds, logger=_Silent())  # type: ignore[call-arg]
        self._taker = taker
        self._is_strict = is_strict

    async def read(self) -> None:
        """Until the connection ends (raises ``websockets.ConnectionClosed``). A frame that cannot be handled is
        left out."""
        while True:
            message = await self._connection.recv()  # type: ignore[attr-defined]
            try:
                await self.route_message(message)  # type: ignore[attr-defined]
            except (OCPPError, TypeError, ValueError, KeyError, AttributeError, RecursionError):
                continue

    async def ask(self, payload: Any) -> Any:
        """The hub's answer. Raises ``OCPPError`` for a CALLERROR, ``TimeoutError``, ``ConnectionClosed``."""
        try:
            return await self.call(  # type: ignore[attr-defined]
                payload, suppress=False, skip_schema_validation=not self._is_strict
            )
        except TimeoutError as error:
            raise TimeoutError(str(error)) from None
        finally:
            _end_if_cancelled()


def _end_if_cancelled() -> None:
    """The package waits by ``asyncio.wait_for``, which before Python 3.12 forgets a cancellation that comes together
    with the answer (python/cpython#86296): who cancelled would wait for ever."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class _Silent:
    """The package logs every frame, tokens included."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_, **__: None

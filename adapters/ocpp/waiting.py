"""What waits between one who puts and one who takes, bounded. Knows nothing of what it is."""

import asyncio
from collections.abc import Awaitable
from typing import Generic, TypeVar

T = TypeVar("T")


class Waiting(Generic[T]):
    """Half as dear as ``asyncio.Queue``, in time and in memory, of which each station has one; but one at a time may
    wait at each end. For a few dozen items."""

    __slots__ = ("_items", "_most", "_room", "_some")

    def __init__(self, most: int) -> None:
        self._items: list[T] = []  # a deque of none is three quarters of a kilobyte
        self._most = most
        self._some: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> Awaitable[None] | None:
        """``None``: it is in. Otherwise what is returned must be awaited: there is no room yet."""
        if len(self._items) >= self._most:
            return self._put_later(item)
        self._items.append(item)
        _wake(self._some)
        return None

    async def take(self) -> T:
        """The oldest."""
        while not self._items:
            self._some = asyncio.get_running_loop().create_future()
            try:
                await self._some
            finally:
                self._some = None
        item = self._items.pop(0)
        _wake(self._room)
        return item

    async def _put_later(self, item: T) -> None:
        while len(self._items) >= self._most:
            self._room = asyncio.get_running_loop().create_future()
            try:
                await self._room
            finally:
                self._room = None
        self._items.append(item)
        _wake(self._some)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)

"""Work that can wait gets its turn piece by piece, with a look at the sockets between two pieces."""

import asyncio
from collections import deque


class Turns:
    """Shared by all who read copies. Reading one costs more than sending it on: after the disk has taken what many of
    them wait for, they would all go on in one turn of the event loop, and frames would wait for all of them."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_running = False

    async def take(self) -> None:
        """Returns in a turn of the loop in which nobody else's ``take`` does; first come, first served."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        if not self._is_running:
            self._is_running = True
            loop.call_soon(self._give, loop)
        await turn

    def _give(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                break
        if self._waiting:
            loop.call_soon(self._give, loop)
        else:
            self._is_running = False

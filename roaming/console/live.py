"""The picture, read once for all open pages of this process, and only while one is open."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress

import structlog

from roaming.store.errors import StoreUnavailable

logger = structlog.get_logger(__name__)

LOOK_EVERY = 0.5
SIGN_OF_LIFE_EVERY = 5.0
"""A page that went away is noticed when something is sent to it."""


class Live:
    """Hands every page what ``read`` returns, as soon as it is different. Use within one event loop."""

    def __init__(self, read: Callable[[], Awaitable[str]]) -> None:
        self._read = read
        self._text = ""
        self._changed = asyncio.Event()
        self._pages = 0
        self._reading: asyncio.Task[None] | None = None

    async def follow(self) -> AsyncGenerator[str, None]:
        """What is there, then every change; an empty text where there was none for ``SIGN_OF_LIFE_EVERY``. Close it:
        the last one to leave ends the reading."""
        self._pages += 1
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._look(), name="live page")
        shown = ""
        try:
            while True:
                changed = self._changed
                if self._text == shown:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(SIGN_OF_LIFE_EVERY):
                            await changed.wait()
                is_new = self._text != shown
                shown = self._text
                yield shown if is_new else ""
        finally:
            self._pages -= 1
            if not self._pages:
                self._reading.cancel()
                self._reading, self._text = None, ""

    async def _look(self) -> None:
        while True:
            try:
                text = await self._read()
            except StoreUnavailable:
                text = self._text
            except Exception:
                logger.exception("live_page_unreadable")
                text = self._text
            if text != self._text:
                self._text = text
                changed, self._changed = self._changed, asyncio.Event()
                changed.set()
            await asyncio.sleep(LOOK_EVERY)

"""A station that goes through to its operator's own central system, as the hub sees it: by copies of what passed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

import structlog

from adapters.ocpp import frames
from adapters.ocpp.frames import CallError, CallResult, Unreadable
from adapters.ocpp.limits import Bucket
from adapters.ocpp.proxy.copies import Gap
from adapters.ocpp.proxy.heads import OURS
from adapters.ocpp.proxy.line import Line
from adapters.ocpp.proxy.pairing import Exchange, Pairing
from adapters.ocpp.proxy.turns import Turns
from adapters.ocpp.station import CallTimeout, NotDurable, Request, Station

LONGEST_PAUSE: Final = 10.0
"""Between two tries to keep what cannot be kept."""

logger = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class ProxiedStation(Station):
    """Implements what the gateway, commands and handlers need of a ``Station``; nothing it does holds up a frame."""

    line: Line = field(kw_only=True)
    turns: Turns = field(kw_only=True)
    tell_gap: Callable[["ProxiedStation", Gap], Awaitable[None]] = field(kw_only=True)
    """Raises what cannot be kept."""
    introduced: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    """Set once its connection has been told: nothing of it is told before."""
    gaps: int = field(init=False, default=0)
    """Stretches of frames that were not read."""
    _pairing: Pairing = field(init=False, default_factory=Pairing)

    def __post_init__(self) -> None:
        Station.__post_init__(self)
        self.is_proxied = True
        self.line.heard = self._heard
        self.line.settle = self._settle_ours

    async def run(self) -> str:
        """Until one of the two ends has gone, and for a while until the copies are read. Returns how it ended."""
        reading = asyncio.create_task(self._read_copies())
        try:
            ended = await self.line.run()
        finally:
            self._end_calls()
            self.line.copies.end()
            await self._finish_reading(reading)
        far = "the station" if ended.is_by_station else "the central system"
        return self.close_reason or (str(ended.closed) if ended.closed.code else f"{far}: {ended.closed}")

    async def wait_until_ready(self) -> None:
        """See ``Station``. Whether it has booted is its central system's business."""
        await self.introduced.wait()

    async def shut_out(self, code: int, reason: str) -> None:
        """The hub wants no more of it; its operator's central system still does."""
        self.is_admitted = False
        logger.info("a proxied station is not one of ours any more", station_id=self.id, reason=reason)

    async def _until_free(self, seconds: float) -> None:
        if not self.line.has_calls:
            raise CallTimeout("requests of the hub are not let in between (has_commands of its upstream)")
        try:
            async with asyncio.timeout(seconds):
                await self.line.until_free()
        except TimeoutError:
            raise CallTimeout(f"{self.id} is still asked by its central system") from None

    def _new_id(self) -> str:
        frame_id = f"{OURS}{uuid4().hex}"
        self.line.mark_ours(frame_id)
        return frame_id

    def _call_is_over(self) -> None:
        self.line.release()

    def _count_timeout(self, action: str) -> None:
        """It may serve its central system well: it is left alone."""
        self.deviations["did not answer the hub"] += 1
        logger.warning("station did not answer", station_id=self.id, action=action, is_proxied=True)

    def _heard(self) -> None:
        self.live.heard = self._clock()
        self.live.has_spoken = True

    def _settle_ours(self, data: bytes) -> None:
        frame = frames.parse(data)
        if isinstance(frame, CallResult | CallError):
            self._settle(frame)

    async def _read_copies(self) -> None:
        await self.introduced.wait()
        bucket = Bucket(rate=self.pace.messages_per_second, burst=self.pace.burst)
        while True:
            copy = await self.line.copies.take()
            if copy is None:
                break
            if isinstance(copy, Gap):
                await self._take_gap(copy)
                continue
            pause = bucket.take() if copy.is_of_station else 0
            if pause:
                await asyncio.sleep(pause)
            await self.turns.take()
            frame = frames.parse(copy.data)
            pairs = (
                self._pairing.asked(frame, copy.data, copy.at) if copy.is_of_station else self._pairing.answered(frame)
            )
            await self._take_all(pairs)
        await self._take_all(self._pairing.end())

    async def _take_gap(self, gap: Gap) -> None:
        # What was open may have been answered in between: without an answer is how it is known
        await self._take_all(self._pairing.end())
        self.gaps += 1
        self.deviations["frames not read"] += gap.frames
        logger.warning("frames passed unread", station_id=self.id, frames=gap.frames, began_at=gap.began_at.isoformat())
        await self._until_kept(lambda: self.tell_gap(self, gap))

    async def _take_all(self, exchanges: Iterable[Exchange]) -> None:
        for exchange in exchanges:
            call = exchange.request
            if isinstance(call, Unreadable):
                if self.count("unreadable"):
                    logger.warning("unreadable frame", station_id=self.id, reason=call.reason)
                continue
            for deviation in call.deviations:
                self.deviations[f"frame: {deviation}"] += 1
            self._requests += 1
            request = Request(call, exchange.raw, exchange.received_at, self._requests, exchange.reply)
            await self._until_kept(lambda request=request: self.answer(self, request))  # type: ignore[misc]

    async def _until_kept(self, work: Callable[[], Awaitable[object]]) -> None:
        """Again and again while the disk refuses. Meanwhile copies wait, and once they are many they are dropped."""
        pause = 0.1
        while True:
            try:
                await work()
                return
            except NotDurable as error:
                if self.count("not kept"):
                    logger.error("a copy cannot be kept", station_id=self.id, error=str(error))
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, pause * 2)

    async def _finish_reading(self, reading: asyncio.Task[None]) -> None:
        is_read = not self.line.copies.is_refused
        with suppress(TimeoutError):
            async with asyncio.timeout(self.pace.drain_seconds if is_read else 0):
                await asyncio.shield(reading)
        reading.cancel()
        results = await asyncio.gather(reading, return_exceptions=True)
        unread = self.line.copies.forget()
        if unread and is_read:
            logger.error("copies were given up at the end", station_id=self.id, frames=unread, error=repr(results[0]))

"""A simulated station's line to the hub: dials, boots, says what is unanswered, dials again. Knows no charging."""

import asyncio
import base64
import contextlib
import random
from typing import Any, Final, Protocol
from urllib.parse import quote

from ocpp.exceptions import OCPPError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from adapters.ocpp.simulator.config import EventKind, SimulatorConfig
from adapters.ocpp.simulator.link import CommandTaker
from adapters.ocpp.simulator.link import Line as Link
from adapters.ocpp.simulator.presence import Presence
from adapters.ocpp.simulator.queue import Unanswered, UnansweredQueue
from adapters.ocpp.simulator.scenarios import Scenario
from adapters.ocpp.simulator.speech import Speech

GONE: Final = (OSError, WebSocketException, TimeoutError, OCPPError, EOFError)
"""Whatever a hub can do to a station: none of it ends the station."""
_LONGEST_PENDING: Final = 5.0


class Books(CommandTaker, Protocol):
    """What the station behind the line knows."""

    def payload(self, item: Unanswered) -> Any:
        """The request to send now, with the transaction id if it is known by now."""

    def take_answer(self, item: Unanswered, answer: Any) -> None:
        """The hub has answered ``item``."""

    def statuses(self) -> list[tuple[int, str]]:
        """Connector and status."""

    def emit(self, kind: EventKind, **detail: Any) -> None:
        """Tells whoever listens."""


class Line:
    """``run`` it as a task."""

    def __init__(
        self,
        station_id: str,
        config: SimulatorConfig,
        queue: UnansweredQueue,
        books: Books,
        *,
        speech: Speech,
        scenario: Scenario,
        presence: Presence,
        chance: random.Random,
    ) -> None:
        self._station_id = station_id
        self._config = config
        self._queue = queue
        self._books = books
        self._speech = speech
        self._scenario = scenario
        self._presence = presence
        self._chance = chance
        self._password = config.password_of(station_id)
        self._interval: float | None = None
        """Between heartbeats, as the last boot was answered."""
        self._link: Link | None = None
        self._is_over = asyncio.Event()
        """Of ``_link``."""
        self._boot_now = asyncio.Event()
        self._drop = asyncio.Event()
        self.is_booted = False
        """Connected, and the hub has accepted the boot."""

    async def run(self) -> None:
        """Until cancelled."""
        shortest, longest = self._config.reconnect_seconds
        pause = shortest
        while True:
            was_booted = False
            await self._presence.until_back()
            with contextlib.suppress(*GONE):
                async with self._dial() as socket:
                    was_booted = await self._talk(socket)
            pause = shortest if was_booted else min(longest, pause * 2)
            await asyncio.sleep(pause * self._chance.uniform(0.7, 1.3))

    async def ask(self, payload: Any) -> Any:
        """The hub's answer. Raises one of ``GONE`` when there is no line, no answer, or a CALLERROR."""
        if self._link is None or not self.is_booted:
            raise ConnectionError("no line to the hub")
        asking, breaking = asyncio.create_task(self._link.ask(payload)), asyncio.create_task(self._is_over.wait())
        try:
            # The package would wait for the answer for as long as it may take, connected or not
            await asyncio.wait((asking, breaking), return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise ConnectionError("the line to the hub broke")
            return asking.result()
        finally:
            asking.cancel()
            breaking.cancel()

    async def tell(self, payload: Any) -> None:
        """If there is a line; nothing is kept for later."""
        with contextlib.suppress(*GONE):
            await self.ask(payload)

    async def tell_status(self, connector_id: int, status: str) -> None:
        """If there is a line. Statuses are not kept for later: after a redial all are told anew."""
        await self.tell(self._speech.status(connector_id, status))

    def boot_again(self) -> None:
        """Introduces itself once more."""
        self._boot_now.set()

    def take_password(self, password: str) -> None:
        """Comes with it from now on: hangs up once the answer to the request has gone out, and dials again."""
        self._password = password
        asyncio.get_running_loop().call_later(0.05, self.drop)

    def drop(self) -> None:
        """Ends the connection; ``run`` dials again."""
        self._drop.set()

    def _dial(self) -> connect:
        headers = {}
        if self._password is not None:
            credentials = base64.b64encode(f"{self._station_id}:{self._password}".encode()).decode()
            headers["Authorization"] = f"Basic {credentials}"
        return connect(
            f"{self._config.url.rstrip('/')}/{quote(self._station_id, safe='')}",
            subprotocols=[Subprotocol(self._speech.subprotocol)],
            additional_headers=headers,
            compression=None,
            proxy=None,
            open_timeout=10,
            close_timeout=1,
            ping_interval=None,
        )

    async def _talk(self, socket: ClientConnection) -> bool:
        """One connection; returns whether it booted."""
        link = self._speech.link(self._station_id, self._scenario.bent(socket), self._books, self._config)
        self._link, self._is_over = link, asyncio.Event()
        self._drop.clear()
        self._books.emit("connected")
        parts = (link.read(), self._live(link), self._drop.wait(), self._presence.until_gone())
        work = [asyncio.create_task(part) for part in parts]
        hung = asyncio.create_task(self._presence.until_hung())
        work.append(hung)
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            if hung.done():
                await self._hang(socket, work)
            return self.is_booted
        finally:
            self._link = None
            self._is_over.set()
            self.is_booted = False
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            self._books.emit("disconnected")

    async def _hang(self, socket: ClientConnection, work: list[asyncio.Task[Any]]) -> None:
        """Until cancelled: not even pings are answered."""
        for task in work:
            task.cancel()
        socket.transport.pause_reading()
        self._books.emit("hung")
        await asyncio.Event().wait()

    async def _live(self, link: Link) -> None:
        """Ends when one of its parts does."""
        if self._interval is None or not self._presence.boots_once:
            self._interval = await self._boot(link)
        self.is_booted, interval = True, self._interval
        for connector_id, status in self._books.statuses():
            await link.ask(self._speech.status(connector_id, status))
        work = [
            asyncio.create_task(part)
            for part in (self._pump(link), self._beat(link, interval), self._boot_when_asked(link))
        ]
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    async def _boot(self, link: Link) -> float:
        """Until the hub accepts; returns the heartbeat interval."""
        while True:
            self._boot_now.clear()
            answer = await link.ask(self._speech.boot(self._station_id, self._config, self._books.upkeep.firmware))
            if answer.status == "Accepted":
                self.is_booted = True
                self._books.emit("booted", interval=answer.interval)
                return float(answer.interval)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(float(answer.interval), _LONGEST_PENDING)):
                    await self._boot_now.wait()

    async def _boot_when_asked(self, link: Link) -> None:
        while True:
            await self._boot_now.wait()
            await self._boot(link)

    async def _beat(self, link: Link, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            await link.ask(self._speech.heartbeat())

    async def _pump(self, link: Link) -> None:
        """Says what is unanswered, in order. A CALLERROR is as good as no answer."""
        attempts = 0
        while True:
            item = await self._queue.first()
            try:
                answer = await link.ask(self._books.payload(item))
            except OCPPError:
                attempts += 1
                await asyncio.sleep(min(10.0, 0.5 * attempts))
                continue
            attempts = 0
            self._queue.answered()
            self._books.take_answer(item, answer)
            self._presence.was_answered(item.action)

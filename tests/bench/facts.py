"""Facts: from the bus into the store, and on to a partner's door."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from contracts.bus.memory import MemoryBus
from contracts.envelope import Envelope, message_id, wrap
from contracts.messages import ConnectorStatusChanged
from contracts.topics import EVENTS
from contracts.vocabulary import ConnectorStatus
from roaming.app import open_services
from roaming.settings import Settings
from roaming.worker import Worker
from tests.bench.load import percentile

STATUSES = (ConnectorStatus.CHARGING, ConnectorStatus.FINISHING, ConnectorStatus.AVAILABLE)


def status_event(station: int, number: int, at: datetime) -> Envelope:
    """A status of one of the bound stations."""
    message = ConnectorStatusChanged(
        network="main", station_id=f"CS-{station}", connector_id=1, status=STATUSES[number % len(STATUSES)]
    )
    return wrap(
        message,
        id=message_id("bench", station, number, at),
        subject=f"main/CS-{station}",
        sequence=number,
        occurred_at=at,
        recorded_at=at,
        correlation_id="bench",
        source="bench",
    )


async def events_through(settings: Settings, *, events: int, batch: int, stations: int = 2000) -> tuple[float, float]:
    """(events a second, µs of CPU an event) from the bus through inbox, projection and outgoing rows. The batch's
    statuses are those of ``stations`` stations in turn; every one changes its EVSE."""
    from roaming.modules.locations.projection import projections
    from roaming.store.consume import Consumer

    async with open_services(settings) as services:
        bus = MemoryBus()
        (projection,) = projections(services)
        bus.subscribe(Consumer(services.database, projection).subscription())
        await bus.start()
        now = datetime.now(UTC)
        made = [
            status_event(
                number % stations, number // stations + number % stations, now + timedelta(milliseconds=number)
            )
            for number in range(events)
        ]
        await bus.publish(EVENTS, made[:batch])
        began, cpu = time.perf_counter(), time.process_time()
        for start in range(batch, events, batch):
            await bus.publish(EVENTS, made[start : start + batch])
        took, spent = time.perf_counter() - began, time.process_time() - cpu
        await bus.close()
    counted = events - batch
    return counted / took, spent / counted * 1e6


class Door:
    """A partner that notes when something came."""

    def __init__(self) -> None:
        self.port = 0
        self.came: dict[str, float] = {}
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b'{"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'
        answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                target = head.split(b" ", 2)[1].decode()
                self.came.setdefault(target.rsplit("/", 1)[-1], time.perf_counter())
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError, IndexError):
            writer.close()


@asynccontextmanager
async def open_door() -> AsyncIterator[Door]:
    """A listening door."""
    door = Door()
    await door.open()
    yield door
    door.close()


async def _relay(bus: MemoryBus, waiting: "asyncio.Queue[Envelope]") -> None:
    """As an adapter's spool does it: everything that waits goes out together."""
    while True:
        batch = [await waiting.get()]
        while not waiting.empty() and len(batch) < 500:
            batch.append(waiting.get_nowait())
        await bus.publish(EVENTS, batch)


async def to_the_door(settings: Settings, door: Door, *, rate: float, seconds: float) -> tuple[float, float, int]:
    """(p50 ms, p99 ms, missing): from publishing a fact to the partner's door, at a fixed rate of changes."""
    async with open_services(settings) as services:
        bus = MemoryBus()
        worker = Worker(services, bus)
        await worker.start()
        sent: dict[str, float] = {}
        total = int(rate * seconds)
        waiting: asyncio.Queue[Envelope] = asyncio.Queue()
        relaying = asyncio.create_task(_relay(bus, waiting))
        start = time.perf_counter() + 0.2
        for number in range(total):
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            station = 5000 + number % 4000
            sent[f"EVSE-{station}-1"] = time.perf_counter()
            waiting.put_nowait(status_event(station, number // 4000, datetime.now(UTC)))
        end = time.perf_counter() + 20
        while len(door.came) < len(sent) and time.perf_counter() < end:
            await asyncio.sleep(0.05)
        relaying.cancel()
        await worker.stop()
        await bus.close()
    took = [(door.came[name] - at) * 1000 for name, at in sent.items() if name in door.came]
    missing = len(sent) - len(took)
    return (percentile(took, 50), percentile(took, 99), missing) if took else (0.0, 0.0, missing)

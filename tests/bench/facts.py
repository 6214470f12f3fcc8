"""Facts: from the bus into the store, and on to a partner's door."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from contracts.bus.memory import MemoryBus
from contracts.collector import spare_collector
from contracts.envelope import Envelope, message_id, wrap
from contracts.messages import ConnectorStatusChanged, Message, MeterValuesTaken, TransactionStarted
from contracts.messages.metering import MeterSample, MeterValue
from contracts.topics import EVENTS, METER, Topic
from contracts.vocabulary import AuthorizationStatus, ConnectorStatus, Measurand
from roaming.app import open_services
from roaming.ocpi.module import Services
from roaming.partners.drivers import Driver, touch_driver
from roaming.settings import Settings
from roaming.store.consume import Consumer, Projection
from roaming.worker import Worker
from tests.bench.data import OUR_EMSP
from tests.bench.load import percentile

STATUSES = (ConnectorStatus.CHARGING, ConnectorStatus.FINISHING, ConnectorStatus.AVAILABLE)


def status_event(station: int, number: int, at: datetime) -> Envelope:
    """A status of one of the bound stations."""
    message = ConnectorStatusChanged(
        network="main", station_id=f"CS-{station}", connector_id=1, status=STATUSES[number % len(STATUSES)]
    )
    return _fact(message, station, at, number, sequence=number)


async def events_through(settings: Settings, *, events: int, batch: int, stations: int = 2000) -> tuple[float, float]:
    """(events a second, µs of CPU an event) from the bus through inbox, projection and outgoing rows. The batch's
    statuses are those of ``stations`` stations in turn; every one changes its EVSE."""
    from roaming.modules.locations.projection import projections

    async with open_services(settings) as services, consumed(services, projections) as bus:
        # Microseconds apart: the next benchmark of these stations must not be older than this one, or it is ignored
        now = datetime.now(UTC)
        made = [
            status_event(
                number % stations, number // stations + number % stations, now + timedelta(microseconds=number)
            )
            for number in range(events)
        ]
        before = await _told(services)
        figures = await _publish(bus, EVENTS, made, batch)
        changed = await _told(services) - before
        assert changed >= events - stations, f"only {changed} of {events} events made a difference"
    return figures


async def metered_through(settings: Settings, *, events: int, batch: int, charges: int = 1000) -> tuple[float, float]:
    """(events a second, µs of CPU an event) of meter values of ``charges`` charges in turn, from the bus into the
    store. Each charge has four hundred readings already, as one of a night has; its session is not built anew
    meanwhile (that is once in ``session_push_interval``)."""
    from roaming.modules.sessions.projection import projections

    async with open_services(settings) as services, consumed(services, projections) as bus:
        now = datetime.now(UTC)
        begun = now - timedelta(hours=8)
        name = f"{now:%H%M%S%f}"
        async with services.database.work() as work:
            for charge in range(charges):
                await touch_driver(work, _driver(charge, now))
        starts = [_start_event(charge, name, begun) for charge in range(charges)]
        await _publish(bus, EVENTS, starts, batch)
        nights = [_meter_event(charge, name, begun, 0, readings=400) for charge in range(charges)]
        await _publish(bus, METER, nights, batch)
        made = [
            _meter_event(number % charges, name, begun, 400 + number // charges, readings=1) for number in range(events)
        ]
        return await _publish(bus, METER, made, batch)


def _driver(number: int, now: datetime) -> Driver:
    uid = f"{number:014X}"
    return Driver(
        uid=uid,
        owner=OUR_EMSP,
        type="RFID",
        contract_id=f"NL-EMS-C{number:08d}",
        group_id=None,
        whitelist="NEVER",
        is_valid=True,
        source="",
        used_at=now,
    )


def _start_event(station: int, name: str, at: datetime) -> Envelope:
    message = TransactionStarted(
        network="main",
        station_id=f"CS-{station}",
        connector_id=1,
        transaction_id=name,
        token_uid=f"{station:014X}",
        started_at=at,
        register_wh=Decimal(0),
        authorization=AuthorizationStatus.ACCEPTED,
        token_owner=_driver(station, at).token_owner(),
    )
    return _fact(message, station, at, "start", name)


def _meter_event(station: int, name: str, begun: datetime, first: int, *, readings: int) -> Envelope:
    """Readings of a charge, one a minute, the ``first`` one that many minutes after its begin."""
    samples = tuple(
        MeterSample(
            at=begun + timedelta(minutes=1 + minute),
            values=(
                MeterValue(measurand=Measurand.ENERGY_REGISTER, value=Decimal(100 * minute + 100)),
                MeterValue(measurand=Measurand.POWER, value=Decimal(6000)),
            ),
        )
        for minute in range(first, first + readings)
    )
    message = MeterValuesTaken(
        network="main", station_id=f"CS-{station}", connector_id=1, transaction_id=name, samples=samples
    )
    return _fact(message, station, samples[-1].at, "meter", name)


def _fact(message: Message, station: int, at: datetime, *parts: str | int, sequence: int = 0) -> Envelope:
    return wrap(
        message,
        id=message_id("bench", station, at, *parts),
        subject=f"main/CS-{station}",
        sequence=sequence,
        occurred_at=at,
        recorded_at=at,
        correlation_id="bench",
        source="bench",
    )


@asynccontextmanager
async def consumed(
    services: Services, projections: Callable[[Services], Sequence[Projection]]
) -> AsyncIterator[MemoryBus]:
    """A bus with the one consumer of a module."""
    spare_collector()  # as every process of the service does
    bus = MemoryBus()
    (projection,) = projections(services)
    bus.subscribe(Consumer(services.database, projection).subscription())
    await bus.start()
    yield bus
    await bus.close()


async def _publish(bus: MemoryBus, topic: Topic, made: Sequence[Envelope], batch: int) -> tuple[float, float]:
    """(a second, µs of CPU each) of all but the first batch."""
    await bus.publish(topic, made[:batch])
    began, cpu = time.perf_counter(), time.process_time()
    for start in range(batch, len(made), batch):
        await bus.publish(topic, made[start : start + batch])
    took, spent = time.perf_counter() - began, time.process_time() - cpu
    counted = max(1, len(made) - batch)
    return counted / took, spent / counted * 1e6


async def _told(services: Services) -> int:
    ((count,),) = await services.database.reader.fetch("SELECT COUNT(*) FROM outgoing")
    return int(count)


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


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

    def answer_to(self, target: str) -> bytes:
        """The body of an answer."""
        return b'{"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                target = head.split(b" ", 2)[1].decode()
                self.came.setdefault(target.rsplit("/", 1)[-1], time.perf_counter())
                body = self.answer_to(target)
                writer.write(_HEAD % len(body) + body)
        except (asyncio.IncompleteReadError, ConnectionError, IndexError):
            writer.close()


@asynccontextmanager
async def open_door(door: Door | None = None) -> AsyncIterator[Door]:
    """A listening door."""
    door = door or Door()
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
        spare_collector()
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

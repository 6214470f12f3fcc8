"""Stations by the thousand: what an idle one holds in memory, and what becomes of all of them coming back at once.

``python -m tests.bench.ocpp_fleet [--idle 10000] [--storm 8000]``. The adapter is a process of its own with the whole
kit: accounts with passwords, epochs, spool and state on disk, its log written. The stations live in this process; each
boots and tells the status of three connectors. Idle: the resident set of the adapter, by what it has grown since one
station was connected and no other account was known. Storm: the adapter, on one processor, is killed while all are
connected; as soon as it listens again all of them dial at the same moment, and one that is not let in tries again.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import ssl
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import uvloop

from tests.bench.load import cpu_seconds, percentile
from tests.bench.ocpp_connections import BOOT, Client, resident
from tests.bench.ocpp_messages import NotLetIn
from tests.kit.certificates import make_certificate

PEPPER: Final = b"pepper"
PASSWORD: Final = "0123456789abcdef0123"
STATUSES: Final = tuple(
    b'[2,"status-%d","StatusNotification",{"connectorId":%d,"errorCode":"NoError","status":"Available"}]' % (at, at)
    for at in (1, 2, 3)
)
TOLD: Final = {"StationConnected": 1, "StationBooted": 1, "ConnectorStatusChanged": len(STATUSES)}
"""What the hub hears of each station."""
AGAIN: Final = 2.0, 6.0
"""Seconds after which a station that was not let in tries again: between these."""
DIALS_AT_ONCE: Final = 100
PATIENCE: Final = 120.0


class Subject:
    """The adapter's process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.pid = process.pid
        assert process.stdout is not None
        self.port = int(process.stdout.readline())

    def ask(self, what: str) -> Any:
        """``accounts``: makes all known; ``told``: what the hub has been told, by type."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def kill(self) -> None:
        """As by a machine that loses power."""
        self._process.kill()
        self._process.wait()


@contextmanager
def running(folder: Path, stations: int, *, port: int = 0, processor: int | None = None) -> Iterator[Subject]:
    """Until it is killed."""
    command = [sys.executable, "-m", "tests.bench.ocpp_fleet", "--serve", str(folder), "--stations", str(stations)]
    command += ["--port", str(port)]
    if processor is not None:
        command += ["--processor", str(processor)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield Subject(process)
        finally:
            process.kill()
            process.wait()


@dataclass(kw_only=True)
class Waits:
    """Seconds that stations waited."""

    handshakes: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    turned_away: Counter[str] = field(default_factory=Counter)


async def come(subject: Subject, name: str, trust: ssl.SSLContext | None, waits: Waits) -> Client:
    """Connects, boots, tells its connectors."""
    while True:
        began = perf_counter()
        try:
            client = await Client.dial(subject.port, name, trust, PASSWORD)
            break
        except (NotLetIn, OSError) as error:
            waits.turned_away[str(error) if isinstance(error, NotLetIn) else type(error).__name__] += 1
            await asyncio.sleep(random.uniform(*AGAIN))
    waits.handshakes.append(perf_counter() - began)
    for body in (BOOT, *STATUSES):
        began = perf_counter()
        answer = await client.ask(body)
        while answer.startswith(b"[2,"):  # the hub asks a station that is late for the status of its connectors
            answer = await client.answer()
        waits.answers.append(perf_counter() - began)
        assert answer.startswith(b"[3,"), answer
    return client


async def come_in_turn(subject: Subject, names: Sequence[str], trust: ssl.SSLContext | None) -> list[Client]:
    """All of them, not at once."""
    turn = asyncio.Semaphore(DIALS_AT_ONCE)

    async def one(name: str) -> Client:
        async with turn:
            return await come(subject, name, trust, Waits())

    return await asyncio.gather(*(one(name) for name in names))


async def missing(subject: Subject, stations: int) -> int:
    """How many facts of so many stations the hub has not been told, once nothing more comes."""
    wanted = {kind: number * stations for kind, number in TOLD.items()}
    end, left = perf_counter() + PATIENCE, sum(wanted.values())
    while left and perf_counter() < end:
        await asyncio.sleep(0.2)
        told = subject.ask("told")
        left = sum(max(0, number - told.get(kind, 0)) for kind, number in wanted.items())
    return left


@dataclass(frozen=True, kw_only=True)
class Idle:
    """One idle station's share."""

    kib: float
    connect_ms: float
    """Processor time to connect, boot and tell."""
    still_ms: float
    """Processor time of all of them together in a second in which nothing happens."""


async def idle(subject: Subject, trust: ssl.SSLContext | None, stations: int) -> Idle:
    """Memory when everything has been told and a while has passed."""
    first = await come(subject, name_of(0), trust, Waits())
    await missing(subject, 1)
    empty, cpu = resident(subject.pid), cpu_seconds([subject.pid])
    subject.ask("accounts")
    clients = await come_in_turn(subject, [name_of(number) for number in range(1, stations + 1)], trust)
    lost = await missing(subject, stations + 1)
    assert not lost, f"{lost} facts are missing"
    connected = cpu_seconds([subject.pid])
    await asyncio.sleep(10)
    still, held = cpu_seconds([subject.pid]), resident(subject.pid)
    for client in (first, *clients):
        client.writer.transport.abort()
    return Idle(
        kib=(held - empty) / stations / 1024,
        connect_ms=(connected - cpu) / stations * 1e3,
        still_ms=(still - connected) / 10 * 1e3,
    )


def measure_idle(stations: int, *, has_tls: bool) -> Idle:
    """Against an adapter in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-ocpp-") as folder:
        trust = _trust(Path(folder)) if has_tls else None
        with running(Path(folder), stations + 1) as subject:
            found: Idle = uvloop.run(idle(subject, trust, stations))
    return found


@dataclass(frozen=True, kw_only=True)
class Storm:
    """How all of them came back."""

    seconds: float
    """From the first dial to the last answer."""
    cpu: float
    """Processor time of the adapter meanwhile, in seconds."""
    waits: Waits
    missing: int
    """Facts that the hub was not told."""


async def _storm(subject: Subject, names: Sequence[str], trust: ssl.SSLContext | None) -> Storm:
    waits, cpu, began = Waits(), cpu_seconds([subject.pid]), perf_counter()
    clients = await asyncio.gather(*(come(subject, name, trust, waits) for name in names))
    seconds, spent = perf_counter() - began, cpu_seconds([subject.pid]) - cpu
    lost = await missing(subject, len(names))
    for client in clients:
        client.writer.transport.abort()
    return Storm(seconds=seconds, cpu=spent, waits=waits, missing=lost)


async def _before(subject: Subject, names: Sequence[str], trust: ssl.SSLContext | None) -> None:
    subject.ask("accounts")
    clients = await come_in_turn(subject, names, trust)
    assert not await missing(subject, len(names)), "not all were told before the storm"
    subject.kill()
    for client in clients:
        client.writer.transport.abort()


def measure_storm(stations: int, *, has_tls: bool) -> Storm:
    """Against an adapter that has one processor, where there is another one for the stations."""
    processors = sorted(os.sched_getaffinity(0))
    processor = processors[-1] if len(processors) > 1 else None
    names = [name_of(number) for number in range(stations)]
    with tempfile.TemporaryDirectory(prefix="bench-ocpp-") as folder:
        trust = _trust(Path(folder)) if has_tls else None
        if processor is not None:
            os.sched_setaffinity(0, set(processors) - {processor})
        try:
            with running(Path(folder), stations, processor=processor) as subject:
                port = subject.port
                uvloop.run(_before(subject, names, trust))
            with running(Path(folder), stations, port=port, processor=processor) as subject:
                found: Storm = uvloop.run(_storm(subject, names, trust))
        finally:
            os.sched_setaffinity(0, processors)
    return found


def name_of(number: int) -> str:
    """Of a station."""
    return f"FLEET-{number:05}"


def _trust(folder: Path) -> ssl.SSLContext:
    certificate, _ = make_certificate(folder, "hub")
    return ssl.create_default_context(cafile=str(certificate))


async def serve(folder: Path, stations: int, port: int) -> None:
    """The adapter with the kit until it is killed; under TLS where the folder holds a certificate."""
    from adapters.kit.runner import run
    from adapters.ocpp.adapter import ADAPTER, OcppSettings
    from contracts.bus.memory import MemoryBus
    from contracts.bus.port import Subscription
    from contracts.collector import spare_collector
    from contracts.envelope import Envelope
    from contracts.topics import EVENTS

    told: Counter[str] = Counter()

    async def count(envelopes: Sequence[Envelope]) -> None:
        told.update(envelope.type for envelope in envelopes)

    bus = MemoryBus()
    bus.subscribe(Subscription(group="hub", topics=(EVENTS,), handler=count))
    await bus.start()
    certificate, key = folder / "hub.pem", folder / "hub.key"
    tls: dict[str, Any] = {"tls_certificate": certificate, "tls_key": key} if certificate.exists() else {}
    settings = OcppSettings(port=port, state_path=folder / "state.sqlite", **tls)
    kit = await run(
        ADAPTER,
        settings,
        bus=bus,
        network="demo",
        instance="bench",
        data_dir=folder,
        pepper=PEPPER,
        secret=b"secret",
    )
    if kit.knows_nobody():
        await _make_known(bus, [name_of(0)])
    spare_collector()
    print(kit.addresses()["ocpp"].rsplit(":", 1)[1].strip("/"), flush=True)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while command := (await commands.readline()).decode().strip():
        if command == "accounts":
            await _make_known(bus, [name_of(number) for number in range(stations)])
        print(json.dumps(told), flush=True)


async def _make_known(bus: Any, names: Sequence[str]) -> None:
    """As the hub tells of accounts."""
    from datetime import UTC, datetime

    from contracts.envelope import wrap
    from contracts.messages import StationAccountChanged
    from contracts.station_keys import digest_station_key
    from contracts.topics import STATIONS

    now = datetime.now(UTC)
    envelopes = [
        wrap(
            StationAccountChanged(
                network="demo",
                station_id=name,
                is_admitted=True,
                key_digest=digest_station_key(PASSWORD, network="demo", station_id=name, pepper=PEPPER),
            ),
            id=f"account-{name}",
            subject=f"demo/{name}",
            sequence=number,
            occurred_at=now,
            recorded_at=now,
            correlation_id=name,
            source="bench",
        )
        for number, name in enumerate(names, 1)
    ]
    await bus.publish(STATIONS, envelopes)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ocpp_fleet", description=__doc__)
    parser.add_argument("--idle", type=int, default=10_000, help="stations; 0: leave it out")
    parser.add_argument("--storm", type=int, default=8_000, help="stations; 0: leave it out")
    parser.add_argument("--ways", default="clear text,TLS", help="one or both")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--stations", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--processor", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if given.serve:
        from adapters.__main__ import configure_logging

        if given.processor is not None:
            os.sched_setaffinity(0, {given.processor})
        configure_logging("INFO")
        uvloop.run(serve(given.serve, given.stations, given.port))
        return
    for way in given.ways.split(","):
        if given.idle:
            one = measure_idle(given.idle, has_tls=way == "TLS")
            print(
                f"{given.idle:,} idle stations, {way:<12}{one.kib:>8.1f} KiB each; {one.connect_ms:.2f} ms CPU to"
                f" connect, boot and tell; all together {one.still_ms:.0f} ms CPU a second",
                flush=True,
            )
        if given.storm:
            words = _in_words(measure_storm(given.storm, has_tls=way == "TLS"))
            print(f"{given.storm:,} come back at once, {way:<12}{words}", flush=True)


def _in_words(storm: Storm) -> str:
    waits = storm.waits
    return (
        f"{storm.seconds:>6.1f} s, {storm.cpu:.1f} s CPU; {sum(waits.turned_away.values())} turned away"
        f" {dict(waits.turned_away) or ''}; longest handshake {max(waits.handshakes):.1f} s,"
        f" answer {max(waits.answers):.1f} s, p99 {percentile(waits.answers, 99):.1f} s; {storm.missing} facts missing"
    )


if __name__ == "__main__":
    main()

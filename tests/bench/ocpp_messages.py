"""OCPP messages a second, and what one costs: the adapter beside the ``ocpp`` package and a bare echo on the same
server library.

``python -m tests.bench.ocpp_messages [--turns 5] [--seconds 3] [--stations 50] [--only echo,adapter]``. Each subject is
a process of its own under uvloop, loaded from here by bare frames, one request open per station: one heartbeat, one
status and three meter values of six samples. Processor time is the subject's alone, all its threads, from the kernel.

What the same work costs changes by a third within a minute where others share the machine. So the subjects take turns;
told are the medians, and the median and the range of each turn's ratio to its first subject: trust those.

With facts in the spool it is the whole way: read, checked, told apart from repeats, on disk, answered, and taken by
somebody who reads the bus, which is where they are counted: one for each answer, or there is no figure. ``mended``:
every message strays from its schema (numbers for texts, and the other way round). ``wire``: frames go to the wire log
too, masked, and are counted there.
"""

import argparse
import asyncio
import contextlib
import json
import os
import ssl
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import uvloop

from tests.bench.load import cpu_seconds

if TYPE_CHECKING:
    from contracts.envelope import Envelope

SUBJECTS = {
    "package": "ocpp package, checked in threads (its default)",
    "package-inline": "ocpp package, checked in the loop",
    "package-unchecked": "ocpp package, unchecked",
    "echo": "bare websockets, every frame sent back",
    "adapter": "this adapter, checked, facts counted",
    "adapter-spool": "this adapter, checked, facts in the spool",
    "adapter-mended": "the same, each message mended",
    "adapter-wire": "the same as the last but one, frames in the wire log",
}
WHOLE = {"adapter-spool", "adapter-mended", "adapter-wire"}
_VALUES = (
    ("@", "Energy.Active.Import.Register", "Wh", "Outlet"),
    ("11040.0", "Power.Active.Import", "W", "Outlet"),
    ("16.0", "Current.Import", "A", "Outlet"),
    ("16.0", "Current.Offered", "A", "Outlet"),
    ("230.1", "Voltage", "V", "Outlet"),
    ("55", "SoC", "Percent", "EV"),
)
SAMPLE = ",".join(
    f'{{"value":"{value}","context":"Sample.Periodic","measurand":"{measurand}","unit":"{unit}","location":"{place}"}}'
    for value, measurand, unit, place in _VALUES
)
METER = (
    '"MeterValues",{"connectorId":1,"transactionId":7,"meterValue":'
    '[{"timestamp":"2026-11-23T10:00:00Z","sampledValue":[' + SAMPLE + "]}]}]"
)
STATUS = '"StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available"}]'
MIX = ('"Heartbeat",{}]', STATUS, METER, METER, METER)
STRAYING = tuple(
    message.replace('"@"', "@").replace('"connectorId":1', '"connectorId":"1"').replace(",{}", ',{"time":1}')
    for message in MIX
)


class NotLetIn(ConnectionError):
    """Another answer than a WebSocket."""


async def dial(
    port: int, name: str, *, trust: ssl.SSLContext | None = None, password: str | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Opens a WebSocket as a station. Raises ``NotLetIn`` and ``OSError``."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
    shown = ""
    if password is not None:
        shown = f"Authorization: Basic {b64encode(f'{name}:{password}'.encode()).decode()}\r\n"
    writer.write(
        (
            f"GET /{name} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: ocpp1.6\r\n{shown}\r\n"
        ).encode()
    )
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        raise NotLetIn("hung up") from error
    if b" 101 " not in head:
        writer.transport.abort()
        raise NotLetIn(head.partition(b"\r\n")[0].decode())
    return reader, writer


def frame(count: int, mix: Sequence[str] = MIX) -> bytes:
    """A message of the mix, in a WebSocket frame of a client."""
    body = f'[2,"{count}",{mix[count % len(mix)].replace("@", str(count), 1)}'.encode()
    size = len(body)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return b"\x81" + length + b"\0\0\0\0" + body


async def station(port: int, name: str, end: float, mix: Sequence[str]) -> int:
    """Asks and reads until ``end``; how many answers came. An echo's answer is the request."""
    reader, writer = await dial(port, name)
    clock, count = asyncio.get_running_loop().time, 0
    while clock() < end:
        writer.write(frame(count, mix))
        _, size = await reader.readexactly(2)
        if size == 126:
            size = int.from_bytes(await reader.readexactly(2), "big")
        answer = await reader.readexactly(size)
        assert answer.startswith((b"[3,", b"[2,")), answer
        count += 1
    writer.transport.abort()
    return count


async def load(
    port: int, pid: int, *, stations: int, seconds: float, mix: Sequence[str]
) -> tuple[float, float, Counter[str]]:
    """Messages a second, microseconds of the subject's processor time for each, and how many of each kind it got."""
    clock = asyncio.get_running_loop().time
    warming = await asyncio.gather(*(station(port, f"W{n}", clock() + seconds / 5, mix) for n in range(stations)))
    began, cpu = clock(), cpu_seconds([pid])
    counts = await asyncio.gather(*(station(port, f"S{n}", began + seconds, mix) for n in range(stations)))
    rate, each = sum(counts) / (clock() - began), (cpu_seconds([pid]) - cpu) / sum(counts) * 1e6
    sent: Counter[str] = Counter()
    for count in (*warming, *counts):
        for place, message in enumerate(mix):
            sent[message.split('"')[1]] += len(range(place, count, len(mix)))
    return rate, each, sent


def measure(subject: str, *, stations: int, seconds: float) -> tuple[float, float]:
    """One subject in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.ocpp_messages", "--serve", subject]
    mix = STRAYING if subject == "adapter-mended" else MIX
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        tempfile.TemporaryDirectory(prefix="bench-ocpp-") as folder,
        subprocess.Popen([*command, "--folder", folder], **pipes) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            port = int(server.stdout.readline())
            rate, each, sent = uvloop.run(load(port, server.pid, stations=stations, seconds=seconds, mix=mix))
            if subject in WHOLE:
                server.stdin.write("told\n")
                server.stdin.flush()
                _check(subject, json.loads(server.stdout.readline()), sent)
        finally:
            server.kill()
            server.wait()
    return rate, each


def _check(subject: str, told: dict[str, int], sent: Counter[str]) -> None:
    """Everything answered has come out at the other end, once."""
    assert told["MeterValuesTaken"] == sent["MeterValues"], (told, sent)
    assert told["ConnectorStatusChanged"] == sent["StatusNotification"], (told, sent)
    if subject == "adapter-wire":
        frames = told["frames"] + told["missed"]
        assert frames == 2 * sent.total(), (told, sent)
        print(f"wire log: {told['missed'] / frames:.0%} of the frames were more than it takes in a second")


async def serve_package(*, is_checked: bool, is_inline: bool) -> None:
    """The package as its documentation uses it."""
    import logging

    import ocpp.messages
    from ocpp.routing import on
    from ocpp.v16 import ChargePoint, call_result
    from ocpp.v16.enums import Action
    from websockets.asyncio.server import ServerConnection, serve
    from websockets.exceptions import ConnectionClosed
    from websockets.typing import Subprotocol

    logging.getLogger("ocpp").setLevel(logging.ERROR)
    ocpp.messages.ASYNC_VALIDATION = not is_inline
    skip = not is_checked

    class Central(ChargePoint):  # type: ignore[misc]
        @on(Action.heartbeat, skip_schema_validation=skip)  # type: ignore[untyped-decorator]
        def heartbeat(self, **_: Any) -> Any:
            return call_result.Heartbeat(datetime.now(UTC).isoformat())

        @on(Action.status_notification, skip_schema_validation=skip)  # type: ignore[untyped-decorator]
        def status(self, **_: Any) -> Any:
            return call_result.StatusNotification()

        @on(Action.meter_values, skip_schema_validation=skip)  # type: ignore[untyped-decorator]
        def meter(self, **_: Any) -> Any:
            return call_result.MeterValues()

    async def handle(socket: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            await Central("x", socket).start()

    async with serve(handle, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp1.6")], compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Event().wait()


async def serve_echo() -> None:
    """What the server library takes, with nothing behind it."""
    from websockets.asyncio.server import ServerConnection, serve
    from websockets.exceptions import ConnectionClosed
    from websockets.typing import Subprotocol

    async def handle(socket: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.send(await socket.recv(decode=False), text=True)

    async with serve(handle, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp1.6")], compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Event().wait()


class Uncounted:
    """Facts that are taken and forgotten."""

    async def record(self, facts: Sequence[object]) -> None:
        return None


class Refusing:
    """Facts that cannot be kept, as on a full disk."""

    async def record(self, facts: Sequence[object]) -> None:
        from adapters.kit.manifest import SpoolFull

        raise SpoolFull("told to be full")


async def serve_adapter(
    folder: Path,
    *,
    has_spool: bool,
    has_broker: bool = True,
    has_disk: bool = True,
    reader: "Reader | None" = None,
    **values: Any,
) -> None:
    """The adapter, with the real kit behind it or with nothing; ``values`` are settings of its own. A bus that was not
    started is a broker that has stopped. With a ``reader`` for as long as that is asked, else for ever."""
    from dataclasses import replace

    from adapters.kit.manifest import Account
    from adapters.ocpp.adapter import OcppSettings, start
    from contracts.collector import spare_collector
    from tests.kit.stations import FakePorts

    fakes = FakePorts()
    fakes.accounts.find = lambda _: Account(is_admitted=True, key_digest=None)  # type: ignore[method-assign]
    ports = replace(fakes.ports(), facts=Uncounted())
    if has_spool:
        from adapters.kit.database import Database
        from adapters.kit.spool import Spool
        from adapters.kit.wire import Wire
        from contracts.bus.memory import MemoryBus
        from contracts.bus.port import Subscription
        from contracts.topics import EVENTS, METER, WIRE

        bus = MemoryBus()
        if reader is not None:
            bus.subscribe(Subscription(group="hub", topics=(EVENTS, METER, WIRE), handler=reader.read))
        if has_broker:
            await bus.start()
        spool = Spool(Database(folder / "spool.sqlite"), bus, network="demo", instance="bench", now=ports.now)
        await spool.start()
        wire = Wire(bus, instance="bench", now=ports.now) if reader is not None and reader.has_wire else None
        ports = replace(ports, facts=spool if has_disk else Refusing(), wire=wire)
    usual = {"port": 0, "state_path": folder / "state.sqlite", "messages_per_second": 1e9, "message_burst": 1e9}
    settings = OcppSettings(**{**usual, **values})
    running = await start(ports, settings)
    spare_collector()  # as every process of ours does
    print(running.addresses()["ocpp"].rsplit(":", 1)[1].strip("/"), flush=True)
    await (asyncio.Event().wait() if reader is None else reader.answer())


class Reader:
    """Somebody who reads the bus."""

    def __init__(self, *, has_wire: bool = False) -> None:
        self.has_wire = has_wire
        self.told: Counter[str] = Counter()

    async def read(self, envelopes: "Sequence[Envelope]") -> None:
        """Counts."""
        for envelope in envelopes:
            self.told[envelope.type] += 1
            if envelope.type == "FramesSeen":
                body = bytes(envelope.body)
                self.told["frames"] += body.count(b'"octets":')
                self.told["missed"] += int(body.rpartition(b":")[2].rstrip(b"}"))

    async def answer(self) -> None:
        """Says on each line of standard input how many it has read."""
        asked = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
        while await asked.readline():
            before = None
            while before != self.told:
                before = self.told.copy()
                await asyncio.sleep(3 if self.has_wire else 0.5)
            print(json.dumps(self.told), flush=True)


def serve(subject: str, folder: Path) -> None:
    """Runs one subject until it is killed; prints its port."""
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    subjects: dict[str, Callable[[], Awaitable[None]]] = {
        "package": lambda: serve_package(is_checked=True, is_inline=False),
        "package-inline": lambda: serve_package(is_checked=True, is_inline=True),
        "package-unchecked": lambda: serve_package(is_checked=False, is_inline=True),
        "echo": serve_echo,
        "adapter": lambda: serve_adapter(folder, has_spool=False),
        "adapter-spool": lambda: serve_adapter(folder, has_spool=True, reader=Reader()),
        "adapter-mended": lambda: serve_adapter(folder, has_spool=True, reader=Reader()),
        "adapter-wire": lambda: serve_adapter(folder, has_spool=True, reader=Reader(has_wire=True), has_wire_log=True),
    }
    run: Callable[..., None] = uvloop.run
    run(subjects[subject]())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ocpp_messages", description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--stations", type=int, default=50)
    parser.add_argument("--only", default=",".join(SUBJECTS), help="some of " + ", ".join(SUBJECTS))
    parser.add_argument("--serve", choices=tuple(SUBJECTS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.folder)
        return
    subjects = arguments.only.split(",")
    print(f"OCPP messages, {arguments.stations} stations, {os.cpu_count()} processors, {arguments.turns} turns")
    turns = [
        [measure(subject, stations=arguments.stations, seconds=arguments.seconds) for subject in subjects]
        for _ in _watched(arguments.turns)
    ]
    for place, subject in enumerate(subjects):
        rate, cpu = (median(turn[place][which] for turn in turns) for which in (0, 1))
        ratios = sorted(turn[place][1] / turn[0][1] for turn in turns)
        span = f"{median(ratios):>8.2f} × ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"{SUBJECTS[subject]:<50}{rate:>10.0f}/s{cpu:>10.0f} µs CPU{span}")


def _watched(turns: int) -> Iterator[int]:
    for turn in range(turns):
        print(f"turn {turn + 1} of {turns}", file=sys.stderr)
        yield turn


if __name__ == "__main__":
    main()

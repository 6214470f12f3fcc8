"""What proxy mode adds to the time of a message: stations at their central system, directly and through the adapter.

``python -m tests.bench.proxying [--seconds 6] [--rate 2000] [--stations 100]``. The central system is a bare server
that answers at once. Stations send the mix of ``ocpp_messages`` at a steady rate: directly, through the adapter with
its spool on disk, through one whose broker has stopped, and through one whose disk refuses. They take turns, and the
quietest turn of each counts, since the machine does other things. Times are from a message to its answer.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson
import uvloop

from tests.bench.load import cpu_seconds
from tests.bench.ocpp_messages import dial, frame, serve_adapter

WAYS = {
    "direct": "stations at their central system",
    "proxied": "through this adapter",
    "no-broker": "the same, the broker stopped",
    "no-disk": "the same, the disk refusing",
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One way, in milliseconds, and microseconds of the adapter's processor time for a message there and back."""

    p50: float
    p99: float
    cpu_us: float
    per_second: float


class Caller:
    """A station made of bare frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._count = 0

    @classmethod
    async def dial(cls, port: int, name: str) -> "Caller":
        """Opens the WebSocket and says one thing."""
        caller = cls(*await dial(port, name))
        await caller.ask()
        return caller

    async def ask(self) -> float:
        """One message of the mix; seconds until its answer. It must be the one that the central system wrote."""
        count = self._count
        self._count += 1
        message = frame(count)
        sent = perf_counter()  # uvloop's clock stands still within a turn of the loop
        self._writer.write(message)
        _, size = await self._reader.readexactly(2)
        answer = await self._reader.readexactly(size)
        took = perf_counter() - sent
        assert answer == b'[3,"%d",{}]' % count, answer
        return took

    async def talk(self, *, first: float, pause: float, end: float, waits: list[float]) -> None:
        """One message every ``pause`` seconds. One that is late is not made up for."""
        clock, due = asyncio.get_running_loop().time, first
        while due < end:
            await asyncio.sleep(max(0.0, due - clock()))
            waits.append(await self.ask())
            due = max(due + pause, clock())

    def hang_up(self) -> None:
        self._writer.transport.abort()


async def load(port: int, pid: int | None, *, stations: int, rate: float, seconds: float) -> Measured:
    """A steady rate over all stations, once all are connected and have warmed up for a second."""
    clock = asyncio.get_running_loop().time
    callers = [await Caller.dial(port, f"S{number}") for number in range(stations)]
    pause, waits = stations / rate, list[float]()

    async def all_talk(lasting: float, into: list[float]) -> None:
        since = clock() + 0.05
        await asyncio.gather(
            *(
                caller.talk(first=since + pause * number / stations, pause=pause, end=since + lasting, waits=into)
                for number, caller in enumerate(callers)
            )
        )

    await all_talk(1, [])
    cpu = cpu_seconds([pid]) if pid else 0.0
    await all_talk(seconds, waits)
    used = (cpu_seconds([pid]) if pid else 0.0) - cpu
    for caller in callers:
        caller.hang_up()
    waits.sort()
    return Measured(
        p50=waits[len(waits) // 2] * 1e3,
        p99=waits[len(waits) * 99 // 100] * 1e3,
        cpu_us=used / len(waits) * 1e6,
        per_second=len(waits) / seconds,
    )


def proxying(*, stations: int = 100, rate: float = 2000, seconds: float = 6, turns: int = 3) -> dict[str, Measured]:
    """The quietest turn of each way."""
    found: dict[str, list[Measured]] = {way: [] for way in WAYS}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-proxy-")))
        csms, _ = _serve(stack, "csms", folder)
        ports: dict[str, tuple[int, int | None]] = {"direct": (csms, None)}
        for way in WAYS:
            if way != "direct":
                (folder / way).mkdir()
                ports[way] = _serve(stack, way, folder / way, "--upstream", str(csms))
        for _ in range(turns):
            for way, (port, pid) in ports.items():
                measured: Measured = uvloop.run(load(port, pid, stations=stations, rate=rate, seconds=seconds))
                found[way].append(measured)
    return {way: min(tries, key=lambda one: one.p99) for way, tries in found.items()}


def _serve(stack: ExitStack, subject: str, folder: Path, *more: str) -> tuple[int, int]:
    command = [sys.executable, "-m", "tests.bench.proxying", "--serve", subject, "--folder", str(folder), *more]
    server = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    stack.callback(server.kill)
    assert server.stdout is not None
    return int(server.stdout.readline()), server.pid


async def serve_csms() -> None:
    """Answers every request with nothing in it."""
    from websockets.asyncio.server import ServerConnection, serve
    from websockets.exceptions import ConnectionClosed
    from websockets.typing import Subprotocol

    async def handle(socket: ServerConnection) -> None:
        try:
            while True:
                frame = orjson.loads(await socket.recv(decode=False))
                await socket.send(b'[3,"%s",{}]' % frame[1].encode(), text=True)
        except ConnectionClosed:
            return

    async with serve(handle, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp1.6")], compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Event().wait()


def serve(subject: str, folder: Path, upstream: int) -> None:
    """Runs one server until it is killed; prints its port."""
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    values: dict[str, Any] = {
        "mode": "proxy",
        "upstreams": [{"url": f"ws://127.0.0.1:{upstream}/", "authorise": "hub-if-refused", "has_commands": True}],
    }
    subjects: dict[str, Callable[[], Awaitable[None]]] = {
        "csms": serve_csms,
        "proxied": lambda: serve_adapter(folder, has_spool=True, **values),
        "no-broker": lambda: serve_adapter(folder, has_spool=True, has_broker=False, **values),
        "no-disk": lambda: serve_adapter(folder, has_spool=True, has_disk=False, **values),
    }
    run: Callable[..., None] = uvloop.run
    run(subjects[subject]())


def lines(found: dict[str, Measured]) -> list[tuple[str, ...]]:
    """What is printed: the way, its times, what it adds."""
    direct = found["direct"]
    said = []
    for way, words in WAYS.items():
        one = found[way]
        cells = [words, f"{one.per_second:.0f}/s", f"p50 {one.p50:.2f} ms", f"p99 {one.p99:.2f} ms"]
        if way != "direct":
            cells.append(f"{one.p50 - direct.p50:+.2f}, {one.p99 - direct.p99:+.2f}")
            cells.append(f"{one.cpu_us:.0f} µs CPU")
        said.append(tuple(cells))
    return said


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.proxying", description=__doc__)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rate", type=float, default=2000)
    parser.add_argument("--stations", type=int, default=100)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--upstream", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.serve:
        serve(given.serve, given.folder, given.upstream)
        return
    for cells in lines(proxying(stations=given.stations, rate=given.rate, seconds=given.seconds, turns=given.turns)):
        print(f"{cells[0]:<46}" + "".join(f"{cell:>18}" for cell in cells[1:]), flush=True)


if __name__ == "__main__":
    main()

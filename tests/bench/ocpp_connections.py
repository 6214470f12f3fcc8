"""What many slow stations cost the OCPP adapter: memory of each, in clear text and under TLS, and who waits for them.

``python -m tests.bench.ocpp_connections [--stations 2000]``. The adapter is a process of its own under uvloop, with
facts in the spool. Every station boots, is silent, then sends half of a message (meter values of six samples) and lets
the adapter wait, then the other half in small pieces, and only then reads. Beside them one lively station asks on.
Memory is the resident set of the adapter's process, after the boots and in the middle of the messages.
"""

import argparse
import asyncio
import contextlib
import os
import resource
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.bench.load import cpu_seconds
from tests.bench.ocpp_messages import METER, dial, serve_adapter
from tests.kit.certificates import make_certificate

PIECES = 8
"""Of the second half of a slow message."""
DIALS_AT_ONCE = 50
BOOT = b'[2,"boot","BootNotification",{"chargePointVendor":"Bench","chargePointModel":"Slow"}]'


class Client:
    """A station made of bare frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def dial(cls, port: int, name: str, trust: ssl.SSLContext | None, password: str | None = None) -> "Client":
        """Opens the WebSocket. Raises ``NotLetIn`` and ``OSError``."""
        return cls(*await dial(port, name, trust=trust, password=password))

    async def boot(self) -> None:
        """Says who it is."""
        assert b"Accepted" in await self.ask(BOOT)

    async def ask(self, body: bytes) -> bytes:
        """A request and its answer."""
        self.writer.write(frame(body))
        return await self.answer()

    async def answer(self) -> bytes:
        """The next text frame; pings are passed over."""
        while True:
            kind, size = await self.reader.readexactly(2)
            if size == 126:
                size = int.from_bytes(await self.reader.readexactly(2), "big")
            body = await self.reader.readexactly(size)
            if kind == 0x81:
                return body


def frame(body: bytes) -> bytes:
    """A masked text frame; the mask is zero."""
    size = len(body)
    return b"\x81" + (bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")) + b"\0\0\0\0" + body


async def be_slow(client: Client, half: asyncio.Event, pause: float) -> bool:
    """Half a message, a long silence, the rest in pieces; whether it was answered."""
    whole = frame(f'[2,"slow",{METER.replace("@", "7", 1)}'.encode())
    client.writer.write(whole[: len(whole) // 2])
    await half.wait()
    rest = whole[len(whole) // 2 :]
    size = -(-len(rest) // PIECES)
    for at in range(0, len(rest), size):
        client.writer.write(rest[at : at + size])
        await asyncio.sleep(pause)
    return (await client.answer()).startswith(b'[3,"slow"')


async def be_lively(client: Client, waits: list[float]) -> None:
    """Asks, and notes how long each answer took, in seconds."""
    clock = asyncio.get_running_loop().time
    while True:
        began = clock()
        await client.ask(b'[2,"lively","Heartbeat",{}]')
        waits.append(clock() - began)
        await asyncio.sleep(0.02)


def resident(pid: int) -> int:
    """Octets of memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def load(port: int, pid: int, trust: ssl.SSLContext | None, stations: int) -> str:
    """One line of figures."""
    turn = asyncio.Semaphore(DIALS_AT_ONCE)

    async def come(name: str) -> Client:
        async with turn:
            client = await Client.dial(port, name, trust)
            await client.boot()
            return client

    lively = await come("LIVELY")
    empty, cpu = resident(pid), cpu_seconds([pid])
    clients = await asyncio.gather(*(come(f"SLOW-{number}") for number in range(stations)))
    await asyncio.sleep(2)
    silent, dialled = resident(pid), cpu_seconds([pid])
    waits: list[float] = []
    asking = asyncio.create_task(be_lively(lively, waits))
    half = asyncio.Event()
    slow = [asyncio.create_task(be_slow(client, half, pause=0.5)) for client in clients]
    await asyncio.sleep(3)
    waiting = resident(pid)
    half.set()
    answered = sum(await asyncio.gather(*slow))
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    waits.sort()
    for client in (*clients, lively):
        client.writer.transport.abort()
    each, in_message = ((now - empty) / stations / 1024 for now in (silent, waiting))
    return (
        f"{each:>8.1f} kB each,{in_message:>6.1f} kB in mid-message;"
        f" {(dialled - cpu) / stations * 1e3:.2f} ms CPU to connect and boot;"
        f" {answered} of {stations} answered; beside them p50 {waits[len(waits) // 2] * 1e3:.1f} ms,"
        f" p99 {waits[len(waits) * 99 // 100] * 1e3:.0f} ms"
    )


def measure(stations: int, *, has_tls: bool) -> str:
    """Against an adapter in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-ocpp-") as folder:
        command = [sys.executable, "-m", "tests.bench.ocpp_connections", "--serve", folder]
        trust = None
        if has_tls:
            certificate, _ = make_certificate(Path(folder), "hub")
            trust = ssl.create_default_context(cafile=str(certificate))
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                port = int(server.stdout.readline())
                result: str = uvloop.run(load(port, server.pid, trust, stations))
            finally:
                server.kill()
                server.wait()
    return result


def serve(folder: Path) -> None:
    """The adapter until it is killed; under TLS where the folder holds a certificate."""
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    certificate, key = folder / "hub.pem", folder / "hub.key"
    tls = {"tls_certificate": certificate, "tls_key": key} if certificate.exists() else {}
    uvloop.run(serve_adapter(folder, has_spool=True, accepts_per_second=1e9, **tls))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ocpp_connections", description=__doc__)
    parser.add_argument("--stations", type=int, default=2000)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if arguments.serve:
        serve(arguments.serve)
        return
    for words, has_tls in (("clear text", False), ("TLS", True)):
        print(
            f"{arguments.stations} slow stations, {words:<12}{measure(arguments.stations, has_tls=has_tls)}", flush=True
        )


if __name__ == "__main__":
    main()

"""Load without a framework: closed loop for throughput, open loop for latency, and what it cost the server."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.collector import spare_collector

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Sequence[int]) -> float:
    """Processor time of processes so far, from the kernel."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


class Line:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._head = b""
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """One request; returns status and body."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=2**22)
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        self._head = head
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        return int(head[9:12]), body

    @property
    def headers(self) -> dict[str, str]:
        """Of the last answer, names in lower case."""
        lines = self._head.decode("latin-1").split("\r\n")[1:-2]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


def http(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", *(f"{k}: {v}" for k, v in headers.items())]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


@dataclass(frozen=True)
class Closed:
    """What a closed loop measured."""

    per_second: float
    cpu_ms: float


async def closed_loop(port: int, pid: int, request: bytes, *, seconds: float, lines: int = 8) -> Closed:
    """``lines`` connections ask as fast as they are answered."""
    for warming in (True, False):
        end = time.perf_counter() + (seconds / 3 if warming else seconds)
        before, began, done = cpu_seconds([pid]), time.perf_counter(), 0

        async def ask(until: float = end) -> int:
            line, answered = Line(port), 0
            while time.perf_counter() < until:
                status, _ = await line.send(request)
                assert status == 200, status
                answered += 1
            line.close()
            return answered

        done = sum(await asyncio.gather(*(ask() for _ in range(lines))))
        spent, took = cpu_seconds([pid]) - before, time.perf_counter() - began
    return Closed(per_second=done / took, cpu_ms=spent / done * 1000)


@dataclass(frozen=True)
class Open:
    """What an open loop measured, in milliseconds from when a request was due."""

    p50: float
    p99: float
    errors: int
    per_second: float
    cpu_ms: float


async def open_loop(
    port: int, pid: int, make: Callable[[int], bytes], *, rate: float, seconds: float, lines: int = 64
) -> Open:
    """Requests are due at fixed times, whether or not earlier ones were answered."""
    spare_collector()  # going over the benchmark's own objects would be counted as the server's time
    free: asyncio.Queue[Line] = asyncio.Queue()
    for _ in range(lines):
        free.put_nowait(Line(port))
    late: list[float] = []
    errors = 0

    async def one(number: int, due: float) -> None:
        nonlocal errors
        line = await free.get()
        try:
            status, _ = await line.send(make(number))
            errors += status != 200
        except (OSError, asyncio.IncompleteReadError):
            errors += 1
        finally:
            free.put_nowait(line)
        late.append(time.perf_counter() - due)

    total = int(rate * seconds)
    tasks: list[asyncio.Task[None]] = []
    start, before = time.perf_counter() + 0.1, cpu_seconds([pid])
    for number in range(total):
        due = start + number / rate
        pause = due - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        tasks.append(asyncio.create_task(one(number, due)))
    await asyncio.gather(*tasks)
    spent, took = cpu_seconds([pid]) - before, time.perf_counter() - start
    counted = late[total // 10 :]
    return Open(
        p50=percentile(counted, 50) * 1000,
        p99=percentile(counted, 99) * 1000,
        errors=errors,
        per_second=total / took,
        cpu_ms=spent / total * 1000,
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

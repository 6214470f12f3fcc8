"""The guard that keeps tests on this machine: it raises under every way out, and remembers what was swallowed."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvloop

from tests.kit import closed_network
from tests.kit.closed_network import NetworkIsClosed
from tests.kit.tools import ROOT

OUTSIDE = "192.0.2.1"


@pytest.fixture(autouse=True)
def _forgotten_attempts() -> Iterator[None]:
    yield
    closed_network.attempts.clear()


@pytest.mark.parametrize("host", [OUTSIDE, "10.0.0.1", "169.254.169.254", "::ffff:192.0.2.1", "2001:db8::1"])
async def test_no_connection_leaves_the_machine(host: str) -> None:
    with pytest.raises(NetworkIsClosed):
        await asyncio.open_connection(host, 9)
    assert closed_network.attempts == [f"connect to {host}"]


async def test_no_name_is_looked_up() -> None:
    with pytest.raises(NetworkIsClosed, match=r"look up partner\.example"):
        async with httpx.AsyncClient() as client:
            await client.get("http://partner.example/ocpi/versions")


def test_no_datagram_leaves_the_machine() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out, pytest.raises(NetworkIsClosed):
        out.sendto(b"x", (OUTSIDE, 9))


@pytest.mark.parametrize("host", [OUTSIDE, "partner.example"])
def test_uvloop_is_closed_too(host: str) -> None:
    async def leave() -> None:
        await asyncio.open_connection(host, 9)

    with pytest.raises(NetworkIsClosed), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(leave())


async def test_a_swallowed_error_is_remembered() -> None:
    with contextlib.suppress(Exception):
        await asyncio.open_connection(OUTSIDE, 9)
    assert closed_network.attempts == [f"connect to {OUTSIDE}"]


def test_a_test_that_swallowed_the_error_fails(tmp_path: Path) -> None:
    (tmp_path / "test_leaving.py").write_text(
        "import contextlib, socket\n"
        "def test_leaving():\n"
        "    with contextlib.suppress(Exception):\n"
        f"        socket.create_connection(('{OUTSIDE}', 9))\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", f"--rootdir={tmp_path}", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"left the machine: connect to {OUTSIDE}" in done.stdout


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_loopback_is_open(host: str, loop_factory: type[asyncio.AbstractEventLoop]) -> None:
    async def speak() -> bytes:
        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"hello")
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(host, server.sockets[0].getsockname()[1])
            heard = await reader.read()
            writer.close()
            await writer.wait_closed()
            return heard

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(speak()) == b"hello"
    assert closed_network.attempts == []

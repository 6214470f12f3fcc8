"""The probes of a process without other HTTP, on a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from contracts.probes import Health, looks_once_a_second, serve_probes

STATE = {"health": Health(is_ready=True)}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async def check() -> Health:
        return STATE["health"]

    server = await serve_probes("127.0.0.1", 0, check)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def ask(port: int, request: bytes) -> tuple[int, dict[str, object]]:
    """(status, body); 0 where the server hung up without an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    if not answer:
        return 0, {}
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    return int(head.split(b" ")[1]), json.loads(body)


async def test_ready_and_not_ready(port: int) -> None:
    STATE["health"] = Health(is_ready=True, parts={"database": "ok"})
    assert await ask(port, b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n") == (200, {"status": "ok", "database": "ok"})
    STATE["health"] = Health(is_ready=False, parts={"database": "away"})
    assert await ask(port, b"GET /readyz HTTP/1.1\r\n\r\n") == (503, {"status": "not ready", "database": "away"})
    assert await ask(port, b"GET /livez HTTP/1.0\r\n\r\n") == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"POST /readyz HTTP/1.1\r\n\r\n", 405),
        (b"\r\n\r\n", 405),
        (b"GET /readyz", 0),
        (b"x" * 100_000, 0),
        (b"", 0),
    ],
)
async def test_anything_else_is_answered_or_hung_up_on(port: int, request_: bytes, status: int) -> None:
    try:
        assert (await ask(port, request_))[0] == status
    except ConnectionError:
        assert status == 0
    assert (await ask(port, b"GET /livez HTTP/1.1\r\n\r\n"))[0] == 200


async def test_many_questions_are_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("contracts.probes.time.monotonic", lambda: clock[0])
    looks: list[int] = []

    async def check() -> Health:
        looks.append(len(looks))
        await asyncio.sleep(0)
        return Health(is_ready=True, parts={"look": len(looks)})

    look = looks_once_a_second(check)
    assert {health.parts["look"] for health in await asyncio.gather(*(look() for _ in range(50)))} == {1}
    clock[0] += 0.9
    assert (await look()).parts == {"look": 1}
    clock[0] += 0.2
    assert (await look()).parts == {"look": 2}


async def test_a_look_that_failed_is_not_kept() -> None:
    outcomes = iter([ValueError("away"), None])

    async def check() -> Health:
        if error := next(outcomes):
            raise error
        return Health(is_ready=True)

    look = looks_once_a_second(check)
    with pytest.raises(ValueError, match="away"):
        await look()
    assert (await look()).is_ready

"""One connection without a network: order, bounds, and what happens when nothing can be kept."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.ocpp.station import CallTimeout, NotDurable, Pace, Refused, Request, Station
from adapters.ocpp.transport import Admission, SocketClosed
from tests.adapters.ocpp.fake_socket import FakeSocket
from tests.kit.wait import until


class Clerk:
    """An answerer that a test holds up or lets fail."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.go = asyncio.Event()
        self.go.set()
        self.is_broken = False

    async def __call__(self, station: Station, request: Request) -> dict[str, Any] | Refused:
        await self.go.wait()
        if self.is_broken:
            raise NotDurable("no disk")
        self.taken.append(str(request.call.id))
        return {}


def make(socket: FakeSocket, clerk: Clerk, **pace: Any) -> Station:
    return Station(
        id="CS-1",
        epoch=1,
        socket=socket,
        admission=Admission(station_id="CS-1", subprotocol=None, is_admitted=True, security_profile=1),
        answer=clerk,
        now=lambda: datetime.now(UTC),
        pace=Pace(**({"settle_seconds": 0, "pause_seconds": 0, "drain_seconds": 1} | pace)),
        is_admitted=True,
    )


def frame(number: int) -> bytes:
    return f'[2,"{number}","Heartbeat",{{}}]'.encode()


async def test_requests_are_answered_in_order() -> None:
    socket, clerk = FakeSocket(), Clerk()
    socket.hear(*map(frame, range(150)))
    running = asyncio.create_task(make(socket, clerk).run())
    await until(lambda: len(socket.sent) == 150)
    assert [json.loads(data)[1] for data in socket.sent] == [str(number) for number in range(150)]
    socket.hang_up()
    assert await running == "closed by the station (1000)"


async def test_a_slow_answer_stops_the_reading() -> None:
    socket, clerk = FakeSocket(), Clerk()
    clerk.go.clear()
    socket.hear(*map(frame, range(200)))
    running = asyncio.create_task(make(socket, clerk).run())
    await until(lambda: socket.unread < 200)
    await asyncio.sleep(0)
    assert socket.unread >= 200 - 64 - 2
    clerk.go.set()
    await until(lambda: len(socket.sent) == 200)
    socket.hang_up()
    await running


async def test_what_cannot_be_kept_is_not_answered_and_nothing_overtakes_it() -> None:
    socket, clerk = FakeSocket(), Clerk()
    clerk.go.clear()
    clerk.is_broken = True
    socket.hear(*map(frame, range(200)))
    station = make(socket, clerk)
    running = asyncio.create_task(station.run())
    await until(lambda: socket.unread < 200)
    clerk.go.set()
    async with asyncio.timeout(3):
        assert await running == "try again later"
    assert socket.close_code == 1013
    assert socket.sent == []
    assert clerk.taken == []


async def test_a_call_is_answered_by_its_id_only() -> None:
    socket = FakeSocket()
    station = make(socket, Clerk())
    running = asyncio.create_task(station.run())
    calling = asyncio.create_task(station.call("Reset", {"type": "Soft"}, seconds=5))
    await until(lambda: socket.sent)
    kind, number, action, payload = json.loads(socket.sent[0])
    assert (kind, action, payload) == (2, "Reset", {"type": "Soft"})
    socket.hear(b'[3,"other",{"status":"Accepted"}]', f'[3,"{number}",{{"status":"Rejected"}}]'.encode())
    answer = await calling
    assert getattr(answer, "payload", None) == {"status": "Rejected"}
    socket.hang_up()
    await running
    with pytest.raises(SocketClosed):
        await station.call("Reset", {"type": "Soft"}, seconds=5)


async def test_a_pending_call_ends_with_the_connection() -> None:
    socket = FakeSocket()
    station = make(socket, Clerk())
    running = asyncio.create_task(station.run())
    calling = asyncio.create_task(station.call("Reset", {"type": "Soft"}, seconds=60))
    await until(lambda: socket.sent)
    socket.hang_up()
    await running
    with pytest.raises(SocketClosed):
        await calling


async def test_time_outs_are_counted_in_a_row() -> None:
    socket = FakeSocket()
    station = make(socket, Clerk())
    running = asyncio.create_task(station.run())
    for _ in range(2):
        with pytest.raises(CallTimeout):
            await station.call("Reset", {"type": "Soft"}, seconds=0.01)
    calling = asyncio.create_task(station.call("Reset", {"type": "Soft"}, seconds=5))
    await until(lambda: len(socket.sent) == 3)
    socket.hear(f'[3,"{json.loads(socket.sent[2])[1]}",{{"status":"Accepted"}}]'.encode())
    await calling
    for _ in range(2):
        with pytest.raises(CallTimeout):
            await station.call("Reset", {"type": "Soft"}, seconds=0.01)
    assert not socket.was_aborted
    with pytest.raises(CallTimeout):
        await station.call("Reset", {"type": "Soft"}, seconds=0.01)
    assert socket.was_aborted
    assert await running == "does not answer commands"


async def test_commands_have_pauses_between_them() -> None:
    socket = FakeSocket()
    station = make(socket, Clerk(), pause_seconds=0.1)
    running = asyncio.create_task(station.run())
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(2):
        with pytest.raises(CallTimeout):
            await station.call("Reset", {"type": "Soft"}, seconds=0.01)
    assert loop.time() - began >= 0.1
    socket.hang_up()
    await running

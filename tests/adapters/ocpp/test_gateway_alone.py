"""The gateway without a network, where time can be short and sockets can be bad."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.kit.manifest import CommandResult, OperationResult
from adapters.ocpp import straying
from adapters.ocpp.authorizing import Decided
from adapters.ocpp.gateway import Gateway, Watch
from adapters.ocpp.presence import Presence
from adapters.ocpp.security import Doorkeeper, Rules
from adapters.ocpp.state import open_state
from adapters.ocpp.station import Pace, Refused, Request, Station
from adapters.ocpp.transport import Admission
from adapters.ocpp.version import OLDEST, Version
from contracts.messages import (
    CommandRequested,
    OperationRequested,
    StationConnected,
    StationDeviationsCounted,
    StationDisconnected,
)
from contracts.vocabulary import CommandOutcome, ConnectorStatus, OperationOutcome
from tests.adapters.ocpp.fake_socket import FakeSocket
from tests.kit.stations import FakePorts
from tests.kit.wait import until

PASSWORD = "0123456789abcdef"
HEARTBEAT = b'[2,"1","Heartbeat",{}]'


async def answer(station: Station, request: Request) -> dict[str, Any] | Refused:
    return {}


async def undecided(station: Station, request: Request) -> Decided:
    raise AssertionError("nobody goes through here")


async def carry_out(station: Station, command: CommandRequested) -> CommandResult:
    return CommandResult(outcome=CommandOutcome.ACCEPTED)


async def operate(station: Station, request: OperationRequested) -> OperationResult:
    return OperationResult(outcome=OperationOutcome.ACCEPTED)


class Greeter:
    """Notes who was asked how its connectors are."""

    def __init__(self) -> None:
        self.asked: list[Station] = []

    async def admitted(self, station: Station) -> None:
        return

    async def ask_status(self, station: Station) -> None:
        self.asked.append(station)


class Room:
    def __init__(self) -> None:
        self.fakes = FakePorts()
        self.state = open_state(None)
        self.greeter = Greeter()
        self.gateway = self._gateway(Watch())
        self._tasks: list[asyncio.Task[None]] = []

    def open(self, **watch: Any) -> None:
        self.gateway = self._gateway(Watch(sweep_seconds=0.02, **watch))
        self.gateway.start()

    def enter(self, socket: FakeSocket, *, station_id: str = "CS-1", is_admitted: bool = True) -> asyncio.Task[None]:
        """A station after its handshake; who was admitted there has an account and gave its password."""
        if is_admitted and self.fakes.accounts.find(station_id) is None:
            self.fakes.accounts.change(station_id, password=PASSWORD)
        return self.arrive(socket, station_id=station_id, is_admitted=is_admitted, has_password=is_admitted)

    def arrive(
        self, socket: FakeSocket, *, station_id: str = "CS-1", is_admitted: bool, has_password: bool
    ) -> asyncio.Task[None]:
        """A station after its handshake, whatever has become of its account."""
        admission = Admission(
            station_id=station_id,
            subprotocol=None,
            is_admitted=is_admitted,
            security_profile=1 if has_password else 0,
            key_digest=self.fakes.accounts.digest(station_id, PASSWORD) if has_password else None,
        )
        task = asyncio.create_task(self.gateway.handle(socket, admission))
        self._tasks.append(task)
        return task

    async def close(self) -> None:
        await self.gateway.drain()
        await asyncio.gather(*self._tasks)
        self.state.close()

    def gone(self) -> list[StationDisconnected]:
        return self.fakes.facts.of(StationDisconnected)

    def _gateway(self, watch: Watch) -> Gateway:
        ports = self.fakes.ports()
        return Gateway(
            ports=ports,
            doorkeeper=Doorkeeper(Rules(), ports.accounts),
            versions={OLDEST: self._version()},
            presence=Presence(self.state),
            pace=Pace(settle_seconds=0, drain_seconds=0.5),
            watch=watch,
        )

    def _version(self) -> Version:
        return Version(
            subprotocol=OLDEST,
            answer=answer,
            decide=undecided,
            greeter=self.greeter,
            carry_out=carry_out,
            operate=operate,
            broken_frame="FormationViolation",
        )


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    room = Room()
    yield room
    await room.close()


async def test_a_connection_that_never_says_a_word_is_dropped(room: Room) -> None:
    room.open(first_frame_seconds=0.1, ping_seconds=0.1)
    mute, ponging = FakeSocket(), FakeSocket(answers_pings=True)
    room.enter(mute, station_id="MUTE")
    room.enter(ponging, station_id="QUIET")
    await until(lambda: mute.was_aborted)
    await until(lambda: ponging.pings >= 2)
    assert not ponging.was_aborted, "a pong is a sign of life"
    await until(room.gone)
    assert room.gone()[0].reason == "silent"


async def test_a_station_that_fell_silent_is_dropped(room: Room) -> None:
    room.open(silent_seconds=0.15, ping_seconds=0.05)
    socket = FakeSocket()
    room.enter(socket)
    socket.hear(HEARTBEAT)
    await until(lambda: socket.was_aborted)
    assert socket.sent
    assert socket.pings


async def test_a_station_that_used_to_answer_pings_is_dropped_sooner(room: Room) -> None:
    room.open(silent_seconds=60, ping_seconds=0.05)
    socket = FakeSocket(answers_pings=True)
    room.enter(socket)
    socket.hear(HEARTBEAT)
    await until(lambda: socket.pings >= 2)
    socket._answers_pings = False
    await until(lambda: socket.was_aborted, seconds=2)


async def test_a_station_that_tells_no_status_is_asked_once(room: Room) -> None:
    room.open(status_seconds=0.1)
    sockets = {name: FakeSocket() for name in ("SILENT", "TOLD", "STRANGER", "MUTE")}
    for name, socket in sockets.items():
        room.enter(socket, station_id=name, is_admitted=name != "STRANGER")
    await until(lambda: len(room.gateway.stations()) == 4)
    told = room.gateway.find("TOLD")
    assert told is not None
    told.statuses[1] = ConnectorStatus.AVAILABLE
    for name in ("SILENT", "TOLD", "STRANGER"):
        sockets[name].hear(HEARTBEAT)
    await until(lambda: room.greeter.asked)
    late = FakeSocket()
    room.enter(late, station_id="LATE")
    late.hear(HEARTBEAT)
    await until(lambda: len(room.greeter.asked) == 2)
    assert [station.id for station in room.greeter.asked] == ["SILENT", "LATE"]


async def test_pings_can_be_off(room: Room) -> None:
    room.open(silent_seconds=0.3, ping_seconds=0)
    socket = FakeSocket()
    room.enter(socket)
    socket.hear(HEARTBEAT)
    await until(lambda: socket.was_aborted)
    assert socket.pings == 0


async def test_a_station_that_never_reads_is_dropped(room: Room) -> None:
    room.open(stuck_seconds=0.1)
    socket = FakeSocket(reads=False)
    room.enter(socket)
    socket.hear(*[HEARTBEAT] * 200)
    await until(lambda: socket.was_aborted)
    assert socket.unread > 100, "it was not read further than a bound"
    await until(room.gone)
    assert room.gone()[0].reason == "does not read"


async def test_a_stranger_never_takes_the_place_of_a_station(room: Room) -> None:
    """Both were in their handshakes when the account was admitted."""
    room.open()
    station, stranger = FakeSocket(), FakeSocket()
    room.enter(station)
    await until(lambda: room.gateway.find("CS-1"))
    await room.enter(stranger, is_admitted=False)
    assert stranger.close_code == 1008
    assert station.close_code is None
    assert len(room.fakes.facts.of(StationConnected)) == 1


async def test_a_stranger_whose_account_came_during_its_handshake_is_one_of_ours(room: Room) -> None:
    room.open()
    room.fakes.accounts.change("CS-1", password=PASSWORD)
    room.arrive(FakeSocket(), is_admitted=False, has_password=True)
    await until(lambda: room.fakes.facts.of(StationConnected))
    (connected,) = room.fakes.facts.of(StationConnected)
    assert (connected.is_admitted, connected.epoch) == (True, 1)
    station = room.gateway.find("CS-1")
    assert station is not None
    assert station.is_admitted


@pytest.mark.parametrize("has_password", [True, False])
async def test_a_stranger_whose_account_came_with_another_password_is_sent_away(room: Room, has_password: bool) -> None:
    room.open()
    room.fakes.accounts.change("CS-1", password="another")
    socket = FakeSocket()
    await room.arrive(socket, is_admitted=False, has_password=has_password)
    assert socket.close_code == 1008
    assert room.gateway.find("CS-1") is None
    assert room.fakes.facts.of(StationConnected) == []


async def test_a_station_that_was_shut_out_during_its_handshake_is_sent_away(room: Room) -> None:
    room.open()
    room.fakes.accounts.change("CS-1", password=PASSWORD, is_admitted=False)
    socket = FakeSocket()
    await room.arrive(socket, is_admitted=True, has_password=True)
    assert socket.close_code == 1013
    assert room.gateway.find("CS-1") is None
    assert room.fakes.facts.of(StationConnected) == []


async def test_a_connection_that_cannot_be_told_is_sent_away(room: Room) -> None:
    room.open()
    room.fakes.facts.is_full = True
    socket = FakeSocket()
    await room.enter(socket)
    assert socket.close_code == 1013
    assert room.gateway.find("CS-1") is None


async def test_stations_lost_with_the_process_are_told_once(room: Room) -> None:
    presence = Presence(room.state)
    presence.came("LOST", 7)
    presence.came("BACK", 7)
    room.open(lost_after_seconds=0.1)
    room.enter(FakeSocket(), station_id="BACK")
    await until(room.gone)
    await until(lambda: len(room.gone()) == 2)
    assert {(gone.station_id, gone.epoch) for gone in room.gone()} == {("LOST", 7), ("BACK", 7)}
    back = room.fakes.facts.of(StationConnected)[-1]
    assert presence.left_over() == [("BACK", back.epoch)]
    assert room.gateway.find("BACK") is not None
    assert back.epoch != 7


async def test_how_a_station_strays_is_told_soon_and_at_the_end(room: Room) -> None:
    room.open()
    socket = FakeSocket()
    room.enter(socket)
    await until(lambda: room.gateway.find("CS-1"))
    station = room.gateway.find("CS-1")
    assert station is not None
    socket.hear(b"no frame")
    await until(lambda: room.fakes.facts.of(StationDeviationsCounted))
    station.told.at -= straying.SOON + 1
    socket.hear(b"no frame")
    await until(lambda: station.deviations["unreadable"] == 2)
    assert not straying.is_due(station, asyncio.get_running_loop().time()), "the same again is told seldom"
    station.deviations["clock not set"] += 1
    await until(lambda: len(room.fakes.facts.of(StationDeviationsCounted)) == 2)
    station.deviations["clock not set"] += 1
    socket.hang_up()
    await until(room.gone)
    told = [fact.counts for fact in room.fakes.facts.of(StationDeviationsCounted)]
    assert told == [
        {"unreadable": 1},
        {"clock not set": 1, "unreadable": 2},
        {"clock not set": 2, "unreadable": 2},
    ]

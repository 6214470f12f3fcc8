"""The wire log keeps what passes, both ways, and never holds a frame up, whatever becomes of those who listen."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from adapters.ocpp import wire
from adapters.ocpp.wire import WireLog
from contracts.bus.kafka import MAX_MESSAGE_BYTES
from contracts.messages import FramesSeen
from tests.adapters.ocpp.conftest import Hub
from tests.kit.wait import until


class Listener:
    """Implements ``manifest.Wire``. Holds while ``may_go`` is not set."""

    def __init__(self) -> None:
        self.seen: list[FramesSeen] = []
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.calls = 0
        self.is_broken = False

    async def tell(self, seen: Sequence[FramesSeen]) -> None:
        self.calls += 1
        await self.may_go.wait()
        if self.is_broken:
            raise ConnectionError
        self.seen += seen

    def texts(self, station_id: str = "CS-1") -> list[tuple[bool, str]]:
        return [
            (frame.is_from_station, frame.text)
            for message in self.seen
            if message.station_id == station_id
            for frame in message.frames
        ]


@pytest.fixture
async def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    monkeypatch.setattr(wire, "TELL_EVERY", 0.02)
    return Listener()


@pytest.fixture
async def hub(tmp_path: Path, listener: Listener) -> AsyncIterator[Hub]:
    hub = Hub(tmp_path)
    hub.fakes.wire = listener
    await hub.start(has_wire_log=True)
    yield hub
    await hub.close()


async def test_what_passes_is_kept_masked_and_in_order(hub: Hub, listener: Listener) -> None:
    station = await hub.station()
    await station.call("Authorize", {"idTag": "04A1B2C3D4E5F6"}, id="41")
    await until(lambda: len(listener.texts()) >= 4)
    kept = listener.texts()
    assert [is_from_station for is_from_station, _ in kept[:4]] == [True, False, True, False]
    assert '"BootNotification"' in kept[0][1]
    assert kept[2][1].replace(" ", "") == '[2,"41","Authorize",{"idTag":"…E5F6"}]'
    assert kept[3][1].startswith('[3,"41",')
    assert {message.network for message in listener.seen} == {"demo"}


async def test_nobody_waits_for_those_who_listen(hub: Hub, listener: Listener) -> None:
    station = await hub.station()
    listener.may_go.clear()
    await station.call("Heartbeat", {})
    await until(lambda: listener.calls >= 1)
    for _ in range(5):
        await station.call("Heartbeat", {})
    listener.is_broken = True
    listener.may_go.set()
    calls = listener.calls
    await until(lambda: listener.calls > calls + 1)
    await station.call("Heartbeat", {})
    listener.is_broken = False
    await until(lambda: any(message.missed for message in listener.seen))


async def test_off_means_off(hub: Hub, listener: Listener) -> None:
    await hub.start(has_wire_log=False)
    station = await hub.station()
    await station.call("Heartbeat", {})
    assert "TappedSocket" not in type(hub.inside().socket).__name__
    assert listener.texts() == []


async def test_what_is_too_much_is_counted(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_OCTETS", 5_000)
    log = WireLog(listener, "demo", clock=lambda: 1_700_000_000.0)
    for number in range(100):
        log.note("CS-1", True, b"[2,%d]" % number)
    log.note("CS-2", True, b"x" * 6_000)
    await log.flush()
    kept = len(listener.texts())
    assert 0 < kept < 100
    missed = {message.station_id: message.missed for message in listener.seen}
    assert missed == {"CS-1": 100 - kept, "CS-2": 1}
    log.note("CS-1", False, b"[3,1]")
    await log.flush()
    assert listener.seen[-1].missed == 0
    log.note("CS-1", True, b'{"idTag":"04A1B2C3D4E5F6"}' * 1)
    await log.flush()
    monkeypatch.undo()
    log.note("CS-1", True, b"y" * 70_000)
    for _ in range(450):
        log.note("CS-3", True, b"[2]")
    await log.flush()
    assert listener.texts()[-1][1] == "(70000 octets: too many to keep)"
    assert [len(message.frames) for message in listener.seen if message.station_id == "CS-3"] == [200, 200, 50]


async def test_strangers_take_no_room_from_bound_stations(listener: Listener) -> None:
    log = WireLog(listener, "demo", is_known=lambda station_id: station_id == "CS-1")
    for number in range(wire.MOST_OCTETS // 10_000):
        log.note(f"X-{number}", True, b"x" * 10_000)
    log.note("CS-1", True, b"[2]")
    await log.flush()
    missed = {message.station_id: message.missed for message in listener.seen}
    assert missed["CS-1"] == 0
    kept = sum(len(message.frames) for message in listener.seen)
    assert (kept - 1) * 10_000 <= wire.MOST_OCTETS / wire.OF_STRANGERS
    assert sum(missed.values()) + kept == wire.MOST_OCTETS // 10_000 + 1


async def test_every_message_is_small_enough_for_the_bus(listener: Listener) -> None:
    log = WireLog(listener, "demo", clock=lambda: 1_700_000_000.0)
    frame = b'[2,"1","DataTransfer",{"data":"' + b"\\u0001" * 2_700 + b'"}]'
    for _ in range(300):
        log.note("CS-1", True, frame)
    await log.flush()
    assert len(listener.texts()) == 300
    assert max(len(msgspec.json.encode(message)) for message in listener.seen) < MAX_MESSAGE_BYTES

"""Broken frames in each version through the gateway: every request is answered by its id with a code of its version,
nothing of one station reaches another, and memory stays flat.

``make fuzz-ocpp`` sends 100,000 in each version and says how fast; here a few thousand of the same.
"""

import asyncio
import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from adapters.kit.manifest import Fact
from adapters.ocpp.gateway import Gateway
from adapters.ocpp.presence import Presence
from adapters.ocpp.recording import Answering, Desk
from adapters.ocpp.rejected import RejectedFrames
from adapters.ocpp.security import Doorkeeper, Rules
from adapters.ocpp.spoken import versions_of
from adapters.ocpp.state import open_state
from adapters.ocpp.station import Pace, Station
from adapters.ocpp.tokens import Tokens
from adapters.ocpp.transactions import Transactions
from adapters.ocpp.transport import Admission
from adapters.ocpp.v16.schemas import SCHEMAS as SCHEMAS_16
from adapters.ocpp.v21.edition import EDITION as EDITION_21
from adapters.ocpp.v201.schemas import SCHEMAS as SCHEMAS_201
from adapters.ocpp.version import Version
from contracts.envelope import decode, encode, wrap
from tests.adapters.ocpp.conftest import Hub
from tests.adapters.ocpp.fake_socket import FakeSocket
from tests.adapters.ocpp.fuzzing import RESULT, Author, Sent, Stolen
from tests.kit.stations import FakePorts

COUNT = int(os.environ.get("ROAMING_FUZZ", "1500"))
SEED = os.environ.get("ROAMING_SEED", "20261129")
BATCH = 200
SCHEMAS = {"ocpp1.6": SCHEMAS_16, "ocpp2.0.1": SCHEMAS_201, "ocpp2.1": EDITION_21.schemas}
ATTACKERS = ("MALLORY-1", "MALLORY-2", "MALLORY-3", "MALLORY-4")
VICTIM = "VICTIM"
UNSEEN = "-1"
AT = "2026-11-23T10:00:00Z"


class Line(FakeSocket):
    """Hears frames and says when the last of them was answered."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: dict[str, asyncio.Event] = {}
        self._count = 0

    async def send(self, data: bytes) -> None:
        await super().send(data)
        frame = json.loads(data)
        if frame[0] == 3 and frame[1] in self._waiting:
            self._waiting.pop(frame[1]).set()

    async def say(self, *frames: bytes) -> list[Any]:
        """What was answered, until these were dealt with."""
        self._count += 1
        last = f"last-{self._count}"
        answered = self._waiting[last] = asyncio.Event()
        self.hear(*frames, json.dumps([2, last, "Heartbeat", {}]).encode())
        await answered.wait()
        found = [json.loads(data) for data in self.sent if last.encode() not in data]
        self.sent.clear()
        return found


class Witness:
    """Implements ``Facts``: every fact can go over the bus, and names no station but its own."""

    def __init__(self, stations: Iterable[str]) -> None:
        self.told: Counter[str] = Counter()
        self._stations = tuple(stations)

    async def record(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            self.told[fact.station_id] += 1
            assert getattr(fact.message, "station_id", None) == fact.station_id
            body = encode(
                wrap(
                    fact.message,
                    id=fact.id,
                    subject=f"demo/{fact.station_id}",
                    sequence=1,
                    occurred_at=fact.occurred_at,
                    recorded_at=fact.occurred_at,
                    correlation_id=fact.correlation_id or fact.id,
                    source="test",
                )
            )
            assert decode(body).message() == fact.message
            text = body.decode()
            assert [other for other in self._stations if other != fact.station_id and other in text] == []


class Ground:
    """A gateway without a network, with an honest station and some that are not."""

    def __init__(self, folder: Path, version: str) -> None:
        self.version = version
        self.witness = Witness((*ATTACKERS, VICTIM))
        ports = replace(FakePorts().ports(), facts=self.witness)
        self._state = open_state(folder / "ocpp.sqlite")
        desk = Desk(
            ports=ports,
            transactions=Transactions(self._state, secret=b"s"),
            tokens=Tokens(self._state, secret=b"s"),
            rejected=RejectedFrames(self._state),
            answering=Answering(),
        )
        versions = versions_of(desk, self._state)
        self.spoken: Version = versions[version]
        self.gateway = Gateway(
            ports=ports,
            doorkeeper=Doorkeeper(Rules(), ports.accounts),
            versions=versions,
            presence=Presence(self._state),
            pace=Pace(messages_per_second=1e9, burst=1e9, call_seconds=3600, settle_seconds=0),
        )
        self._accounts: Any = ports.accounts
        self._tasks: list[asyncio.Task[None]] = []

    def enter(self, station_id: str) -> Line:
        self._accounts.change(station_id, password="0123456789abcdef")
        admission = Admission(
            station_id=station_id,
            subprotocol=self.version,
            is_admitted=True,
            security_profile=1,
            key_digest=self._accounts.digest(station_id, "0123456789abcdef"),
        )
        line = Line()
        self._tasks.append(asyncio.create_task(self.gateway.handle(line, admission)))
        return line

    def inside(self, station_id: str) -> Station:
        found = self.gateway.find(station_id)
        assert found is not None, f"{station_id} was thrown off"
        return found

    async def close(self) -> None:
        await self.gateway.drain()
        await asyncio.gather(*self._tasks)
        self._state.close()


@asynccontextmanager
async def ground(folder: Path, version: str) -> AsyncIterator[Ground]:
    found = Ground(folder, version)
    yield found
    await found.close()


def start_of(version: str, transaction_id: str) -> tuple[str, dict[str, Any]]:
    """How an honest station begins a charge."""
    if version == "ocpp1.6":
        return "StartTransaction", {"connectorId": 1, "idTag": "TAG", "meterStart": 5, "timestamp": AT}
    return "TransactionEvent", event_of("Started", transaction_id, 0)


def event_of(kind: str, transaction_id: str, number: int) -> dict[str, Any]:
    return {
        "eventType": kind,
        "timestamp": AT,
        "triggerReason": "Authorized",
        "seqNo": number,
        "transactionInfo": {"transactionId": transaction_id},
        "evse": {"id": 1, "connectorId": 1},
        "idToken": {"idToken": "TAG", "type": "ISO14443"},
        "meterValue": [{"timestamp": AT, "sampledValue": [{"value": 5 + number}]}],
    }


def judged(sent: Sequence[Sent], answers: Sequence[Any]) -> tuple[Counter[tuple[str, str]], list[str]]:
    """How often each kind came to which outcome, and what is wrong."""
    got: dict[str, list[str]] = defaultdict(list)
    for answer in answers:
        got[str(answer[1])].append(RESULT if answer[0] == 3 else answer[2])
    seen, faults = Counter[tuple[str, str]](), []
    unseen = [each for each in sent if not each.id]
    if sorted(got.pop(UNSEEN, [])) != sorted(code for each in unseen for code in each.outcomes):
        faults.append(f"without an id: {[each.data[:200] for each in unseen]}")
    for each in sent:
        outcomes = got.pop(each.id, [""]) if each.id else [*each.outcomes]
        seen[each.kind, outcomes[0]] += 1
        if len(outcomes) != 1 or outcomes[0] not in each.outcomes:
            faults.append(f"{each.kind}: {outcomes} instead of {sorted(each.outcomes)}: {each.data[:500]!r}")
    faults += [f"an answer to nothing: {frame_id} {codes}" for frame_id, codes in got.items()]
    return seen, faults


def kibibytes() -> int:
    """That this process holds in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def authors(ground: Ground, stolen: Stolen) -> dict[str, Author]:
    requests = frozenset(ground.spoken.answer._handlers)  # type: ignore[attr-defined]
    return {
        name: Author(
            f"{name}-{SEED}",
            SCHEMAS[ground.version],
            requests=requests,
            sends=ground.spoken.knows_send,
            stolen=stolen,
        )
        for name in ATTACKERS
    }


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("version", SCHEMAS)
async def test_no_frame_breaks_the_gateway(version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen, faults, memory = Counter[tuple[str, str]](), list[str](), list[int]()
    began = time.perf_counter()
    async with ground(tmp_path, version) as found:
        victim = found.enter(VICTIM)
        action, payload = start_of(version, "ours")
        [answer] = await victim.say(json.dumps([2, "start", action, payload]).encode())
        told = found.witness.told[VICTIM]
        pending = asyncio.create_task(found.inside(VICTIM).call("Reset", {"type": "Soft"}, seconds=3600))
        while not victim.sent:
            await asyncio.sleep(0)
        call_id = json.loads(victim.sent.pop())[1]
        stolen = Stolen(transaction_id=answer[2].get("transactionId", "ours"), call_id=call_id)
        lines = {name: found.enter(name) for name in ATTACKERS}
        frames = {name: author.frames(COUNT // len(ATTACKERS)) for name, author in authors(found, stolen).items()}

        async def speak(name: str) -> None:
            while batch := list(islice(frames[name], BATCH)):
                answers = await lines[name].say(*(sent.data for sent in batch))
                more, wrong = judged(batch, answers)
                assert [other for other in ATTACKERS if other != name and other in json.dumps(answers)] == []
                seen.update(more)
                faults.extend(wrong)
                memory.append(kibibytes())

        await asyncio.gather(*map(speak, ATTACKERS))
        for name in ATTACKERS:
            station = found.inside(name)
            assert not station._pending
            assert len(station._answered) <= 4
        assert found.witness.told[VICTIM] == told, "somebody spoke for the honest station"
        assert not pending.done(), "somebody answered for the honest station"
        await victim.say(json.dumps([3, call_id, {"status": "Accepted"}]).encode())
        await pending
        end = ("StopTransaction", {"transactionId": stolen.transaction_id, "meterStop": 9, "timestamp": AT})
        if version != "ocpp1.6":
            end = ("TransactionEvent", event_of("Ended", "ours", 1))
        [answer] = await victim.say(json.dumps([2, "stop", *end]).encode())
        assert answer[0] == 3
        assert found.witness.told[VICTIM] > told, "its charge was open until it ended it"
    quarter = len(memory) // 4
    # Frames of a mebibyte come and go: what is kept is seen where there is least
    early, late = min(memory[quarter : 2 * quarter + 1]), min(memory[-quarter - 1 :])
    took = time.perf_counter() - began
    with capsys.disabled():
        if "ROAMING_FUZZ" in os.environ:
            print(f"\n{version}: {seen.total()} frames in {took:.0f} s: {seen.total() / took:.0f}/s, seed {SEED}")
            print(f"memory in the second quarter {early} KiB, in the last {late} KiB")
            for (kind, outcome), count in sorted(seen.items()):
                print(f"  {kind:20} {outcome or 'no answer':32} {count}")
    assert faults == [], f"{len(faults)} of {COUNT}, seed {SEED}:\n" + "\n".join(faults[:20])
    assert COUNT < 50_000 or late - early < 8 * 1024, f"{late - early} KiB more at the end"


@pytest.mark.parametrize("version", SCHEMAS)
async def test_no_frame_breaks_a_real_connection(hub: Hub, version: str) -> None:
    """The same frames over sockets, text and binary."""
    await hub.start(messages_per_second=1e9, message_burst=1e9)
    station = await hub.station() if version == "ocpp1.6" else await hub.station2("CS-1", version=version)
    answer = hub.running.gateway.versions[version].answer
    author = Author(
        f"socket-{SEED}",
        SCHEMAS[version],
        requests=frozenset(answer._handlers),  # type: ignore[attr-defined]
        sends=hub.running.gateway.versions[version].knows_send,
    )
    calm = await hub.station("CALM")
    sent = list(author.frames(COUNT // 10))
    station.frames.clear()
    for number, each in enumerate(sent):
        await station.socket.send(each.data, text=number % 5 > 0)
    await station.call("Heartbeat", {}, id="last", seconds=120)
    _, faults = judged(sent, [frame for frame in station.frames if frame[1] != "last" and frame[0] != 2])
    assert faults == []
    assert await calm.call("Heartbeat", {})

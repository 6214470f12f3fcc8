"""From "this changed" to a partner's door: order, patience, coalescing, and never twice what counts."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from structlog.testing import capture_logs

from roaming.hub import judging, recording, sending
from roaming.hub.deliver import DUE_PARTNERS, Deliverer
from roaming.hub.fan_out import FanOut
from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole
from roaming.model.time import SystemClock
from roaming.model.version import Version
from roaming.ocpi.addresses import AddressPolicy
from roaming.ocpi.client import OcpiClient, Timeouts
from roaming.ocpi.codec import Loss
from roaming.ocpi.module import (
    DeliveryJob,
    DeliveryKind,
    DeliveryRules,
    OcpiModule,
    Outgoing,
    PushRequest,
    Recipient,
    Services,
)
from roaming.ocpi.outgoing import tell
from roaming.ocpi.secrets import Secrets
from roaming.partners import dialects, registry
from roaming.partners.directory import Directory, DirectoryCache, Endpoint, PartyRole
from roaming.store.database import Database
from roaming.store.journal import Journal
from roaming.store.locks import locks_of
from roaming.store.reader import Reader
from tests.kit.scripted_partner import Received, ScriptedPartner, enveloped, http_answer
from tests.kit.wait import until

CPO, EMSP = PartyId("NL", "CPO"), PartyId("DE", "EMS")
OK = http_answer(enveloped(None))


@dataclass
class Door:
    """A partner that remembers what came through its door, and misbehaves by plan."""

    plan: list[str] = field(default_factory=list)
    """What happens to the next requests: ``500``, ``2001``, ``lost`` (saved, no answer); then all is well."""
    taken: list[tuple[str, str]] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    looked_up: int = 0

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        if request.method == "GET":
            self.looked_up += 1
            found = self.held.get(request.target.rsplit("/", 1)[-1])
            writer.write(
                http_answer(enveloped({"id": found}) if found else b"{}", status="200 OK" if found else "404 No")
            )
            return
        fate = self.plan.pop(0) if self.plan else "ok"
        if fate == "500":
            writer.write(http_answer(b"oops", status="500 Internal Server Error"))
            return
        if fate == "2001":
            writer.write(http_answer(enveloped(None, status_code=2001, status_message="no")))
            return
        value = json.loads(request.body)["id"]
        self.taken.append((request.target.rsplit("/", 1)[-1], value))
        self.held[value] = value
        if fate == "lost":
            await asyncio.sleep(3600)
        writer.write(OK)


async def read(reader: Reader, keys: Sequence[str]) -> dict[str, str]:
    return {key: key for key in keys}


def build(job: DeliveryJob, found: str | None, endpoint: str) -> PushRequest:
    body = json.dumps({"id": job.detail}).encode()
    losses = (Loss("parking", "2.2.1 does not have it"),) if job.object_key == "lossy" else ()
    return PushRequest(method="PUT", url=job.address(endpoint, job.object_key), body=body, losses=losses)


def audience(outgoing: Outgoing, found: str | None, directory: Directory) -> Sequence[Recipient]:
    return [
        Recipient(partner_id=partner.id, to_party=taker, from_party=outgoing.owner)
        for partner, taker in directory.takers_of(outgoing.owner)
    ]


async def find_copy(services: Services, job: DeliveryJob, endpoint: str) -> str | None:
    from roaming.ocpi.client import Call
    from roaming.ocpi.headers import RequestIds

    url = job.address(endpoint, job.detail)
    answer = await services.client.request(
        Call(partner_key=job.partner.id, method="GET", url=url, token_header="Token x", ids=RequestIds.fresh())
    )
    return url if answer.is_delivered else None


def rules(kind: DeliveryKind, give_up_after: timedelta = timedelta(hours=1)) -> DeliveryRules[str]:
    return DeliveryRules(
        kind=kind,
        interface=InterfaceRole.RECEIVER,
        read=read,
        audience=audience,
        build=build,
        give_up_after=give_up_after,
        find_copy=find_copy if kind == DeliveryKind.RECORD else None,
    )


def module(name: str, delivery: DeliveryRules[str]) -> OcpiModule:
    return OcpiModule(id=name, versions=(Version.V2_2_1,), interfaces=(), routes=(), delivery=delivery)


MODULES = (module("things", rules(DeliveryKind.STATE)), module("records", rules(DeliveryKind.RECORD)))


@pytest.fixture
async def services(database: Database) -> AsyncIterator[Services]:
    client = OcpiClient(
        AddressPolicy.of("127.0.0.0/8", is_http_allowed=True), timeouts=Timeouts(connect=1.0, total=0.5)
    )
    yield Services(
        database=database,
        directory=DirectoryCache(database),
        client=client,
        journal=Journal(database),
        secrets=Secrets(pepper=b"p" * 32, sealing_key=b"s" * 32),
        clock=SystemClock(),
        public_url="http://127.0.0.1:1/ocpi",
        modules=MODULES,
    )
    await client.aclose()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(recording, "MARGIN_SECONDS", 0.5)
    monkeypatch.setattr(judging, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(judging, "LONGEST_PAUSE", 0.1)


async def connect(services: Services, partner_id: str, url: str, emsp: PartyId = EMSP) -> None:
    async with services.database.work() as work:
        await registry.host_party(work, CPO, "CPO", name="CPO")
    async with services.database.work() as work:
        await registry.add_partner(work, id=partner_id, name=partner_id)
    directory = await services.directory.current()
    async with services.database.work() as work:
        await registry.connect_partner(
            work,
            directory,
            directory.partners[partner_id],
            version="2.2.1",
            versions_url=f"{url}/versions",
            endpoints=[
                Endpoint(module=name, role=InterfaceRole.RECEIVER, url=f"{url}/{name}")
                for name in ("things", "records")
            ],
            roles=[PartyRole(party=emsp, role="EMSP", name=partner_id)],
            sealed_token=services.secrets.seal("their-token", partner_id=partner_id),
        )


async def change(services: Services, name: str, detail: str, *, kind: str = "things", order_key: str = "") -> None:
    outgoing = Outgoing(module=kind, object_key=name, owner=CPO, detail=detail, order_key=order_key)
    async with services.database.work() as work:
        await tell(work, [outgoing])


@contextlib.asynccontextmanager
async def working(services: Services) -> AsyncIterator[None]:
    locks = locks_of(services.database)
    tasks = [
        asyncio.create_task(FanOut(services, MODULES, locks).run()),
        asyncio.create_task(Deliverer(services, MODULES, locks).run()),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await locks.close()


async def states(services: Services) -> dict[str, str]:
    rows = await services.database.reader.fetch("SELECT object_key, state FROM deliveries")
    return {row[0]: row[1] for row in rows}


async def test_a_change_arrives(services: Services) -> None:
    door = Door()
    async with ScriptedPartner(door) as partner:
        await connect(services, "ems", partner.url)
        async with working(services):
            await change(services, "a", "1")
            await until(lambda: door.taken)
            await until(lambda: _is_done(services, "a"))
    assert door.taken == [("a", "1")]
    assert partner.requests[0].headers["authorization"].startswith("Token ")
    assert partner.requests[0].headers["ocpi-to-party-id"] == "EMS"


async def test_what_a_version_cannot_say_stands_in_the_journal(services: Services) -> None:
    door = Door()
    async with ScriptedPartner(door) as partner:
        await connect(services, "ems", partner.url)
        async with working(services):
            await change(services, "lossy", "1")
            await until(lambda: _is_done(services, "lossy"))
    await services.journal.flush()
    rows = await services.database.reader.fetch("SELECT note FROM journal WHERE direction = 'out'")
    assert [row[0] for row in rows] == ["lost parking: 2.2.1 does not have it"]


async def _is_done(services: Services, name: str) -> bool:
    return (await states(services)).get(name) == "DELIVERED"


async def test_a_partner_that_was_down_gets_the_latest_state_once(services: Services) -> None:
    door = Door(plan=["500"] * 6)
    async with ScriptedPartner(door) as partner:
        await connect(services, "ems", partner.url)
        async with working(services):
            for number in range(5):
                await change(services, "a", str(number))
                await asyncio.sleep(0.03)
            await until(lambda: _is_done(services, "a"))
    assert door.taken[-1] == ("a", "4")
    assert len(door.taken) == len(set(door.taken))


async def test_records_arrive_all_in_order_and_once_through_every_fault(services: Services) -> None:
    door = Door(plan=["ok", "500", "lost", "500", "ok", "lost"])
    async with ScriptedPartner(door) as partner:
        await connect(services, "ems", partner.url)
        async with working(services):
            for number in range(6):
                await change(services, f"r{number}", f"r{number}", kind="records", order_key="one line")
            for number in range(6):
                await until(lambda number=number: _is_done(services, f"r{number}"), seconds=20)
    assert door.taken == [(f"r{number}", f"r{number}") for number in range(6)]
    assert door.looked_up >= 2


async def test_who_lost_the_lock_unknowingly_does_not_send_what_the_successor_sends(services: Services) -> None:
    """Both read the record while it was due; the second to leave is stopped, and not in doubt either."""
    await connect(services, "ems", "http://127.0.0.1:1")
    await change(services, "r", "r", kind="records")
    locks = locks_of(services.database)
    assert await FanOut(services, MODULES, locks).fan_out_once()
    await locks.close()
    directory = await services.directory.current()
    (row,) = await services.database.reader.fetch(f"SELECT {judging.COLUMNS} FROM deliveries")
    rules = {module.id: module.delivery for module in MODULES if module.delivery}
    pending = judging.Pending.of(row, directory.partners["ems"], rules, directory)
    first, second = recording.Recorder(services), recording.Recorder(services)
    await first.leaves(pending, 0.5)
    with pytest.raises(recording.NotAsRead):
        await second.leaves(pending, 0.5)


async def test_changes_of_a_module_that_is_not_here_wait_and_hold_nothing_up(services: Services) -> None:
    """While one release takes over from another, either may write what the other does not know."""
    door = Door()
    async with ScriptedPartner(door) as partner:
        await connect(services, "ems", partner.url)
        await change(services, "b", "1", kind="bookings")
        with capture_logs() as logs:
            async with working(services):
                await change(services, "a", "1")
                await until(lambda: _is_done(services, "a"))
    assert await services.database.reader.fetch("SELECT module, object_key FROM outgoing") == [("bookings", "b")]
    assert [log["count"] for log in logs if log["event"] == "changes_of_an_unknown_module_wait"] == [1]


async def test_what_is_refused_is_kept_for_people_and_holds_nothing_up(services: Services) -> None:
    door = Door(plan=["2001"])
    async with ScriptedPartner(door) as partner:
        await connect(services, "ems", partner.url)
        async with working(services):
            await change(services, "r0", "r0", kind="records", order_key="one line")
            await change(services, "r1", "r1", kind="records", order_key="one line")
            await until(lambda: _is_done(services, "r1"))
    assert await states(services) == {"r0": "REFUSED", "r1": "DELIVERED"}


async def test_a_dead_partner_delays_nobody_else(services: Services) -> None:
    door = Door()
    async with ScriptedPartner(door) as partner:
        await connect(services, "ems", partner.url)
        await connect(services, "dead", "http://127.0.0.1:9", PartyId("FR", "BAD"))
        async with working(services):
            await change(services, "a", "1")
            await until(lambda: door.taken, seconds=2)
            rows = await services.database.reader.fetch("SELECT state FROM deliveries WHERE partner_id = 'dead'")
            assert rows
            assert rows[0][0] == "PENDING"


async def test_a_partner_that_hangs_delays_nobody_else(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "TIMEOUT_SECONDS", 30.0)
    others = [Door() for _ in range(4)]
    hanging = Door(plan=["lost"] * 1000)
    async with contextlib.AsyncExitStack() as open_doors:
        for number, door in enumerate([*others, hanging]):
            partner = await open_doors.enter_async_context(ScriptedPartner(door))
            await connect(services, f"ems{number}", partner.url, PartyId("DE", f"EM{number}"))
        async with working(services):
            for number in range(40):
                await change(services, f"o{number}", str(number))
            await until(lambda: all(len(door.taken) >= 40 for door in others), seconds=20)
            assert 0 < len(hanging.taken) <= 8, "so many calls at once as it is allowed, and no more"
            rows = await services.database.reader.fetch(
                "SELECT COUNT(*) FROM deliveries WHERE partner_id = 'ems4' AND state = 'PENDING'"
            )
            assert rows[0][0] == 40


async def test_what_waits_for_one_partner_is_gone_through_for_no_other(services: Services) -> None:
    """Every statement of deliveries finds its rows by partner or by number: SQLite would take an index on the state."""
    if not services.database.is_sqlite:
        pytest.skip("PostgreSQL chooses by what it has counted")
    seen: dict[str, Any] = {}
    door = Door()
    async with ScriptedPartner(door) as partner:
        await connect(services, "ems", partner.url)
        with _statements(services, seen):
            async with working(services):
                await change(services, "a", "1")
                await change(services, "b", "2", kind="records")
                await until(lambda: _is_done(services, "a"))
                await until(lambda: _is_done(services, "b"))
    updates = {sql: values for sql, values in seen.items() if sql.startswith("UPDATE deliveries")}
    assert len(updates) == 2, "a record leaves, results are stored"
    async with services.database.reading() as connection:
        for sql, values in updates.items():
            plan = (await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)).all()
            assert any("INTEGER PRIMARY KEY (rowid=?)" in row[3] for row in plan), (sql, plan)
    plan = await services.database.reader.fetch(f"EXPLAIN QUERY PLAN {DUE_PARTNERS}", services.clock.now())
    assert any("(state=? AND partner_id=?" in row[3] for row in plan), plan
    assert not any("B-TREE" in row[3] for row in plan), "nothing is sorted"


@contextlib.contextmanager
def _statements(services: Services, seen: dict[str, Any]) -> Iterator[None]:
    """What is written, with its last values."""

    def note(_connection: Any, _cursor: Any, sql: str, values: Any, _context: Any, _many: Any) -> None:
        seen[sql] = values

    engine = services.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def test_one_slow_call_does_not_hold_up_the_next(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "TIMEOUT_SECONDS", 30.0)
    door = Door(plan=["lost"])
    async with ScriptedPartner(door) as partner:
        await connect(services, "ems", partner.url)
        async with working(services):
            for number in range(60):
                await change(services, f"o{number}", str(number))
            await until(lambda: len(door.taken) >= 60, seconds=10)


async def test_a_partner_that_was_away_is_told_as_fast_as_was_agreed(services: Services) -> None:
    """Evenly: no two at once, and no later ones sooner because it was away meanwhile."""
    times: list[float] = []
    door = Door(plan=["500"])

    async def noted(request: Received, writer: asyncio.StreamWriter) -> None:
        times.append(time.monotonic())
        await door(request, writer)

    async with ScriptedPartner(noted) as partner:
        await connect(services, "ems", partner.url)
        async with services.database.work() as work:
            await dialects.set_switch(work, "ems", "per_second", "20")
        for number in range(8):
            await change(services, f"o{number}", str(number))
        async with working(services):
            await until(lambda: len(door.taken) == 8, seconds=10)
    # Sent so far apart; some may have taken longer to arrive than others
    assert times[-1] - times[0] > 7 / 20 - 0.1


async def test_after_a_kill_a_record_is_not_looked_up_while_its_sending_may_be_under_way(services: Services) -> None:
    door = Door(plan=["lost"])
    async with ScriptedPartner(door) as partner:
        await connect(services, "ems", partner.url)
        async with working(services):
            await change(services, "r0", "r0", kind="records")
            await until(lambda: door.taken)
            ends_at = asyncio.get_running_loop().time() + sending.TIMEOUT_SECONDS
        async with working(services):
            while asyncio.get_running_loop().time() < ends_at:
                assert door.looked_up == 0
                await asyncio.sleep(0.02)
            await until(lambda: _is_done(services, "r0"))
    assert door.looked_up >= 1
    assert door.taken == [("r0", "r0")]


async def test_nothing_flows_without_an_agreement(services: Services) -> None:
    door = Door()
    async with ScriptedPartner(door) as partner:
        await connect(services, "ems", partner.url)
        async with services.database.work() as work:
            await registry.agree(work, cpo=CPO, emsp=EMSP, is_active=False)
        async with working(services):
            await change(services, "a", "1")
            await until(lambda: _is_empty(services))
    assert door.taken == []
    assert await states(services) == {}


async def _is_empty(services: Services) -> bool:
    return not await services.database.reader.fetch("SELECT 1 FROM outgoing")


async def test_given_up_after_its_patience_and_visible(services: Services) -> None:
    impatient_modules = (module("things", rules(DeliveryKind.STATE, timedelta(milliseconds=50))),)
    door = Door(plan=["500"] * 100)
    async with ScriptedPartner(door) as partner:
        await connect(services, "ems", partner.url)
        locks = locks_of(services.database)
        tasks = [
            asyncio.create_task(FanOut(services, impatient_modules, locks).run()),
            asyncio.create_task(Deliverer(services, impatient_modules, locks).run()),
        ]
        await change(services, "a", "1")

        async def is_dead() -> bool:
            return (await states(services)).get("a") == "DEAD"

        await until(is_dead)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await locks.close()
    rows = await services.database.reader.fetch("SELECT last_error, attempts FROM deliveries")
    assert "500" in rows[0][0]
    assert rows[0][1] >= 1

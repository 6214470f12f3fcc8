"""A disk that is full: new things are refused aloud, nothing that was acknowledged is lost, and all goes on once there
is room again. SQLite says it itself, at a limit of pages; PostgreSQL by the error of a server whose disk is full."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from roaming.store.database import Database
from tests.kit import ocpi_bodies
from tests.kit.answering_partner import AnsweringPartner, delivering
from tests.kit.hub_in_process import RECEIVER, SENDER, Answer, HubInProcess, hub_in_process
from tests.kit.postgresql import Postgresql
from tests.kit.scripted_partner import Received, ScriptedPartner
from tests.kit.wait import until

UNAVAILABLE = (503, 3000)
_REFUSE = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON %I EXECUTE FUNCTION full_disk()', name);
    END LOOP;
END $$
"""


@dataclass(frozen=True, kw_only=True)
class Disk:
    """What the hub stores on."""

    fill: Callable[[], Awaitable[None]]
    free: Callable[[], Awaitable[None]]


def sqlite_disk(database: Database) -> Disk:
    async def allow(pages: int) -> None:
        """So many more than there are, of the one connection that writes."""
        async with database.work() as work:
            (used,) = (await work.connection.exec_driver_sql("PRAGMA page_count")).one()
            await work.connection.exec_driver_sql(f"PRAGMA max_page_count = {used + pages}")

    return Disk(fill=lambda: allow(4), free=lambda: allow(1_000_000))


def postgresql_disk(server: Postgresql, url: str) -> Disk:
    name = url.rsplit("/", 1)[1]

    async def run(statement: str) -> None:
        """In a thread: it waits for tables that the hub writes to at the moment, and the hub must go on."""
        await asyncio.to_thread(server.execute, statement, database=name)

    async def fill() -> None:
        await run(_REFUSE)

    async def free() -> None:
        await run("DROP FUNCTION full_disk CASCADE")

    return Disk(fill=fill, free=free)


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(database_url, tmp_path, hub_party="NL-ZZZ") as running:
        yield running


@pytest.fixture
def disk(hub: HubInProcess, database_url: str, request: pytest.FixtureRequest) -> Disk:
    if database_url.startswith("sqlite"):
        return sqlite_disk(hub.services.database)
    return postgresql_disk(request.getfixturevalue("postgresql_server"), database_url)


async def put(hub: HubInProcess, number: int) -> Answer:
    """A tariff of the CPO, of some kB."""
    text = [{"language": "en", "text": "x" * 500}] * 10
    body = ocpi_bodies.tariff(id=f"T{number:03}", tariff_alt_text=text)
    return await hub.call("cpo", "PUT", f"{RECEIVER}/tariffs/FR/CPO/T{number:03}", body=body)


async def held(hub: HubInProcess) -> list[str]:
    """What the hub has of them."""
    rows = await hub.services.database.reader.fetch("SELECT object_id FROM tariffs ORDER BY object_id")
    return [row[0] for row in rows]


async def put_until_refused(hub: HubInProcess) -> tuple[list[str], int]:
    """What was acknowledged, and the number of the one that was not."""
    acknowledged: list[str] = []
    for number in range(100):
        answer = await put(hub, number)
        if answer.http_status != 201:
            assert answer.outcome == UNAVAILABLE, answer.text
            assert answer.headers["retry-after"]
            assert "cannot store anything at the moment" in answer.message
            return acknowledged, number
        acknowledged.append(f"T{number:03}")
    raise AssertionError("the disk never was full")


async def test_what_was_acknowledged_is_there_and_the_rest_is_refused(hub: HubInProcess, disk: Disk) -> None:
    assert (await put(hub, 999)).http_status == 201
    await disk.fill()
    acknowledged, number = await put_until_refused(hub)
    for more in range(number, number + 5):
        assert (await put(hub, more)).outcome == UNAVAILABLE
    assert await held(hub) == [*acknowledged, "T999"]
    found = await hub.call("cpo", "GET", f"{RECEIVER}/tariffs/FR/CPO/T999")
    assert found.data["id"] == "T999", "what there is can be read"
    assert (await hub.call("aaa", "GET", f"{SENDER}/locations")).outcome == (200, 1000)
    await disk.free()
    assert (await put(hub, number)).outcome == (201, 1000)
    assert await held(hub) == [*acknowledged, f"T{number:03}", "T999"]
    journaled = await hub.journal("module = 'tariffs' AND http_status = 503")
    assert len(journaled) == 6, "what was refused is told once there is room"


async def test_what_changed_is_told_once_there_is_room(hub: HubInProcess, disk: Disk) -> None:
    names = {f"L{number:02}" for number in range(60)}
    door = AnsweringPartner()
    async with ScriptedPartner(door) as partner:
        await hub.connect("ccc", "DE-CCC", "EMSP", url=partner.url)
        for name in names:
            await hub.host_location(name)
        await disk.fill()
        with capture_logs() as logs:
            async with delivering(hub):
                await until(lambda: any(entry["event"] == "fan_out_waits" for entry in logs))
                assert not door.taken
                await disk.free()
                await until(lambda: _is_told(hub), seconds=30)
    assert sorted(entry.body["id"] for entry in door.of("PUT")) == sorted(names)


class Door(AnsweringPartner):
    """The disk is full when the location LAST has come, and has not been answered."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self._disk = disk

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        if request.target.endswith("/LAST"):
            await self._disk.fill()
        await super().__call__(request, writer)


@pytest.mark.postgresql
async def test_what_was_sent_is_remembered_until_there_is_room(
    migrated_postgresql_url: str, postgresql_server: Postgresql, tmp_path: Path
) -> None:
    disk = postgresql_disk(postgresql_server, migrated_postgresql_url)
    door = Door(disk)
    async with hub_in_process(migrated_postgresql_url, tmp_path) as hub, ScriptedPartner(door) as partner:
        await hub.connect("ccc", "DE-CCC", "EMSP", url=partner.url)
        async with delivering(hub):
            await hub.host_location("LAST")
            with capture_logs() as logs:
                await until(lambda: any(entry["event"] == "delivery_unrecorded" for entry in logs))
            await disk.free()
            await until(lambda: _is_told(hub), seconds=20)
            await hub.host_location("AFTER")
            await until(lambda: door.of("PUT", "AFTER"), seconds=20)
    assert len(door.of("PUT", "LAST")) == 1


async def _is_told(hub: HubInProcess) -> bool:
    rows = await hub.services.database.reader.fetch(
        "SELECT (SELECT COUNT(*) FROM outgoing) + (SELECT COUNT(*) FROM deliveries WHERE partner_id = 'ccc'"
        " AND state = 'PENDING')"
    )
    return bool(rows[0][0] == 0)

"""A rule that changes is told: what comes into a partner's sight, what looks different, what goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from roaming.cli import doctor
from roaming.hub import retelling
from roaming.hub.fan_out import FanOut
from roaming.hub.retelling import Reteller
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.partners import registry
from roaming.partners import retelling as meaning
from roaming.partners.retelling import RETELLINGS, changed
from roaming.store.locks import ProcessLocks
from tests.kit import ocpi_bodies
from tests.kit.answering_partner import AnsweringPartner, answering_partner, delivering
from tests.kit.hub_in_process import HOSTED_CPO, HOSTED_EMSP, HubInProcess, hub_in_process
from tests.kit.ruling import a_rule, change
from tests.kit.wait import until

OURS = "/locations/NL/HUB/OURS"


@asynccontextmanager
async def with_objects(database_url: str, folder: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(database_url, folder) as running:
        await running.host_objects()
        evses = [ocpi_bodies.evse(uid=uid, evse_id=None) for uid in ("A", "B")]
        await running.host_location("OURS", evses=evses)
        async with running.services.database.work() as work:
            await work.connection.exec_driver_sql("DELETE FROM outgoing")
        yield running


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with with_objects(sqlite_url, tmp_path) as running:
        yield running


@pytest.fixture
async def on_both(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """On SQLite, then on PostgreSQL."""
    async with with_objects(database_url, tmp_path) as running:
        yield running


async def retell(hub: HubInProcess) -> None:
    reteller = Reteller(hub.services, hub.services.modules, ProcessLocks())
    while await reteller.tell_once():
        pass


async def waiting(hub: HubInProcess) -> list[tuple[Any, ...]]:
    rows = await hub.services.database.reader.fetch(
        "SELECT partner_id, module, object_key, part, detail FROM deliveries WHERE state = 'PENDING'"
        " ORDER BY partner_id, module, object_key, part"
    )
    return [tuple(row) for row in rows]


async def settled(hub: HubInProcess) -> None:
    """All that is to be told to partners that listen has been."""

    async def nothing_waits() -> bool:
        return not [row for row in await waiting(hub) if row[0] in ("ccc", "ddd")]

    await retell(hub)
    await until(nothing_waits)


@pytest.fixture
async def partner(hub: HubInProcess) -> AsyncIterator[AnsweringPartner]:
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(answering_partner(hub, "ccc", "DE-CCC", Role.EMSP))
        await stack.enter_async_context(delivering(hub))
        yield found


async def test_a_location_that_goes_and_comes_back(hub: HubInProcess, partner: AnsweringPartner) -> None:
    number = await change(hub.services.database, a_rule("deny", "locations", object_id="OURS", partner="ccc"))
    await settled(hub)
    (gone,) = partner.of("PUT", OURS)
    assert gone.body["publish"] is False
    assert {evse["uid"]: evse["status"] for evse in gone.body["evses"]} == {"A": "REMOVED", "B": "REMOVED"}
    assert gone.body.keys() <= {
        *("country_code", "party_id", "id", "publish", "address", "city", "country", "coordinates", "time_zone"),
        *("evses", "last_updated"),
    }
    await change(hub.services.database, drop=number)
    await settled(hub)
    back = partner.of("PUT", OURS)[1]
    assert back.body["publish"] is True
    assert {evse["status"] for evse in back.body["evses"]} == {"AVAILABLE"}
    assert [(entry.method, entry.path) for entry in partner.taken if entry not in (gone, back)] == []


async def test_an_evse_that_goes_is_removed_and_stays_so(hub: HubInProcess, partner: AnsweringPartner) -> None:
    await change(hub.services.database, a_rule("deny", "locations", object_id="OURS", evse_uid="A", partner="ccc"))
    await settled(hub)
    assert [evse["uid"] for evse in partner.of("PUT", OURS)[0].body["evses"]] == ["B"]
    assert partner.of("PATCH", f"{OURS}/A")[0].body["status"] == "REMOVED"


async def test_tariffs_go_by_delete_and_tokens_become_invalid(hub: HubInProcess, partner: AnsweringPartner) -> None:
    number = await change(hub.services.database, a_rule("deny", "tariffs", object_id="OURS", partner="ccc"))
    await settled(hub)
    assert [entry.method for entry in partner.taken if entry.path.endswith("/tariffs/NL/HUB/OURS")] == ["DELETE"]
    await change(hub.services.database, drop=number)
    await settled(hub)
    assert partner.of("PUT", "/tariffs/NL/HUB/OURS")[0].body["id"] == "OURS"
    async with answering_partner(hub, "ddd", "DE-DDD", Role.CPO) as operator:
        await change(hub.services.database, a_rule("deny", "tokens", owner=HOSTED_EMSP, partner="ddd"))
        await settled(hub)
        assert operator.of("PUT", "/tokens/DE/HME/HOME1")[0].body["valid"] is False


async def test_other_tariffs_at_the_connectors(hub: HubInProcess, partner: AnsweringPartner) -> None:
    await change(hub.services.database, a_rule("price", "locations", object_id="OURS", partner="ccc", tariffs=["OURS"]))
    await settled(hub)
    (put,) = partner.of("PUT", OURS)
    assert {tuple(c["tariff_ids"]) for evse in put.body["evses"] for c in evse["connectors"]} == {("OURS",)}


async def test_an_agreement_ends_and_is_made_again(on_both: HubInProcess) -> None:
    hub = on_both
    pair = {"cpo": PartyId.parse(HOSTED_CPO), "emsp": PartyId("DE", "AAA")}
    await changed(hub.services.database, lambda work: registry.agree(work, **pair, is_active=False))
    await retell(hub)
    assert await waiting(hub) == [
        ("aaa", "locations", "NL/HUB/ours", "", 'gone["A", "B"]'),
        ("aaa", "tariffs", "NL/HUB/ours", "", "OURS"),
    ]
    await changed(hub.services.database, lambda work: registry.agree(work, **pair))
    await retell(hub)
    assert [row[4] for row in await waiting(hub)] == ["", ""], "taken back before it was told"


async def test_a_change_that_changes_nothing_tells_nothing(hub: HubInProcess) -> None:
    await change(hub.services.database, a_rule("allow", "locations", object_id="OURS"), a_rule("deny", "commands"))
    await retell(hub)
    assert await waiting(hub) == []


async def test_a_later_change_of_the_object_does_not_hide_that_an_evse_has_gone(hub: HubInProcess) -> None:
    await change(hub.services.database, a_rule("deny", "locations", object_id="OURS", evse_uid="A", partner="aaa"))
    await retell(hub)
    before = await waiting(hub)
    assert before == [
        ("aaa", "locations", "NL/HUB/ours", "", ""),
        ("aaa", "locations", "NL/HUB/ours", "A", "gone"),
    ]
    await hub.host_location("OURS", evses=[ocpi_bodies.evse(uid=uid, evse_id=None) for uid in ("A", "B")])
    async with hub.services.database.work() as work:
        await work.connection.exec_driver_sql("DELETE FROM outgoing WHERE module <> 'locations'")
    await FanOut(hub.services, hub.services.modules, ProcessLocks()).fan_out_once()
    assert [row for row in await waiting(hub) if row[0] == "aaa"] == before


async def test_a_batch_goes_on_where_a_killed_process_stopped(
    on_both: HubInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = on_both
    monkeypatch.setattr(retelling, "BATCH", 2)
    for number in range(5):
        await hub.host_location(f"L{number}")
    await change(hub.services.database, a_rule("deny", "locations", partner="aaa"))
    await Reteller(hub.services, hub.services.modules, ProcessLocks()).tell_once()
    assert len(await waiting(hub)) == 2
    await retell(hub)  # another process
    assert [row[2] for row in await waiting(hub)] == sorted(["NL/HUB/ours", *(f"NL/HUB/l{n}" for n in range(5))])
    rows = await hub.services.database.reader.fetch("SELECT looked_at, told, is_done FROM retellings")
    assert [tuple(row) for row in rows] == [(6, 6, True)]


async def test_one_that_cannot_be_told_is_set_aside_until_a_worker_starts_again(
    on_both: HubInProcess, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = on_both
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("ROAMING_DATA_DIR", str(tmp_path))
    await change(hub.services.database, a_rule("deny", "locations", object_id="OURS", partner="aaa"))
    await change(hub.services.database, a_rule("deny", "tariffs", object_id="OURS", partner="aaa"))
    async with hub.services.database.work() as work:
        (before,) = (await work.connection.exec_driver_sql("SELECT before FROM retellings WHERE id = 1")).one()
        await work.connection.exec_driver_sql("UPDATE retellings SET before = '7' WHERE id = 1")
    await retell(hub)
    assert [row[1] for row in await waiting(hub)] == ["tariffs"], "the other one"
    rows = await hub.services.database.reader.fetch("SELECT is_done, error, finished_at FROM retellings ORDER BY id")
    assert [row[0] for row in rows] == [True, True]
    assert rows[0][1].startswith("ValidationError: ")
    assert (rows[0][2], rows[1][1]) == (None, "")
    [finding] = [found for found in await doctor.examine() if found["check"] == "changes of rules not told"]
    assert finding["state"] == "warn"
    assert finding["detail"].startswith("1: locations of NL-HUB to aaa: ValidationError: ")
    async with hub.services.database.work() as work:
        await work.connection.execute(RETELLINGS.update().where(RETELLINGS.c.id == 1).values(before=before))
    reteller = asyncio.create_task(Reteller(hub.services, hub.services.modules, ProcessLocks()).run())

    async def is_told() -> bool:
        return [row[1] for row in await waiting(hub)] == ["locations", "tariffs"]

    try:
        await until(is_told)
    finally:
        reteller.cancel()
        await asyncio.gather(reteller, return_exceptions=True)


async def test_others_change_the_directory_while_what_a_rule_means_is_found(
    on_both: HubInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is locked by then; and what was found of an older picture is not kept."""
    database, loop, find, found = on_both.services.database, asyncio.get_running_loop(), meaning._meaning, []

    async def end_agreement() -> None:
        async with database.work() as work:
            await registry.touch(work)
            await registry.agree(work, cpo=PartyId.parse(HOSTED_CPO), emsp=PartyId("DE", "BBB"), is_active=False)

    def finds(tried: Any) -> Any:
        found.append(find(tried))
        if len(found) == 1:
            asyncio.run_coroutine_threadsafe(end_agreement(), loop).result(timeout=10)
        return found[-1]

    monkeypatch.setattr(meaning, "_meaning", finds)
    await change(on_both.services.database, a_rule("deny", "locations", object_id="OURS"))
    assert [[row["partner_id"] for row in rows] for rows, _ in found] == [["aaa", "bbb"], ["aaa"]]
    kept = await database.reader.fetch("SELECT partner_id FROM retellings")
    assert [row[0] for row in kept] == ["aaa"]
    assert len(await database.reader.fetch("SELECT id FROM rules")) == 1

"""Numbers of a seller have no gap and none is given twice: of many at once, after refusals, what broke off
and kill -9."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from roaming.app import open_services
from roaming.billing import settling
from roaming.billing.invoices import repository
from roaming.billing.invoices.invoice import NotInvoiceable
from roaming.billing.invoices.issuing import issue
from roaming.billing.invoices.parties import MalformedParty, read_party
from roaming.billing.statement import Pair, pair_of
from roaming.model.identifiers import PartyId
from roaming.modules.cdrs import repository as cdrs
from roaming.modules.cdrs.crediting import credit_of
from tests.e2e import forks
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.issuing_child import COMMITTED, COUNTED, NEVER, STORED, TOLD
from tests.roaming.billing.charges import TOKEN
from tests.roaming.billing.test_statement import a_bill

changed = msgspec.structs.replace
SELLER = PartyId("FR", "CPO")
BUYERS = [PartyId("DE", f"E0{number}") for number in range(4)]
JULY, AUGUST = "2026-07", "2026-08"


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(database_url, tmp_path) as running:
        async with running.services.database.work() as work:
            for number, buyer in enumerate(BUYERS):
                bill = a_bill(number, Decimal(10))
                token = changed(TOKEN, country_code=buyer.country_code, party_id=buyer.party_id)
                await cdrs.insert(work.connection, changed(bill, cdr_token=token), source="cpo", now=work.now)
            for party in (SELLER, *BUYERS):
                await say(work, party)
        for buyer in BUYERS:
            await settling.close(running.services, pair_of(SELLER, buyer), JULY, is_held_paid=True)
        yield running


async def say(work: object, party: PartyId, **told: str) -> None:
    data = read_party({"name": str(party), "country": party.country_code, "vat_id": "FR12345678901"} | told)
    await repository.set_party(work, party, data)  # type: ignore[arg-type]


async def numbers_of(hub: HubInProcess) -> list[str]:
    return sorted(each.number for each in await repository.find_invoices(hub.services.database.reader))


async def test_many_at_once_leave_no_gap(hub: HubInProcess) -> None:
    pairs = [pair_of(SELLER, buyer) for buyer in BUYERS]
    database = hub.services.database
    async with database.work() as work:
        await say(work, SELLER, series="R{year}-", credit_series="C-{seller}-")
    async with AsyncExitStack() as opened:
        both = [hub.services, await opened.enter_async_context(open_services(hub.settings))]
        issuing = [issue(services, pair, JULY) for pair in pairs for services in both]
        done = await asyncio.gather(*issuing)
    year = hub.services.clock.now().year
    assert await numbers_of(hub) == [f"R{year}-00000{count}" for count in range(1, 5)]
    assert sorted(number for each in done for number in each.new) == await numbers_of(hub), "each by one of the two"

    with pytest.raises(ZeroDivisionError):
        await break_off(hub, f"R{year}-")
    with pytest.raises(NotInvoiceable, match="is not closed"):
        await issue(hub.services, pairs[0], AUGUST)

    async with database.work() as work:
        for number, buyer in enumerate(BUYERS[:2]):
            token = changed(TOKEN, country_code=buyer.country_code, party_id=buyer.party_id)
            back = credit_of(changed(a_bill(number, Decimal(10)), cdr_token=token), reason="x")
            await cdrs.insert(work.connection, back, source="cpo", now=work.now)
            await cdrs.insert(
                work.connection, changed(a_bill(9 + number, Decimal(7)), cdr_token=token), source="cpo", now=work.now
            )
        await say(work, SELLER, series="R{year}-")
    await issue_anew(hub, pairs[0])
    invoice, note = (await issue(hub.services, pairs[1], AUGUST)).invoices
    assert (invoice.number, note.number) == (f"R{year}-000007", f"R{year}-000008"), "credit notes in the same series"
    july = {each.number for each in (await issue(hub.services, pairs[1], JULY)).invoices}
    assert {each.number for each in note.preceding} == july
    assert note.reference == "2026-08-FR-CPO-DE-E01-EUR-C"
    assert len(set(await numbers_of(hub))) == 8


async def break_off(hub: HubInProcess, series: str) -> None:
    """Numbers are taken, and what they are for is not written."""
    async with hub.services.database.work() as work:
        taken = await repository.count_on(work, {(str(SELLER), series): 3})
        assert taken == {(str(SELLER), series): 7}
        raise ZeroDivisionError


async def issue_anew(hub: HubInProcess, pair: Pair) -> None:
    for each in (pair, pair_of(SELLER, BUYERS[1])):
        await settling.close(hub.services, each, AUGUST, is_held_paid=True)
    await issue(hub.services, pair, AUGUST)


async def run_and_kill(hub: HubInProcess, stage: str) -> list[int]:
    """One process for each statement, all at once; how each ended."""
    environment = {**os.environ, "DATABASE_URL": hub.settings.database_url or "", "ROAMING_SECRET": "5e" * 32}

    def begin(buyer: object) -> int:
        with Path(hub.settings.data_dir, f"{buyer}-{stage}.log").open("wb") as log:
            words = [str(SELLER), str(buyer), JULY, stage]
            fork = forks.start("tests.kit.issuing_child", words, environment, out=log.fileno(), err=log.fileno())
        return fork.wait(30)

    return await asyncio.gather(*(asyncio.to_thread(begin, buyer) for buyer in BUYERS))


async def test_numbers_of_killed_processes_are_taken_by_others(hub: HubInProcess) -> None:
    """Four processes take numbers of one series at once. Killed before the end they leave nothing; after it, all; and
    whoever waited for the number goes on with the same one."""
    async with hub.services.database.work() as work:
        await say(work, SELLER, series="R{year}-")
    for stage in (COUNTED, STORED, TOLD):
        assert await run_and_kill(hub, stage) == [-signal.SIGKILL] * len(BUYERS)
        assert await repository.find_invoices(hub.services.database.reader) == []
    assert await run_and_kill(hub, COMMITTED) == [-signal.SIGKILL] * len(BUYERS)
    assert await run_and_kill(hub, NEVER) == [0] * len(BUYERS), "and once more changes nothing"
    issued = await repository.find_invoices(hub.services.database.reader)
    year = hub.services.clock.now().year
    assert await numbers_of(hub) == [f"R{year}-00000{count}" for count in range(1, 5)]
    assert len({each.reference for each in issued}) == len(BUYERS)


async def test_of_a_seller_elsewhere_the_number_is_the_reference(hub: HubInProcess) -> None:
    (one,) = (await issue(hub.services, pair_of(SELLER, BUYERS[0]), JULY)).invoices
    assert one.number == one.reference == "2026-07-FR-CPO-DE-E00-EUR"
    async with hub.services.database.work() as work:
        await say(work, SELLER, series="R-")
        await repository.count_on(work, {("DE-E00", "R-"): 1})
    await issue(hub.services, pair_of(SELLER, BUYERS[1]), JULY)
    assert "R-000001" in await numbers_of(hub), "another seller's count is its own"


@pytest.mark.parametrize("series", ["R1", "{seller}", "a/b-", "{day}-", "R 1-", "x" * 50 + "-"])
def test_series_that_nobody_can_count_in(series: str) -> None:
    with pytest.raises(MalformedParty, match="credit_series"):
        read_party({"name": "x", "country": "FR", "credit_series": series})

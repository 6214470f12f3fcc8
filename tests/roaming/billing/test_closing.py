"""A month is closed as it stands in that moment: what happens meanwhile counts, or belongs to the next one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from roaming.billing import disputes, receiving, selecting, settling
from roaming.billing.disputes import DisputeState
from roaming.billing.settling import NotClosable
from roaming.billing.standing import standing_of
from roaming.billing.statement import Status, pair_of
from roaming.model.identifiers import PartyId
from roaming.modules.cdrs import repository as cdrs
from roaming.modules.cdrs.crediting import credit_of
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.roaming.billing.test_statement import a_bill, changed
from tests.roaming.cli.test_settling import keep

PAIR = pair_of(PartyId("FR", "CPO"), PartyId("DE", "HME"))
JULY = "2026-07"
Happens = Callable[[], Awaitable[object]]


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(database_url, tmp_path) as running:
        for number in (1, 2):
            await keep(running, a_bill(number, Decimal(10)))
        yield running


async def dispute(hub: HubInProcess, cdr_id: str) -> disputes.Dispute:
    entry = await selecting.entry_of(hub.services, PartyId("FR", "CPO"), cdr_id)
    dispute_id, is_new = await selecting.dispute(hub.services, entry, reason="too dear", days=30)
    assert is_new
    (found,) = await disputes.find_disputes(hub.services.database.reader, ids=[dispute_id])
    return found


def meanwhile(monkeypatch: pytest.MonkeyPatch, *happens: Happens) -> None:
    """Lets each of ``happens`` happen once, right after the month was reckoned."""
    reckon, waiting = settling._as_it_stands, list(happens)

    async def reckoned(*arguments: Any) -> Any:
        found = await reckon(*arguments)
        if waiting:
            await waiting.pop(0)()
        return found

    monkeypatch.setattr(settling, "_as_it_stands", reckoned)


async def test_what_happens_while_a_month_is_closed_is_closed_with_it(
    hub: HubInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        come = [lambda n=n: keep(hub, a_bill(n, Decimal(1))) for n in (3, 4, 5)]
        meanwhile(patched, *come)
        with pytest.raises(NotClosable, match="changed 3 times"):
            await settling.close(hub.services, PAIR, JULY, is_held_paid=True)
    with monkeypatch.context() as patched:
        taken_back = credit_of(a_bill(2, Decimal(10)), reason="yes")
        meanwhile(patched, lambda: dispute(hub, "C1"), lambda: keep(hub, taken_back))
        statement, is_new = await settling.close(hub.services, PAIR, JULY, is_held_paid=True)
    assert is_new
    assert {line.cdr_id: line.status for line in statement.lines} == {
        "C1": Status.DISPUTED,
        **dict.fromkeys(("C2", "C2-C", "C3", "C4", "C5"), Status.COUNTED),
    }
    (open_one,) = await disputes.find_disputes(hub.services.database.reader)
    assert open_one.settled_by == "", "it is withheld"
    late = await dispute(hub, "C3")
    assert (late.state, late.settled_by) == (DisputeState.OPEN, statement.id)
    await keep(hub, credit_of(a_bill(3, Decimal(1)), reason="yes"))
    august, _ = await settling.statement_of(hub.services, PAIR, "2026-08")
    assert {line.cdr_id for line in august.lines} == {"C1", "C3-C"}, "what was paid is given back in the next month"


async def test_what_is_held_while_a_month_is_closed_keeps_it_open(
    hub: HubInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await receiving.check_keys(hub.services, ["FR/CPO/c1", "FR/CPO/c2"])
    opened = [await dispute(hub, cdr_id) for cdr_id in ("C1", "C2")]
    for each in opened:
        await selecting.end_dispute(hub.services, each, DisputeState.WITHDRAWN, "by telephone")

    async def forgotten() -> None:
        async with hub.services.database.work() as work:
            await work.connection.exec_driver_sql("UPDATE cdr_verdicts SET decision = '' WHERE cdr_key = 'FR/CPO/c1'")

    meanwhile(monkeypatch, forgotten)
    with pytest.raises(NotClosable, match="the check holds C1:"):
        await settling.close(hub.services, PAIR, JULY)


async def test_a_dispute_that_is_being_written_is_waited_for(hub: HubInProcess) -> None:
    database = hub.services.database
    if database.is_sqlite:
        pytest.skip("SQLite has one writer at a time")
    entry = await selecting.entry_of(hub.services, PartyId("FR", "CPO"), "C1")
    async with database.work() as work:
        evidence = {"cdr": {"id": "C1"}}
        await disputes.open_dispute(work, entry, reason="x", at_stake=Decimal(1), days=1, evidence=evidence)
        closing = asyncio.create_task(settling.close(hub.services, PAIR, JULY, is_held_paid=True))
        waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'disputes'::regclass"
        while not closing.done() and not await database.reader.fetch(waits):
            pass
    statement, _ = await closing
    assert [line.status for line in statement.lines] == [Status.DISPUTED, Status.COUNTED]


async def test_what_a_hosted_emsp_is_to_pay_to_a_hosted_cpo_is_checked_too(hub: HubInProcess) -> None:
    dear = changed(a_bill(6, Decimal(10)), country_code="NL", party_id="HUB", id="OWN")
    async with hub.services.database.work() as work:
        assert await cdrs.insert(work.connection, dear, source="", now=work.now)
    pair = pair_of(PartyId("NL", "HUB"), PartyId("DE", "HME"))
    with pytest.raises(NotClosable, match="the check holds OWN:"):
        await settling.close(hub.services, pair, JULY)
    found = await receiving.check_keys(hub.services, ["NL/HUB/own"])
    async with hub.services.database.work() as work:
        await receiving.accept(work, found[0].entry, "agreed")
    assert (await settling.close(hub.services, pair, JULY))[1]


async def test_what_the_cpo_refuses_is_not_accepted_by_the_emsp(hub: HubInProcess) -> None:
    entry = await selecting.entry_of(hub.services, PartyId("FR", "CPO"), "C1")
    await selecting.end_dispute(hub.services, await dispute(hub, "C1"), DisputeState.REFUSED, "it is right")
    (standing,) = await standing_of(hub.services, [entry])
    assert standing.state == "HELD"
    with pytest.raises(NotClosable, match="the check holds C1"):
        await settling.close(hub.services, PAIR, JULY)

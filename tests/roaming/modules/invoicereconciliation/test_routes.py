"""Invoice reconciliation: who may tell whom of which invoice, and what is found when it is set against the CDRs."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from roaming import worker
from roaming.hub.pulling.puller import Puller
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.modules.invoicereconciliation import repository, service
from roaming.modules.invoicereconciliation.checking import Checked, Verdict, check
from roaming.ocpi.errors import InvalidParameters, NotFound
from roaming.ocpi.pulling import PullPace
from roaming.partners import registry
from tests.kit.bus import ScriptedBus
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.listing_partner import ListingPartner, listen_at
from tests.kit.scripted_partner import Received, ScriptedPartner, always, enveloped, http_answer
from tests.kit.wait import until

SENDER = "/2.3.0/sender/invoicereconciliation"
RECEIVER = "/2.3.0/receiver/invoicereconciliation"
HUB, HME, AAA = PartyId("NL", "HUB"), PartyId("DE", "HME"), PartyId("DE", "AAA")
TO_HME = {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "HME"}


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(database_url, tmp_path, version="2.3.0") as running:
        await running.host_objects()
        yield running


def record(party: str = "FR-CPO", **values: Any) -> dict[str, Any]:
    body = {"country_code": party[:2], "party_id": party[3:], "id": "R1", "invoice_id": "2026/11", "cdrs": ["C1"]}
    return body | {"last_updated": "2026-11-23T10:00:00Z"} | values


async def issue(hub: HubInProcess, to: PartyId = AAA, **values: Any) -> Checked:
    body = record("NL-HUB", **{"cdrs": [f"OURS-{to.party_id}"]} | values)
    return (await service.issue(hub.services, service.read_ours(body), to))[1]


async def told_cdr(hub: HubInProcess, cdr_id: str, emsp: str = "DE-HME") -> None:
    """A CDR of FR-CPO for a driver of ours."""
    body = hub.speech.cdr("FR-CPO", emsp, id=cdr_id)
    answer = await hub.call("cpo", "POST", hub.speech.receiver("cdrs"), body=body)
    assert answer.code == 1000, answer.text


async def verdicts(hub: HubInProcess, key: str, other: PartyId) -> dict[str, str]:
    kept = (await repository.DOCUMENTS.read_many(hub.services.database.reader, [key]))[key]
    read = service.read_ours(json.loads(kept.document))
    return {line.cdr_id: line.verdict for line in (await check(hub.services.database.reader, read, other)).lines}


@pytest.mark.ocpi_cell("invoicereconciliation", "2.3.0", "receiver", "server")
async def test_a_record_is_stored_changed_and_withdrawn(hub: HubInProcess) -> None:
    body = record(cost_centre="N7")
    answer = await hub.call("cpo", "POST", RECEIVER, body=body)
    assert answer.outcome == (201, 1000)
    address = answer.headers["location"]
    assert address.endswith("/ocpi/2.3.0/receiver/invoicereconciliation/FR/CPO/R1")
    assert (await hub.call("cpo", "GET", address)).data == body
    changed = body | {"invoice_id": "2026/11b", "cdrs": ["C1", "C2"], "last_updated": "2026-11-24T10:00:00Z"}
    assert (await hub.call("cpo", "PUT", address, body=changed)).outcome == (200, 1000)
    assert (await hub.call("cpo", "PUT", address, body=body)).outcome == (200, 1000), "an older one is left alone"
    assert (await hub.call("cpo", "GET", f"{RECEIVER}/fr/cpo/r1")).data == changed
    assert (await hub.call("cpo", "DELETE", address)).outcome == (200, 1000)
    for method, sent in (("GET", None), ("PUT", changed), ("DELETE", None)):
        assert (await hub.call("cpo", method, address, body=sent)).outcome == (404, 2000)


async def test_the_same_record_again_is_acknowledged_and_another_one_is_not(hub: HubInProcess) -> None:
    assert (await hub.call("cpo", "POST", RECEIVER, body=record())).outcome == (201, 1000)
    assert (await hub.call("cpo", "POST", RECEIVER, body=record())).outcome == (201, 1000)
    other = await hub.call("cpo", "POST", RECEIVER, body=record(invoice_id="other"))
    assert other.outcome == (200, 2001)
    assert "PUT" in other.message
    assert (await hub.call("cpo", "GET", f"{RECEIVER}/FR/CPO/R1")).data["invoice_id"] == "2026/11"


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"cdrs": []}, None),
        ({"cdrs": None}, "cdrs"),
        ({"cdrs": [None]}, "cdrs[0]"),
        ({"invoice_id": ""}, "invoice_id"),
        ({"id": "x" * 37}, "id"),
        ({"last_updated": None}, "last_updated"),
        ({"party_id": "RIV"}, "party_id"),
        ({"country_code": "NL", "party_id": "HUB"}, "party_id"),
    ],
)
async def test_bad_records_are_refused_by_name(hub: HubInProcess, values: dict[str, Any], named: str | None) -> None:
    answer = await hub.call("cpo", "POST", RECEIVER, body=record(**values))
    if named is None:
        assert answer.outcome == (201, 1000), "an empty list is noted, not refused"
        return
    assert answer.outcome == (200, 2001)
    assert named in answer.message


async def test_a_record_cannot_be_moved_to_another_id(hub: HubInProcess) -> None:
    await hub.call("cpo", "POST", RECEIVER, body=record())
    assert (await hub.call("cpo", "PUT", f"{RECEIVER}/FR/CPO/R1", body=record(id="R2"))).code == 2001


@pytest.mark.ocpi_cell("invoicereconciliation", "2.3.0", "sender", "server")
async def test_each_party_sees_what_concerns_it_alone(hub: HubInProcess) -> None:
    await issue(hub)
    await hub.call("cpo", "POST", RECEIVER, body=record())
    listed = await hub.call("aaa", "GET", SENDER)
    assert [(entry["party_id"], entry["cdrs"]) for entry in listed.data] == [("HUB", ["OURS-AAA"])]
    assert listed.headers["x-total-count"] == "1"
    for other in ("bbb", "cpo", "riv"):
        assert (await hub.call(other, "GET", SENDER)).data == []
    for other, address in (("riv", "FR/CPO/R1"), ("aaa", "NL/HUB/R1"), ("riv", "FR/RIV/R1")):
        answer = await hub.call(other, "GET", f"{RECEIVER}/{address}")
        assert answer.outcome in ((200, 2001), (404, 2000))
    assert (await hub.call("riv", "DELETE", f"{RECEIVER}/FR/CPO/R1")).code == 2001


async def test_without_an_agreement_nothing_is_told_or_taken(hub: HubInProcess) -> None:
    await issue(hub)
    async with hub.services.database.work() as work:
        await registry.agree(work, cpo=HUB, emsp=AAA, is_active=False)
        await registry.agree(work, cpo=PartyId("FR", "CPO"), emsp=HME, is_active=False)
    assert (await hub.call("aaa", "GET", SENDER)).data == []
    assert (await hub.call("cpo", "POST", RECEIVER, body=record())).code == 2001
    with pytest.raises(InvalidParameters, match="no agreement"):
        await issue(hub, id="R2")


@pytest.mark.parametrize("version", ["2.1.1", "2.2.1"])
async def test_older_versions_do_not_have_it(hub: HubInProcess, version: str) -> None:
    assert (await hub.call("aaa", "GET", f"/{version}/sender/invoicereconciliation")).http_status == 404


async def test_ours_is_checked_before_it_is_told(hub: HubInProcess) -> None:
    checked = await issue(hub)
    assert checked.is_clean
    (line,) = checked.lines
    assert line.cdr is not None
    cost = line.cdr.total_cost
    taxes = sum((tax.amount for tax in cost.taxes or ()), Decimal(0))
    assert checked.totals() == {line.cdr.currency: (cost.before_taxes, cost.before_taxes + taxes)}
    for cdrs, reason in (
        (["OURS-BBB"], "is no CDR between"),
        (["NONE"], "is no CDR between"),
        (["OURS-AAA"], "on another invoice already: NL/HUB/r1"),
    ):
        with pytest.raises(InvalidParameters, match=reason):
            await issue(hub, id="R2", cdrs=cdrs)
    with pytest.raises(InvalidParameters, match="twice"):
        await issue(hub, cdrs=["OURS-AAA", "ours-aaa"])
    with pytest.raises(InvalidParameters, match="choose another id"):
        await issue(hub, PartyId("DE", "BBB"))
    assert (await issue(hub, invoice_id="corrected")).is_clean


async def test_a_partners_record_is_set_against_its_cdrs(hub: HubInProcess) -> None:
    await told_cdr(hub, "C1")
    await told_cdr(hub, "C2")
    first = await hub.call("cpo", "POST", RECEIVER, body=record(cdrs=["C1", "c1", "C3", "OURS-AAA"]))
    assert first.code == 1000, "what is wrong with an invoice is for its receiver to know"
    expected = {"C1": "FOUND", "c1": "REPEATED", "C3": "MISSING", "OURS-AAA": "MISSING"}
    assert await verdicts(hub, "FR/CPO/r1", HME) == expected
    await hub.call("cpo", "POST", RECEIVER, body=record(id="R2", cdrs=["C1", "C2"]))
    assert await verdicts(hub, "FR/CPO/r2", HME) == {"C1": Verdict.BILLED_BEFORE, "C2": Verdict.FOUND}


async def test_reverse_billing_is_the_same_the_other_way_round(hub: HubInProcess) -> None:
    body = record("DE-AAA", cdrs=["OURS-AAA", "OURS-BBB"])
    assert (await hub.call("aaa", "POST", RECEIVER, body=body)).outcome == (201, 1000)
    assert await verdicts(hub, "DE/AAA/r1", HUB) == {"OURS-AAA": "FOUND", "OURS-BBB": "MISSING"}
    await told_cdr(hub, "C1")
    ours = service.read_ours(record("DE-HME", id="REV"))
    assert (await service.issue(hub.services, ours, PartyId("FR", "CPO")))[1].is_clean
    assert [entry["id"] for entry in (await hub.call("cpo", "GET", SENDER)).data] == ["REV"]


async def test_for_whom_a_record_is_must_be_clear(hub: HubInProcess) -> None:
    async with hub.services.database.work() as work:
        await registry.host_party(work, PartyId("NL", "TWO"), Role.EMSP, name="Second Mobility")
        await registry.agree(work, cpo=PartyId("FR", "CPO"), emsp=PartyId("NL", "TWO"), is_active=True)
    unclear = await hub.call("cpo", "POST", RECEIVER, body=record())
    assert unclear.code == 2001
    assert "OCPI-to-party-id" in unclear.message
    assert (await hub.call("cpo", "POST", RECEIVER, body=record(), headers=TO_HME)).code == 1000
    await told_cdr(hub, "C9")
    assert (await hub.call("cpo", "POST", RECEIVER, body=record(id="R9", cdrs=["C9"]))).code == 1000, "its CDRs tell"
    scopes = await hub.services.database.reader.fetch("SELECT scope FROM invoice_records ORDER BY key")
    assert [row[0] for row in scopes] == ["DE-HME", "DE-HME"]


@pytest.mark.ocpi_cell("invoicereconciliation", "2.3.0", "receiver", "client")
async def test_what_changes_is_pushed_to_the_party_concerned(hub: HubInProcess) -> None:
    async with (
        ScriptedPartner(always(http_answer(enveloped(None)))) as listener,
        ScriptedPartner(always(http_answer(enveloped(None)))) as other,
    ):
        await hub.connect("lis", "SE-LIS", "EMSP", url=listener.url, more_modules=("invoicereconciliation",))
        await hub.connect("oth", "SE-OTH", "EMSP", url=other.url, more_modules=("invoicereconciliation",))
        await hub.host_charge("SE-LIS", "CH1")
        lis = PartyId("SE", "LIS")
        running = worker.Worker(hub.services, ScriptedBus())
        await running.start()
        try:
            await issue(hub, lis, id="P1", cdrs=["CH1"])
            await until(lambda: len(about_invoices(listener)) == 1)
            await issue(hub, lis, id="P1", cdrs=["CH1"], invoice_id="corrected")
            await until(lambda: len(about_invoices(listener)) == 2)
            async with hub.services.database.work() as work:
                await service.withdraw(work, HUB, "p1")
            await until(lambda: len(about_invoices(listener)) == 3)
        finally:
            await running.stop()
    base, requests = "/2.3.0/receiver/invoicereconciliation", about_invoices(listener)
    assert [(r.method, r.target) for r in requests] == [
        ("POST", base),
        ("PUT", f"{base}/NL/HUB/P1"),
        ("DELETE", f"{base}/NL/HUB/P1"),
    ]
    assert [json.loads(r.body)["invoice_id"] for r in requests[:2]] == ["2026/11", "corrected"]
    assert {r.headers["ocpi-to-party-id"] for r in requests} == {"LIS"}
    assert about_invoices(other) == []


def about_invoices(partner: ScriptedPartner) -> list[Received]:
    """What came of this module, in order."""
    return [request for request in partner.requests if "/invoicereconciliation" in request.target]


async def delivered(hub: HubInProcess) -> bool:
    rows = await hub.services.database.reader.fetch(
        "SELECT 1 FROM deliveries WHERE module = 'invoicereconciliation' AND state = 'DELIVERED'"
    )
    return bool(rows)


LOST = http_answer(b"", status="503 Service Unavailable")


@pytest.mark.parametrize("has_copy", [True, False])
async def test_a_record_whose_answer_was_lost_is_looked_up_before_it_is_sent_again(
    hub: HubInProcess, has_copy: bool
) -> None:
    held: list[Any] = []

    async def script(request: Received, writer: asyncio.StreamWriter) -> None:
        posts = [r for r in about_invoices(listener) if r.method == "POST"]
        if request.method == "POST" and len(posts) == 1:
            held.extend([json.loads(request.body)] if has_copy else [])
            writer.write(LOST)
        elif request.method == "GET" and not held:
            writer.write(http_answer(enveloped(None, status_code=2003), status="404 Not Found"))
        else:
            writer.write(http_answer(enveloped(held[0] if held else None)))

    async with ScriptedPartner(script) as listener:
        await hub.connect("lis", "SE-LIS", "EMSP", url=listener.url, more_modules=("invoicereconciliation",))
        await hub.host_charge("SE-LIS", "CH1")
        running = worker.Worker(hub.services, ScriptedBus())
        await running.start()
        try:
            await issue(hub, PartyId("SE", "LIS"), id="P1", cdrs=["CH1"])
            expected = ["POST", "GET"] if has_copy else ["POST", "GET", "POST"]
            await until(lambda: len(about_invoices(listener)) == len(expected))
            await until(lambda: delivered(hub))
        finally:
            await running.stop()
    assert [request.method for request in about_invoices(listener)] == expected


async def test_nothing_that_is_not_ours_can_be_withdrawn(hub: HubInProcess) -> None:
    await hub.call("cpo", "POST", RECEIVER, body=record())
    with pytest.raises(NotFound):
        async with hub.services.database.work() as work:
            await service.withdraw(work, PartyId("FR", "CPO"), "R1")


@pytest.mark.ocpi_cell("invoicereconciliation", "2.3.0", "sender", "client")
async def test_partners_lists_are_pulled_for_the_party_that_asks(hub: HubInProcess) -> None:
    pace = PullPace(requests_per_second=10_000, first_delay=timedelta(0))
    services = replace(hub.services, pulling=pace)
    there = ListingPartner({"invoicereconciliation": [record("SE-PUL"), record("NO-FRM", id="FOREIGN")]})
    async with ScriptedPartner(there) as socket:
        await hub.connect("pul", "SE-PUL", "CPO")
        await listen_at(hub, "pul", socket.url, ("invoicereconciliation",), version="2.3.0")
        puller = Puller(services, services.modules)
        await puller.look_at_directory()
        await puller.pull_next("pul", modules=["invoicereconciliation"])
    rows = await services.database.reader.fetch("SELECT key, source, scope FROM invoice_records")
    assert [tuple(row) for row in rows] == [("SE/PUL/r1", "pul", "DE-HME")]

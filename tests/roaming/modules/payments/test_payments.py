"""Payments on both sides: a partner's PTP and a hosted CPO, a hosted PTP and a partner's CPO."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from roaming.hub.pulling import state
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.modules.payments import asking, service
from roaming.modules.payments.asking import NotDone, Pair
from roaming.modules.payments.repository import CONFIRMATIONS, SHELVES, TERMINALS
from roaming.partners import registry
from tests.kit.answering_partner import AnsweringPartner, answering_partner, delivering
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.listing_partner import ListingPartner, listen_at, pull_lists
from tests.kit.scripted_partner import ScriptedPartner, always, enveloped, http_answer
from tests.kit.wait import until

SENDER, RECEIVER = "/2.3.0/sender/payments", "/2.3.0/receiver/payments"
HUB, PTP, CPO, RIVAL = PartyId("NL", "HUB"), PartyId("AT", "PAY"), PartyId("FR", "CPO"), PartyId("FR", "RIV")
OURS = PartyId("NL", "TAP")
"""A hosted PTP."""
PULLED = ("payments/terminals", "payments/financial-advice-confirmations")
LATER = "2026-11-24T10:00:00Z"


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """``pay`` is a PTP (AT-PAY) under agreement with NL-HUB; NL-TAP is hosted, under agreement with FR-CPO alone."""
    async with hub_in_process(database_url, tmp_path, version="2.3.0") as running:
        await running.connect("pay", str(PTP), Role.OTHER, more_modules=("payments",))
        async with running.services.database.work() as work:
            await registry.host_party(work, OURS, Role.OTHER, name="Tap and charge")
            await registry.agree(work, cpo=HUB, emsp=PTP, is_active=True)
            await registry.agree(work, cpo=CPO, emsp=OURS, is_active=True)
        yield running


def terminal(id: str = "T1", **values: Any) -> dict[str, Any]:
    body = {"terminal_id": id, "city": "Wien", "country": "AUT", "last_updated": "2026-11-23T10:00:00Z"}
    return body | values


def confirmation(id: str = "F1", **values: Any) -> dict[str, Any]:
    body = {
        "id": id,
        "authorization_reference": "REF1",
        "total_costs": {"before_taxes": 4, "taxes": [{"name": "VAT", "amount": 0.4}]},
        "currency": "EUR",
        "eft_data": ["Amount: EUR 4.40"],
        "capture_status_code": "SUCCESS",
    }
    return body | {"last_updated": "2026-11-23T10:00:00Z"} | values


def read(shelf: Any, body: dict[str, Any]) -> Any:
    (codec,) = service.CODECS[shelf.path].values()
    return codec.decode(body).value


async def publish(hub: HubInProcess, cpo: PartyId = CPO, **values: Any) -> None:
    """A terminal and a confirmation of the hosted PTP."""
    async with hub.services.database.work() as work:
        await service.publish(work, TERMINALS, read(TERMINALS, terminal(**values)), provider=OURS, cpo=cpo)
        await service.publish(work, CONFIRMATIONS, read(CONFIRMATIONS, confirmation()), provider=OURS, cpo=cpo)


@pytest.mark.ocpi_cell("payments", "2.3.0", "receiver", "server")
@pytest.mark.parametrize(
    ("path", "body", "changed"),
    [
        ("terminals", terminal(firmware="4.1"), terminal(city="Graz", last_updated=LATER)),
        ("financial-advice-confirmations", confirmation(), confirmation(currency="SEK", last_updated=LATER)),
    ],
)
async def test_what_a_ptp_tells_is_kept(
    hub: HubInProcess, path: str, body: dict[str, Any], changed: dict[str, Any]
) -> None:
    first = await hub.call("pay", "POST", f"{RECEIVER}/{path}", body=body)
    assert first.outcome == (201, 1000), first.text
    address = first.headers["location"]
    assert address.endswith(f"{RECEIVER}/{path}/{body.get('terminal_id', body.get('id'))}")
    assert (await hub.call("pay", "GET", address)).data == body
    assert (await hub.call("pay", "POST", f"{RECEIVER}/{path}", body=body)).outcome == (200, 1000)
    assert (await hub.call("pay", "POST", f"{RECEIVER}/{path}", body=changed)).outcome == (200, 1000)
    assert (await hub.call("pay", "POST", f"{RECEIVER}/{path}", body=body)).outcome == (200, 1000), "older: left alone"
    assert (await hub.call("pay", "GET", address)).data == changed
    for other in ("aaa", "cpo"):
        assert (await hub.call(other, "GET", address)).http_status == 404


async def test_bodies_of_the_specifications_examples_are_taken(hub: HubInProcess) -> None:
    """A minimal terminal has no ``last_updated``, a confirmation a price as before 2.3.0."""
    assert (await hub.call("pay", "POST", f"{RECEIVER}/terminals", body={"terminal_id": "T2"})).code == 1000
    old = confirmation(total_costs={"excl_vat": 4.0, "incl_vat": 4.4})
    assert (await hub.call("pay", "POST", f"{RECEIVER}/financial-advice-confirmations", body=old)).code == 1000
    stored = await hub.call("pay", "GET", f"{RECEIVER}/financial-advice-confirmations/F1")
    assert stored.data == confirmation()


@pytest.mark.parametrize(
    ("who", "values", "named"),
    [
        ("pay", {"terminal_id": None}, "terminal_id"),
        ("pay", {"terminal_id": "x" * 37}, "terminal_id"),
        ("pay", {"location_ids": ["x" * 37]}, "location_ids[0]"),
        ("pay", {"country_code": "FR", "party_id": "CPO"}, "no agreement"),
        ("aaa", {}, "OCPI-from"),
        ("cpo", {}, "OCPI-from"),
    ],
)
async def test_what_is_refused_is_named(hub: HubInProcess, who: str, values: dict[str, Any], named: str) -> None:
    answer = await hub.call(who, "POST", f"{RECEIVER}/terminals", body=terminal(**values))
    assert answer.outcome == (200, 2001)
    assert named in answer.message


@pytest.mark.ocpi_cell("payments", "2.3.0", "sender", "server")
async def test_a_cpo_sees_and_changes_its_terminals(hub: HubInProcess) -> None:
    await publish(hub)
    (listed,) = (await hub.call("cpo", "GET", f"{SENDER}/terminals")).data
    assert listed == terminal()
    assert (await hub.call("cpo", "GET", f"{SENDER}/terminals/t1")).data == terminal()
    assert (await hub.call("cpo", "GET", f"{SENDER}/financial-advice-confirmations")).data == [confirmation()]
    assert (await hub.call("cpo", "GET", f"{SENDER}/financial-advice-confirmations/F1")).data == confirmation()
    assigned = {"location_ids": ["L1", "L2"]}
    assert (await hub.call("cpo", "PATCH", f"{SENDER}/terminals/T1", body=assigned)).outcome == (200, 1000)
    moved = terminal(city="Linz", location_ids=["L1"])
    now = (await hub.call("cpo", "GET", f"{SENDER}/terminals/T1")).data
    assert now == terminal(**assigned, last_updated=now["last_updated"])
    assert now["last_updated"] > terminal()["last_updated"]
    assert (await hub.call("cpo", "PUT", f"{SENDER}/terminals/T1", body=moved)).outcome == (200, 1000)
    assert (await hub.call("cpo", "GET", f"{SENDER}/terminals/T1")).data["city"] == "Linz"
    assert (await hub.call("cpo", "PUT", f"{SENDER}/terminals/T1", body=terminal("T9"))).code == 2001
    assert (await hub.call("cpo", "POST", f"{SENDER}/terminals/T1/deactivate")).outcome == (200, 1000)
    assert (await hub.call("cpo", "GET", f"{SENDER}/terminals")).data == []


async def test_nobody_else_sees_or_changes_them(hub: HubInProcess) -> None:
    await publish(hub)
    for other in ("riv", "aaa", "pay"):
        await sees_and_changes_nothing(hub, other)
    async with hub.services.database.work() as work:
        await registry.agree(work, cpo=CPO, emsp=OURS, is_active=False)
    await sees_and_changes_nothing(hub, "cpo")


async def sees_and_changes_nothing(hub: HubInProcess, who: str) -> None:
    for path in SHELVES:
        assert (await hub.call(who, "GET", f"{SENDER}/{path}")).data == []
    for method, end, body in (
        ("GET", "", None),
        ("PUT", "", terminal()),
        ("PATCH", "", {"location_ids": ["L1"]}),
        ("POST", "/deactivate", None),
    ):
        answer = await hub.call(who, method, f"{SENDER}/terminals/T1{end}", body=body)
        assert answer.http_status == 404, (who, method)


@pytest.mark.ocpi_cell("payments", "2.3.0", "sender", "server")
@pytest.mark.ocpi_cell("payments", "2.3.0", "receiver", "client")
async def test_an_activated_terminal_and_a_capture_are_told_to_the_cpo(hub: HubInProcess) -> None:
    async with answering(hub) as partner, delivering(hub):
        asked = {"reference": "SN 7781", "location_ids": ["L1"]}
        assert (await hub.call("cpo", "POST", f"{SENDER}/terminals/activate", body=asked)).outcome == (200, 1000)
        (told,) = await until(lambda: partner.of("POST", "/receiver/payments/terminals"))  # type: ignore[misc]
        assert {name: told.body[name] for name in ("reference", "location_ids", "party_id")} == asked | {
            "party_id": "CPO"
        }
        assert told.body["terminal_id"]
        assert (told.headers["ocpi-from-party-id"], told.headers["ocpi-to-party-id"]) == ("TAP", "CPO")
        await publish(hub)
        end = "/receiver/payments/financial-advice-confirmations"
        (captured,) = await until(lambda: partner.of("POST", end))  # type: ignore[misc]
        assert captured.body == confirmation()
    assert (await hub.call("riv", "POST", f"{SENDER}/terminals/activate", body=asked)).code == 2001


async def test_an_activation_that_comes_twice_makes_one_terminal(hub: HubInProcess) -> None:
    async def activate(**values: Any) -> list[dict[str, Any]]:
        asked = {"reference": "SN 7781"} | values
        assert (await hub.call("cpo", "POST", f"{SENDER}/terminals/activate", body=asked)).outcome == (200, 1000)
        found: list[dict[str, Any]] = (await hub.call("cpo", "GET", f"{SENDER}/terminals")).data
        return found

    (first,) = await activate()
    address = f"{SENDER}/terminals/{first['terminal_id']}"
    assert (await hub.call("cpo", "PATCH", address, body={"location_ids": ["L1"]})).code == 1000
    (again,) = await activate(last_updated=LATER)
    assert (again["terminal_id"], again["location_ids"]) == (first["terminal_id"], ["L1"])
    assert len(await activate(reference="SN 7782")) == 2
    assert (await hub.call("cpo", "POST", f"{address}/deactivate")).code == 1000
    assert first["terminal_id"] in [each["terminal_id"] for each in await activate()], "given up, and asked for anew"


def answering(hub: HubInProcess) -> Any:
    """FR-CPO, which listens."""
    return answering_partner(hub, "cpo", str(CPO), "CPO")


async def test_a_terminal_without_an_agreement_is_not_told(hub: HubInProcess) -> None:
    async with answering(hub) as partner, delivering(hub):
        await publish(hub, RIVAL, id="T2")
        async with hub.services.database.work() as work:
            await service.publish(work, TERMINALS, read(TERMINALS, terminal()), provider=OURS, cpo=CPO)
        await until(lambda: partner.of("POST", "/receiver/payments/terminals"))
        assert [told.body["terminal_id"] for told in partner.of("POST")] == ["T1"]


@pytest.mark.ocpi_cell("payments", "2.3.0", "sender", "client")
async def test_a_ptps_lists_are_pulled_and_what_they_lack_is_hidden(hub: HubInProcess) -> None:
    """A terminal names its CPO, which is not its owner."""
    named = terminal("C", country_code="NL", party_id="HUB")
    listing = ListingPartner(
        {
            "terminals": [terminal("A"), terminal("B"), named, {"city": "nowhere"}],
            "financial-advice-confirmations": [confirmation("X")],
        }
    )
    reader = hub.services.database.reader
    async with ScriptedPartner(listing) as listening:
        await listen_at(hub, "pay", listening.url, ("payments",), version="2.3.0")
        terminals, confirmations = await pull_lists(hub, "pay", *PULLED)
        assert (terminals.state, terminals.progress.new, terminals.progress.refused) == ("DONE", 3, 1)
        assert (confirmations.state, confirmations.progress.new) == ("DONE", 1)
        rows = await reader.fetch("SELECT key, source, scope FROM payment_terminals")
        assert sorted(tuple(row) for row in rows) == [(f"AT/PAY/{id}", "pay", "NL-HUB") for id in "abc"]
        assert {request.headers["ocpi-to-party-id"] for request in listing.asked} == {"PAY"}
        listing.objects["terminals"] = [terminal("A"), named]
        async with hub.services.database.work() as work:
            await state.ask(work, "pay", PULLED[0], "FULL")
        (again,) = await pull_lists(hub, "pay", PULLED[0])
        assert (again.progress.same, again.progress.dropped) == (2, 1)
    rows = await reader.fetch("SELECT object_id FROM payment_terminals WHERE is_listed = true ORDER BY key")
    assert [row[0] for row in rows] == ["A", "C"]


@pytest.fixture
async def ptp(hub: HubInProcess) -> AsyncIterator[AnsweringPartner]:
    """AT-PAY, which listens."""
    script = AnsweringPartner()
    async with ScriptedPartner(script) as listening:
        await hub.connect("pay", str(PTP), Role.OTHER, url=listening.url, more_modules=("payments",))
        yield script


@pytest.mark.ocpi_cell("payments", "2.3.0", "sender", "client")
async def test_a_hosted_cpo_changes_a_ptps_terminals(hub: HubInProcess, ptp: AnsweringPartner) -> None:
    partner = (await hub.services.directory.current()).partners["pay"]
    pair = Pair(cpo=HUB, provider=PTP)
    await asking.activate(hub.services, partner, pair, read(TERMINALS, terminal()))
    await asking.assign(hub.services, partner, pair, "T1", location_ids=["L1"], evse_uids=[])
    await asking.update(hub.services, partner, pair, read(TERMINALS, terminal(city="Linz")))
    await asking.deactivate(hub.services, partner, pair, "T1")
    base = "/2.3.0/sender/payments/terminals"
    assert [(taken.method, taken.path) for taken in ptp.taken] == [
        ("POST", f"{base}/activate"),
        ("PATCH", f"{base}/T1"),
        ("PUT", f"{base}/T1"),
        ("POST", f"{base}/T1/deactivate"),
    ]
    assert ptp.taken[1].body["location_ids"] == ["L1"]
    assert ptp.taken[2].body["city"] == "Linz"
    assert {taken.headers["ocpi-from-party-id"] for taken in ptp.taken} == {"HUB"}
    assert len(await hub.journal("module = 'payments'")) == 4


async def test_a_refusal_is_said(hub: HubInProcess) -> None:
    refusal = http_answer(enveloped(None, status_code=2001, status_message="no such terminal"))
    async with ScriptedPartner(always(refusal)) as listening:
        await hub.connect("pay", str(PTP), Role.OTHER, url=listening.url, more_modules=("payments",))
        partner = (await hub.services.directory.current()).partners["pay"]
        with pytest.raises(NotDone, match="no such terminal"):
            await asking.deactivate(hub.services, partner, Pair(cpo=HUB, provider=PTP), "T1")
    aaa = (await hub.services.directory.current()).partners["aaa"]
    with pytest.raises(NotDone, match="offers no payments"):
        await asking.deactivate(hub.services, aaa, Pair(cpo=HUB, provider=PTP), "T1")


@pytest.mark.parametrize("version", ["2.1.1", "2.2.1"])
async def test_older_versions_do_not_have_it(hub: HubInProcess, version: str) -> None:
    assert (await hub.call("cpo", "GET", f"/{version}/sender/payments/terminals")).http_status == 404

"""Two hubs of ours in a row: a CPO of 2.1.1 behind the one, an eMSP of 2.3.0 behind the other, and one charge from the
registrations to the CDR that is taken back. Everything arrives, and each CDR once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from roaming.app import open_services
from roaming.model.identifiers import PartyId
from roaming.partners import registry
from roaming.sandbox.emsp import SandboxEmsp
from roaming.settings import Settings
from tests.e2e.hub import SECRET, Hub
from tests.e2e.old_cpo import OldCpo
from tests.e2e.partner import ADA, Partner
from tests.kit.wait import until

PATIENCE = 60.0
CPO, EMSP = "ES-OLD", "DE-SBX"
HOSTED = {"near": "NL-NER", "far": "NL-FAR"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def hubs(tmp_path: Path) -> Iterator[tuple[Hub, Hub]]:
    """The CPO's and the eMSP's, running; each hosts a party that has nothing to do with the charge."""
    near, far = (
        Hub("embedded", tmp_path / name, settings={"ROAMING_HUB_PARTY": f"{party[:2]}-X{party[3:5]}"})
        for name, party in HOSTED.items()
    )
    try:
        for hub, party in ((near, HOSTED["near"]), (far, HOSTED["far"])):
            hub.start()
            hub.cli("party", "add", party, "--role", "EMSP", "--name", "Hosted")
        yield near, far
    finally:
        near.stop()
        far.stop()


@pytest.fixture
async def cpo() -> AsyncIterator[OldCpo]:
    async with OldCpo(CPO, EMSP) as listening:
        yield listening


@pytest.fixture
async def emsp() -> AsyncIterator[SandboxEmsp]:
    async with Partner(EMSP, version="2.3.0") as listening:
        yield listening.emsp


async def agree(hub: Hub) -> None:
    """The eMSP's drivers may charge with the CPO: each hub must be told."""
    settings = Settings(database_url=hub.database_url, secret=SECRET, data_dir=hub.folder)
    async with open_services(settings) as services, services.database.work() as work:
        await registry.agree(work, cpo=PartyId.parse(CPO), emsp=PartyId.parse(EMSP))


async def added(hub: Hub, *arguments: str) -> str:
    """TOKEN_A of a new partner."""
    token: str = (await asyncio.to_thread(hub.cli, "partner", "add", *arguments))["TOKEN_A"]
    return token


async def connect(near: Hub, far: Hub, cpo: OldCpo, emsp: SandboxEmsp) -> None:
    """The CPO first: the hubs tell each other of it in their credentials, of the eMSP later by client info."""
    for hub in (near, far):
        await agree(hub)
    await cpo.register(near.versions_url, await added(near, "old", "--party", CPO))
    token = await added(far, "near")
    add = ("partner", "add", "far", "--url", far.versions_url, "--token", token)
    registered = await asyncio.to_thread(near.cli, *add)
    assert registered["version"] == "2.3.0", registered
    await emsp.register(far.versions_url, await added(far, "sbx", "--party", EMSP))

    async def knows_the_emsp() -> bool:
        return f"{EMSP}:EMSP" in (await asyncio.to_thread(near.cli, "partner", "show", "far"))["parties"]

    await until(knows_the_emsp, seconds=PATIENCE, every=0.3)


async def test_a_charge_through_two_hubs(hubs: tuple[Hub, Hub], cpo: OldCpo, emsp: SandboxEmsp) -> None:
    near, far = hubs
    await connect(near, far, cpo, emsp)
    assert str(emsp.cpo) == CPO
    location = cpo.speech.location(CPO)
    await check_location(cpo, emsp, location)
    await check_driver_at_the_station(cpo)
    session = await check_charge(cpo, emsp, location)
    await check_records(near, cpo, emsp, session)


async def check_location(cpo: OldCpo, emsp: SandboxEmsp, location: dict[str, Any]) -> None:
    """Pushed to all, and pulled from the CPO through both."""
    put = await cpo.put("locations", location["id"], location)
    assert put.is_delivered, put
    await until(lambda: emsp.objects["locations"], seconds=PATIENCE)
    (got,) = emsp.objects["locations"].values()
    assert (got["party_id"], got["id"], got["last_updated"]) == ("OLD", location["id"], location["last_updated"])
    assert got["evses"][0]["connectors"][0]["max_voltage"] == 230
    cpo.lists["locations"] = [location]
    (pulled,) = await emsp.pull("locations")
    assert (pulled["country_code"], pulled["id"]) == ("ES", location["id"])


async def check_driver_at_the_station(cpo: OldCpo) -> None:
    """Nobody pushed a token: the far eMSP is asked."""
    answer = await cpo.call("POST", f"{cpo.at('tokens')}/{ADA}/authorize")
    assert answer.is_delivered, answer
    assert answer.data["allowed"] == "ALLOWED"


async def check_charge(cpo: OldCpo, emsp: SandboxEmsp, location: dict[str, Any]) -> dict[str, Any]:
    """Started and stopped by app."""
    await tell_result(cpo, emsp, await emsp.start(emsp.drivers[ADA], location["id"], location["evses"][0]["uid"]))
    contract = emsp.drivers[ADA].contract_id
    session = cpo.speech.session(CPO, EMSP, auth_id=contract, location=location)
    session |= {"status": "ACTIVE", "kwh": 0.5}
    assert (await cpo.put("sessions", session["id"], session)).is_delivered
    (got,) = emsp.objects["sessions"].values()
    assert (got["status"], got["cdr_token"]["uid"], got["location_id"]) == ("ACTIVE", ADA, location["id"])

    await tell_result(cpo, emsp, await emsp.stop(session["id"]))
    assert [name for name, _ in cpo.commands] == ["START_SESSION", "STOP_SESSION"]
    session |= {"status": "COMPLETED", "kwh": 1.5, "end_datetime": "2026-11-23T11:00:00Z"}
    session["last_updated"] = "2026-11-23T11:00:00Z"
    assert (await cpo.put("sessions", session["id"], session)).is_delivered
    (got,) = emsp.objects["sessions"].values()
    assert (got["status"], got["kwh"], got["last_updated"]) == ("COMPLETED", 1.5, "2026-11-23T11:00:00Z")
    return session


async def tell_result(cpo: OldCpo, emsp: SandboxEmsp, asked: tuple[str, str]) -> None:
    """The station has done it: the eMSP hears of it by an address of either hub."""
    command_id, response = asked
    assert response == "ACCEPTED"
    assert emsp.results.get(command_id) is None
    _, body = cpo.commands[-1]
    assert (await cpo.call("POST", body["response_url"], body={"result": "ACCEPTED"})).is_delivered
    assert emsp.results[command_id] == "ACCEPTED"


async def nothing_waits(hub: Hub) -> bool:
    """All that changed at ``hub`` has been told."""
    settings = Settings(database_url=hub.database_url, secret=SECRET, data_dir=hub.folder)
    async with open_services(settings) as services:
        sql = "SELECT (SELECT COUNT(*) FROM outgoing) + (SELECT COUNT(*) FROM deliveries WHERE state = 'PENDING')"
        return not (await services.database.reader.fetch(sql))[0][0]


async def check_records(near: Hub, cpo: OldCpo, emsp: SandboxEmsp, session: dict[str, Any]) -> None:
    """The CDR once, though it is pulled as well. 2.1.1 cannot take it back: the CPO goes on to 2.3.0 for that."""
    cdr = cpo.speech.cdr(CPO, EMSP, auth_id=session["auth_id"], location=session["location"])
    posted = await cpo.call("POST", cpo.at("cdrs"), body=cdr)
    assert posted.is_delivered, posted
    (got,) = emsp.objects["cdrs"].values()
    assert (got["id"], got["total_energy"], got["cdr_token"]["uid"]) == (cdr["id"], 1.5, ADA)
    assert got["total_cost"]["before_taxes"] == cdr["total_cost"]
    assert (await cpo.call("GET", posted.headers["location"])).data["id"] == cdr["id"]
    cpo.lists["cdrs"] = [cdr]
    (pulled,) = await asyncio.to_thread(near.cli, "partner", "sync", "old", "--module", "cdrs")
    assert (pulled["state"], pulled["new"]) == ("DONE", 1), pulled

    await cpo.go_on_to("2.3.0", near.versions_url)
    token = {name: got["cdr_token"][name] for name in ("country_code", "party_id", "uid", "type", "contract_id")}
    credit = cpo.speech.cdr(CPO, EMSP, id="CREDIT", cdr_token=token, credit=True, credit_reference_id=cdr["id"])
    credit["total_cost"] = {"before_taxes": -cdr["total_cost"]}
    posted = await cpo.call("POST", cpo.at("cdrs"), body=credit)
    assert posted.is_delivered, posted

    await until(partial(nothing_waits, near), seconds=PATIENCE, every=0.3)
    by_id = {entry["id"]: entry for entry in emsp.objects["cdrs"].values()}
    assert by_id.keys() == {cdr["id"], "CREDIT"}
    assert (by_id["CREDIT"]["credit"], by_id["CREDIT"]["credit_reference_id"]) == (True, cdr["id"])
    assert [entry.body["id"] for entry in emsp.history if entry.module == "cdrs"] == [cdr["id"], "CREDIT"]
    assert emsp.doubles == []

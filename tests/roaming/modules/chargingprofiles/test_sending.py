"""A hosted eMSP limits a charge at a partner's station: what the partner says at once, later, and when it changes."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from roaming.model.charging_profile import ChargingProfile, ChargingProfilePeriod
from roaming.model.identifiers import PartyId
from roaming.modules.chargingprofiles import repository
from roaming.modules.chargingprofiles.model import ProfileRequest
from roaming.modules.chargingprofiles.sending import send
from roaming.ocpi import sent
from roaming.ocpi.callbacks import AskedOfPartner, NotSent
from roaming.store.documents import object_key
from tests.kit.answering_partner import AnsweringPartner, answering_partner
from tests.kit.hub_in_process import HubInProcess, hub_in_process

HOME, CPO = PartyId("DE", "HME"), PartyId("FR", "CPO")
PROFILE = ChargingProfile(
    charging_rate_unit="W", charging_profile_period=(ChargingProfilePeriod(start_period=0, limit=Decimal(11_000)),)
)
ACTIVE = {
    "start_date_time": "2026-11-28T20:00:00Z",
    "charging_profile": {
        "charging_rate_unit": "W",
        "charging_profile_period": [{"start_period": 0, "limit": 11000}],
    },
}
RESULTS: dict[str, dict[str, Any]] = {
    "GET": {"result": "ACCEPTED", "profile": ACTIVE},
    "PUT": {"result": "ACCEPTED"},
    "DELETE": {"result": "UNKNOWN"},
}


@pytest.fixture(params=["2.2.1", "2.3.0"])
async def hub(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(sqlite_url, tmp_path, version=request.param) as running:
        yield running


@pytest.fixture
async def partner(hub: HubInProcess) -> AsyncIterator[AnsweringPartner]:
    """FR-CPO, with a session of DE-HME."""
    async with answering_partner(hub, "cpo", "FR-CPO", "CPO") as listening:
        listening.answers["chargingprofiles/S1"] = {"result": "ACCEPTED", "timeout": 30}
        path = f"{hub.speech.receiver('sessions')}/FR/CPO/S1"
        assert (await hub.call("cpo", "PUT", path, body=hub.speech.session())).code == 1000
        yield listening


async def ask(hub: HubInProcess, name: str) -> AskedOfPartner:
    partner = (await hub.services.directory.current()).partners["cpo"]
    return await send(
        hub.services,
        partner,
        ProfileRequest(name),
        "S1",
        from_party=HOME,
        to_party=CPO,
        profile=PROFILE if name == "PUT" else None,
        duration=900 if name == "GET" else 0,
    )


def response_url(partner: AnsweringPartner, name: str) -> str:
    (request,) = partner.of(name)
    url: str = request.body["response_url"] if request.body else request.query["response_url"]
    return url


@pytest.mark.ocpi_cell("chargingprofiles", "$hub", "receiver", "client")
@pytest.mark.ocpi_cell("chargingprofiles", "$hub", "sender", "server")
@pytest.mark.parametrize("name", RESULTS)
async def test_asked_and_told_twice(hub: HubInProcess, partner: AnsweringPartner, name: str) -> None:
    asked = await ask(hub, name)
    assert asked.response == "ACCEPTED"
    (request,) = partner.of(name)
    assert request.path == f"/{hub.speech.version}/receiver/chargingprofiles/S1"
    assert request.query.get("duration") == ("900" if name == "GET" else None)
    assert (request.headers["ocpi-from-party-id"], request.headers["ocpi-to-party-id"]) == ("HME", "CPO")
    url = response_url(partner, name)
    assert urlsplit(url).path.endswith(asked.id)
    assert (await hub.call("cpo", "POST", url, body=RESULTS[name])).outcome == (200, 1000)
    assert (await hub.call("cpo", "POST", url, body={"result": "REJECTED"})).outcome == (200, 1000)
    async with hub.services.database.reading() as connection:
        kept = await sent.find(connection, asked.id)
    assert kept is not None
    assert kept.result == RESULTS[name]["result"], "the first word counts"
    assert ("11000" in kept.document) is (name == "GET")


async def test_a_wrapped_result_is_understood(hub: HubInProcess, partner: AnsweringPartner) -> None:
    await ask(hub, "PUT")
    body = {"data": {"result": "ACCEPTED"}, "status_code": 1000, "timestamp": "2026-11-28T20:00:00Z"}
    assert (await hub.call("cpo", "POST", response_url(partner, "PUT"), body=body)).code == 1000


async def test_a_result_of_another_partner_is_not_taken(hub: HubInProcess, partner: AnsweringPartner) -> None:
    await ask(hub, "PUT")
    answer = await hub.call("riv", "POST", response_url(partner, "PUT"), body={"result": "ACCEPTED"})
    assert answer.http_status == 404
    other_module = response_url(partner, "PUT").replace("chargingprofiles/results", "commands/START_SESSION")
    assert (await hub.call("cpo", "POST", other_module, body={"result": "ACCEPTED"})).http_status == 404


@pytest.mark.ocpi_cell("chargingprofiles", "$hub", "sender", "server")
async def test_a_partner_tells_of_a_change(hub: HubInProcess, partner: AnsweringPartner) -> None:
    path = f"{hub.speech.sender('chargingprofiles')}/s1"
    assert (await hub.call("cpo", "PUT", path, body=ACTIVE)).outcome == (200, 1000)
    async with hub.services.database.reading() as connection:
        kept = await repository.find_active(connection, object_key(CPO, "S1"))
    assert kept is not None
    assert kept.charging_profile.charging_profile_period == PROFILE.charging_profile_period


@pytest.mark.parametrize(("who", "session_id"), [("cpo", "S2"), ("riv", "S1")])
async def test_of_a_session_that_is_not_theirs_nothing_is_taken(
    hub: HubInProcess, partner: AnsweringPartner, who: str, session_id: str
) -> None:
    path = f"{hub.speech.sender('chargingprofiles')}/{session_id}"
    assert (await hub.call(who, "PUT", path, body=ACTIVE)).http_status == 404


async def test_a_refusal_is_told_as_it_came(hub: HubInProcess, partner: AnsweringPartner) -> None:
    partner.answers["chargingprofiles/S1"] = {"result": "TOO_OFTEN", "timeout": 30}
    assert (await ask(hub, "PUT")).response == "TOO_OFTEN"
    partner.answers["chargingprofiles/S1"] = {"nothing": True}
    assert (await ask(hub, "PUT")).response.startswith("REJECTED: result")


async def test_2_1_1_has_no_profiles(sqlite_url: str, tmp_path: Path) -> None:
    async with hub_in_process(sqlite_url, tmp_path, version="2.1.1") as old:
        with pytest.raises(NotSent, match=r"speaks OCPI 2\.1\.1"):
            await ask(old, "PUT")

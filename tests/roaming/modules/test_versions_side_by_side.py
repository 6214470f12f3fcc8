"""Every module's server side in each version offered: addresses, bodies and answers are those of the version."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.hub_in_process import PUBLIC_URL, HubInProcess, hub_in_process
from tests.kit.ocpi_speech import ALL, Speech

VERSIONS = ALL
LATER = "2026-11-23T11:00:00Z"
SINCE = "date_from=2020-01-01T00:00:00Z"


@pytest.fixture(params=VERSIONS)
async def hub(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """Everybody speaks the version, and the hosted objects are in place."""
    async with hub_in_process(sqlite_url, tmp_path, version=request.param, offered_versions=ALL) as running:
        await running.host_objects()
        yield running


@pytest.fixture
def speech(hub: HubInProcess) -> Speech:
    return hub.speech


@pytest.mark.ocpi_cell("versions", "$hub", "both", "server")
async def test_version_details_lead_to_every_endpoint(hub: HubInProcess, speech: Speech) -> None:
    listed = (await hub.call("aaa", "GET", "/versions")).data
    assert [entry["version"] for entry in listed] == list(VERSIONS)
    (url,) = [entry["url"] for entry in listed if entry["version"] == speech.version]
    details = (await hub.call("aaa", "GET", url)).data
    assert details["version"] == speech.version
    for entry in details["endpoints"]:
        assert entry["url"].startswith(f"{PUBLIC_URL}/{speech.version}/")
        assert (await hub.call("aaa", "GET", entry["url"])).http_status in (200, 404, 405), entry
    modules = [entry["identifier"] for entry in details["endpoints"]]
    offered = {"credentials", "locations", "tariffs", "sessions", "cdrs", "tokens", "commands"}
    offered |= {"hubclientinfo", "chargingprofiles"} if speech.version != "2.1.1" else set()
    offered |= {"bookings", "invoicereconciliation", "payments"} if speech.version == "2.3.0" else set()
    assert set(modules) == offered
    sides = 1 if speech.version == "2.1.1" else 2
    assert all(("role" in entry) == (sides == 2) for entry in details["endpoints"])
    assert [modules.count(module) for module in ("credentials", "locations", "commands")] == [1, sides, sides]


@pytest.mark.ocpi_cell("locations", "$hub", "receiver", "server")
async def test_locations(hub: HubInProcess, speech: Speech) -> None:
    place = f"{speech.receiver('locations')}/FR/CPO/L1"
    assert (await hub.call("cpo", "PUT", place, body=speech.location())).outcome == (201, 1000)
    assert (await hub.call("cpo", "GET", place)).data == speech.location()
    assert (await hub.call("cpo", "GET", f"{place}/E1")).data == speech.evse()
    assert (await hub.call("cpo", "GET", f"{place}/E1/1")).data == speech.connector()
    assert (await hub.call("cpo", "PUT", f"{place}/E2", body=speech.evse(uid="E2"))).outcome == (201, 1000)
    assert (await hub.call("cpo", "PUT", f"{place}/E2/2", body=speech.connector(id="2"))).outcome == (201, 1000)
    for level, change in (("", {"name": "Canal"}), ("/E1", {"status": "CHARGING"}), ("/E1/1", {"format": "CABLE"})):
        body = change | {"last_updated": LATER}
        assert (await hub.call("cpo", "PATCH", f"{place}{level}", body=body)).outcome == (200, 1000), level
    stored = (await hub.call("cpo", "GET", place)).data
    assert (stored["name"], stored["evses"][0]["connectors"][0]["format"]) == ("Canal", "CABLE")
    assert [(e["uid"], e["status"], len(e["connectors"])) for e in stored["evses"]] == [
        ("E1", "CHARGING", 1),
        ("E2", "AVAILABLE", 2),
    ]


@pytest.mark.ocpi_cell("locations", "$hub", "sender", "server")
async def test_our_locations_at_every_level(hub: HubInProcess, speech: Speech) -> None:
    address = speech.sender("locations")
    page = await hub.call("aaa", "GET", f"{address}?limit=5")
    (ours,) = page.data
    assert (page.headers["x-total-count"], page.headers["x-limit"]) == ("1", "100")
    expected = speech.location("NL-HUB", id="OURS", last_updated=ours["last_updated"])
    assert set(ours) == set(expected)
    assert (await hub.call("aaa", "GET", f"{address}/OURS")).data == ours
    assert (await hub.call("aaa", "GET", f"{address}/OURS/OURS-1")).data == ours["evses"][0]
    assert (await hub.call("aaa", "GET", f"{address}/OURS/OURS-1/1")).data == ours["evses"][0]["connectors"][0]
    assert (await hub.call("aaa", "GET", f"{address}/OURS/OURS-1/9")).outcome == (404, 2000)


@pytest.mark.ocpi_cell("tariffs", "$hub", "receiver", "server")
@pytest.mark.ocpi_cell("tariffs", "$hub", "sender", "server")
async def test_tariffs(hub: HubInProcess, speech: Speech) -> None:
    address = f"{speech.receiver('tariffs')}/FR/CPO/T1"
    assert (await hub.call("cpo", "PUT", address, body=speech.tariff())).outcome == (201, 1000)
    assert (await hub.call("cpo", "GET", address)).data == speech.tariff()
    patched = await hub.call("cpo", "PATCH", address, body={"currency": "SEK", "last_updated": LATER})
    assert patched.http_status == (200 if speech.version == "2.1.1" else 405)
    assert (await hub.call("cpo", "DELETE", address)).outcome == (200, 1000)
    (ours,) = (await hub.call("aaa", "GET", speech.sender("tariffs"))).data
    assert ours == speech.tariff("NL-HUB", id="OURS", last_updated=ours["last_updated"])


@pytest.mark.ocpi_cell("tokens", "$hub", "receiver", "server")
@pytest.mark.ocpi_cell("tokens", "$hub", "sender", "server")
async def test_tokens(hub: HubInProcess, speech: Speech) -> None:
    address = f"{speech.receiver('tokens')}/DE/AAA/TOKEN1"
    assert (await hub.call("aaa", "PUT", address, body=speech.token())).outcome == (201, 1000)
    assert (await hub.call("aaa", "GET", address)).data == speech.token()
    change = {"valid": False, "last_updated": LATER}
    assert (await hub.call("aaa", "PATCH", address, body=change)).outcome == (200, 1000)
    assert (await hub.call("aaa", "GET", address)).data == speech.token(valid=False, last_updated=LATER)
    (ours,) = (await hub.call("cpo", "GET", speech.sender("tokens"))).data
    assert ours == speech.token("DE-HME", uid="HOME1", last_updated=ours["last_updated"])


@pytest.mark.ocpi_cell("tokens", "$hub", "sender", "server")
async def test_real_time_authorisation(hub: HubInProcess, speech: Speech) -> None:
    address = f"{speech.sender('tokens')}/HOME1/authorize"
    answer = await hub.call("cpo", "POST", address, body=speech.references("L1", "E1"))
    assert answer.outcome == (200, 1000)
    assert answer.data["allowed"] == "ALLOWED"
    assert answer.data["location"] == speech.references("L1", "E1")
    later = {"token", "authorization_reference"}
    assert later & set(answer.data) == (set() if speech.version == "2.1.1" else later)
    unknown = await hub.call("cpo", "POST", f"{speech.sender('tokens')}/NOBODY/authorize")
    assert unknown.outcome == (404, 2000 if speech.version == "2.1.1" else 2004)


@pytest.mark.ocpi_cell("sessions", "$hub", "receiver", "server")
@pytest.mark.ocpi_cell("sessions", "$hub", "sender", "server")
async def test_sessions(hub: HubInProcess, speech: Speech) -> None:
    await know_the_driver(hub)
    address = f"{speech.receiver('sessions')}/FR/CPO/S1"
    answer = await hub.call("cpo", "PUT", address, body=speech.session())
    assert answer.outcome == (201, 1000), answer.text
    assert same((await hub.call("cpo", "GET", address)).data, speech.session())
    change = {"kwh": 3, "last_updated": LATER}
    assert (await hub.call("cpo", "PATCH", address, body=change)).outcome == (200, 1000)
    assert (await hub.call("cpo", "GET", address)).data["kwh"] == 3
    (ours,) = (await hub.call("aaa", "GET", f"{speech.sender('sessions')}?{SINCE}")).data
    assert set(ours) == set(speech.session("NL-HUB"))
    assert ours["id"] == "OURS-AAA"


@pytest.mark.ocpi_cell("cdrs", "$hub", "receiver", "server")
@pytest.mark.ocpi_cell("cdrs", "$hub", "sender", "server")
async def test_cdrs(hub: HubInProcess, speech: Speech) -> None:
    await know_the_driver(hub)
    first = await hub.call("cpo", "POST", speech.receiver("cdrs"), body=speech.cdr())
    assert first.outcome == (201, 1000), first.text
    address = first.headers["location"]
    assert address.startswith(f"{PUBLIC_URL}{speech.receiver('cdrs')}/")
    stored, posted = (await hub.call("cpo", "GET", address)).data, speech.cdr()
    if speech.version == "2.1.1":
        told, meant = stored.pop("location"), posted.pop("location")
        assert (told["id"], told["evses"][0]["uid"]) == (meant["id"], meant["evses"][0]["uid"])
    assert same(stored, posted)
    assert (await hub.call("cpo", "POST", speech.receiver("cdrs"), body=speech.cdr())).outcome == (200, 1000)
    other = await hub.call("cpo", "POST", speech.receiver("cdrs"), body=speech.cdr(total_energy=99))
    assert other.outcome == (200, 2001)
    (ours,) = (await hub.call("aaa", "GET", speech.sender("cdrs"))).data
    assert set(ours) == set(speech.cdr("NL-HUB"))
    assert ours["id"] == "OURS-AAA"


@pytest.mark.ocpi_cell("commands", "$hub", "receiver", "server")
async def test_commands_are_answered_at_once(hub: HubInProcess, speech: Speech) -> None:
    for name, body in speech.commands().items():
        answer = await hub.call("aaa", "POST", f"{speech.receiver('commands')}/{name}", body=body)
        assert answer.outcome in ((200, 1000), (200, 2003)), (name, answer.text)
        if answer.code == 1000:
            assert answer.data["result"] in ("REJECTED", "UNKNOWN_SESSION", "NOT_SUPPORTED"), name
            expected = {"result"} if speech.version == "2.1.1" else {"result", "timeout", "message"}
            assert set(answer.data) == expected, name
    await hub.host_station("ST-1", "OURS")
    for name in ("START_SESSION", "RESERVE_NOW", "UNLOCK_CONNECTOR"):
        body = speech.commands()[name] | {"location_id": "OURS", "evse_uid": "OURS-1", "connector_id": "1"}
        answer = await hub.call("aaa", "POST", f"{speech.receiver('commands')}/{name}", body=body)
        assert answer.outcome == (200, 1000), (name, answer.text)
        assert answer.data["result"] == "ACCEPTED", name


async def know_the_driver(hub: HubInProcess) -> None:
    """The driver of the bodies is one of DE-HME."""
    from roaming.model.version import Version
    from roaming.modules.tokens import service as tokens
    from tests.kit import ocpi_bodies

    async with hub.services.database.work() as work:
        await tokens.publish(work, tokens.CODECS[Version.V2_2_1].decode(ocpi_bodies.token("DE-HME")).value)


def same(told: dict[str, Any], meant: dict[str, Any]) -> bool:
    """Equal but for what absence means the same as: no taxes."""
    return _plain(told) == _plain(meant)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items() if entry != []}
    return [_plain(entry) for entry in value] if isinstance(value, list) else value

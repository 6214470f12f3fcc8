"""Both ends of the road are not ours: a Node station charges at the hub, a Rust partner gets the CDR."""

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.hub import Hub
from tests.e2e.outside.kit_conformance import conformance
from tests.e2e.outside.kit_mock import CPO, PARTY, TOKEN_A, KitMock, objects_in, ocpi
from tests.e2e.outside.rpc_station import ENERGY_KWH, RpcStation
from tests.e2e.partner import ADA, Partner
from tests.kit.wait import until

PASSWORD = "a-password-of-16-letters"
PATIENCE = 60.0
DRIVER = "0A11CE5EED01"

pytestmark = [pytest.mark.outside, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """Embedded: the shape is not the subject here."""
    running = Hub("embedded", tmp_path)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(params=["2.2.1", "2.3.0"])
def version(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def hub_of_one_version(tmp_path: Path, version: str) -> Iterator[Hub]:
    """Outside clients take the best version they find: offered is the one to be looked at."""
    running = Hub("embedded", tmp_path, settings={"ROAMING_OFFERED_VERSIONS": version})
    try:
        yield running.start()
    finally:
        running.stop()


async def as_operator(hub: Hub, *arguments: str) -> Any:
    """``roaming ARGUMENTS``, while this process goes on."""
    return await asyncio.to_thread(hub.cli, *arguments)


async def bind_when_it_waits(hub: Hub, identity: str, cpo: str, *more: str) -> None:
    """The station has connected by itself; one command lets it in."""

    async def is_waiting() -> bool:
        stations = await as_operator(hub, "station", "list")
        return any(s["station"] == identity and s["state"] == "WAITING" for s in stations)

    await until(is_waiting, seconds=PATIENCE, every=0.5)
    place = ("--location", "PIER", "--address", "Kade 1", "--city", "Rotterdam")
    at = ("--latitude", "51.90500", "--longitude", "4.48600")
    await as_operator(hub, "station", "bind", identity, "--party", cpo, *place, *at, *more)


def check_story(station: RpcStation) -> None:
    """It charged, and its strict schemas found nothing wrong with anything that the hub said."""
    story = json.dumps(station.said, indent=1)
    assert station.has_ended_well, story
    assert station.words("invalid") == [], story
    assert [word["status"] for word in station.words("authorize")] == ["Accepted"], story
    assert [word["status"] for word in station.words("start")] == ["Accepted"], story


async def test_a_station_that_is_not_ours_charges(hub: Hub) -> None:
    async with Partner() as partner:
        await as_operator(hub, "party", "add", "NL-HUB", "--role", "CPO", "--name", "Hub Charging")
        added = await as_operator(hub, "partner", "add", "sandbox", "--party", "DE-SBX")
        await partner.emsp.register(hub.versions_url, added["TOKEN_A"])
        async with RpcStation(hub.ocpp_url(), "RPC-1", password=PASSWORD, token_uid=ADA) as station:
            await bind_when_it_waits(hub, "RPC-1", "NL-HUB")
            await until(lambda: station.has_ended_well or station.words("failed"), seconds=PATIENCE)
        check_story(station)
        await until(lambda: partner.cdrs, seconds=PATIENCE)
        (cdr,) = partner.cdrs
        assert cdr["cdr_token"]["uid"] == ADA
        assert cdr["cdr_location"]["evse_uid"] == "RPC-1"
        assert Decimal(str(cdr["total_energy"])) == Decimal(ENERGY_KWH)
        (session,) = partner.sessions
        assert session["status"] == "COMPLETED"
        assert session["id"] == cdr["session_id"]
        assert partner.emsp.doubles == []


async def test_a_partner_that_is_not_ours_gets_everything(
    hub_of_one_version: Hub, tmp_path: Path, version: str
) -> None:
    hub = hub_of_one_version
    async with KitMock(tmp_path, version) as mock:
        await mock.give("tokens", driver_token())
        await as_operator(hub, "party", "add", CPO, "--role", "CPO", "--name", "The Next Motion")
        start = ("--url", mock.versions_url, "--token", TOKEN_A)
        added = await as_operator(hub, "partner", "add", "kit", "--party", PARTY, *start)
        assert added == {"partner": "kit", "state": "CONNECTED", "version": version}
        tariff = tmp_path / "tariff.json"
        tariff.write_text(json.dumps(TARIFF))
        await as_operator(hub, "tariff", "import", str(tariff))
        async with RpcStation(hub.ocpp_url(), "RPC-2", password=PASSWORD, token_uid=DRIVER) as station:
            await bind_when_it_waits(hub, "RPC-2", CPO, "--tariff", "PLAIN")
            await until(lambda: station.has_ended_well or station.words("failed"), seconds=PATIENCE)
        check_story(station)
        await until(lambda: mock.told("POST", "cdrs"), seconds=PATIENCE)
        await check_received(hub, mock)
        await check_pulled(hub, mock)
        await check_price(mock, tmp_path)
        await check_conformance(hub, mock)


TARIFF = {
    "country_code": "NL",
    "party_id": "TNM",
    "id": "PLAIN",
    "currency": "EUR",
    "elements": [
        {
            "price_components": [
                {"type": "ENERGY", "price": 0.40, "vat": 21.0, "step_size": 1},
                {"type": "TIME", "price": 3.60, "vat": 21.0, "step_size": 60},
            ]
        }
    ],
}


def driver_token() -> dict[str, Any]:
    """A driver of the mock's, whom the hub has to ask about."""
    return {
        "country_code": "DE",
        "party_id": "ABC",
        "uid": DRIVER,
        "type": "RFID",
        "contract_id": "DE-ABC-C00000001",
        "issuer": "ocpi-kit",
        "valid": True,
        "whitelist": "NEVER",
        "last_updated": "2026-01-01T00:00:00Z",
    }


async def check_received(hub: Hub, mock: KitMock) -> None:
    """The mock was asked about its driver, and its own client finds in its store what the hub pushed."""
    (asked,) = mock.told("POST", f"tokens/{DRIVER}/authorize")
    assert asked[2]["data"]["allowed"] == "ALLOWED"
    (posted,) = mock.told("POST", "cdrs")
    assert posted[1] in (200, 201), posted
    assert posted[2]["status_code"] == 1000, posted
    (cdr,) = await mock.holds("cdrs")
    assert cdr["id"] == posted[0]["id"]
    assert cdr["cdr_token"]["uid"] == DRIVER
    assert Decimal(str(cdr["total_energy"])) == Decimal(ENERGY_KWH)
    (session,) = await mock.holds("sessions")
    assert (session["id"], session["status"]) == (cdr["session_id"], "COMPLETED")
    (tariff,) = await mock.holds("tariffs")
    assert tariff["id"] == "PLAIN"

    async def is_free_again() -> bool:
        (location,) = await mock.holds("locations")
        return [(evse["uid"], evse["status"]) for evse in location["evses"]] == [("RPC-2", "AVAILABLE")]

    await until(is_free_again, seconds=PATIENCE, every=0.5)

    async def is_all_delivered() -> bool:
        left = [row for row in await as_operator(hub, "delivery", "list") if row["state"] != "DROPPED"]
        return left == []

    await until(is_all_delivered, seconds=PATIENCE, every=0.5)
    delivered = await as_operator(hub, "delivery", "list", "--state", "delivered")
    assert {row["module"] for row in delivered} == {"locations", "tariffs", "sessions", "cdrs"}
    refused = [entry for entry in mock.answers if entry[1] >= 400 or entry[2]["status_code"] != 1000]
    evse = f"/receiver/locations/{CPO.replace('-', '/')}/PIER/RPC-2"
    # The mock takes no PATCH of an EVSE; the hub then sends the whole object
    assert {(e[0].method, e[0].target, e[1]) for e in refused} <= {("PATCH", evse, 405)}


async def check_pulled(hub: Hub, mock: KitMock) -> None:
    """The outside client reads every list of the hub as the same partner, and each object passes its validation."""
    for module, kind in (("locations", "location"), ("tariffs", "tariff"), ("sessions", "session"), ("cdrs", "cdr")):
        since = ("--since", "2026-01-01T00:00:00Z")
        arguments = ("pull", module, hub.versions_url, "--token", mock.token_b, "--from", PARTY.replace("-", "/"))
        (pulled,) = objects_in(await ocpi(*arguments, *since))
        held = (await mock.holds(module))[0]
        assert pulled["id"] == held["id"]
        path = hub.folder / f"{kind}.json"
        path.write_text(json.dumps(mock.told("POST" if kind == "cdr" else "PUT", module)[-1][0]))
        assert "conformant" in await ocpi("validate", "--as", kind, "--version", mock.version, str(path))


async def check_price(mock: KitMock, folder: Path) -> None:
    """The outside engine, which wants 2.3.0, prices the CDR as ours did."""
    ((cdr, _, _),) = mock.told("POST", "cdrs")
    files = {}
    for kind, body in (("cdr", cdr), ("tariff", (await mock.holds("tariffs"))[0])):
        files[kind] = folder / f"priced-{kind}.json"
        files[kind].write_text(json.dumps(body))
        if mock.version == "2.2.1":
            converted = await ocpi("convert", "--from", "2.2.1", "--to", "2.3.0", "--as", kind, str(files[kind]))
            files[kind].write_text(converted)
    priced = json.loads(
        await ocpi("price", str(files["cdr"]), "--tariff", str(files["tariff"]), "--json", is_failure_expected=True)
    )
    ours = amounts_of(mock.version, cdr["total_cost"])
    assert ours["excl_vat"] >= Decimal("3.06"), "7.5 kWh and a minute begun"
    assert Decimal(str(priced["total_excl_vat"])) == ours["excl_vat"]
    # It rounds the tax to cents, and calls any difference a failure
    assert abs(Decimal(str(priced["total_incl_vat"])) - ours["incl_vat"]) <= Decimal("0.005")


def amounts_of(version: str, price: dict[str, Any]) -> dict[str, Decimal]:
    """Without and with tax, where this version says them."""
    if version == "2.2.1":
        return {name: Decimal(str(price[name])) for name in ("excl_vat", "incl_vat")}
    before, taxes = Decimal(str(price["before_taxes"])), [Decimal(str(tax["amount"])) for tax in price["taxes"]]
    return {"excl_vat": before, "incl_vat": before + sum(taxes)}


async def check_conformance(hub: Hub, mock: KitMock) -> None:
    """The outside runner finds no failure; in several pages: ``test_kit_conformance.py``."""
    report = await conformance(hub.versions_url, mock.token_b)
    assert (report.exit_code, report.of("failed"), report.version) == (0, [], mock.version), report.text

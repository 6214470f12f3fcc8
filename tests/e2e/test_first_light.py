"""One road in three shapes: a driver of a foreign eMSP charges at an OCPP station, and the eMSP holds the CDR."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.ocpp.simulator import Charge, Fleet, SimulatedStation, SimulatorConfig
from tests.e2e.hub import Hub
from tests.e2e.partner import ADA, MALLORY, Partner
from tests.kit.wait import until

PASSWORD = "a-password-of-16-letters"
ENERGY, FLAT, VAT = Decimal("0.30"), Decimal("1.00"), Decimal("21")
TARIFF = {
    "country_code": "NL",
    "party_id": "HUB",
    "id": "PLAIN",
    "currency": "EUR",
    "elements": [
        {
            "price_components": [
                {"type": "ENERGY", "price": float(ENERGY), "vat": float(VAT), "step_size": 1},
                {"type": "FLAT", "price": float(FLAT), "vat": float(VAT), "step_size": 1},
            ]
        }
    ],
}
PATIENCE = 40.0
"""Seconds that anything may take before the road counts as broken; the machine may be busy."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


async def as_operator(hub: Hub, *arguments: str) -> Any:
    """``roaming ARGUMENTS``, while the stations and the partner of this process go on."""
    return await asyncio.to_thread(hub.cli, *arguments)


async def set_up(hub: Hub, partner: Partner, folder: Path) -> None:
    """A CPO with a tariff and two stations, one at each adapter, and a partner who has registered."""
    await as_operator(hub, "party", "add", "NL-HUB", "--role", "CPO", "--name", "Hub Charging")
    added = await as_operator(hub, "partner", "add", "sandbox", "--party", "DE-SBX")
    await partner.emsp.register(hub.versions_url, added["TOKEN_A"])
    tariff = folder / "tariff.json"
    tariff.write_text(json.dumps(TARIFF))
    await as_operator(hub, "tariff", "import", str(tariff))
    for station in ("ONE-001", "TWO-001"):
        place = ("--party", "NL-HUB", "--location", "HARBOUR", "--tariff", "PLAIN")
        where = ("--address", "Kade 1", "--city", "Rotterdam", "--latitude", "51.90500", "--longitude", "4.48600")
        await as_operator(hub, "station", "bind", station, *place, *where, "--password", PASSWORD)


@asynccontextmanager
async def connected(hub: Hub, number: int, prefix: str) -> AsyncIterator[SimulatedStation]:
    """A station at the ``number``-th adapter; whether it is accepted is another matter."""
    fleet = Fleet(
        SimulatorConfig(
            url=hub.ocpp_url(number),
            prefix=prefix,
            password=PASSWORD,
            arrival_seconds=0,
            speed=240,
            charge_minutes=(6000, 6000),  # it goes on until somebody stops it, however slow this machine is
            is_offline_start_allowed=False,
        )
    )
    running = asyncio.create_task(fleet.run())
    try:
        yield next(iter(fleet.stations.values()))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_charge_becomes_a_session_and_a_cdr(hub: Hub, partner: Partner, tmp_path: Path) -> None:
    await set_up(hub, partner, tmp_path)
    async with connected(hub, 0, "ONE-") as one, connected(hub, 1, "TWO-") as two:
        await until(lambda: one.is_connected and two.is_connected, seconds=PATIENCE)
        await check_location(partner)
        for station in (one, two):
            await check_driver_at_the_station(partner, station)
        await check_driver_by_app(partner, two)
        assert await one.plug(MALLORY) is None, "the eMSP has blocked this driver"
        await check_stranger(hub, partner)
        await check_books(partner, [*one.charges, *two.charges])
        for name, port in hub.probe_ports.items():
            await until(lambda name=name, port=port: is_ready(name, port), seconds=PATIENCE)


async def is_ready(name: str, port: int) -> bool:
    """The process says that it can work, and has read all there is."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/readyz", timeout=20)
    assert answer.status_code == 200, f"{name}: {answer.text}"
    said = answer.json()
    assert ("database" in said) == (not name.startswith("adapter"))
    assert ("lag" in said) == (not name.startswith("service"))
    return set(said.get("lag", {}).values()) <= {0}


async def check_location(partner: Partner) -> None:
    """The location was pushed, is the one that is pulled, and names its tariff, which was pushed too."""
    emsp = partner.emsp
    await until(lambda: "NL/HUB/HARBOUR" in emsp.objects["locations"], seconds=PATIENCE)
    await until(lambda: "NL/HUB/PLAIN" in emsp.objects["tariffs"], seconds=PATIENCE)

    async def is_available() -> bool:
        (location,) = await emsp.pull("locations")
        return {evse["status"] for evse in location["evses"]} == {"AVAILABLE"}

    await until(is_available, seconds=PATIENCE)
    (location,) = await emsp.pull("locations")
    assert {evse["uid"] for evse in location["evses"]} == {"ONE-001", "TWO-001"}
    assert {tuple(evse["connectors"][0]["tariff_ids"]) for evse in location["evses"]} == {("PLAIN",)}
    (tariff,) = await emsp.pull("tariffs")
    assert plain(tariff) == plain(emsp.objects["tariffs"]["NL/HUB/PLAIN"])


async def check_driver_at_the_station(partner: Partner, station: SimulatedStation) -> None:
    """The eMSP is asked, is told of the EVSE, sees the session grow and end, and gets its CDR."""
    emsp, cdrs_before = partner.emsp, len(partner.cdrs)
    asked_before = len(partner.told("authorize"))
    charge = await station.plug(ADA, minutes=20)
    assert charge is not None, "Ada was refused"
    assert len(partner.told("authorize")) == asked_before + 1
    await until(lambda: "CHARGING" in statuses_of(partner, station.id), seconds=PATIENCE)
    await until(lambda: charge.is_settled, seconds=PATIENCE)
    await until(lambda: len(partner.cdrs) == cdrs_before + 1, seconds=PATIENCE)
    cdr = cdr_of(partner, charge)
    assert cdr["cdr_token"]["uid"] == ADA
    assert cdr["auth_method"] == "AUTH_REQUEST"
    assert [s for s in emsp.history if s.module == "authorize"][-1].body["authorization_reference"] == cdr[
        "authorization_reference"
    ]
    await until(lambda: statuses_of(partner, station.id)[-1] == "AVAILABLE", seconds=PATIENCE)
    check_story(partner, cdr)


def statuses_of(partner: Partner, evse_uid: str) -> list[str]:
    """What the partner was told of one EVSE alone, in order."""
    key = f"NL/HUB/HARBOUR/{evse_uid}"
    return [t.body["status"] for t in partner.told("locations") if t.method == "PATCH" and t.key == key]


def cdr_of(partner: Partner, charge: Charge) -> dict[str, Any]:
    """The one CDR of a charge, found by where and when it took place."""
    assert charge.stopped_at is not None
    started = charge.started_at.isoformat().replace("+00:00", "Z")
    (cdr,) = [
        cdr
        for cdr in partner.cdrs
        if cdr["cdr_location"]["evse_uid"] == charge.station_id and cdr["start_date_time"] == started
    ]
    return cdr


def check_story(partner: Partner, cdr: dict[str, Any]) -> None:
    """ACTIVE, then COMPLETED and nothing afterwards; never backwards in time; the CDR comes last."""
    story = partner.story(cdr["session_id"])
    statuses = [told["status"] for told in story if "status" in told]
    assert statuses[0] == "ACTIVE"
    assert statuses[-1] == "COMPLETED"
    assert statuses.count("COMPLETED") == 1
    times = [datetime.fromisoformat(told["last_updated"]) for told in story]
    assert times == sorted(times)
    (session,) = [s for s in partner.sessions if s["id"] == cdr["session_id"]]
    assert Decimal(str(session["kwh"])) == Decimal(str(cdr["total_energy"]))


async def check_driver_by_app(partner: Partner, station: SimulatedStation) -> None:
    """START_SESSION and STOP_SESSION, each with its result later."""
    emsp, sessions_before = partner.emsp, len(partner.sessions)
    charges_before = len(station.charges)
    command_id, response = await emsp.start(emsp.drivers[ADA], "HARBOUR", station.id)
    assert response == "ACCEPTED"
    await until(lambda: emsp.results.get(command_id) == "ACCEPTED", seconds=PATIENCE)
    await until(lambda: len(station.charges) == charges_before + 1, seconds=PATIENCE)
    await until(lambda: len(partner.sessions) == sessions_before + 1, seconds=PATIENCE)
    session = partner.sessions[-1]
    command_id, response = await emsp.stop(session["id"])
    assert response == "ACCEPTED"
    await until(lambda: emsp.results.get(command_id) == "ACCEPTED", seconds=PATIENCE)
    await until(lambda: station.charges[-1].is_settled, seconds=PATIENCE)
    assert station.charges[-1].stop_reason == "Remote"
    await until(lambda: any(cdr["session_id"] == session["id"] for cdr in partner.cdrs), seconds=PATIENCE)
    assert cdr_of(partner, station.charges[-1])["auth_method"] == "COMMAND"


async def check_stranger(hub: Hub, partner: Partner) -> None:
    """A station that nobody announced waits, is bound with one command, and a driver can charge at it."""
    async with connected(hub, 0, "NEW-") as stranger:

        async def is_waiting() -> bool:
            stations = await as_operator(hub, "station", "list")
            return any(s["station"] == "NEW-001" and s["state"] == "WAITING" for s in stations)

        await until(is_waiting, seconds=PATIENCE)
        assert not stranger.is_connected
        await as_operator(hub, "station", "bind", "NEW-001", "--party", "NL-HUB", "--location", "HARBOUR")
        await until(lambda: stranger.is_connected, seconds=PATIENCE)
        await until(lambda: statuses_of(partner, "NEW-001")[-1:] == ["AVAILABLE"], seconds=PATIENCE)
        charge = await stranger.plug(ADA, minutes=5)
        assert charge is not None
        await until(lambda: charge.is_settled, seconds=PATIENCE)
        await until(lambda: any(c["cdr_location"]["evse_uid"] == "NEW-001" for c in partner.cdrs), seconds=PATIENCE)


async def check_books(partner: Partner, charges: list[Charge]) -> None:
    """One CDR per charge, with the energy of the station's own meter and the price of the tariff."""
    emsp = partner.emsp
    priced = [cdr for cdr in partner.cdrs if cdr["cdr_location"]["evse_uid"] != "NEW-001"]
    assert len(priced) == len(charges)
    assert emsp.doubles == []
    cent = Decimal("0.0001")
    for charge in charges:
        cdr = cdr_of(partner, charge)
        assert charge.register_stop_wh is not None
        kwh = Decimal(charge.register_stop_wh - charge.register_start_wh) / 1000
        assert Decimal(str(cdr["total_energy"])) == kwh
        cost = ENERGY * kwh + FLAT
        assert Decimal(str(cdr["total_cost"]["excl_vat"])) == cost
        with_vat = (cost * (1 + VAT / 100)).quantize(cent, ROUND_HALF_UP)
        assert abs(Decimal(str(cdr["total_cost"]["incl_vat"])) - with_vat) <= cent
    pulled = {cdr["id"]: plain(cdr) for cdr in await emsp.pull("cdrs")}
    assert pulled == {cdr["id"]: plain(cdr) for cdr in partner.cdrs}


def plain(value: Any) -> Any:
    """An OCPI object with numbers as numbers, however it was read."""
    return json.loads(json.dumps(value, default=float))

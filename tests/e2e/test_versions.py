"""A charge at the partner's own OCPI version, whichever it is: registering, real-time authorisation, session, CDR,
START_SESSION and STOP_SESSION; and a partner that changes its version by PUT."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from adapters.ocpp.simulator import SimulatedStation, SimulatorConfig
from tests.e2e.fleets import PASSWORD, running_fleets, set_up
from tests.e2e.hub import Hub
from tests.e2e.partner import ADA, MALLORY, Partner
from tests.kit.wait import until

PATIENCE = 60.0
STATION = "SIM-001"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@asynccontextmanager
async def connected(hub: Hub) -> AsyncIterator[SimulatedStation]:
    """The station, accepted."""
    config = SimulatorConfig(
        url=hub.ocpp_url(),
        password=PASSWORD,
        arrival_seconds=0,
        speed=240,
        charge_minutes=(6000, 6000),  # it goes on until somebody stops it, however slow this machine is
        is_offline_start_allowed=False,
    )
    async with running_fleets(config) as (fleet,):
        (station,) = fleet.stations.values()
        await until(lambda: station.is_connected, seconds=PATIENCE)
        yield station


@pytest.mark.parametrize("version", ["2.1.1", "2.3.0"])
async def test_a_charge_in_the_partners_version(embedded_hub: Hub, version: str) -> None:
    async with Partner(version=version) as partner:
        await set_up(embedded_hub, partner, [STATION])
        if not is_new(version):
            await partner.emsp.push_tokens()  # an answer of 2.1.1 does not say whose token it is: it must be known
        (known,) = await asyncio.to_thread(embedded_hub.cli, "partner", "list")
        assert known["version"] == version
        async with connected(embedded_hub) as station:
            await check_location(partner)
            await check_driver_at_the_station(partner, station)
            await check_driver_by_app(partner, station)
            assert await station.plug(MALLORY) is None, "the eMSP has blocked this driver"
            assert len(await partner.emsp.pull("cdrs")) == 2
            assert len(await partner.emsp.pull("sessions")) == 2
        assert partner.emsp.doubles == []
        await check_all_delivered(embedded_hub)


async def check_location(partner: Partner) -> None:
    """Pushed and pulled alike, in the shape of the version."""
    emsp = partner.emsp
    await until(lambda: "NL/HUB/HARBOUR" in emsp.objects["locations"], seconds=PATIENCE)

    async def is_available() -> bool:
        (location,) = await emsp.pull("locations")
        return {evse["status"] for evse in location["evses"]} == {"AVAILABLE"}

    await until(is_available, seconds=PATIENCE)
    (location,) = await emsp.pull("locations")
    assert ("publish" in location, "country_code" in location) == (is_new(emsp.version), is_new(emsp.version))
    assert ("max_voltage" in location["evses"][0]["connectors"][0]) == is_new(emsp.version)
    assert set(location) == set(emsp.objects["locations"]["NL/HUB/HARBOUR"])


async def check_driver_at_the_station(partner: Partner, station: SimulatedStation) -> None:
    """The eMSP is asked, sees the session grow and end, and gets its CDR."""
    charge = await station.plug(ADA, minutes=10)
    assert charge is not None, "Ada was refused"
    assert len(partner.told("authorize")) == 1
    await until(lambda: charge.is_settled and len(partner.cdrs) == 1, seconds=PATIENCE)
    (cdr,) = partner.cdrs
    (session,) = partner.sessions
    check_pair(partner.emsp.version, session, cdr)
    assert charge.register_stop_wh is not None
    kwh = Decimal(charge.register_stop_wh - charge.register_start_wh) / 1000
    assert Decimal(str(cdr["total_energy"])) == Decimal(str(session["kwh"])) == kwh


def check_pair(version: str, session: dict[str, Any], cdr: dict[str, Any]) -> None:
    """Driver, place and cost, where this version says them."""
    assert session["status"] == "COMPLETED"
    if is_new(version):
        assert cdr["session_id"] == session["id"]
        assert session["cdr_token"]["uid"] == cdr["cdr_token"]["uid"] == ADA
        assert session["evse_uid"] == cdr["cdr_location"]["evse_uid"] == STATION
        assert "before_taxes" in cdr["total_cost"]
        return
    assert session["auth_id"] == cdr["auth_id"] == "DE-SBX-C00000001"
    assert session["start_datetime"] == cdr["start_date_time"]
    for told in (session, cdr):
        assert told["location"]["id"] == "HARBOUR"
        assert [evse["uid"] for evse in told["location"]["evses"]] == [STATION]
        assert "cdr_token" not in told
    assert isinstance(cdr["total_cost"], int | float)


async def check_driver_by_app(partner: Partner, station: SimulatedStation) -> None:
    """START_SESSION and STOP_SESSION, each with its result later."""
    emsp = partner.emsp
    command_id, response = await emsp.start(emsp.drivers[ADA], "HARBOUR", station.id)
    assert response == "ACCEPTED"
    await until(lambda: emsp.results.get(command_id) == "ACCEPTED", seconds=PATIENCE)
    await until(lambda: len(partner.sessions) == 2, seconds=PATIENCE)
    session = partner.sessions[-1]
    command_id, response = await emsp.stop(session["id"])
    assert response == "ACCEPTED"
    await until(lambda: emsp.results.get(command_id) == "ACCEPTED", seconds=PATIENCE)
    await until(lambda: station.charges[-1].is_settled and len(partner.cdrs) == 2, seconds=PATIENCE)
    assert station.charges[-1].stop_reason == "Remote"
    check_pair(emsp.version, partner.sessions[-1], partner.cdrs[-1])


async def check_all_delivered(hub: Hub) -> None:
    async def is_all_delivered() -> bool:
        left = [row for row in await asyncio.to_thread(hub.cli, "delivery", "list") if row["state"] != "DROPPED"]
        return left == []

    await until(is_all_delivered, seconds=PATIENCE, every=0.5)


def is_new(version: str) -> bool:
    return version != "2.1.1"


async def test_a_partner_changes_its_version(embedded_hub: Hub) -> None:
    async with Partner(version="2.2.1") as partner:
        await set_up(embedded_hub, partner, [STATION])
        emsp = partner.emsp
        await emsp.push_tokens()
        async with connected(embedded_hub) as station:
            for version in ("2.2.1", "2.3.0", "2.1.1", "2.2.1"):
                if version != emsp.version:
                    await emsp.change_version(version, embedded_hub.versions_url)
                await check_charge_after_change(embedded_hub, partner, station)
        await check_all_delivered(embedded_hub)


async def check_charge_after_change(hub: Hub, partner: Partner, station: SimulatedStation) -> None:
    """What is told from now on is in the version of now."""
    (known,) = await asyncio.to_thread(hub.cli, "partner", "list")
    assert known["version"] == partner.emsp.version
    before = len(partner.cdrs)
    charge = await station.plug(ADA, minutes=5)
    assert charge is not None
    await until(lambda: charge.is_settled and len(partner.cdrs) == before + 1, seconds=PATIENCE)
    cost = partner.cdrs[-1]["total_cost"]
    match partner.emsp.version:
        case "2.1.1":
            assert isinstance(cost, int | float)
        case "2.2.1":
            assert "excl_vat" in cost
        case _:
            assert "before_taxes" in cost

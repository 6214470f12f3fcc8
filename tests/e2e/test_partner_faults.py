"""A partner that fails in every way it can: afterwards it holds everything, in order, each CDR once."""

import asyncio

import pytest

from adapters.ocpp.simulator import SimulatorConfig
from roaming.sandbox.faults import Fault
from tests.e2e.fleets import (
    PASSWORD,
    Drivers,
    book_of_cdr,
    book_of_session,
    books_of,
    check_order,
    eventually,
    running_fleets,
    seed_of_run,
    set_up,
)
from tests.e2e.hub import Hub
from tests.e2e.partner import Partner
from tests.kit.wait import until

PATIENCE = 60.0
STATIONS = 6

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


async def charge_while(hub: Hub, partner: Partner, trouble: "asyncio.Future[None] | None", seconds: float) -> Drivers:
    """Sends drivers for a while and returns when every station has its last answer."""
    config = SimulatorConfig(
        url=hub.ocpp_url(), stations=STATIONS, password=PASSWORD, arrival_seconds=0, speed=240, meter_seconds=240
    )
    async with running_fleets(config) as fleets:
        drivers = Drivers(fleets, seed=seed_of_run(), minutes=(6, 12))
        await until(lambda: all(station.is_connected for station in drivers.stations), seconds=PATIENCE)
        drivers.start()
        await (trouble if trouble is not None else asyncio.sleep(0))
        await asyncio.sleep(seconds)
        await drivers.stop()
        await until(lambda: all(charge.is_settled for charge in drivers.charges), seconds=PATIENCE)
        assert len(drivers.charges) >= STATIONS
        return drivers


async def check_partner(partner: Partner, drivers: Drivers) -> None:
    """It holds one session and one CDR for each charge, with the station's kWh."""
    accepted = books_of(charge for charge in drivers.charges if charge.id_tag_status == "Accepted")

    def is_complete() -> None:
        assert {book_of_cdr(cdr) for cdr in partner.cdrs} >= set(accepted)
        assert {session["status"] for session in partner.sessions} == {"COMPLETED"}

    await eventually(is_complete, seconds=PATIENCE)
    assert sorted(map(book_of_cdr, partner.cdrs)) == sorted(accepted.elements())
    assert sorted(map(book_of_session, partner.sessions)) == sorted(accepted.elements())
    assert partner.emsp.doubles == [], "a CDR was sent again without being looked up"
    check_order(partner)


@pytest.mark.parametrize("fault", list(Fault))
async def test_everything_arrives_after_faults(embedded_hub: Hub, partner: Partner, fault: Fault) -> None:
    await set_up(embedded_hub, partner, [f"SIM-{number:03d}" for number in range(1, STATIONS + 1)])
    for module in ("cdrs", "sessions", "locations"):
        partner.emsp.faults.plan(module, fault, 2)
    drivers = await charge_while(embedded_hub, partner, None, 5)
    await check_partner(partner, drivers)
    assert partner.emsp.faults.happened[f"cdrs:{fault}"] == 2


async def test_everything_arrives_after_the_partner_was_down(embedded_hub: Hub, partner: Partner) -> None:
    await set_up(embedded_hub, partner, [f"SIM-{number:03d}" for number in range(1, STATIONS + 1)])

    async def down_twice() -> None:
        for _ in range(2):
            await asyncio.sleep(2)
            await partner.down()
            await asyncio.sleep(4)
            await partner.up()

    drivers = await charge_while(embedded_hub, partner, asyncio.ensure_future(down_twice()), 3)
    await check_partner(partner, drivers)

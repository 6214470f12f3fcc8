"""A charge is priced as its CPO and eMSP agreed to read tariffs, from its start to its CDR."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from roaming.model.identifiers import PartyId
from roaming.modules.tariffs import service as tariffs
from roaming.partners.registry import choose_readings
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import HOSTED_CPO, SENDER, HubInProcess, decoded
from tests.roaming.modules.sessions.charges import (
    billed,
    ended,
    hub_with_station,
    let_pass,
    metered,
    started,
    tell,
)

EMSP = PartyId.parse("DE-AAA")


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_with_station(database_url, tmp_path) as running:
        connector = ocpi_bodies.connector(tariff_ids=["ODD"])
        evse = ocpi_bodies.evse(uid="AT-GOOD-1", evse_id="NL*HUB*E1", connectors=[connector])
        await running.host_location("AT-GOOD", evses=[evse])
        component = {"type": "ENERGY", "price": 0.26, "step_size": 1}
        body = ocpi_bodies.tariff(HOSTED_CPO, id="ODD", elements=[{"price_components": [component]}], min_price=None)
        async with running.services.database.work() as work:
            await tariffs.publish(work, decoded(tariffs.CODECS, body))
        yield running


async def agree(hub: HubInProcess, **readings: Any) -> None:
    async with hub.services.database.work() as work:
        assert await choose_readings(work, cpo=HOSTED_CPO, emsp=EMSP, readings=readings)


async def test_what_was_agreed_at_the_start_holds_to_the_cdr(hub: HubInProcess) -> None:
    await agree(hub, decimals=0)
    await tell(hub, started("T1", 0))
    await agree(hub)
    await tell(hub, metered("T1", 10, 3000), ended("T1", 20, 11000))
    await let_pass(hub)
    (cdr,) = await billed(hub)
    assert cdr.total_energy == 10
    assert cdr.total_cost.before_taxes == 3
    (session,) = (await hub.call("aaa", "GET", f"{SENDER}/sessions?date_from=2020-01-01T00:00:00Z")).data
    assert session["total_cost"]["excl_vat"] == 3


async def test_without_a_choice_the_defaults_hold(hub: HubInProcess) -> None:
    await tell(hub, started("T1", 0))
    await agree(hub, decimals=0)
    await tell(hub, metered("T1", 10, 3000), ended("T1", 20, 11000))
    await let_pass(hub)
    (cdr,) = await billed(hub)
    assert cdr.total_cost.before_taxes == Decimal("2.6")


async def test_pairs_without_an_agreement_choose_nothing(hub: HubInProcess) -> None:
    async with hub.services.database.work() as work:
        assert not await choose_readings(work, cpo=HOSTED_CPO, emsp=PartyId.parse("DE-NIL"), readings={})

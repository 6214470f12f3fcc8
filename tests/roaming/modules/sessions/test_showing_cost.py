"""Stations whose display shows what a charge costs so far are told it, now and then; others are not."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.messages import OperationAnswered, OperationRequested, StationConnected, StationReported
from contracts.messages.operation import ConfigurationTold, ConfigurationValue, GetConfiguration, UpdateCost
from contracts.vocabulary import OperationOutcome
from roaming.model.money import Price, TaxAmount
from roaming.modules.sessions.showing_cost import is_due, with_taxes
from roaming.modules.tariffs import service as tariffs
from roaming.monitoring import watching
from roaming.stations import presence
from tests.kit import ocpi_bodies
from tests.kit.admitting import received
from tests.kit.hub_in_process import HOSTED_CPO, HubInProcess, decoded
from tests.kit.outbox import waiting
from tests.roaming.modules.sessions.charges import NOW, TRANSACTIONS, ended, hub_with_station, metered, started, tell

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """The connector of station GOOD has a tariff of 50 ct/kWh and 20 % tax."""
    async with hub_with_station(database_url, tmp_path) as running:
        connector = ocpi_bodies.connector(tariff_ids=["T"])
        evse = ocpi_bodies.evse(uid="AT-GOOD-1", evse_id="NL*HUB*E1", connectors=[connector])
        await running.host_location("AT-GOOD", evses=[evse])
        component = {"type": "ENERGY", "price": 0.5, "vat": 20, "step_size": 1}
        body = ocpi_bodies.tariff(HOSTED_CPO, id="T", elements=[{"price_components": [component]}], min_price=None)
        async with running.services.database.work() as work:
            await tariffs.publish(work, decoded(tariffs.CODECS, body))
        yield running


async def reports(hub: HubInProcess, value: str) -> None:
    variable = {"component": {"name": "TariffCostCtrlr"}, "variable": {"name": "Enabled", "instance": "Cost"}}
    body = json.dumps({"reportData": [variable | {"variableAttribute": [{"value": value}]}]})
    report = StationReported(network="main", station_id="GOOD", kind="NotifyReport", body=body)
    async with hub.services.database.work() as work:
        await watching.handle(work, [received(report)])


async def told(hub: HubInProcess) -> list[tuple[str, int, str, Decimal]]:
    found = []
    for subject, asked in await waiting(hub.services.database, OperationRequested):
        assert isinstance(asked.operation, UpdateCost)
        found.append((subject, asked.epoch, asked.operation.transaction_id, asked.operation.total_cost))
    return found


async def a_minute_later(hub: HubInProcess) -> None:
    async with hub.services.database.work() as work:
        await work.connection.execute(TRANSACTIONS.update().values(pushed_at=NOW - timedelta(minutes=5)))


async def test_the_running_cost_goes_to_who_shows_it(hub: HubInProcess) -> None:
    await tell(hub, started("T1", 0))
    await a_minute_later(hub)
    await tell(hub, metered("T1", 10, 3000))
    assert await told(hub) == [], "it has never said that it shows costs"
    await reports(hub, "true")
    await a_minute_later(hub)
    await tell(hub, metered("T1", 20, 5000))
    assert await told(hub) == [("adapter", 1, "T1", Decimal("2.4"))]
    hub.services = replace(hub.services, cost_interval=0)
    await a_minute_later(hub)
    await tell(hub, metered("T1", 30, 7000))
    hub.services = replace(hub.services, cost_interval=60)
    await reports(hub, "false")
    await a_minute_later(hub)
    await tell(hub, metered("T1", 40, 8000))
    await reports(hub, "true")
    await a_minute_later(hub)
    await tell(hub, ended("T1", 50, 9000))
    assert len(await told(hub)) == 1


async def answers(hub: HubInProcess, told: ConfigurationTold) -> None:
    answered = OperationAnswered(
        operation_id="x", network="main", station_id="GOOD", outcome=OperationOutcome.ACCEPTED, told=told
    )
    async with hub.services.database.work() as work:
        await watching.handle(work, [received(answered)])


@pytest.mark.parametrize("value", ["true", "false", None])
async def test_a_station_is_asked_first_whether_it_shows_costs(hub: HubInProcess, value: str | None) -> None:
    name = "TariffCostCtrlr.Enabled[Cost]"
    connected = StationConnected(network="main", station_id="GOOD", instance="new", epoch=2, protocol="ocpp2.1")
    async with hub.services.database.work() as work:
        await presence.handle(work, [received(connected)])
    await tell(hub, started("T1", 0))
    kinds = []
    for minute, wh in enumerate((3000, 5000, 7000), 1):
        await a_minute_later(hub)
        await tell(hub, metered("T1", minute, wh))
        asked = [message.operation for _, message in await waiting(hub.services.database, OperationRequested)]
        kinds = [type(one).__name__ for one in asked]
        if minute == 2:
            assert asked == 2 * [GetConfiguration(keys=(name,))], "again, while nobody has answered"
            known = (ConfigurationValue(key=name, value=value),) if value else ()
            await answers(hub, ConfigurationTold(values=known, unknown_keys=() if value else (name,)))
    assert kinds[2:] == (["UpdateCost"] if value == "true" else [])


@pytest.mark.parametrize(
    ("seconds", "every", "due"),
    [(59, 60, False), (60, 60, True), (9, 1, False), (10, 1, True), (3600, 0, False), (-5, 60, False)],
)
def test_when(seconds: int, every: float, due: bool) -> None:
    assert is_due(NOON, NOON + timedelta(seconds=seconds), every) is due
    assert is_due(None, NOON, every) is (every > 0)


def test_a_display_never_says_less_than_the_bill() -> None:
    tax = TaxAmount(name="VAT", amount=Decimal("0.2"))
    assert with_taxes(Price(before_taxes=Decimal(1), taxes=(tax,))) == Decimal("1.2")
    assert with_taxes(Price(before_taxes=Decimal(1), taxes=())) == 1
    assert with_taxes(Price(before_taxes=Decimal(1))) is None
    assert with_taxes(None) is None

"""What a charge costs, from a simulated station's meter to its display: over a real connection to the adapter, through
the hub's books, and back as CostUpdated."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.ocpp.simulator import Fleet, SimulatedStation, SimulatorConfig
from contracts.messages import Message, MeterValuesTaken, OperationAnswered, OperationRequested, TransactionEnded
from contracts.messages.operation import GetConfiguration, UpdateCost
from contracts.vocabulary import OperationOutcome
from roaming.model.identifiers import PartyId
from roaming.modules.sessions.projection import projections
from roaming.modules.sessions.repository import TRANSACTIONS
from roaming.modules.tariffs import service as tariffs
from roaming.monitoring import watching
from roaming.stations import presence
from roaming.stations.bindings import Binding, bind
from roaming.store.consume import Received
from tests.adapters.ocpp.conftest import PASSWORD
from tests.adapters.ocpp.conftest import Hub as Adapter
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import HOSTED_CPO, HubInProcess, decoded
from tests.kit.outbox import waiting
from tests.kit.speaking import envelope_of
from tests.kit.stations import FakePorts
from tests.kit.wait import until
from tests.roaming.modules.sessions.charges import UID, billed, hub_with_station, let_pass

PRICE = Decimal("0.60")
"""A kWh, with a fifth of tax."""


@dataclass
class Road:
    """A station, its adapter and the hub; a test carries what they have to say to each other."""

    hub: HubInProcess
    adapter: Adapter
    station: SimulatedStation
    _carried: int = 0
    asked: list[OperationRequested] = field(default_factory=list)

    async def up(self) -> list[Message]:
        """The hub hears what the adapter has told so far, as fast as may be; returns it."""
        facts = self.adapter.facts.facts[self._carried :]
        self._carried += len(facts)
        await self._hear([Received(envelope_of(fact.message, at=fact.occurred_at), fact.message) for fact in facts])
        return [fact.message for fact in facts]

    async def _hear(self, batch: list[Received]) -> None:
        async with self.hub.services.database.work() as work:
            for projection in (presence.PROJECTION, watching.PROJECTION, *projections(self.hub.services)):
                wanted = [each for each in batch if isinstance(each.message, projection.messages)]
                await projection.handle(work, wanted)

    async def down(self) -> list[OperationOutcome]:
        """The adapter does what the hub has asked of it since; the hub hears its answers, which are returned."""
        asked = [message for _, message in await waiting(self.hub.services.database, OperationRequested)]
        found = []
        for request in asked[len(self.asked) :]:
            result = await self.adapter.fakes.commands.ask(request)
            told = OperationAnswered(
                operation_id=request.operation_id,
                network=request.network,
                station_id=request.station_id,
                outcome=result.outcome,
                told=result.told,
            )
            await self._hear([Received(envelope_of(told), told)])
            found.append(result.outcome)
        self.asked = asked
        return found

    async def a_reading_more(self) -> Decimal:
        """Passes an interval and carries up what was metered in it; the kWh so far."""
        old = len(self.adapter.facts.of(MeterValuesTaken))
        await until(lambda: len(self.adapter.facts.of(MeterValuesTaken)) > old, seconds=30)
        async with self.hub.services.database.work() as work:
            earlier = work.now - timedelta(seconds=self.hub.services.cost_interval + 1)
            await work.connection.execute(TRANSACTIONS.update().values(pushed_at=earlier))
        readings = [told for told in await self.up() if isinstance(told, MeterValuesTaken)]
        register = readings[-1].samples[-1].values[0].value
        return (register - self.station.charges[0].register_start_wh) / 1000

    def shown(self) -> Decimal:
        """On the station's display, for the one charge."""
        ((transaction_id, cost),) = self.station.upkeep.display.costs.items()
        assert transaction_id == self.station.charges[0].transaction_id
        return Decimal(str(cost))


@pytest.fixture(params=["2.0.1", "2.1"])
async def road(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> AsyncIterator[Road]:
    adapter = Adapter(tmp_path)
    adapter.fakes = FakePorts(network="main")
    await adapter.start()
    config = SimulatorConfig(
        url=adapter.url, password=PASSWORD, ocpp=(request.param,), arrival_seconds=0, speed=600, meter_seconds=60
    )
    fleet = Fleet(config)
    (station,) = fleet.stations.values()
    adapter.fakes.accounts.change(station.id, password=PASSWORD)
    running = asyncio.create_task(fleet.run())
    try:
        async with hub_with_station(sqlite_url, tmp_path) as hub:
            await has_tariff(hub, station.id)
            yield Road(hub, adapter, station)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await adapter.close()


async def has_tariff(hub: HubInProcess, station_id: str) -> None:
    connector = ocpi_bodies.connector(tariff_ids=["T"])
    evse = ocpi_bodies.evse(uid="AT-GOOD-1", evse_id="NL*HUB*E1", connectors=[connector])
    await hub.host_location("AT-GOOD", evses=[evse])
    component = {"type": "ENERGY", "price": 0.5, "vat": 20, "step_size": 1}
    body = ocpi_bodies.tariff(HOSTED_CPO, id="T", elements=[{"price_components": [component]}], min_price=None)
    place = Binding(
        network="main",
        station_id=station_id,
        connector_id=1,
        party=PartyId("NL", "HUB"),
        location_id="AT-GOOD",
        evse_uid="AT-GOOD-1",
        evse_connector_id="1",
    )
    async with hub.services.database.work() as work:
        await tariffs.publish(work, decoded(tariffs.CODECS, body))
        await bind(work, [place], has_no_key=True)


async def test_the_cost_reaches_the_display_while_it_runs_and_in_the_end(road: Road) -> None:
    station = road.station
    await until(lambda: station.is_connected, seconds=30)
    charge = await station.plug(UID, minutes=600)
    assert charge is not None
    await road.a_reading_more()
    assert await road.down() == []
    await road.a_reading_more()
    assert await road.down() == [OperationOutcome.ACCEPTED], "asked whether it shows costs"
    for _ in range(2):
        kwh = await road.a_reading_more()
        assert await road.down() == [OperationOutcome.ACCEPTED]
        assert road.shown() == kwh * PRICE > 0
    await station.unplug()
    await until(lambda: road.adapter.facts.of(TransactionEnded), seconds=30)
    await road.up()
    await let_pass(road.hub)
    assert await road.down() == [OperationOutcome.ACCEPTED]
    assert charge.register_stop_wh is not None
    kwh = Decimal(charge.register_stop_wh - charge.register_start_wh) / 1000
    (cdr,) = await billed(road.hub)
    assert cdr.total_cost.taxes is not None
    final = cdr.total_cost.before_taxes + sum(tax.amount for tax in cdr.total_cost.taxes)
    assert road.shown() == final
    assert abs(final - kwh * PRICE) < Decimal("0.01")
    kinds = [type(request.operation) for request in road.asked]
    assert kinds == [GetConfiguration, *(len(kinds) - 1) * [UpdateCost]]


async def test_no_cost_is_told_where_none_shall_be(road: Road) -> None:
    road.hub.services = replace(road.hub.services, cost_interval=0)
    await until(lambda: road.station.is_connected, seconds=30)
    assert await road.station.plug(UID, minutes=600) is not None
    for _ in range(2):
        await road.a_reading_more()
    await road.station.unplug()
    await until(lambda: road.adapter.facts.of(TransactionEnded), seconds=30)
    await road.up()
    await let_pass(road.hub)
    assert await road.down() == []
    assert len(await billed(road.hub)) == 1

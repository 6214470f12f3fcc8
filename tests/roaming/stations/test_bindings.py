"""What adapters are told when a station is bound."""

import pytest

from contracts.messages import StationAccountChanged
from roaming.model.identifiers import PartyId
from roaming.stations.bindings import Binding, KnownStations, admit, bind, retell
from roaming.store.database import Database
from tests.kit import outbox


def binding(connector_id: int, party: str) -> Binding:
    return Binding(
        network="demo",
        station_id="CS-1",
        connector_id=connector_id,
        party=PartyId.parse(party),
        location_id="PIER",
        evse_uid="CS-1",
        evse_connector_id=str(connector_id),
    )


async def told(database: Database) -> list[str | None]:
    return [message.operator for _, message in await outbox.waiting(database, StationAccountChanged)]


async def test_an_account_names_its_operator_where_there_is_one(database: Database) -> None:
    async with database.work() as work:
        await admit(work, network="demo", station_id="CS-1", key_digest=None)
    async with database.work() as work:
        await bind(work, [binding(1, "NL-HUB"), binding(2, "NL-HUB")])
    async with database.work() as work:
        await bind(work, [binding(2, "DE-ABC")])
    async with database.work() as work:
        await bind(work, [binding(1, "DE-ABC")])
    assert await told(database) == [None, "NL-HUB", None, "DE-ABC"]


async def test_a_station_is_known_in_any_case(database: Database) -> None:
    names = (("demo", "Éa-1"), ("demo", "CS-2"), ("demo", "cs-2"), ("demo", "CS-3"), ("other", "CS-4"))
    async with database.work() as work:
        for network, name in names:
            await admit(work, network=network, station_id=name, key_digest=None)
    stations = KnownStations(database.reader)
    typed = {"éA-1": "Éa-1", "Cs-2": "Cs-2", "cs-2": "cs-2", "cs-3": "CS-3", "cs-4": "cs-4"}
    assert {name: await stations.name("demo", name) for name in typed} == typed
    stations.note("demo", "CS-4")
    assert await stations.name("demo", "cs-4") == "CS-4"


async def test_every_admitted_station_is_told_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roaming.stations.bindings._RETOLD_AT_ONCE", 2)
    names = [("demo", "CS-1"), ("demo", "CS-2"), ("main", "A"), ("main", "CS-1"), ("main", "CS-2")]
    async with database.work() as work:
        for network, station_id in names:
            await admit(work, network=network, station_id=station_id, key_digest=f"of {station_id}")
    first = await outbox.waiting(database, StationAccountChanged)
    await retell(database)
    assert (await outbox.waiting(database, StationAccountChanged))[len(names) :] == first

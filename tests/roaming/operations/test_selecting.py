"""Which stations are meant by names, groups and tags."""

import pytest
from sqlalchemy import text

from roaming.operations import selecting
from roaming.operations.selecting import NoSuchStation, Selection
from roaming.stations.bindings import admit
from roaming.store.database import Database
from tests.kit.admitting import NETWORK, admitted

KEYS = {name: (NETWORK, name) for name in ("CS-1", "CS-2", "CS-3")}


@pytest.fixture
async def labelled(database: Database) -> Database:
    await admitted(database, *KEYS)
    async with database.work() as work:
        await selecting.set_group(work.connection, [KEYS["CS-1"], KEYS["CS-2"]], " depot ")
        await selecting.change_tags(work.connection, [KEYS["CS-2"], KEYS["CS-3"]], add=["fast", "new", "fast"])
        await selecting.change_tags(work.connection, [KEYS["CS-3"]], remove=["new", "unheard of"])
    return database


@pytest.mark.parametrize(
    ("selection", "meant"),
    [
        (Selection(stations=("cs-1",)), ["CS-1"]),
        (Selection(group="depot"), ["CS-1", "CS-2"]),
        (Selection(tags=("fast",)), ["CS-2", "CS-3"]),
        (Selection(tags=("fast", "new")), ["CS-2"]),
        (Selection(group="depot", tags=("fast",)), ["CS-2"]),
        (Selection(stations=("CS-1", "CS-2"), group="depot"), ["CS-1", "CS-2"]),
    ],
)
async def test_all_that_is_said_must_apply(labelled: Database, selection: Selection, meant: list[str]) -> None:
    async with labelled.reading() as connection:
        assert [key[1] for key in await selecting.select_stations(connection, selection)] == meant


@pytest.mark.parametrize(
    ("selection", "complaint"),
    [
        (Selection(), "say which stations"),
        (Selection(network=NETWORK), "say which stations"),
        (Selection(stations=("CS-9",)), "no station CS-9"),
        (Selection(stations=("CS-1", "CS-9")), "no station CS-9"),
        (Selection(stations=("CS-3",), group="depot"), "in this group"),
        (Selection(group="elsewhere"), "group elsewhere"),
        (Selection(stations=("CS-1",), network="other"), "no station CS-1"),
    ],
)
async def test_nobody_is_a_mistake(labelled: Database, selection: Selection, complaint: str) -> None:
    async with labelled.reading() as connection:
        with pytest.raises(NoSuchStation, match=complaint):
            await selecting.select_stations(connection, selection)


async def test_their_order_is_not_the_databases(database: Database) -> None:
    names = ["B-1", "CS_2", "a-1", "cs-10", "cs1"]
    await admitted(database, *reversed(names))
    async with database.engine.connect() as connection:
        if not database.is_sqlite:  # as in a database of a language; never committed
            await connection.execute(text('ALTER TABLE stations ALTER station_id TYPE varchar COLLATE "en-x-icu"'))
        keys = await selecting.select_stations(connection, Selection(), is_all_meant=True)
    assert [key[1] for key in keys] == names


async def test_names_beyond_ascii_are_the_same_on_every_database(database: Database) -> None:
    await admitted(database, "STÄTION-I", "Kiosk", "\N{KELVIN SIGN}IOSK-2")
    async with database.reading() as connection:

        async def found(name: str) -> list[str]:
            try:
                return [key[1] for key in await selecting.select_stations(connection, Selection(stations=(name,)))]
            except NoSuchStation:
                return []

        for name, meant in (
            ("stÄtion-i", ["STÄTION-I"]),
            ("stätion-i", []),
            ("KIOSK", ["Kiosk"]),
            ("kiosk-2", []),
            ("\N{KELVIN SIGN}iosk-2", ["\N{KELVIN SIGN}IOSK-2"]),
        ):
            assert await found(name) == meant, name


async def test_one_name_in_two_networks_must_be_told_apart(labelled: Database) -> None:
    async with labelled.work() as work:
        await admit(work, network="other", station_id="CS-1", key_digest=None)
    async with labelled.reading() as connection:
        with pytest.raises(NoSuchStation, match="which network"):
            await selecting.select_stations(connection, Selection(stations=("CS-1",)))
        named = Selection(stations=("CS-1",), network="other")
        assert await selecting.select_stations(connection, named) == [("other", "CS-1")]


async def test_a_station_is_in_one_group_or_none(labelled: Database) -> None:
    async with labelled.work() as work:
        await selecting.set_group(work.connection, [KEYS["CS-1"]], "yard")
        await selecting.set_group(work.connection, [KEYS["CS-2"]], "")
        assert await selecting.list_groups(work.connection) == [("yard", 1)]
        labels = await selecting.labels_of(work.connection, list(KEYS.values()))
    assert labels == {KEYS["CS-1"]: ("yard", []), KEYS["CS-2"]: ("", ["fast", "new"]), KEYS["CS-3"]: ("", ["fast"])}


@pytest.mark.parametrize("name", [" ", "x" * 101, "a,b", "a\x00b", "a\nb"])
async def test_a_bad_name_is_refused(labelled: Database, name: str) -> None:
    async with labelled.work() as work:
        with pytest.raises(ValueError, match="a name has"):
            await selecting.change_tags(work.connection, [KEYS["CS-1"]], add=[name])

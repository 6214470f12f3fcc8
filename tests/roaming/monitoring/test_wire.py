"""Frames of stations: found again by text, time and way; never more than their share is kept."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.messages import FramesSeen, WireFrame
from roaming.monitoring import wire
from roaming.monitoring.moments import moment_of
from roaming.monitoring.wire import CHUNKS, SIZES, Search
from roaming.store.database import Database
from roaming.store.locks import locks_of
from roaming.store.trimming import Trimmer
from tests.kit.admitting import received

NOW = datetime.now(UTC).replace(microsecond=0)
MISSED = ("missed", "3 frames were not kept")


def seen(*texts: str, station: str = "CS-1", ago: float = 60, missed: int = 0) -> FramesSeen:
    frames = tuple(
        WireFrame(
            at=NOW - timedelta(seconds=ago - number), is_from_station=number % 2 == 0, text=text, octets=len(text)
        )
        for number, text in enumerate(texts)
    )
    return FramesSeen(network="main", station_id=station, frames=frames, missed=missed)


async def keep(database: Database, *messages: FramesSeen, kilobytes: int = 100) -> None:
    async with database.work() as work:
        await wire.projection(kilobytes).handle(work, [received(message) for message in messages])


async def look(database: Database, *, limit: int = 100, since: float = 3600, **values: object) -> list[tuple[str, str]]:
    search = Search(since=NOW - timedelta(seconds=since), until=NOW, **values)  # type: ignore[arg-type]
    async with database.reading() as connection:
        found = await wire.find(connection, "main", "CS-1", search, limit=limit)
    assert [frame.at for frame in found] == sorted(frame.at for frame in found)
    return [(frame.way, frame.text) for frame in found]


async def test_frames_are_found_again(database: Database) -> None:
    await keep(
        database,
        seen('[2,"1","BootNotification",{}]', '[3,"1",{}]', ago=7200),
        seen('[2,"2","Heartbeat",{}]', '[3,"2",{}]', ago=600, missed=3),
        seen('[2,"3","StatusNotification",{"info":"50% _\\u00fc"}]', '[3,"3",{}]', ago=60),
        seen('[2,"9","Heartbeat",{}]', station="CS-2"),
    )
    assert len(await look(database)) == 5
    assert len(await look(database, since=86_400)) == 7
    assert (await look(database))[0] == MISSED
    assert await look(database, text="heartBEAT") == [MISSED, ("in", '[2,"2","Heartbeat",{}]')]
    assert [text for _, text in await look(database, is_from_station=False)] == ['[3,"2",{}]', '[3,"3",{}]']
    ((_, text),) = await look(database, text="50% _", is_from_station=True)
    assert text.startswith('[2,"3"')
    assert [text for _, text in await look(database, limit=2)][1] == '[3,"3",{}]'


async def test_many_pages_are_looked_through(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_PAGE", 3)
    await keep(database, *(seen(f"frame {number}", ago=100 - number) for number in range(20)))
    assert [text for _, text in await look(database)] == [f"frame {number}" for number in range(20)]


async def test_no_station_takes_more_than_its_share(database: Database) -> None:
    await keep(database, seen("quiet", station="CS-2", ago=90), kilobytes=10)
    for number in range(40):
        await keep(database, seen(f"{number:03}" + "x" * 997, ago=80 - number), kilobytes=10)
    found = [text[:3] for _, text in await look(database)]
    assert found == [f"{number:03}" for number in range(40 - len(found), 40)]
    async with database.reading() as connection:
        sizes = {row.station_id: row.octets for row in await connection.execute(SIZES.select())}
        chunks = (await connection.execute(CHUNKS.select())).all()
    assert 8_000 <= sizes["CS-1"] <= 10_000
    assert sizes["CS-1"] == sum(row.octets for row in chunks if row.station_id == "CS-1")
    assert sizes["CS-2"] > 0


async def test_only_who_has_sent_something_is_looked_at(database: Database) -> None:
    await keep(database, seen("x" * 5000, station="CS-2", ago=90), kilobytes=10)
    await keep(database, *(seen(f"{number}" + "x" * 997, ago=80 - number) for number in range(5)), kilobytes=1)
    async with database.reading() as connection:
        sizes = {row.station_id: row.octets for row in await connection.execute(SIZES.select())}
    assert sizes["CS-1"] <= 1_000
    assert sizes["CS-2"] > 5_000


async def test_any_number_of_frames_can_go_at_once(database: Database) -> None:
    """A statement takes 32,767 parameters in PostgreSQL: a limit that was lowered must not stop the reader."""
    async with database.work() as work:
        await wire.write(work, [seen("[]", ago=600)] * 33_500)
    await keep(database, seen("the last", ago=5), kilobytes=1)
    assert (await look(database))[-1] == ("in", "the last")
    async with database.reading() as connection:
        (size,) = (await connection.execute(SIZES.select())).all()
        chunks = (await connection.execute(CHUNKS.select())).all()
    assert size.octets == sum(row.octets for row in chunks) <= 1_000


async def test_what_is_old_goes(database: Database) -> None:
    await keep(database, seen("old", ago=8 * 86_400), seen("new", ago=60))
    removed = await Trimmer(database, wire.TRIMMINGS, locks_of(database), days={"wire": 7}).trim()
    assert removed == {"wire_chunks": 1}
    assert await look(database, since=10 * 86_400) == [("in", "new")]
    async with database.reading() as connection:
        (size,) = (await connection.execute(SIZES.select())).all()
        (chunk,) = (await connection.execute(CHUNKS.select())).all()
    assert size.octets == chunk.octets


@pytest.mark.parametrize("text", ["", "10", "10x", "yesterday", "9999999d", "999999d"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="10m"):
        moment_of(text, datetime(2026, 1, 1, tzinfo=UTC))

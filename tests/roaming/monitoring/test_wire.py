"""Frames of stations: found again by text, time and way; never more than their share is kept."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from contracts.messages import FramesSeen, WireFrame
from roaming.monitoring import wire
from roaming.monitoring.moments import moment_of
from roaming.monitoring.wire import CHUNKS, SIZES, Search
from roaming.store.consume import Projection
from roaming.store.database import Database
from roaming.store.locks import locks_of
from roaming.store.trimming import Trimmer
from tests.kit.admitting import admitted, received

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


async def keep(
    database: Database, *messages: FramesSeen, kilobytes: int = 100, projection: Projection | None = None
) -> None:
    projection = projection or wire.projection(kilobytes, 1_000)
    async with database.work() as work:
        await projection.handle(work, [received(message) for message in messages])


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
    assert sizes.get("CS-1", 0) <= 1_000
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
    await keep(database, seen("old", station="CS-9", ago=8 * 86_400))
    await Trimmer(database, wire.TRIMMINGS, locks_of(database), days={"wire": 7}).trim()
    assert await look(database, since=10 * 86_400) == [("in", "new")]
    async with database.reading() as connection:
        (size,) = (await connection.execute(SIZES.select())).all()
        (chunk,) = (await connection.execute(CHUNKS.select())).all()
    assert size.octets == chunk.octets


async def sizes_of(database: Database) -> dict[str, int]:
    async with database.reading() as connection:
        rows = (await connection.execute(SIZES.select())).all()
        chunks = (await connection.execute(CHUNKS.select())).all()
    summed: Counter[str] = Counter()
    for chunk in chunks:
        summed[chunk.station_id] += chunk.octets
    assert summed == {row.station_id: row.octets for row in rows}
    return dict(summed)


async def test_all_together_have_a_bound_and_strangers_one_of_their_own(database: Database) -> None:
    for station in ("CS-1", "CS-2", *(f"CS-{number}" for number in range(10, 30))):
        await admitted(database, station)
    projection = wire.projection(1_000, 1)
    await keep(database, seen("the first", ago=90), seen("x" * 5_000, station="X-0", ago=80), projection=projection)
    crowd = [seen("y" * 9_990, station=f"X-{number}", ago=70) for number in range(100)]
    await keep(database, *crowd, projection=projection)
    assert sum(size for name, size in (await sizes_of(database)).items() if name[0] == "X") <= 1_000_000 / 50
    assert await look(database) == [("in", "the first")]
    for number in range(10, 30):
        many = [seen("z" * 9_990, station=f"CS-{number}", ago=60 - part) for part in range(2 if number < 20 else 30)]
        await keep(database, *many, projection=projection)
    kept = await sizes_of(database)
    known = {name: size for name, size in kept.items() if name[0] == "C"}
    assert 700_000 < sum(known.values()) <= 1_000_000
    assert await look(database) == [("in", "the first")]
    assert {known[f"CS-{number}"] for number in range(10, 20)} == {known["CS-10"]}, "small ones keep all of theirs"
    assert known["CS-10"] > 2 * 9_990
    await keep(database, seen("later", ago=5), projection=projection)
    assert [text for _, text in await look(database)] == ["the first", "later"]


@pytest.mark.parametrize("text", ["", "10", "10x", "yesterday", "9999999d", "999999d"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="10m"):
        moment_of(text, datetime(2026, 1, 1, tzinfo=UTC))

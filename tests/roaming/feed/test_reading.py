"""Whoever follows the list gets what is theirs, and never looks twice at what is not."""

from datetime import UTC, datetime

import pytest

from roaming.feed import numbering, reading
from roaming.feed.reading import Wish, newest, read_after
from roaming.feed.telling import Event, event_id, tell
from roaming.model.identifiers import PartyId
from roaming.store.database import Database

HUB, ABC = PartyId("NL", "HUB"), PartyId("DE", "ABC")
AT = datetime(2026, 11, 29, 11, 59, tzinfo=UTC)


async def happens(database: Database, party: PartyId, *names: str) -> None:
    events = [Event(id=event_id(name), kind="station.fault", at=AT, parties=(party,)) for name in names]
    async with database.work() as work:
        await tell(work, events)
    await numbering.number_once(database)


@pytest.mark.parametrize("stride", [1, 2, 20_000])
async def test_what_is_of_others_is_gone_through_once(
    database: Database, monkeypatch: pytest.MonkeyPatch, stride: int
) -> None:
    monkeypatch.setattr(reading, "STRIDE", stride)
    reader, wish = database.reader, Wish(party=str(HUB))
    assert await read_after(reader, 0, wish) == ([], 0, False)
    await happens(database, ABC, "1", "2", "3")
    last = await newest(reader)
    assert await read_after(reader, 0, wish) == ([], last, False)
    await happens(database, HUB, "4")
    await happens(database, ABC, "5")
    found, number, has_more = await read_after(reader, last, wish)
    assert [event["id"] for _, event in found] == [event_id("4")]
    assert (number, has_more) == (await newest(reader), False)
    assert await read_after(reader, number, wish) == ([], number, False)
    found, number, has_more = await read_after(reader, 0, Wish(), limit=2)
    assert [event["id"] for _, event in found] == [event_id("1"), event_id("2")]
    assert (number, has_more) == (found[-1][0], True)

"""The least security profile: wanted by the operator, demanded once the station has come with it."""

import pytest

from contracts.messages import StationAccountChanged, StationConnected
from roaming.stations import presence
from roaming.stations.bindings import UnknownStation, admit, retell
from roaming.stations.securing import Demand, give_password, want_profile
from roaming.store.database import Database
from tests.kit import outbox
from tests.kit.admitting import received


async def come(
    database: Database, profile: int, *, epoch: int, is_admitted: bool = True, key_digest: str | None = None
) -> None:
    connected = StationConnected(
        network="demo",
        station_id="CS-1",
        instance="adapter",
        epoch=epoch,
        protocol="ocpp1.6",
        security_profile=profile,
        is_admitted=is_admitted,
        key_digest=key_digest,
    )
    async with database.work() as work:
        await presence.handle(work, [received(connected)])


async def want(database: Database, profile: int) -> Demand:
    async with database.work() as work:
        return await want_profile(work, network="demo", station_id="CS-1", profile=profile)


async def told(database: Database) -> list[int]:
    return [message.minimum_profile for _, message in await outbox.waiting(database, StationAccountChanged)]


async def test_it_is_demanded_once_the_station_has_come_with_it(database: Database) -> None:
    async with database.work() as work:
        await admit(work, network="demo", station_id="CS-1", key_digest="digest")
    await come(database, 1, epoch=1)
    assert (await want(database, 3)).minimum == 1
    assert await told(database) == [0, 1]
    await come(database, 1, epoch=2)
    await come(database, 2, epoch=3)
    assert await told(database) == [0, 1, 2], "as far as it has come"
    await come(database, 3, epoch=4)
    await come(database, 3, epoch=5)
    assert await told(database) == [0, 1, 2, 3]
    await retell(database)
    assert (await told(database))[4:] == [3]
    assert (await want(database, 2)).minimum == 2
    assert (await told(database))[5:] == [2], "down at once"


async def test_a_password_that_was_given_replaces_the_old_one_once_it_is_shown(database: Database) -> None:
    def given() -> list[tuple[str | None, tuple[str, ...]]]:
        return [(message.key_digest, message.next_key_digests) for message in messages]

    async with database.work() as work:
        await admit(work, network="demo", station_id="CS-1", key_digest="old")
    for number in range(1, 6):
        async with database.work() as work:
            await give_password(work, network="demo", station_id="CS-1", digests=(f"{number}a", f"{number}b"))
    await come(database, 1, epoch=1, key_digest="old")
    await come(database, 1, epoch=2, key_digest="2a")
    messages = [message for _, message in await outbox.waiting(database, StationAccountChanged)]
    assert given()[-1] == ("old", ("3a", "3b", "4a", "4b", "5a", "5b")), "the last three, whichever the station took"
    await come(database, 1, epoch=3, key_digest="4b")
    messages = [message for _, message in await outbox.waiting(database, StationAccountChanged)]
    assert given()[-1] == ("4b", ("5a", "5b")), "nobody knows whether the fifth has arrived"
    async with database.work() as work:
        await admit(work, network="demo", station_id="CS-1", key_digest="4b")
    await come(database, 1, epoch=4, key_digest="5a")
    async with database.work() as work:
        await give_password(work, network="demo", station_id="CS-1", digests=("6",))
        await admit(work, network="demo", station_id="CS-1", key_digest="a person's")
    messages = [message for _, message in await outbox.waiting(database, StationAccountChanged)]
    assert given()[-3:] == [("5a", ()), ("5a", ("6",)), ("a person's", ())]


async def test_what_a_stranger_shows_proves_nothing(database: Database) -> None:
    await come(database, 2, epoch=1, is_admitted=False)
    async with database.work() as work:
        await admit(work, network="demo", station_id="CS-1", key_digest="digest")
    assert await want(database, 2) == Demand(wanted=2, best=0)
    assert await told(database) == [0]
    await come(database, 2, epoch=2)
    assert await told(database) == [0, 2]


async def test_what_cannot_be_wanted(database: Database) -> None:
    with pytest.raises(UnknownStation):
        await want(database, 1)
    async with database.work() as work:
        await admit(work, network="demo", station_id="CS-1", key_digest=None)
    with pytest.raises(ValueError, match="profile: 0 to 3"):
        await want(database, 4)

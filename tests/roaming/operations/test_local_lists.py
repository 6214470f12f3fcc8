"""Local lists: only differences go out, in pieces, and what a station does not have is sent anew."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from contracts.messages import OperationAnswered, OperationRequested
from contracts.messages.operation import LocalListVersionTold, SendLocalList
from contracts.vocabulary import OperationOutcome, TokenChoice
from roaming.operations import local_lists
from roaming.operations.local_lists import Entries, Syncing
from roaming.operations.projection import handle
from roaming.store.database import Database
from tests.kit.admitting import NETWORK, admitted, received
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.outbox import waiting

KEY = (NETWORK, "CS-1")


class Station:
    """Answers as a station with a list of its own does."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.version = 0
        self.tokens: dict[str, str] = {}
        self.messages: list[SendLocalList] = []

    async def answer(self, outcome: OperationOutcome | None = None) -> None:
        """Until nothing more is asked; ``outcome``: whatever is asked."""
        done = len(self.messages)
        while len(asked := await waiting(self.database, OperationRequested)) > done:
            (_, request) = asked[done]
            done += 1
            order = request.operation
            assert isinstance(order, SendLocalList)
            self.messages.append(order)
            said = outcome or self._take(order)
            mismatch = said is OperationOutcome.VERSION_MISMATCH
            answered = OperationAnswered(
                operation_id=request.operation_id,
                network=NETWORK,
                station_id="CS-1",
                outcome=said,
                told=LocalListVersionTold(version=self.version) if mismatch else None,
            )
            async with self.database.work() as work:
                await handle(work, [received(answered)])

    def _take(self, order: SendLocalList) -> OperationOutcome:
        if not order.is_full and order.version <= self.version:
            return OperationOutcome.VERSION_MISMATCH
        if order.is_full:
            self.tokens = {}
        for entry in order.entries:
            if entry.choice is TokenChoice.REMOVE:
                self.tokens.pop(entry.token_uid, None)
            else:
                self.tokens[entry.token_uid] = entry.group_id or ""
        self.version = order.version
        return OperationOutcome.ACCEPTED


@pytest.fixture
async def station(database: Database) -> Station:
    await admitted(database, "CS-1")
    return Station(database)


async def sync(database: Database, wanted: Entries, **fields: Any) -> None:
    async with database.work() as work:
        await local_lists.sync(work, {KEY: wanted}, Syncing(who="api:anna", **fields))


async def standing(database: Database) -> tuple[str, int]:
    async with database.reading() as connection:
        (row,) = await local_lists.standing(connection, [KEY])
    return row["state"], row["tokens"]


async def test_first_all_then_what_differs(database: Database, station: Station) -> None:
    await sync(database, {"A": "", "B": "FLEET"})
    await station.answer()
    await sync(database, {"B": "", "C": ""})
    await station.answer()
    assert station.tokens == {"B": "", "C": ""}
    assert [message.is_full for message in station.messages] == [True, False]
    assert {(e.token_uid, e.choice.value) for e in station.messages[1].entries} == {
        ("A", "REMOVE"),
        ("B", "ACCEPTED"),
        ("C", "ACCEPTED"),
    }
    assert await standing(database) == ("SYNCED", 2)
    await sync(database, {"B": "", "C": ""})
    await station.answer()
    assert len(station.messages) == 2, "nothing differs"


async def test_in_pieces_of_a_message_each(database: Database, station: Station) -> None:
    wanted = {f"T{number}": "" for number in range(25)}
    await sync(database, wanted, per_message=10)
    await station.answer()
    assert [(message.is_full, len(message.entries)) for message in station.messages] == [
        (True, 10),
        (False, 10),
        (False, 5),
    ]
    assert station.tokens == wanted
    versions = [message.version for message in station.messages]
    assert versions == sorted(set(versions))
    await sync(database, {}, per_message=10)
    await station.answer()
    assert station.tokens == {}


async def test_a_station_with_another_version_gets_all_anew(database: Database, station: Station) -> None:
    await sync(database, {"A": ""})
    await station.answer()
    station.version, station.tokens = 2**31 - 2, {"SOMEBODY": ""}
    await sync(database, {"A": "", "B": ""})
    await station.answer()
    assert station.tokens == {"A": "", "B": ""}
    assert await standing(database) == ("SYNCED", 2)


@pytest.mark.parametrize(
    ("outcome", "state"), [("NOT_SUPPORTED", "UNSUPPORTED"), ("FAILED", "FAILED"), ("TIMEOUT", "FAILED")]
)
async def test_what_failed_is_said_and_sent_in_full_the_next_time(
    database: Database, station: Station, outcome: str, state: str
) -> None:
    await sync(database, {"A": ""})
    await station.answer(OperationOutcome(outcome))
    assert await standing(database) == (state, 0)
    await sync(database, {"A": ""})
    await station.answer()
    assert [message.is_full for message in station.messages] == [True, True]


async def test_who_asks_meanwhile_does_not_overtake(database: Database, station: Station) -> None:
    await sync(database, {"A": ""})
    await sync(database, {"B": ""})
    assert len(await waiting(database, OperationRequested)) == 1
    await station.answer()
    assert station.tokens == {"B": ""}


async def test_the_record_counts_tokens_and_does_not_name_them(database: Database, station: Station) -> None:
    await sync(database, {"04A2C87D5E6180": ""})
    ((request,),) = await database.reader.fetch("SELECT request FROM operations")
    assert json.loads(request)["entries"] == 1
    assert "04A2C87D5E6180" not in request


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(sqlite_url, tmp_path) as running:
        await running.host_objects()
        await running.host_location("OURS")
        await running.host_station("CS-1", "OURS")
        yield running


async def test_the_tokens_of_those_who_may_charge_there(hub: HubInProcess) -> None:
    token = hub.speech.token(uid="THEIRS-1", whitelist="ALLOWED")
    for uid, changes in {
        "THEIRS-1": {},
        "NEVER-1": {"whitelist": "NEVER"},
        "INVALID-1": {"valid": False},
        "L" * 36: {},
    }.items():
        path = f"{hub.speech.receiver('tokens')}/DE/AAA/{uid}"
        answer = await hub.call("aaa", "PUT", path, body=token | {"uid": uid} | changes)
        assert answer.code == 1000, answer.text
    directory = await hub.services.directory.current()
    async with hub.services.database.reading() as connection:
        wanted = await local_lists.wanted_at(connection, directory, [("main", "CS-1"), ("main", "CS-9")], 1000)
    mine = set(wanted["main", "CS-1"])
    assert "THEIRS-1" in mine
    assert not mine & {"NEVER-1", "INVALID-1", "L" * 36}
    assert wanted["main", "CS-9"] == {}, "nobody knows whose it is"

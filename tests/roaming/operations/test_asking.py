"""Requests to stations: recorded and sent in one transaction, once per key, and what came of them."""

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, update

from contracts.messages import (
    CommandAnswered,
    CommandRequested,
    OperationAnswered,
    OperationRequested,
    StationAccountChanged,
)
from contracts.messages import operation as op
from contracts.messages.publishing import PublishFirmware
from contracts.vocabulary import CommandName, CommandOutcome, OperationOutcome
from roaming.operations import files, orders, records
from roaming.operations.asking import KeyTaken, Wish, ask, make_ready
from roaming.operations.files import Addresses, NoSuchFile
from roaming.operations.orders import AnyOrder
from roaming.operations.projection import handle
from roaming.operations.records import Record
from roaming.stations.running import RunningSession, session_runs
from roaming.store.database import Database
from tests.kit.admitting import NETWORK, admitted, received
from tests.kit.outbox import waiting


async def asked(database: Database, order: AnyOrder, *stations: str, **fields: Any) -> list[Record]:
    async with database.work() as work:
        wish = Wish(order=order, who="api:anna", **fields)
        return await ask(work, [(NETWORK, station) for station in stations], wish)


async def answer(
    database: Database, id: str, outcome: OperationOutcome, told: Any = None, detail: str = "Word"
) -> None:
    message = OperationAnswered(
        operation_id=id, network=NETWORK, station_id="CS-1", outcome=outcome, detail=detail, told=told
    )
    async with database.work() as work:
        await handle(work, [received(message)])


async def loaded(database: Database, id: str) -> Record:
    async with database.reading() as connection:
        return (await records.load(connection, [id]))[id]


async def test_the_record_and_the_message_are_one(database: Database) -> None:
    await admitted(database, "CS-1")
    (record,) = await asked(database, op.Reset(is_immediate=True), "CS-1", why="ticket 7")
    ((subject, message),) = await waiting(database, OperationRequested)
    assert (subject, message.operation_id, message.operation) == ("adapter", record.id, op.Reset(is_immediate=True))
    assert message.deadline == record.deadline == record.created_at + timedelta(seconds=30)
    kept = await loaded(database, record.id)
    assert (kept.kind, kept.who, kept.why, kept.state) == ("RESET", "api:anna", "ticket 7", "REQUESTED")


async def test_a_transaction_that_breaks_off_leaves_neither(database: Database) -> None:
    await admitted(database, "CS-1")

    async def break_off() -> None:
        async with database.work() as work:
            await ask(work, [(NETWORK, "CS-1")], Wish(order=op.Reset(), who="x"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await break_off()
    assert not await waiting(database, OperationRequested)
    assert not await database.reader.fetch("SELECT id FROM operations")


async def test_the_same_key_asks_once_and_shows_what_came_of_it(database: Database) -> None:
    await admitted(database, "CS-1", "CS-2")
    first = await asked(database, op.Reset(), "CS-1", "CS-2", key="k")
    await answer(database, first[0].id, OperationOutcome.REJECTED)
    again = await asked(database, op.Reset(), "CS-1", "CS-2", key="k")
    assert [record.id for record in again] == [record.id for record in first]
    assert [record.outcome for record in again] == ["REJECTED", ""]
    assert len(await waiting(database, OperationRequested)) == 2
    with pytest.raises(KeyTaken):
        await asked(database, op.ClearCache(), "CS-1", key="k")


async def test_without_a_key_each_call_is_a_request(database: Database) -> None:
    await admitted(database, "CS-1")
    ids = {(await asked(database, op.Reset(), "CS-1"))[0].id for _ in range(2)}
    assert len(ids) == 2


async def test_the_stations_word_is_kept_with_how_long_it_took(database: Database) -> None:
    await admitted(database, "CS-1")
    (record,) = await asked(database, op.GetLocalListVersion(), "CS-1")
    told = op.LocalListVersionTold(version=3)
    await answer(database, record.id, OperationOutcome.ACCEPTED, told, detail="a NUL: \0")
    await answer(database, record.id, OperationOutcome.FAILED)
    kept = await loaded(database, record.id)
    assert (kept.state, kept.outcome) == ("ANSWERED", "ACCEPTED")
    assert kept.told == '{"kind":"LOCAL_LIST_VERSION_TOLD","version":3}'
    assert kept.detail == "a NUL: \\x00"
    assert kept.seconds is not None
    assert kept.seconds >= 0


async def test_raw_answers_are_kept_without_passwords(database: Database) -> None:
    await admitted(database, "CS-1")
    (record,) = await asked(database, op.CallRaw(action="GetConfiguration", payload="{}"), "CS-1")
    payload = '{"configurationKey": [{"key": "AuthorizationKey", "value": "hunter2"}]}'
    await answer(database, record.id, OperationOutcome.ACCEPTED, op.RawTold(payload=payload))
    assert "hunter2" not in (await loaded(database, record.id)).told


def spelt(password: str, *, network: str, station_id: str) -> str:
    return f"{network}/{station_id}/{password}"


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
async def test_each_station_gets_a_password_of_its_own_that_nobody_sees(database: Database, protocol: str) -> None:
    await admitted(database, "CS-1", "CS-2", protocol=protocol)
    async with database.work() as work:
        wish, keys = Wish(order=orders.ChangePassword(), who="api:anna"), [(NETWORK, "CS-1"), (NETWORK, "CS-2")]
        made = await ask(work, keys, wish, digest_password=spelt)
    values = []
    for _, message in await waiting(database, OperationRequested):
        (entry,) = message.operation.entries
        assert entry.key == "AuthorizationKey"
        values.append((message.station_id, entry.value))
    assert len({value for _, value in values}) == 2
    accounts = {m.station_id: m for _, m in await waiting(database, StationAccountChanged)}
    for station_id, value in values:
        text = bytes.fromhex(value).decode() if protocol == "ocpp1.6" else value
        assert len(text) == 20
        assert f"{NETWORK}/{station_id}/{text}" in accounts[station_id].next_key_digests
        assert f"{NETWORK}/{station_id}/{value}" in accounts[station_id].next_key_digests
    assert [record.request for record in made] == ['{"kind":"CHANGE_PASSWORD"}'] * 2
    kept = await database.reader.fetch("SELECT request, told, detail FROM operations")
    assert not any(value in repr(kept) for _, value in values)


async def test_a_password_that_a_person_sets_is_expected_too(database: Database) -> None:
    await admitted(database, "CS-1")
    for name, value in (("SecurityCtrlr.BasicAuthPassword", "a-persons-own-word"), ("HeartbeatInterval", "60")):
        order = op.SetConfiguration(entries=(op.ConfigurationEntry(key=name, value=value),))
        async with database.work() as work:
            await ask(work, [(NETWORK, "CS-1")], Wish(order=order, who="x"), digest_password=spelt)
    (*_, last) = [m for _, m in await waiting(database, StationAccountChanged)]
    assert last.next_key_digests == (f"{NETWORK}/CS-1/a-persons-own-word",)


async def test_the_password_of_another_central_system_is_left_alone(database: Database) -> None:
    await admitted(database, "CS-1", is_proxied=True)
    names = ("AuthorizationKey", "SecurityCtrlr.BasicAuthPassword")
    settings = [op.ConfigurationEntry(key=name, value="a-persons-own-word") for name in names]
    for order in (orders.ChangePassword(), *(op.SetConfiguration(entries=(entry,)) for entry in settings)):
        async with database.work() as work:
            wish = Wish(order=order, who="x")
            (record,) = await ask(work, [(NETWORK, "CS-1")], wish, digest_password=spelt)
        assert (record.outcome, "its operator's own central system's" in record.detail) == ("REJECTED", True)
    assert not await waiting(database, OperationRequested)


@pytest.mark.parametrize("is_from_before", [False, True])
async def test_firmware_of_ours_is_published_by_its_checksum(database: Database, is_from_before: bool) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b"4.2.1\n"
        yield b"x" * files.PART_OCTETS

    await admitted(database, "LC-1", "LC-2", protocol="ocpp2.0.1")
    file = await files.store(database, content(), kind="FIRMWARE", name="fw", largest=2 * files.PART_OCTETS)
    addresses = Addresses(base="https://hub.example", digest=lambda text: f"keyed {text}")
    order = PublishFirmware(request_id=9, url=f"hub:{file}")
    read: list[str] = []

    @event.listens_for(database.engine.sync_engine, "before_cursor_execute")
    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        read.extend(["parts"] if "file_parts" in statement else [])

    with pytest.raises(NoSuchFile):
        await make_ready(database, order)
    async with database.work() as work:
        await files.complete(work.connection, file)
        if is_from_before:
            await work.connection.execute(update(files.FILES).values(md5=""))
    await make_ready(database, order)
    async with database.work() as work:
        read.clear()
        wish = Wish(order=order, who="x")
        record, _ = await ask(work, [(NETWORK, "LC-1"), (NETWORK, "LC-2")], wish, addresses=addresses)
        assert not read, "half a gigabyte is not read for each station, while nobody else can write"
    (_, message), _ = await waiting(database, OperationRequested)
    md5 = hashlib.md5(b"4.2.1\n" + b"x" * files.PART_OCTETS, usedforsecurity=False).hexdigest()
    assert (message.operation.checksum, message.operation.url[:26]) == (md5, "https://hub.example/files/")
    assert f"hub:{file}" in record.request


async def test_silence_is_a_timeout_and_a_late_word_is_kept(database: Database) -> None:
    await admitted(database, "CS-1")
    (record,) = await asked(database, op.Reset(), "CS-1", wait=timedelta(seconds=1))
    async with database.work() as work:
        assert not await records.expire(work.connection, record.deadline)
        (expired,) = await records.expire(work.connection, record.deadline + timedelta(milliseconds=1))
        assert not await records.expire(work.connection, record.deadline + timedelta(seconds=1))
    assert (expired.state, expired.outcome) == ("TIMED_OUT", "TIMEOUT")
    await answer(database, record.id, OperationOutcome.ACCEPTED)
    assert (await loaded(database, record.id)).outcome == "ACCEPTED"


async def test_a_station_that_is_away_is_not_asked(database: Database) -> None:
    await admitted(database, "CS-1", is_connected=False)
    (record,) = await asked(database, op.Reset(), "CS-1")
    assert (record.state, record.outcome) == ("ANSWERED", "OFFLINE")
    assert (await loaded(database, record.id)).outcome == "OFFLINE"
    assert not await waiting(database, OperationRequested)


async def runs(database: Database, *transactions: str) -> None:
    async with database.work() as work:
        for number in transactions:
            running = RunningSession(
                session_key=number, scope="DE-AAA", network=NETWORK, station_id="CS-1", transaction_id=number
            )
            await session_runs(work.connection, running)


@pytest.mark.parametrize(
    ("order", "name", "fields"),
    [
        (orders.StartCharging(token_uid="T", connector_id=2), CommandName.START_CHARGING, {"token_uid": "T"}),
        (orders.StopCharging(), CommandName.STOP_CHARGING, {"transaction_id": "55"}),
        (orders.StopCharging(transaction_id="9"), CommandName.STOP_CHARGING, {"transaction_id": "9"}),
        (orders.UnlockConnector(connector_id=2), CommandName.UNLOCK_CONNECTOR, {"connector_id": 2}),
        (orders.CancelReservation(reservation_id="R"), CommandName.CANCEL_RESERVATION, {"reservation_id": "R"}),
    ],
)
async def test_what_partners_may_ask_as_well_goes_as_a_command(
    database: Database, order: AnyOrder, name: CommandName, fields: dict[str, Any]
) -> None:
    await admitted(database, "CS-1")
    await runs(database, "55")
    (record,) = await asked(database, order, "CS-1")
    ((_, message),) = await waiting(database, CommandRequested)
    assert (message.command_id, message.name) == (record.id, name)
    assert {field: getattr(message, field) for field in fields} == fields
    said = CommandAnswered(
        command_id=record.id, network=NETWORK, station_id="CS-1", name=name, outcome=CommandOutcome.OCCUPIED
    )
    async with database.work() as work:
        await handle(work, [received(said)])
    assert (await loaded(database, record.id)).outcome == "OCCUPIED"


@pytest.mark.parametrize("running", [(), ("55", "56")])
async def test_a_stop_that_could_mean_several_charges_is_not_sent(database: Database, running: tuple[str, ...]) -> None:
    await admitted(database, "CS-1")
    await runs(database, *running)
    (record,) = await asked(database, orders.StopCharging(), "CS-1")
    assert (record.outcome, "transaction_id" in record.detail) == ("UNKNOWN", True)
    assert not await waiting(database, CommandRequested)


async def test_pages_hold_each_record_once(database: Database) -> None:
    names = [f"CS-{number}" for number in range(5)]
    await admitted(database, *names)
    made = await asked(database, op.Reset(), *names)
    seen: list[str] = []
    async with database.reading() as connection:
        while page := await records.list_records(connection, limit=2, before=seen[-1] if seen else None, kind="RESET"):
            seen += [record.id for record in page]
    assert sorted(seen) == sorted(record.id for record in made)

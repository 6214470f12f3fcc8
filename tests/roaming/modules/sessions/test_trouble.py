"""Charges that cannot be priced, placed or closed wait with their reason; the others go on."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import event, select, text
from structlog.testing import capture_logs

from contracts.messages import ConnectorStatusChanged, MeterValuesTaken, TransactionEnded, TransactionStarted
from contracts.messages.metering import MeterSample, MeterValue
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus, ConnectorStatus, Measurand, StopReason
from roaming.modules.sessions.model import LONGEST_PAUSE, SHORTEST_PAUSE, next_try
from roaming.modules.sessions.projection import UNPLACED_KEPT, Sessions
from roaming.modules.sessions.repository import TRANSACTIONS, find_held, take_up_again
from roaming.store.consume import Received
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import RECEIVER, HubInProcess, hub_in_process
from tests.kit.speaking import envelope_of

NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = NOW - timedelta(days=400)
RECENTLY = NOW - timedelta(minutes=30)
UID = "04C0FFEE"
Fact = TransactionStarted | TransactionEnded | MeterValuesTaken


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """Stations GOOD and BAD, each at a location of its own, and a driver; no grace, and updates at every reading."""
    async with hub_in_process(database_url, tmp_path) as running:
        running.services = replace(running.services, closing_grace=0.0, session_push_interval=0.0)
        for station in ("GOOD", "BAD"):
            await running.host_location(f"AT-{station}")
            await running.host_station(station, f"AT-{station}")
        body = ocpi_bodies.token("DE-AAA", uid=UID, contract_id="DE-AAA-C1", whitelist="ALLOWED")
        answer = await running.call("aaa", "PUT", f"{RECEIVER}/tokens/DE/AAA/{UID}", body=body)
        assert answer.outcome == (201, 1000)
        yield running


async def spoil_place(hub: HubInProcess) -> None:
    """A time zone that no machine knows, as one that the zones of another machine still had."""
    async with hub.services.database.work() as work:
        spoilt = (
            "UPDATE locations SET document = replace(document, 'Europe/Paris', 'Mars/Base') WHERE object_id = 'AT-BAD'"
        )
        changed = await work.connection.execute(text(spoilt))
        assert changed.rowcount == 1


def started(station: str, id: str, at: datetime) -> TransactionStarted:
    return TransactionStarted(
        network="main",
        station_id=station,
        connector_id=1,
        transaction_id=id,
        token_uid=UID,
        started_at=at,
        register_wh=Decimal(1000),
        authorization=AuthorizationStatus.ACCEPTED,
        authorization_basis=AuthorizationBasis.REAL_TIME,
    )


def metered(station: str, id: str, at: datetime) -> MeterValuesTaken:
    sample = MeterSample(at=at, values=(MeterValue(measurand=Measurand.ENERGY_REGISTER, value=Decimal(2000)),))
    return MeterValuesTaken(network="main", station_id=station, connector_id=1, transaction_id=id, samples=(sample,))


def ended(station: str, id: str, at: datetime) -> TransactionEnded:
    return TransactionEnded(
        network="main",
        station_id=station,
        transaction_id=id,
        ended_at=at,
        register_wh=Decimal(5000),
        reason=StopReason.DRIVER,
    )


async def tell(hub: HubInProcess, messages: Sequence[Fact]) -> None:
    async with hub.services.database.work() as work:
        await Sessions(hub.services).handle(work, [Received(envelope_of(message), message) for message in messages])


async def rows(hub: HubInProcess, station: str) -> list[Any]:
    return list(
        await hub.services.database.reader.fetch(
            "SELECT state, session_key, trouble, document, held_since, close_at FROM transactions"
            " WHERE station_id = $1 ORDER BY transaction_id",
            station,
        )
    )


async def pauses(hub: HubInProcess, station: str) -> list[float]:
    """Minutes until its charges are looked at again."""
    async with hub.services.database.reading() as connection:
        of_station = select(TRANSACTIONS.c.close_at).where(TRANSACTIONS.c.station_id == station)
        found = (await connection.execute(of_station)).scalars().all()
    now = hub.services.clock.now()
    return [(close_at - now).total_seconds() / 60 for close_at in found]


async def change(hub: HubInProcess, **values: datetime) -> None:
    """Sets times of every transaction: as if they had passed."""
    async with hub.services.database.work() as work:
        await work.connection.execute(TRANSACTIONS.update().values(**values))


async def test_bad_starts_do_not_stop_the_good_one(hub: HubInProcess) -> None:
    stations = [f"BAD-{n}" for n in range(30)]
    for station in stations:
        await hub.host_station(station, "AT-BAD")
    bad = [fact for station in stations for fact in (started(station, "1", LONG_AGO), metered(station, "1", NOW))]
    with capture_logs() as logs:
        await tell(hub, [*bad, started("GOOD", "1", RECENTLY)])
    [good] = await rows(hub, "GOOD")
    assert good[1]
    assert not good[2]
    kept = [await rows(hub, station) for station in stations]
    for [row] in kept:
        assert row[0] == "OPEN"
        assert "not within 366 days" in row[2]
    reader = hub.services.database.reader
    assert len(await reader.fetch("SELECT at FROM transaction_readings WHERE station_id LIKE 'BAD-%'")) == 30
    assert [entry["event"] for entry in logs].count("transaction_in_trouble") == 30


async def test_however_many_sessions_a_batch_updates_it_asks_the_store_as_often(hub: HubInProcess) -> None:
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    engine = hub.services.database.engine.sync_engine
    counts = []
    for stations in (["A", "B"], [f"{number}" for number in range(12)]):
        for station in stations:
            await hub.host_station(station, "AT-GOOD")
        await tell(hub, [started(station, "1", RECENTLY) for station in stations])
        event.listen(engine, "before_cursor_execute", note)
        await tell(hub, [metered(station, "1", NOW) for station in stations])
        event.remove(engine, "before_cursor_execute", note)
        counts.append(len(asked))
        asked.clear()
    assert counts[0] == counts[1]
    documents = await hub.services.database.reader.fetch("SELECT document, revision FROM sessions")
    assert [(json.loads(row[0])["kwh"], row[1]) for row in documents] == [(1, 2)] * 14


async def test_a_mended_location_opens_the_session(hub: HubInProcess) -> None:
    await spoil_place(hub)
    await tell(hub, [started("BAD", "1", RECENTLY), metered("BAD", "1", NOW)])
    [row] = await rows(hub, "BAD")
    assert not row[1]
    assert "Mars/Base" in row[2]
    await hub.host_location("AT-BAD", time_zone="Europe/Amsterdam")
    await tell(hub, [metered("BAD", "1", NOW + timedelta(seconds=1))])
    [row] = await rows(hub, "BAD")
    assert row[1]
    assert not row[2]


async def test_a_charge_in_trouble_is_not_priced_at_every_reading(hub: HubInProcess) -> None:
    hub.services = replace(hub.services, session_push_interval=3600.0)
    await spoil_place(hub)
    await tell(hub, [started("BAD", "1", RECENTLY)])
    await hub.host_location("AT-BAD", time_zone="Europe/Amsterdam")
    await tell(hub, [metered("BAD", "1", NOW)])
    assert not (await rows(hub, "BAD"))[0][1]
    await change(hub, pushed_at=NOW - timedelta(hours=2))
    await tell(hub, [metered("BAD", "1", NOW + timedelta(seconds=1))])
    assert (await rows(hub, "BAD"))[0][1]


async def test_what_cannot_be_closed_waits_and_is_closed_once_mended(hub: HubInProcess) -> None:
    sessions = Sessions(hub.services)
    await spoil_place(hub)
    await tell(hub, [started("BAD", "1", RECENTLY), ended("BAD", "1", NOW)])
    with capture_logs() as logs:
        for _ in range(3):
            await change(hub, close_at=NOW - timedelta(seconds=1))
            assert await sessions.close_due() == 1
            assert await sessions.close_due() == 0
    [row] = await rows(hub, "BAD")
    assert row[0] == "ENDING"
    assert [entry["event"] for entry in logs] == ["transaction_cannot_be_closed"]
    held = await find_held(hub.services.database.reader, now=NOW)
    assert held.unclosed == 1
    assert "Mars/Base" in held.unclosed_reason
    await hub.host_location("AT-BAD", time_zone="Europe/Amsterdam")
    await change(hub, close_at=NOW - timedelta(seconds=1))
    await sessions.close_due()
    [row] = await rows(hub, "BAD")
    assert (row[0], row[2], row[4]) == ("CLOSED", "", None)


async def test_a_charge_of_400_days_is_held_and_the_next_one_closed(hub: HubInProcess) -> None:
    await tell(hub, [started("BAD", "1", LONG_AGO), ended("BAD", "1", NOW)])
    await tell(hub, [started("GOOD", "1", RECENTLY), ended("GOOD", "1", NOW)])
    assert await Sessions(hub.services).close_due() == 2
    assert (await rows(hub, "BAD"))[0][0] == "ENDING"
    assert (await rows(hub, "GOOD"))[0][0] == "CLOSED"


async def test_a_charge_without_a_place_is_told_once_and_given_up_in_the_end(hub: HubInProcess) -> None:
    sessions = Sessions(hub.services)
    with capture_logs() as logs:
        await tell(hub, [started("NOWHERE", "1", RECENTLY)])
        await tell(hub, [metered("NOWHERE", "1", NOW)])
        await tell(hub, [ended("NOWHERE", "1", NOW)])
        for _ in range(3):
            await change(hub, close_at=NOW - timedelta(seconds=1))
            await sessions.close_due()
        assert (await find_held(hub.services.database.reader, now=NOW)).unplaced == 1
        await change(hub, close_at=NOW, held_since=NOW - UNPLACED_KEPT - timedelta(hours=1))
        await sessions.close_due()
    assert [entry["event"] for entry in logs] == ["transaction_in_trouble", "transaction_given_up"]
    assert (await rows(hub, "NOWHERE"))[0][0] == "GIVEN_UP"
    held = await find_held(hub.services.database.reader, now=NOW)
    assert (held.unplaced, held.given_up) == (0, 1)


async def test_charges_without_a_place_are_looked_at_ever_less_often(hub: HubInProcess) -> None:
    for number in range(3):
        await tell(hub, [started("NOWHERE", f"{number}", RECENTLY), ended("NOWHERE", f"{number}", NOW)])
    await tell(hub, [started("GOOD", "1", RECENTLY), ended("GOOD", "1", NOW)])
    sessions = Sessions(hub.services)
    assert await sessions.close_due() == 4
    assert (await rows(hub, "GOOD"))[0][0] == "CLOSED"
    for waited, pause in ((timedelta(minutes=4), 4), (timedelta(days=9), 10)):
        now = hub.services.clock.now()
        await change(hub, close_at=now, held_since=now - waited)
        await sessions.close_due()
        held = await pauses(hub, "NOWHERE")
        assert [round(minutes) for minutes in held] == [pause] * 3
    found = await find_held(hub.services.database.reader, now=NOW)
    assert (found.unplaced, found.unplaced_reason) == (3, "Unplaced: connector 1 of station NOWHERE is not bound")


async def test_what_was_given_up_is_closed_after_all(hub: HubInProcess) -> None:
    sessions = Sessions(hub.services)
    await tell(hub, [started("LATER", "1", RECENTLY), ended("LATER", "1", NOW)])
    await sessions.close_due()
    await change(hub, close_at=NOW, held_since=NOW - UNPLACED_KEPT - timedelta(hours=1))
    await sessions.close_due()
    assert (await rows(hub, "LATER"))[0][0] == "GIVEN_UP"
    await hub.host_location("AT-LATER")
    await hub.host_station("LATER", "AT-LATER")
    async with hub.services.database.work() as work:
        assert await take_up_again(work.connection, now=work.now) == 1
    await sessions.close_due()
    assert (await rows(hub, "LATER"))[0][0] == "CLOSED"


async def test_a_charge_without_a_place_is_closed_once_bound(hub: HubInProcess) -> None:
    await tell(hub, [started("LATER", "1", RECENTLY), ended("LATER", "1", NOW)])
    await Sessions(hub.services).close_due()
    await hub.host_location("AT-LATER")
    await hub.host_station("LATER", "AT-LATER")
    await change(hub, close_at=NOW - timedelta(seconds=1))
    await Sessions(hub.services).close_due()
    [row] = await rows(hub, "LATER")
    assert (row[0], row[2], row[4]) == ("CLOSED", "", None)


def test_pauses_grow_to_six_hours() -> None:
    assert next_try(NOW, NOW) == NOW + SHORTEST_PAUSE
    assert next_try(NOW - timedelta(minutes=8), NOW) == NOW + timedelta(minutes=8)
    assert next_try(NOW - timedelta(days=9), NOW) == NOW + LONGEST_PAUSE


async def test_lost_ends_and_lost_starts_are_counted(hub: HubInProcess) -> None:
    await tell(hub, [started("GOOD", "1", RECENTLY), ended("BAD", "nobody-began-this", NOW)])
    await change(hub, pushed_at=NOW - timedelta(days=2))
    held = await find_held(hub.services.database.reader, now=NOW)
    assert (held.silent, held.without_start) == (1, 1)


async def test_a_state_is_of_the_newest_charge_of_its_connector(hub: HubInProcess) -> None:
    """The end of the first charge was lost: what happens afterwards is not its driver's."""
    await tell(hub, [started("GOOD", "1", RECENTLY), started("GOOD", "2", RECENTLY + timedelta(minutes=10))])
    suspended = ConnectorStatusChanged(
        network="main", station_id="GOOD", connector_id=1, status=ConnectorStatus.SUSPENDED_EV
    )
    async with hub.services.database.work() as work:
        await Sessions(hub.services).handle(work, [Received(envelope_of(suspended), suspended)])
    first, second = await rows(hub, "GOOD")
    assert '"states":[]' in first[3]
    assert "SUSPENDED_EV" in second[3]


async def test_what_an_operator_allows_to_its_own_drivers_is_no_trouble(hub: HubInProcess) -> None:
    by_operator = {"authorization_basis": AuthorizationBasis.OPERATOR}
    own = msgspec.structs.replace(started("GOOD", "own", RECENTLY), token_uid="OWN", **by_operator)
    guest = msgspec.structs.replace(started("BAD", "guest", RECENTLY), **by_operator)
    with capture_logs() as logs:
        await tell(hub, [own, guest, metered("GOOD", "own", NOW)])
        await tell(hub, [ended("GOOD", "own", NOW), ended("BAD", "guest", NOW)])
        await Sessions(hub.services).close_due()
    [kept] = await rows(hub, "GOOD")
    assert tuple(kept[:3]) == ("REFUSED", "", "")
    [kept] = await rows(hub, "BAD")
    assert kept[0] == "CLOSED"
    assert kept[1]
    assert "transaction_in_trouble" not in [entry["event"] for entry in logs]

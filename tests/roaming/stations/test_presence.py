"""What stations say of themselves, as operators see it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.deviations import MEANINGS
from contracts.messages import (
    StationConnected,
    StationDeviationsCounted,
    StationDisconnected,
    StationFramesMissed,
    StationMessageRejected,
)
from roaming.operations import showing
from roaming.stations import presence
from roaming.stations.bindings import admit
from roaming.stations.presence import PROJECTION
from roaming.store import trimming
from roaming.store.consume import Consumer
from roaming.store.database import Database
from roaming.store.locks import locks_of
from roaming.store.trimming import Trimmer
from tests.kit.speaking import envelope_of

RAW = '[2,"1","StopTransaction",{"idTag":"04A1B2C3D4E5F6","meterStop":"many"}]'
SHOWN = RAW.replace("04A1B2C3D4E5F6", "…E5F6")


async def test_what_nobody_could_read_is_counted_and_in_the_journal(database: Database) -> None:
    said: dict[str, Any] = {"network": "demo", "station_id": "CS-1"}
    connected = StationConnected(**said, instance="one", epoch=1, protocol="OCPP 1.6J", is_admitted=True)
    rejected = [
        StationMessageRejected(**said, kind="StopTransaction", reason=f"reason {number}", raw=RAW, number=number)
        for number in (1, 2)
    ]
    consumer = Consumer(database, PROJECTION)
    envelopes = [envelope_of(message, subject="demo/CS-1") for message in (connected, *rejected)]
    await consumer.handle(envelopes)
    await consumer.handle(envelopes)
    assert [
        tuple(row) for row in await database.reader.fetch("SELECT rejected_messages, last_fault FROM stations")
    ] == [(2, "StopTransaction could not be read: reason 2")]
    rows = await database.reader.fetch("SELECT method, url, module, request_body, note FROM journal ORDER BY id")
    assert [tuple(row)[:4] for row in rows] == 2 * [("StopTransaction", "demo/CS-1", "stations", SHOWN)]
    assert "reason 1" in rows[0][4]


async def test_frames_that_passed_unread_are_counted_on_the_station(database: Database) -> None:
    said: dict[str, Any] = {"network": "demo", "station_id": "CS-1"}
    connected = StationConnected(**said, instance="one", epoch=1, protocol="ocpp1.6", is_proxied=True)
    began = datetime(2026, 11, 29, 9, 0, tzinfo=UTC)
    missed = [
        StationFramesMissed(**said, frames=frames, began_at=began, ended_at=began + timedelta(seconds=frames))
        for frames in (12, 30)
    ]
    consumer = Consumer(database, PROJECTION)
    envelopes = [envelope_of(message, subject="demo/CS-1") for message in (connected, *missed)]
    await consumer.handle(envelopes)
    await consumer.handle(envelopes)
    (row,) = await database.reader.fetch("SELECT is_proxied, missed_frames, last_fault FROM stations")
    assert (bool(row[0]), row[1]) == (True, 42)
    assert row[2].startswith("30 frames passed unread, 2026-11-29 09:00:00 to 09:00:30 UTC")
    again = StationConnected(**said, instance="one", epoch=2, protocol="ocpp1.6")
    await consumer.handle([envelope_of(again, subject="demo/CS-1")])
    (row,) = await database.reader.fetch("SELECT is_proxied, missed_frames FROM stations")
    assert (bool(row[0]), row[1]) == (False, 42)


async def test_made_up_names_are_bounded_by_number(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest gone are forgotten; who is connected or ours stays."""
    monkeypatch.setattr(presence, "MOST_STRANGERS", 2)
    started = datetime(2026, 11, 29, 9, 0, tzinfo=UTC)
    envelopes = []
    for number in range(7):
        said: dict[str, Any] = {"network": "demo", "station_id": f"CS-{number}", "instance": "one", "epoch": 1}
        at = started + timedelta(seconds=number)
        envelopes.append(envelope_of(StationConnected(**said, protocol="ocpp1.6", is_admitted=False), at=at))
        if number != 1:
            envelopes.append(envelope_of(StationDisconnected(**said, reason="gone"), at=at))
    await Consumer(database, PROJECTION).handle(envelopes)
    async with database.work() as work:
        await admit(work, network="demo", station_id="CS-2", key_digest=None)
    by_one = [replace(each, at_once=1) for each in presence.TRIMMINGS]
    monkeypatch.setattr(trimming, "PAUSE", 0)
    for removed in ({"stations": 3}, {}):
        assert await Trimmer(database, by_one, locks_of(database), days={"state": 36500}).trim() == removed
    rows = await database.reader.fetch("SELECT station_id FROM stations ORDER BY station_id")
    assert [row[0] for row in rows] == ["CS-1", "CS-2", "CS-5", "CS-6"]


async def test_how_often_it_strays_is_counted_over_all_connections(database: Database) -> None:
    said: dict[str, Any] = {"network": "demo", "station_id": "CS-1"}
    connected = StationConnected(**said, instance="one", epoch=1, protocol="OCPP 1.6J", is_admitted=True)
    counted = [
        StationDeviationsCounted(**said, epoch=epoch, counts=counts)
        for epoch, counts in (
            (1, {"clock not set": 1}),
            (1, {"clock not set": 2, "mended: type": 7}),
            (3, {"mended: type": 1}),
            (1, {"clock not set": 2, "mended: type": 7}),  # its last word, read late
            (3, {"mended: type": 4}),
        )
    ]
    consumer = Consumer(database, PROJECTION)
    envelopes = [envelope_of(message, subject="demo/CS-1") for message in (connected, *counted)]
    await consumer.handle(envelopes)
    await consumer.handle(envelopes)
    async with database.reading() as connection:
        shown = await showing.station(connection, ("demo", "CS-1"))
    assert shown["deviations"] == [
        {"kind": "mended: type", "times": 11, "meaning": MEANINGS["mended: type"]},
        {"kind": "clock not set", "times": 2, "meaning": MEANINGS["clock not set"]},
    ]

"""What stations say of themselves, as operators see it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.deviations import MEANINGS
from contracts.messages import StationConnected, StationDeviationsCounted, StationFramesMissed, StationMessageRejected
from roaming.operations import showing
from roaming.stations.presence import PROJECTION
from roaming.store.consume import Consumer
from roaming.store.database import Database
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

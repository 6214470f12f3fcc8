"""What stations say of their upkeep is kept, and a fault of their security is seen on the station."""

from datetime import UTC, datetime
from typing import Any

from contracts.messages import (
    CertificateRequested,
    FirmwareStatusReported,
    LogStatusReported,
    SecurityEventReported,
    StationReported,
    VendorDataReceived,
)
from contracts.vocabulary import FirmwareStatus, LogStatus
from roaming.operations import records, showing
from roaming.operations.projection import handle
from roaming.stations import presence
from roaming.store.database import Database
from tests.kit.admitting import NETWORK, admitted, received

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


async def test_reports_are_kept_once_each(database: Database) -> None:
    batch = [
        received(message)
        for message in (
            FirmwareStatusReported(
                network=NETWORK, station_id="CS-1", status=FirmwareStatus.INSTALLED, word="Installed", request_id=4
            ),
            LogStatusReported(network=NETWORK, station_id="CS-1", status=LogStatus.UPLOADED, word="Uploaded"),
            SecurityEventReported(network=NETWORK, station_id="CS-1", event="Tamper", at=AT, info="door \0"),
            VendorDataReceived(network=NETWORK, station_id="CS-1", vendor_id="com.x", message_id="m", data="{}"),
            VendorDataReceived(network=NETWORK, station_id="CS-1", vendor_id="com.x", data='{"idTag": "04A1B2"}'),
            CertificateRequested(network=NETWORK, station_id="CS-1", signing_request="PEM"),
        )
    ]
    for _ in range(2):
        async with database.work() as work:
            await handle(work, batch)
    async with database.reading() as connection:
        kept = await records.list_reports(connection, NETWORK, "CS-1", limit=10)
    assert sorted((row["kind"], row["status"], row["request_id"], row["detail"]) for row in kept) == [
        ("CERTIFICATE_REQUEST", "WAITING", "", "PEM"),
        ("FIRMWARE", "INSTALLED", "4", "Installed"),
        ("LOG", "UPLOADED", "", "Uploaded"),
        ("SECURITY", "Tamper", "", "door \\x00"),
        ("VENDOR_DATA", "com.x", "", "•••"),
        ("VENDOR_DATA", "com.x m", "", "{}"),
    ]


async def test_a_security_event_is_the_stations_last_fault(database: Database) -> None:
    await admitted(database, "CS-1")
    event = SecurityEventReported(network=NETWORK, station_id="CS-1", event="Tamper", at=AT, info="door")
    async with database.work() as work:
        await presence.handle(work, [received(event)])
    ((fault,),) = await database.reader.fetch("SELECT last_fault FROM stations")
    assert fault == "security: Tamper door"


async def test_of_other_reports_the_last_of_each_kind_is_shown_and_how_many_came(database: Database) -> None:
    await admitted(database, "CS-1")

    def reported(kind: str, body: str, **fields: Any) -> Any:
        message = StationReported(network=NETWORK, station_id="CS-1", kind=kind, body=body, **fields)
        return received(message)

    limits = [reported("NotifyChargingLimit", f'{{"limit": {number}}}', connector_id=1) for number in range(3)]
    address = reported("NotifyMonitoringReport", '{"url": "https://user:secret@files.example/a"}')
    needs = reported("NotifyEVChargingNeeds", '{"idToken": {"idToken": "04A1B2C3D4E5F6"}}')
    asked = reported("NotifyCustomerInformation", '{"data": "idToken 04A1B2C3D4E5F6"}')
    for batch in (limits[:2], [limits[2], reported("NotifyEvent", '"' + "x" * 20_000 + '"'), address, needs, asked]):
        async with database.work() as work:
            await handle(work, batch)
    async with database.reading() as connection:
        shown = await showing.station(connection, (NETWORK, "CS-1"))
    assert [(told["kind"], told["times"], told["connector"], told["body"]) for told in shown["told"]] == [
        ("NotifyChargingLimit", 3, 1, {"limit": 2}),
        ("NotifyCustomerInformation", 1, None, {"data": "idToken 04A1B2C3D4E5F6"}),
        ("NotifyEVChargingNeeds", 1, None, {"idToken": {"idToken": "…E5F6"}}),
        ("NotifyEvent", 1, None, None),
        ("NotifyMonitoringReport", 1, None, {"url": "https://files.example/•••"}),
    ]

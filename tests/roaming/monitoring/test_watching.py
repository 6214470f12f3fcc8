"""What stations say becomes events, for those whose stations they are."""

import json
from datetime import UTC, datetime

from contracts.messages import (
    ConnectorStatusChanged,
    FirmwareStatusReported,
    Message,
    OperationAnswered,
    SecurityEventReported,
    StationBooted,
    StationConnected,
    StationDisconnected,
    StationFaultReported,
    StationMessageRejected,
    StationReported,
)
from contracts.vocabulary import ConnectorStatus, FirmwareStatus
from roaming.feed.kinds import KINDS
from roaming.feed.telling import EVENTS
from roaming.model.identifiers import PartyId
from roaming.monitoring import watching
from roaming.stations.bindings import Binding, bind
from roaming.store.database import Database
from tests.kit.admitting import received

STATION = {"network": "main", "station_id": "CS-1"}
AT = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def binding(number: int, party: str) -> Binding:
    return Binding(
        **STATION,
        connector_id=number,
        party=PartyId.parse(party),
        location_id="LOC",
        evse_uid=f"E{number}",
        evse_connector_id="1",
    )


SAID: list[tuple[Message, str, str, dict[str, object]]] = [
    (
        StationConnected(**STATION, instance="a", epoch=1, protocol="ocpp1.6", security_profile=2),
        "station.connected",
        " DE-ABC NL-HUB ",
        {"protocol": "ocpp1.6", "security_profile": 2, "station": "CS-1"},
    ),
    (
        StationConnected(**STATION | {"station_id": "NEW"}, instance="a", epoch=1, protocol="", is_admitted=False),
        "station.unknown",
        "",
        {"station": "NEW"},
    ),
    (
        StationDisconnected(**STATION, instance="a", epoch=1, reason="silent"),
        "station.disconnected",
        " DE-ABC NL-HUB ",
        {"reason": "silent"},
    ),
    (
        StationBooted(**STATION, vendor="ACME", model="X", firmware_version="1.2"),
        "station.booted",
        " DE-ABC NL-HUB ",
        {"vendor": "ACME", "firmware_version": "1.2"},
    ),
    (
        StationFaultReported(**STATION, connector_id=2, error_code="GroundFailure", info="leak"),
        "station.fault",
        " DE-ABC ",
        {"connector": 2, "error_code": "GroundFailure", "party": "DE-ABC", "location": "LOC", "evse_uid": "E2"},
    ),
    (
        StationFaultReported(**STATION, connector_id=0, error_code="HighTemperature"),
        "station.fault",
        " DE-ABC NL-HUB ",
        {"connector": 0},
    ),
    (
        SecurityEventReported(**STATION, event="TamperDetectionActivated", at=AT),
        "station.security",
        " DE-ABC NL-HUB ",
        {"event": "TamperDetectionActivated", "at": "2026-11-29T12:00:00Z"},
    ),
    (
        FirmwareStatusReported(**STATION, status=FirmwareStatus.INSTALLED, word="Installed"),
        "station.firmware",
        " DE-ABC NL-HUB ",
        {"status": "INSTALLED"},
    ),
    (
        StationMessageRejected(**STATION, kind="StopTransaction", reason="no JSON", raw="CARD-1", number=1),
        "station.rejected",
        " DE-ABC NL-HUB ",
        {"kind": "StopTransaction"},
    ),
    (
        ConnectorStatusChanged(**STATION, connector_id=1, status=ConnectorStatus.CHARGING),
        "connector.status",
        " NL-HUB ",
        {"connector": 1, "status": "CHARGING", "evse_uid": "E1"},
    ),
]


async def test_each_message_is_told_once_to_whom_it_belongs(database: Database) -> None:
    async with database.work() as work:
        await bind(work, [binding(1, "NL-HUB"), binding(2, "DE-ABC")], has_no_key=True)
    batch = [received(message) for message, *_ in SAID]
    for _ in range(2):
        async with database.work() as work:
            await watching.handle(work, batch)
    async with database.reading() as connection:
        rows = (await connection.execute(EVENTS.select().order_by(EVENTS.c.seq))).all()
    assert [(row.kind, row.parties) for row in rows] == [(kind, parties) for _, kind, parties, _ in SAID]
    for row, (_, kind, _, data) in zip(rows, SAID, strict=True):
        told = json.loads(row.body)
        assert {name: told.get(name) for name in data} == data, kind
        assert "CARD-1" not in row.body
    assert {kind for _, kind, _, _ in SAID} <= set(KINDS)
    silent = {StationReported, OperationAnswered}
    assert set(watching.PROJECTION.messages) - silent == {type(message) for message, *_ in SAID}

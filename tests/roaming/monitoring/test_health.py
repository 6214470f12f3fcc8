"""How a station is and was: known from what it said, kept over restarts, shown to those whose station it is."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.masking import MASK
from contracts.messages import (
    ConnectorStatusChanged,
    Message,
    MeterSample,
    MeterValue,
    MeterValuesTaken,
    OperationAnswered,
    StationBooted,
    StationConnected,
    StationDisconnected,
    StationFaultReported,
    StationReported,
)
from contracts.messages.operation import ConfigurationTold, ConfigurationValue
from contracts.vocabulary import ConnectorStatus, Measurand, OperationOutcome
from roaming.feed.telling import EVENTS
from roaming.model.identifiers import PartyId
from roaming.monitoring import days, knowing, lines, watching
from roaming.monitoring.places import places_of
from roaming.partners.operators import add_operator
from roaming.stations import presence
from roaming.stations.bindings import Binding, bind
from roaming.store.consume import Received
from roaming.store.database import Database
from roaming.store.locks import locks_of
from roaming.store.trimming import Trimmer
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.speaking import envelope_of

NOW = datetime.now(UTC).replace(microsecond=0)
STATION = {"network": "main", "station_id": "CS-1"}


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def connected(epoch: int, at: datetime) -> tuple[Message, datetime]:
    return StationConnected(**STATION, instance="a", epoch=epoch, protocol="ocpp2.0.1"), at


def gone(epoch: int, at: datetime, reason: str = "silent") -> tuple[Message, datetime]:
    return StationDisconnected(**STATION, instance="a", epoch=epoch, reason=reason), at


def status(number: int, word: ConnectorStatus, at: datetime, info: str = "") -> tuple[Message, datetime]:
    return ConnectorStatusChanged(**STATION, connector_id=number, status=word, info=info), at


async def says(database: Database, *said: tuple[Message, datetime]) -> None:
    batch = [Received(envelope_of(message, at=at), message) for message, at in said]
    meters = [one for one in batch if isinstance(one.message, MeterValuesTaken)]
    async with database.work() as work:
        others = [one for one in batch if one not in meters]
        await presence.handle(work, others)
        await watching.handle(work, others)
        await watching.handle_meters(work, meters)


async def bound(database: Database) -> None:
    async with database.work() as work:
        for number, party in ((1, "NL-HUB"), (2, "DE-ABC")):
            binding = Binding(
                **STATION,
                connector_id=number,
                party=PartyId.parse(party),
                location_id="LOC",
                evse_uid=f"E{number}",
                evse_connector_id="1",
            )
            await bind(work, [binding], has_no_key=True)


async def told(database: Database) -> list[str]:
    async with database.reading() as connection:
        return [row.kind for row in await connection.execute(EVENTS.select().order_by(EVENTS.c.seq))]


async def test_a_station_that_stays_away_is_told_of_once_and_so_is_its_return(database: Database) -> None:
    await bound(database)
    patience = timedelta(hours=3)
    await says(database, connected(1, ago(hours=9)), gone(1, ago(minutes=1)))
    assert await lines.tell_absent(database, patience) == 0, "a blink is no absence"
    await says(database, connected(2, ago(hours=8)), gone(2, ago(hours=5), "lost"), gone(1, ago(minutes=1)))
    for _ in range(2):
        await lines.tell_absent(database, patience)
    await says(database, connected(3, ago(minutes=1)))
    assert await told(database) == [
        "station.connected",
        "station.disconnected",
        "station.connected",
        "station.disconnected",
        "station.offline",
        "station.connected",
        "station.online",
    ]
    async with database.reading() as connection:
        rows = (await connection.execute(EVENTS.select().where(EVENTS.c.kind == "station.offline"))).all()
    assert json.loads(rows[0].body)["reason"] == "lost"
    assert rows[0].parties == " DE-ABC NL-HUB "


async def test_a_newer_connection_is_not_ended_by_the_older_one(database: Database) -> None:
    await bound(database)
    await says(database, connected(1, ago(hours=3)), connected(2, ago(hours=2)), gone(1, ago(hours=1)))
    async with database.reading() as connection:
        (line,) = (await lines.lines_of(connection, [("main", "CS-1")])).values()
        found = await days.ribbons(connection, "main", "CS-1", start=ago(hours=4), end=NOW)
    assert (line.is_online, line.epoch) == (True, 2)
    assert [one.state for one in found[-1]] == ["UNKNOWN", "ONLINE"]


async def test_days_are_written_in_pieces_and_read_as_one(database: Database) -> None:
    """Late words, words over midnight, a state of long ago, and what is trimmed."""
    await bound(database)
    await says(database, connected(1, ago(days=200)), status(1, ConnectorStatus.AVAILABLE, ago(days=200)))
    await says(database, status(1, ConnectorStatus.CHARGING, ago(days=30)))
    await says(
        database,
        status(1, ConnectorStatus.FAULTED, ago(days=40), "dirt"),
        status(1, ConnectorStatus.AVAILABLE, ago(days=35)),
    )
    await says(database, gone(1, ago(days=10)), connected(2, ago(days=9)))
    for _ in range(2):
        async with database.reading() as connection:
            found = await days.ribbons(connection, "main", "CS-1", start=ago(days=90), end=NOW)
        assert [(one.state, one.why, round(one.seconds / 86_400)) for one in found[1]] == [
            ("AVAILABLE", "", 50),
            ("FAULTED", "dirt", 5),
            ("AVAILABLE", "", 5),
            ("CHARGING", "", 20),
            ("OFFLINE", "silent", 1),
            ("CHARGING", "", 9),
        ]
        removed = await Trimmer(database, days.TRIMMINGS, locks_of(database), days={"state": 100}).trim()
        assert removed == {}, "the last word before the kept days stays"
    await says(database, status(1, ConnectorStatus.CHARGING, ago(days=150)))
    removed = await Trimmer(database, days.TRIMMINGS, locks_of(database), days={"state": 100}).trim()
    assert removed == {"station_days": 1}


REPORT = {
    "requestId": 1,
    "generatedAt": "2026-11-29T12:00:00Z",
    "seqNo": 0,
    "reportData": [
        {
            "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 2}},
            "variable": {"name": "AvailabilityState"},
            "variableAttribute": [{"value": "Faulted", "mutability": "ReadOnly"}, {"type": "Target", "value": "x"}],
        },
        {
            "component": {"name": "SecurityCtrlr"},
            "variable": {"name": "BasicAuthPassword"},
            "variableAttribute": [{"value": "a-secret-of-sixteen", "mutability": "WriteOnly"}],
        },
        {"component": "no object", "variable": {}},
        7,
    ],
}
EVENT = {
    "eventData": [
        {
            "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 2}},
            "variable": {"name": "AvailabilityState"},
            "actualValue": "Available",
        }
    ]
}


def report(kind: str, body: Any) -> Message:
    return StationReported(**STATION, kind=kind, body=body if isinstance(body, str) else json.dumps(body))


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(sqlite_url, tmp_path) as running:
        async with running.services.database.work() as work:
            await add_operator(work, "anna", running.services.secrets.digest("a" * 43))
            await add_operator(work, "bert", running.services.secrets.digest("b" * 43), party=PartyId("DE", "ABC"))
            await add_operator(work, "carl", running.services.secrets.digest("c" * 43), party=PartyId("FR", "XYZ"))
        await bound(running.services.database)
        yield running


async def get(hub: HubInProcess, path: str, who: str = "a") -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(hub.app), trust_env=False) as client:
        return await client.get(f"http://hub.test{path}", headers={"Authorization": f"Bearer {who * 43}"})


async def test_all_that_is_known_of_a_station_is_shown(hub: HubInProcess) -> None:
    database = hub.services.database
    sample = MeterSample(
        at=ago(minutes=5), values=(MeterValue(measurand=Measurand.POWER, value=Decimal("11040.5"), phase="L1"),)
    )
    older = MeterSample(at=ago(minutes=9), values=(MeterValue(measurand=Measurand.POWER, value=Decimal(1)),))
    fault = StationFaultReported(**STATION, connector_id=2, error_code="OtherError", vendor_error_code="E17")
    configuration = ConfigurationTold(values=(ConfigurationValue(key="HeartbeatInterval", value="300"),))
    answered = OperationAnswered(**STATION, operation_id="1", outcome=OperationOutcome.ACCEPTED, told=configuration)
    await says(
        database,
        connected(1, ago(days=3)),
        (StationBooted(**STATION, vendor="ACME", model="X", firmware_version="1.2"), ago(days=3)),
        status(1, ConnectorStatus.AVAILABLE, ago(days=3)),
        status(2, ConnectorStatus.FAULTED, ago(days=2)),
        (fault, ago(days=2)),
        (fault, ago(days=1)),
        (report("NotifyReport", REPORT), ago(hours=3)),
        (report("NotifyEvent", EVENT), ago(hours=2)),
        (report("NotifyReport", REPORT), ago(hours=4)),
        (report("NotifyReport", "{broken"), ago(hours=1)),
        (answered, ago(hours=1)),
        (MeterValuesTaken(**STATION, connector_id=2, transaction_id="7", samples=(older, sample)), ago(minutes=5)),
        (MeterValuesTaken(**STATION, connector_id=2, samples=(older,)), ago(minutes=4)),
        gone(1, ago(hours=1), "connection lost"),
    )
    found = (await get(hub, "/api/stations/CS-1/health")).json()
    assert (found["online"], found["reason"], found["firmware"]) == (False, "connection lost", "1.2")
    assert found["components"] == {"Connector(1,2)": {"AvailabilityState": "Available"}}
    (shown,) = found["faults"]
    assert (shown["cause"], shown["times"], shown["connector"]) == ("OtherError/E17", 2, 2)
    (meter,) = found["meters"]
    assert (meter["transaction"], meter["readings"][0]["value"], meter["readings"][0]["phase"]) == (
        "7",
        "11040.5",
        "L1",
    )
    listed = (await get(hub, "/api/stations/CS-1/variables")).json()["variables"]
    values = {one["name"]: one["value"] for one in listed}
    assert values["HeartbeatInterval"] == "300"
    assert values["SecurityCtrlr.BasicAuthPassword"] == MASK
    assert "a-secret" not in (await get(hub, "/api/stations/CS-1/variables?format=csv")).text
    (group,) = (await get(hub, "/api/faults")).json()["faults"]
    assert (group["cause"], group["make"], group["firmware"], group["stations"]) == (
        "OtherError/E17",
        "ACME X",
        "1.2",
        1,
    )
    (make,) = (await get(hub, "/api/firmware-inventory")).json()["firmware"]
    assert make == {"vendor": "ACME", "model": "X", "firmware": "1.2", "stations": 1, "online": 0}
    rows = (await get(hub, "/api/stations/CS-1/ribbon?days=4")).json()["intervals"]
    assert [(row["part"], row["state"]) for row in rows if row["connector"] == 2] == [
        ("connector 2", "UNKNOWN"),
        ("connector 2", "FAULTED"),
        ("connector 2", "OFFLINE"),
    ]
    assert (await get(hub, "/api/stations/CS-1/ribbon?format=csv")).text.startswith("part,connector,from,to")
    assert (await get(hub, "/api/stations/CS-1/ribbon?format=svg&connector=2")).text.startswith("<svg")
    page = await get(hub, "/api/stations/CS-1/ribbon?format=html")
    assert (page.text.count("<svg"), "script" in page.text) == (3, False)
    for wrong in ("days=0", "days=x", "format=pdf", "connector=x&format=svg"):
        assert (await get(hub, f"/api/stations/CS-1/ribbon?{wrong}")).status_code == 400


async def test_a_party_sees_its_own_connectors_and_no_other_station(hub: HubInProcess) -> None:
    await says(
        hub.services.database,
        connected(1, ago(days=3)),
        status(1, ConnectorStatus.AVAILABLE, ago(days=3)),
        status(2, ConnectorStatus.CHARGING, ago(days=3)),
        (StationFaultReported(**STATION, connector_id=1, error_code="GroundFailure"), ago(days=2)),
    )
    found = (await get(hub, "/api/stations/CS-1/health", "b")).json()
    assert [one["connector"] for one in found["connectors"]] in ([2], [])
    assert (found["faults"], sorted(found["usable_90_days"])) == ([], ["connection", "connector 2"])
    rows = (await get(hub, "/api/stations/CS-1/ribbon", "b")).json()["intervals"]
    assert {row["connector"] for row in rows} == {"", 2}
    for path in ("health", "variables", "ribbon"):
        theirs = await get(hub, f"/api/stations/CS-1/{path}", "c")
        nobodys = await get(hub, f"/api/stations/CS-9/{path}", "c")
        assert (theirs.status_code, theirs.text.replace("CS-1", "CS-9")) == (404, nobodys.text)
    for name in ("b", "c"):
        assert (await get(hub, "/api/faults", name)).json() == {"faults": []}
    assert len((await get(hub, "/api/faults")).json()["faults"]) == 1
    assert (await get(hub, "/api/firmware-inventory", "c")).json() == {"firmware": []}


async def test_a_station_that_invents_names_fills_no_database(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knowing, "MOST_OF_STATION", 5)
    told = [
        ("main", station_id, ago(minutes=10 - number), [(f"{number}.{name}", "1", "") for name in range(size)])
        for station_id, size in (("CS-1", 3), ("CS-2", 1))
        for number in range(3)
    ]
    async with database.work() as work:
        for report in told:
            await knowing.write_variables(work.connection, [report])
    async with database.reading() as connection:
        kept = [[one["name"] for one in await knowing.variables(connection, "main", f"CS-{n}")] for n in (1, 2)]
    assert kept == [["1.0", "1.1", "2.0", "2.1", "2.2"], ["0.0", "1.0", "2.0"]]
    value = MeterValue(measurand=Measurand.POWER, value=Decimal(1))
    sample = MeterSample(at=NOW, values=(value,))
    await says(
        database,
        *((MeterValuesTaken(**STATION, connector_id=number, samples=(sample,)), NOW) for number in (302, 2**40)),
    )
    async with database.reading() as connection:
        assert [one["connector"] for one in await knowing.meters(connection, "main", "CS-1")] == [302]


async def test_whose_a_part_of_a_station_is(database: Database) -> None:
    await bound(database)
    async with database.reading() as connection:
        places = await places_of(connection, [("main", "CS-1"), ("main", "CS-2")])
    hub, abc = PartyId("NL", "HUB"), PartyId("DE", "ABC")
    parts = [("CS-1", 1), ("CS-1", 2), ("CS-1", 0), ("CS-1", 3), ("CS-2", 1)]
    assert [places.parties("main", *part) for part in parts] == [(hub,), (abc,), (abc, hub), (abc, hub), ()]

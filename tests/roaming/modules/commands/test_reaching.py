"""Which connector a START_SESSION reaches that names a location only, or an EVSE with more than one connector."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.messages import CommandRequested
from contracts.vocabulary import ConnectorStatus
from roaming.model.identifiers import PartyId
from roaming.stations.bindings import Binding, bind
from roaming.stations.connectors import Report, record
from tests.kit import ocpi_bodies, outbox
from tests.kit.hub_in_process import HOSTED_CPO, RECEIVER, HubInProcess, hub_in_process


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """One location, one connected station: connectors 1 and 2 are EVSE OURS-1, connector 3 is EVSE OURS-2."""
    async with hub_in_process(database_url, tmp_path) as running:
        await running.host_location("OURS")
        await running.host_station("CS-1", "OURS")
        more = [
            Binding(
                network="main",
                station_id="CS-1",
                connector_id=connector_id,
                party=PartyId.parse(HOSTED_CPO),
                location_id="OURS",
                evse_uid=evse_uid,
                evse_connector_id=str(connector_id),
            )
            for connector_id, evse_uid in ((2, "OURS-1"), (3, "OURS-2"))
        ]
        async with running.services.database.work() as work:
            await bind(work, more, has_no_key=True)
        yield running


async def started_at(hub: HubInProcess, *statuses: str, evse_uid: str | None) -> int:
    """The connector that is asked, of connectors 1, 2 and 3 in these states."""
    now = datetime.now(UTC)
    reports = [
        Report(network="main", station_id="CS-1", connector_id=number, status=ConnectorStatus(status), at=now)
        for number, status in enumerate(statuses, start=1)
    ]
    async with hub.services.database.work() as work:
        await record(work.connection, reports)
    body = ocpi_bodies.start_session("DE-AAA", location_id="OURS", evse_uid="OURS-1")
    if evse_uid is None:
        del body["evse_uid"]
    answer = await hub.call("aaa", "POST", f"{RECEIVER}/commands/START_SESSION", body=body)
    assert answer.outcome == (200, 1000), answer.text
    ((_, asked),) = await outbox.waiting(hub.services.database, CommandRequested)
    assert asked.connector_id is not None
    return asked.connector_id


@pytest.mark.parametrize(
    ("statuses", "evse_uid", "connector_id"),
    [
        (("CHARGING", "UNAVAILABLE", "AVAILABLE"), None, 3),
        (("PREPARING", "UNAVAILABLE", "AVAILABLE"), None, 3),
        (("FAULTED", "CHARGING", "UNAVAILABLE"), None, 2),
        (("AVAILABLE", "AVAILABLE", "AVAILABLE"), None, 1),
        (("AVAILABLE", "PREPARING", "AVAILABLE"), "OURS-1", 2),
        (("CHARGING", "RESERVED", "AVAILABLE"), "OURS-1", 1),
    ],
)
async def test_the_connector_most_likely_free_and_meant(
    hub: HubInProcess, statuses: tuple[str, ...], evse_uid: str | None, connector_id: int
) -> None:
    assert await started_at(hub, *statuses, evse_uid=evse_uid) == connector_id

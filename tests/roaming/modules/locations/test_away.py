"""A station that is away too long makes its EVSEs UNKNOWN, and its last word holds again when it is back."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.messages import ConnectorStatusChanged, Message, StationConnected, StationDisconnected
from contracts.vocabulary import ConnectorStatus
from roaming.model.identifiers import PartyId
from roaming.modules.locations.projection import handle, look
from roaming.modules.locations.repository import hold_statuses
from roaming.stations import presence
from roaming.store.consume import Received
from roaming.store.documents import object_key
from tests.kit.hub_in_process import HOSTED_CPO, HubInProcess, hub_in_process
from tests.kit.speaking import envelope_of


def ago(**duration: float) -> datetime:
    """So long before now, and not before the file was read: other tests may have run since."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(**duration)


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """Station CS-1 at a location of its own, whose connector is available."""
    async with hub_in_process(database_url, tmp_path) as running:
        await running.host_location("OURS")
        await running.host_station("CS-1", "OURS")
        await says(running, ConnectorStatus.AVAILABLE, ago(hours=2))
        yield running


def received(message: Message, at: datetime) -> Received:
    return Received(envelope_of(message, at=at), message)


async def says(hub: HubInProcess, status: ConnectorStatus, at: datetime) -> None:
    told = ConnectorStatusChanged(network="main", station_id="CS-1", connector_id=1, status=status)
    async with hub.services.database.work() as work:
        await handle(work, [received(told, at)])


async def goes(hub: HubInProcess, at: datetime) -> None:
    gone = StationDisconnected(network="main", station_id="CS-1", instance="adapter", epoch=1, reason="lost")
    async with hub.services.database.work() as work:
        await presence.handle(work, [received(gone, at)])


async def comes_back(hub: HubInProcess) -> None:
    back = StationConnected(network="main", station_id="CS-1", instance="adapter", epoch=2, protocol="ocpp1.6")
    async with hub.services.database.work() as work:
        await presence.handle(work, [received(back, ago())])


async def status(hub: HubInProcess) -> str:
    """Of the EVSE, after the watch has looked."""
    await look(hub.services)
    async with hub.services.database.work() as work:
        [held] = await hold_statuses(work.connection, [object_key(PartyId.parse(HOSTED_CPO), "OURS")])
    [evse] = held.statuses.values()
    return evse.status


@pytest.mark.parametrize(("minutes", "expected"), [(10, "AVAILABLE"), (20, "UNKNOWN")])
async def test_it_is_unknown_after_the_grace_only(hub: HubInProcess, minutes: int, expected: str) -> None:
    await goes(hub, ago(minutes=minutes))
    assert await status(hub) == expected


async def test_its_last_word_holds_again_when_it_is_back(hub: HubInProcess) -> None:
    await goes(hub, ago(hours=1))
    assert await status(hub) == "UNKNOWN"
    await comes_back(hub)
    assert await status(hub) == "AVAILABLE"


async def test_what_it_tells_late_of_its_absence_counts(hub: HubInProcess) -> None:
    await goes(hub, ago(hours=1))
    assert await status(hub) == "UNKNOWN"
    await comes_back(hub)
    await says(hub, ConnectorStatus.FAULTED, ago(minutes=50))
    assert await status(hub) == "OUTOFORDER"

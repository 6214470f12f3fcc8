"""Connector states of stations become statuses of EVSEs."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta

import structlog

from contracts.messages import ConnectorStatusChanged
from contracts.topics import EVENTS
from contracts.vocabulary import ConnectorStatus
from roaming.modules.locations import service
from roaming.modules.locations.service import EvseChange
from roaming.ocpi.module import Services
from roaming.stations.bindings import Binding, bindings_of_stations
from roaming.stations.connectors import Report, evse_status, mark_away, mark_back, record, statuses_of
from roaming.store.consume import Projection, Received
from roaming.store.database import Work
from roaming.store.errors import StoreUnavailable

logger = structlog.get_logger(__name__)

LOOK_EVERY = 15.0


async def handle(work: Work, batch: Sequence[Received]) -> None:
    """Keeps what connectors say and changes the EVSEs it makes a difference to."""
    reports: list[Report] = []
    correlation: dict[tuple[str, str], str] = {}
    for received in batch:
        message = received.message
        if isinstance(message, ConnectorStatusChanged):
            reports.append(
                Report(
                    network=message.network,
                    station_id=message.station_id,
                    connector_id=message.connector_id,
                    status=message.status,
                    at=received.envelope.occurred_at,
                )
            )
            correlation[message.network, message.station_id] = received.envelope.correlation_id
    await apply(work, reports, correlation)


async def apply(work: Work, reports: Sequence[Report], correlation: dict[tuple[str, str], str]) -> None:
    """Records reports and changes the EVSEs of the stations they come from."""
    written = await record(work.connection, reports)
    await _change_evses(work, {(network, station_id) for network, station_id, _ in written}, correlation)


async def _change_evses(work: Work, changed: set[tuple[str, str]], correlation: Mapping[tuple[str, str], str]) -> None:
    """Gives the EVSEs of these stations the status that follows from their connectors."""
    stations = sorted(changed)
    bindings = await bindings_of_stations(work.connection, stations)
    if not bindings:
        return
    statuses = await statuses_of(work.connection, stations)
    changes = [
        EvseChange(
            party=group[0].party,
            location_id=group[0].location_id,
            evse_uid=group[0].evse_uid,
            status=evse_status(
                [statuses.get((b.network, b.station_id, b.connector_id), ConnectorStatus.UNKNOWN) for b in group],
                statuses.get((group[0].network, group[0].station_id, 0)),
            ).value,
            correlation_id=correlation.get((group[0].network, group[0].station_id), ""),
        )
        for group in _by_evse(bindings.values())
    ]
    await service.change_evses(work, changes)


def _by_evse(bindings: Iterable[Binding]) -> list[list[Binding]]:
    groups: dict[tuple[object, ...], list[Binding]] = {}
    for binding in bindings:
        key = (binding.network, binding.station_id, binding.party, binding.location_id, binding.evse_uid)
        groups.setdefault(key, []).append(binding)
    return list(groups.values())


def projections(_services: Services) -> Sequence[Projection]:
    """The consumer ``locations``."""
    return (Projection(consumer="locations", topics=(EVENTS,), messages=(ConnectorStatusChanged,), handle=handle),)


def tasks(services: Services) -> Sequence[Callable[[], Awaitable[None]]]:
    """What nobody has heard of for a while is UNKNOWN, until its station is back."""

    async def watch() -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await look(services)
            except StoreUnavailable as error:
                logger.warning("offline_watch_waits", reason=str(error))

    return (watch,)


async def look(services: Services) -> None:
    """Makes the EVSEs of stations UNKNOWN that have been away for longer than the grace, and what they were before when
    their station is back."""
    before = services.clock.now() - timedelta(seconds=services.offline_grace)
    async with services.database.work() as work:
        changed = await mark_back(work.connection) | await mark_away(work.connection, before=before)
        if changed:
            await _change_evses(work, changed, {})

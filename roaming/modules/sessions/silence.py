"""Charges that nobody hears of any more: their station has gone, or says that the connector is free, and never told the
end. After ``silent_charge_hours`` the hub closes them like those that were outlived (decisions 0095 and 0124)."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.modules.sessions import course as courses
from roaming.modules.sessions import repository
from roaming.modules.sessions.model import TransactionState
from roaming.modules.sessions.repository import Transaction, TransactionKey
from roaming.ocpi.module import Services
from roaming.stations.connectors import free_since
from roaming.stations.presence import gone_since
from roaming.store.errors import StoreUnavailable

logger = structlog.get_logger(__name__)

LOOK_EVERY = 60.0
AT_ONCE = 100
_UNHEARD = (
    "SELECT network, station_id, transaction_id FROM transactions WHERE state = 'OPEN' AND pushed_at < $1"
    " ORDER BY network, station_id, transaction_id"
)


class Silence:
    """Looks for them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def close_silent(self) -> int:
        """Takes those for over that nobody has heard of for so long; returns how many. Their station has
        ``settling_grace`` to say otherwise."""
        hours = self._services.silent_charge_hours
        if not hours:
            return 0
        database = self._services.database
        before = self._services.clock.now() - timedelta(hours=hours)
        rows = await database.reader.fetch(_UNHEARD, before)
        keys = [(row[0], row[1], row[2]) for row in rows]
        closed = 0
        for first in range(0, len(keys), AT_ONCE):
            async with database.work() as work:
                found = await self._over(work.connection, keys[first : first + AT_ONCE], before)
                until = work.now + timedelta(seconds=self._services.settling_grace)
                ending = [_ending(entry, work.now, until) for entry in found]
                await repository.save_transactions(work.connection, ending)
            closed += len(found)
        return closed

    async def _over(
        self, connection: AsyncConnection, keys: Sequence[TransactionKey], before: datetime
    ) -> list[Transaction]:
        stations = sorted({key[:2] for key in keys})
        gone = await gone_since(connection, stations, before=before)
        free = await free_since(connection, stations, before=before)
        entries = (await repository.load_transactions(connection, keys)).values()
        return [
            entry
            for entry in entries
            if _is_unheard(entry, before) and (entry.key[:2] in gone or _is_freed(entry, free))
        ]

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.close_silent()
            except StoreUnavailable as error:
                logger.warning("closing_waits", reason=str(error))


async def is_back(connection: AsyncConnection, entry: Transaction) -> bool:
    """Whether the station of a charge that was taken for silent is connected again, and has not told its connector to
    be free: it may well tell the end that was missed."""
    end = entry.course.end
    if end is None or not end.is_silent:
        return False
    stations = [entry.key[:2]]
    if entry.key[:2] in await gone_since(connection, stations, before=end.at):
        return False
    return not _is_freed(entry, await free_since(connection, stations, before=end.at))


def _is_unheard(entry: Transaction, before: datetime) -> bool:
    is_open = entry.state == TransactionState.OPEN and entry.course.end is None and entry.course.start is not None
    return is_open and entry.pushed_at is not None and entry.pushed_at < before


def _is_freed(entry: Transaction, free: dict[tuple[str, str, int], datetime]) -> bool:
    """Its connector was told to be free after the charge had begun, and has stayed so."""
    start = entry.course.start
    if start is None:
        return False
    since = free.get((entry.key[0], entry.key[1], start.connector_id))
    return since is not None and since > max([start.at, *(at for at, _ in entry.course.states)])


def _ending(entry: Transaction, now: datetime, until: datetime) -> Transaction:
    logger.warning("transaction_silent", station=entry.key[1], transaction=entry.key[2], since=entry.pushed_at)
    course = courses.fell_silent(entry.course, now)
    return replace(entry, course=course, state=TransactionState.ENDING, close_at=until)

"""Certificates of stations are renewed before they end, without anybody's command: the station is asked to request
another, and what it requests is signed (decision 0125)."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.operation import Trigger
from contracts.vocabulary import TriggeredMessage
from roaming.operations.asking import Wish, ask
from roaming.operations.authority import Authority
from roaming.operations.certificates import waiting
from roaming.operations.orders import SignCertificate
from roaming.operations.records import OPERATIONS
from roaming.operations.selecting import StationKey
from roaming.stations.bindings import STATIONS
from roaming.stations.certificates import Certificate, ending, list_certificates
from roaming.store.bulk import select_rows
from roaming.store.database import Database, Work
from roaming.store.errors import StoreUnavailable
from roaming.store.locks import Locks

RENEWER: Final = "hub:renewal"
"""Who has asked, in the records."""
BY_CERTIFICATE: Final = 3
"""The security profile of a station that has come with its certificate."""
LOOK_EVERY: Final = 60.0
AT_ONCE: Final = 100
ASKED_AGAIN: Final = timedelta(days=1)
"""After which a station that has requested none is asked again."""
GIVEN_LASTS: Final = timedelta(days=7)
"""So long a station has to come with what it was given."""
LARGEST_PART: Final = 3
"""Where certificates are good for few days only, they are renewed in the last third of them."""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Due:
    """A station that is here by a certificate which ends soon."""

    network: str
    station_id: str
    certificate: Certificate
    connected_at: datetime

    @property
    def key(self) -> StationKey:
        return self.network, self.station_id


async def renew_due(database: Database, authority: Authority, *, days: int) -> int:
    """Asks stations whose certificate ends within ``days``, and signs what they have requested; returns how many
    requests were made of them. ``days`` 0, or no authority: none."""
    if not days or not authority.certificate or not authority.key:
        return 0
    before = timedelta(days=min(days, authority.days / LARGEST_PART))
    async with database.work() as work:
        found = await due(work.connection, now=work.now, before=work.now + before)
    made = 0
    for first in range(0, len(found), AT_ONCE):
        async with database.work() as work:
            some = found[first : first + AT_ONCE]
            asked = await _asked(work.connection, since=work.now - ASKED_AGAIN)
            for each in some:
                made += await _renew(work, each, authority, is_asked=each.key in asked)
    return made


async def due(connection: AsyncConnection, *, now: datetime, before: datetime) -> list[Due]:
    """Stations that are connected by a certificate which ends before ``before``, and were not given another lately."""
    last = {(each.network, each.station_id): each for each in await ending(connection, before=before)}
    here = await _here(connection, list(last))
    given = {
        (each.network, each.station_id)
        for each in await list_certificates(connection, list(here))
        if each.shown_at is None and each.revoked_at is None and each.known_since > now - GIVEN_LASTS
    }
    return [
        Due(network=key[0], station_id=key[1], certificate=last[key], connected_at=connected_at)
        for key, connected_at in here.items()
        if key not in given and last[key].revoked_at is None
    ]


async def _here(connection: AsyncConnection, keys: Sequence[StationKey]) -> Mapping[StationKey, datetime]:
    """Those of them that have come by a certificate, and since when."""
    columns = ("network", "station_id", "is_connected", "is_admitted", "security_profile", "connected_at")
    rows = await select_rows(connection, STATIONS, columns, key=("network", "station_id"), values=list(keys))
    return {(row[0], row[1]): row[5] for row in rows if row[2] and row[3] and row[4] == BY_CERTIFICATE and row[5]}


async def _asked(connection: AsyncConnection, *, since: datetime) -> set[StationKey]:
    columns = OPERATIONS.c
    kind = str(Trigger.__struct_config__.tag)
    statement = select(columns.network, columns.station_id).where(
        columns.who == RENEWER, columns.kind == kind, columns.created_at > since
    )
    return {(row[0], row[1]) for row in await connection.execute(statement)}


async def _renew(work: Work, each: Due, authority: Authority, *, is_asked: bool) -> int:
    why = f"its certificate ends {each.certificate.expires_at:%Y-%m-%d}"
    request = await waiting(work.connection, network=each.network, station_id=each.station_id)
    # What was requested over an earlier connection may have been requested with a password alone
    if request is not None and request.at >= each.connected_at:
        order: SignCertificate | Trigger = SignCertificate()
        cause = request.id
    elif is_asked:
        return 0
    else:
        order = Trigger(what=TriggeredMessage.CERTIFICATE_REQUEST)
        cause = each.certificate.fingerprint
    # Once a day at most, whoever looks: files of the authority may be mended meanwhile
    wish = Wish(order=order, who=RENEWER, why=why, key=f"{cause} {work.now:%Y-%m-%d}")
    (record,) = await ask(work, [each.key], wish, authority=authority)
    if record.created_at != work.now:
        return 0
    logger.info("certificate_is_renewed", station=each.station_id, asked=record.kind, outcome=record.outcome)
    return 1


async def run(database: Database, locks: Locks, authority: Authority, *, days: int) -> None:
    """Until cancelled; one process at a time looks (lock ``renewals``)."""
    while True:
        try:
            if await locks.try_acquire("renewals"):
                await renew_due(database, authority, days=days)
        except StoreUnavailable as error:
            logger.warning("renewals_wait", reason=str(error))
        await asyncio.sleep(LOOK_EVERY)

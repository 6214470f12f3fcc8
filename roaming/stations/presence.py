"""Which station is connected, where, and what it says it is: fed by its own facts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.masking import masked
from contracts.messages import (
    SecurityEventReported,
    StationBooted,
    StationConnected,
    StationDeviationsCounted,
    StationDisconnected,
    StationFaultReported,
    StationFramesMissed,
    StationMessageRejected,
)
from contracts.topics import EVENTS
from roaming.stations import straying
from roaming.stations.certificates import note
from roaming.stations.securing import has_come
from roaming.stations.tables import StationRow
from roaming.store.bulk import select_rows, upsert
from roaming.store.consume import Projection, Received
from roaming.store.database import Work
from roaming.store.journal import Exchange, write_within
from roaming.store.trimming import Trimming, old_rows

logger = structlog.get_logger(__name__)

STATIONS = StationRow.__table__  # type: ignore[attr-defined]
_NOBODYS = (STATIONS.c.is_admitted.is_(False), STATIONS.c.is_connected.is_(False), STATIONS.c.key_digest.is_(None))
MOST_STRANGERS = 10_000
"""Names that nobody has bound, of stations that have gone. Anybody can make up names: the longest gone are forgotten
first, and come again if they are real."""
_COLUMNS = ("network", "station_id", "is_connected", "is_admitted", "instance", "epoch")
_MORE = ("protocol", "shows_cost", "is_cost_known", "is_proxied")


@dataclass(frozen=True, kw_only=True)
class Presence:
    """Where a station's connection is."""

    is_connected: bool
    is_admitted: bool
    instance: str
    epoch: int
    protocol: str = ""
    """What its connection speaks, such as ``ocpp2.0.1``."""
    shows_cost: bool = False
    """To the driver, while the charge runs."""
    is_cost_known: bool = False
    """Whether it has said so or the opposite."""
    is_proxied: bool = False
    """It goes through to its operator's own central system."""

    @property
    def is_commandable(self) -> bool:
        """Commands reach it, and it is one that we let work."""
        return self.is_connected and self.is_admitted


_GONE = old_rows("state", STATIONS, "connected_at", *_NOBODYS)


async def _remove_surplus(connection: AsyncConnection, _before: datetime, at_once: int) -> int:
    """Strangers beyond ``MOST_STRANGERS``, whatever their age."""
    at = STATIONS.c.connected_at
    newest = select(at).where(*_NOBODYS, at.is_not(None)).order_by(at.desc())
    last = (await connection.execute(newest.offset(MOST_STRANGERS).limit(1))).scalar()
    return 0 if last is None else await _GONE.remove(connection, last + timedelta(microseconds=1), at_once)


TRIMMINGS = (_GONE, Trimming(kind="state", what=STATIONS.name, remove=_remove_surplus))
"""Whoever came by a name that nobody has bound, and has gone."""


async def presence_of(connection: AsyncConnection, network: str, station_id: str) -> Presence | None:
    """``None`` for a station nobody has heard of."""
    return (await presences_of(connection, [(network, station_id)])).get((network, station_id))


async def presences_of(
    connection: AsyncConnection, stations: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Presence]:
    """Those of the given (network, station_id) that somebody has heard of."""
    wanted = list(dict.fromkeys(stations))
    rows = await select_rows(connection, STATIONS, (*_COLUMNS, *_MORE), key=("network", "station_id"), values=wanted)
    return {
        (row[0], row[1]): Presence(
            is_connected=bool(row[2]),
            is_admitted=bool(row[3]),
            instance=row[4],
            epoch=row[5],
            protocol=row[6],
            shows_cost=bool(row[7]),
            is_cost_known=bool(row[8]),
            is_proxied=bool(row[9]),
        )
        for row in rows
    }


async def gone_since(
    connection: AsyncConnection, stations: Sequence[tuple[str, str]], *, before: datetime
) -> set[tuple[str, str]]:
    """Those of the given (network, station_id) that have not been connected since ``before``, or that nobody has heard
    of."""
    columns = ("network", "station_id", "is_connected", "disconnected_at")
    wanted = list(dict.fromkeys(stations))
    rows = await select_rows(connection, STATIONS, columns, key=("network", "station_id"), values=wanted)
    here = {(row[0], row[1]) for row in rows if row[2] or (row[3] is not None and row[3] >= before)}
    return set(wanted) - here


async def handle(work: Work, batch: Sequence[Received]) -> None:
    """The projection ``stations``."""
    for received in batch:
        match received.message:
            case StationConnected() as message:
                await _connected(work, received, message)
            case StationDisconnected() as message:
                await work.connection.execute(
                    update(STATIONS)
                    .where(
                        STATIONS.c.network == message.network,
                        STATIONS.c.station_id == message.station_id,
                        STATIONS.c.epoch == message.epoch,
                    )
                    .values(is_connected=False, disconnected_at=received.envelope.occurred_at)
                )
            case StationBooted() as message:
                await _change(
                    work,
                    message,
                    booted_at=received.envelope.occurred_at,
                    vendor=message.vendor,
                    model=message.model,
                    serial_number=message.serial_number or "",
                    firmware_version=message.firmware_version or "",
                )
            case StationFaultReported() as message:
                text = f"connector {message.connector_id}: {message.error_code} {message.info or ''}".strip()
                await _change(work, message, last_fault=text)
            case SecurityEventReported() as message:
                await _change(work, message, last_fault=f"security: {message.event} {message.info or ''}".strip())
            case StationMessageRejected() as message:
                await _rejected(work, received, message)
            case StationFramesMissed() as message:
                await _missed(work, message)
            case StationDeviationsCounted() as message:
                await _strayed(work, message)
            case _:
                pass
    work.wake("stations")


async def _connected(work: Work, received: Received, message: StationConnected) -> None:
    row = {
        "network": message.network,
        "station_id": message.station_id,
        "is_admitted": False,
        "presented_digest": message.key_digest,
        "is_connected": True,
        "instance": message.instance,
        "epoch": message.epoch,
        "protocol": message.protocol,
        "remote_address": message.remote_address or "",
        "vendor": "",
        "model": "",
        "serial_number": "",
        "firmware_version": "",
        "last_fault": "",
        "rejected_messages": 0,
        "is_proxied": message.is_proxied,
        "missed_frames": 0,
        "security_profile": message.security_profile,
        "best_profile": 0,
        "wanted_profile": 0,
        "next_key_digests": "",
        "connected_at": received.envelope.occurred_at,
        "first_seen_at": work.now,
    }
    await upsert(
        work.connection,
        STATIONS,
        [row],
        key=("network", "station_id"),
        update=(
            "presented_digest = CASE WHEN t.is_admitted THEN t.presented_digest ELSE excluded.presented_digest END",
            "is_connected",
            "instance",
            "epoch",
            "protocol",
            "remote_address",
            "security_profile",
            "is_proxied",
            "connected_at",
        ),
        only_if="excluded.epoch >= t.epoch",
    )
    if message.is_admitted:
        if message.certificate is not None:
            whose = {"network": message.network, "station_id": message.station_id}
            await note(work, **whose, certificate=message.certificate, is_shown=True)
        await has_come(
            work,
            network=message.network,
            station_id=message.station_id,
            profile=message.security_profile,
            key_digest=message.key_digest,
        )


async def _rejected(work: Work, received: Received, message: StationMessageRejected) -> None:
    """Counted on the station, and in the journal as it came, but for whose token it names: money may hang on it."""
    logger.warning("station_message_rejected", station=message.station_id, kind=message.kind, reason=message.reason)
    await _change(
        work,
        message,
        last_fault=f"{message.kind} could not be read: {message.reason}",
        rejected_messages=STATIONS.c.rejected_messages + 1,
    )
    entry = Exchange(
        at=received.envelope.occurred_at,
        direction="in",
        method=message.kind,
        url=f"{message.network}/{message.station_id}",
        module="stations",
        request_id=received.envelope.id,
        correlation_id=received.envelope.correlation_id,
        request_body=masked(message.raw.encode("utf-8", "backslashreplace")),
        note=f"rejected (number {message.number} of this connection): {message.reason}",
    )
    await write_within(work, [entry])


async def _missed(work: Work, message: StationFramesMissed) -> None:
    logger.warning("station_frames_missed", station=message.station_id, frames=message.frames)
    span = f"{message.began_at:%Y-%m-%d %H:%M:%S} to {message.ended_at:%H:%M:%S} UTC"
    await _change(
        work,
        message,
        last_fault=f"{message.frames} frames passed unread, {span}: a charge of that time may be missing",
        missed_frames=STATIONS.c.missed_frames + message.frames,
    )


async def _strayed(work: Work, message: StationDeviationsCounted) -> None:
    at_it = (STATIONS.c.network == message.network, STATIONS.c.station_id == message.station_id)
    text = (await work.connection.execute(select(STATIONS.c.deviations).where(*at_it))).scalar()
    if text is None:
        return
    deviations = straying.counted(straying.read(text), message)
    await work.connection.execute(update(STATIONS).where(*at_it).values(deviations=straying.written(deviations)))


_Told = StationBooted | StationFaultReported | StationFramesMissed | StationMessageRejected | SecurityEventReported


async def _change(
    work: Work,
    message: _Told,
    **values: object,
) -> None:
    await work.connection.execute(
        update(STATIONS)
        .where(STATIONS.c.network == message.network, STATIONS.c.station_id == message.station_id)
        .values(**values)
    )


PROJECTION = Projection(
    consumer="stations",
    topics=(EVENTS,),
    messages=(
        StationConnected,
        StationDisconnected,
        StationBooted,
        StationFaultReported,
        StationMessageRejected,
        StationFramesMissed,
        StationDeviationsCounted,
        SecurityEventReported,
    ),
    handle=handle,
)

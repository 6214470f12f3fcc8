"""Frames of stations as they went, kept for some days and up to some size a station and of all, and searched.

Secrets were masked before they came here.
"""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import delete, false, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages import FramesSeen
from contracts.topics import WIRE
from roaming.monitoring.tables import WireChunkRow, WireSizeRow
from roaming.stations.bindings import STATIONS
from roaming.store.bulk import append, delete_keys, select_rows, upsert
from roaming.store.columns import storable_text
from roaming.store.consume import Projection, Received
from roaming.store.database import Work
from roaming.store.trimming import Trimming

CHUNKS = WireChunkRow.__table__  # type: ignore[attr-defined]
SIZES = WireSizeRow.__table__  # type: ignore[attr-defined]
_KEY = ("network", "station_id")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PAGE = 200
_SPARED = 0.9
"""Of the most that is kept, once the oldest had to go."""
OF_STRANGERS = 50
"""All stations together that nobody has bound get this part of what all bound ones get, beside it: whoever comes under
a thousand names takes nothing from those that are known."""
_LOOKS = 200
"""What all take is looked at once this part of the most has been written."""
_CUT_AT_ONCE = 100
"""Stations: one commit should not last."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """Which frames are looked for. ``text`` is found in any case of letters."""

    since: datetime
    until: datetime
    text: str = ""
    is_from_station: bool | None = None
    """``None``: both ways."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame, or word of some that are missing."""

    at: datetime
    way: str
    """``in`` from the station, ``out`` to it, ``missed``."""
    text: str


class Room:
    """What is left of the room for the frames of all stations, as one process knows it."""

    def __init__(self, *, most: int) -> None:
        """``most``: octets of all that somebody has bound."""
        self.most = most
        self._unseen = most

    async def keep(self, work: Work, written: int) -> None:
        """Notes how much was written, and cuts what takes more than its share from time to time."""
        self._unseen += written
        if self._unseen * _LOOKS >= self.most and await cut_all(work, self.most):
            self._unseen = 0


def projection(kilobytes: int, megabytes: int) -> Projection:
    """Keeps frames, at most so many kilobytes of one station and so many megabytes of all."""
    room = Room(most=megabytes * 1_000_000)

    async def handle(work: Work, batch: Sequence[Received]) -> None:
        seen = [received.message for received in batch if isinstance(received.message, FramesSeen)]
        written = await write(work, seen)
        await cut(work, kilobytes * 1000, {(message.network, message.station_id) for message in seen})
        await room.keep(work, written)

    return Projection(consumer="wire", topics=(WIRE,), messages=(FramesSeen,), handle=handle)


async def write(work: Work, seen: Sequence[FramesSeen]) -> int:
    """Keeps frames. Returns how many octets they take."""
    rows: list[dict[str, Any]] = []
    sizes: dict[tuple[str, str], int] = {}
    for message in seen:
        times = [frame.at for frame in message.frames] or [work.now]
        frames = [
            [(frame.at - _EPOCH) // timedelta(microseconds=1), int(frame.is_from_station), storable_text(frame.text)]
            for frame in message.frames
        ]
        text = msgspec.json.encode(frames).decode()
        octets = len(text.encode())
        key = (message.network, message.station_id)
        sizes[key] = sizes.get(key, 0) + octets
        rows.append(
            dict(zip(_KEY, key, strict=True))
            | {"first_at": min(times), "last_at": max(times), "octets": octets, "missed": message.missed}
            | {"frames": text}
        )
    await append(work.connection, CHUNKS, rows)
    sized = [dict(zip(_KEY, key, strict=True)) | {"octets": octets} for key, octets in sizes.items()]
    await upsert(work.connection, SIZES, sized, key=_KEY, update=("octets = t.octets + excluded.octets",))
    return sum(sizes.values())


async def cut(work: Work, most: int, stations: Collection[tuple[str, str]]) -> None:
    """Removes the oldest frames of those of these stations that have more than ``most`` octets of them."""
    connection = work.connection
    sizes = await select_rows(connection, SIZES, (*_KEY, "octets"), key=_KEY, values=list(stations))
    for network, station_id, size in sizes:
        if size <= most:
            continue
        mine = (CHUNKS.c.network == network, CHUNKS.c.station_id == station_id)
        oldest = select(CHUNKS.c.seq, CHUNKS.c.octets).where(*mine).order_by(CHUNKS.c.last_at, CHUNKS.c.seq)
        kept, gone = size, []
        for seq, octets in await connection.execute(oldest):
            if kept <= most * _SPARED:
                break
            gone.append(seq)
            kept -= octets
        await delete_keys(connection, CHUNKS, "seq", gone)
        await _resize(connection, network, station_id)


async def cut_all(work: Work, most: int) -> bool:
    """Removes frames while those of all bound stations have more than ``most`` octets, or those of all others more than
    their part of it: the oldest of the stations that have more than the same share each. False: there is more to cut.
    """
    same = (STATIONS.c.network == SIZES.c.network) & (STATIONS.c.station_id == SIZES.c.station_id)
    is_known = func.coalesce(STATIONS.c.is_admitted, false())
    sized = select(is_known.label("is_known"), func.sum(SIZES.c.octets)).select_from(SIZES.outerjoin(STATIONS, same))
    is_done = True
    for known, size in (await work.connection.execute(sized.group_by(is_known))).all():
        bound = most if known else most // OF_STRANGERS
        if size <= bound:
            continue
        mine = select(SIZES).select_from(SIZES.outerjoin(STATIONS, same)).where(is_known == known)
        rows = (await work.connection.execute(mine.order_by(SIZES.c.octets.desc(), *SIZES.primary_key))).all()
        share = share_of([row.octets for row in rows], bound)
        above = [(row.network, row.station_id) for row in rows if row.octets > share]
        await cut(work, share, above[:_CUT_AT_ONCE])
        is_done = is_done and len(above) <= _CUT_AT_ONCE
    return is_done


def share_of(sizes: Sequence[int], most: int) -> int:
    """How much each may have at most, so that all together have ``most`` and nobody gives up what others do not take.

    >>> share_of([10, 50, 90], 100)
    45
    """
    left = most
    for number, size in enumerate(sorted(sizes)):
        share = left // (len(sizes) - number)
        if size > share:
            return share
        left -= size
    return max(sizes, default=most)


async def _resize(connection: AsyncConnection, network: str, station_id: str) -> None:
    mine = (CHUNKS.c.network == network, CHUNKS.c.station_id == station_id)
    octets = (await connection.execute(select(func.coalesce(func.sum(CHUNKS.c.octets), 0)).where(*mine))).scalar()
    sized = update(SIZES).where(SIZES.c.network == network, SIZES.c.station_id == station_id)
    await connection.execute(sized.values(octets=octets))
    if not octets:
        await connection.execute(delete(SIZES).where(SIZES.c.network == network, SIZES.c.station_id == station_id))


async def find(
    connection: AsyncConnection, network: str, station_id: str, search: Search, *, limit: int
) -> list[Frame]:
    """The newest frames that fit, at most ``limit``, in the order of time."""
    found: list[Frame] = []
    async for frame in _backwards(connection, network, station_id, search):
        found.append(frame)
        if len(found) == limit:
            break
    return found[::-1]


async def _backwards(
    connection: AsyncConnection, network: str, station_id: str, search: Search
) -> AsyncIterator[Frame]:
    columns = CHUNKS.c
    mine = (columns.network == network, columns.station_id == station_id)
    within = (columns.last_at >= search.since, columns.first_at <= search.until)
    wanted = search.text.casefold()
    last: tuple[datetime, int] | None = None
    while True:
        chosen = select(CHUNKS).where(*mine, *within).order_by(columns.last_at.desc(), columns.seq.desc())
        if last is not None:
            at, seq = last
            chosen = chosen.where((columns.last_at < at) | ((columns.last_at == at) & (columns.seq < seq)))
        rows = (await connection.execute(chosen.limit(_PAGE))).all()
        for row in rows:
            for frame in reversed(_frames(row)):
                if search.since <= frame.at <= search.until and _fits(frame, wanted, search.is_from_station):
                    yield frame
        if len(rows) < _PAGE:
            return
        last = rows[-1].last_at, rows[-1].seq


def _frames(row: Any) -> list[Frame]:
    missed = [Frame(at=row.first_at, way="missed", text=f"{row.missed} frames were not kept")] if row.missed else []
    return missed + [
        Frame(at=_EPOCH + timedelta(microseconds=at), way="in" if is_from_station else "out", text=text)
        for at, is_from_station, text in msgspec.json.decode(row.frames)
    ]


def _fits(frame: Frame, wanted: str, is_from_station: bool | None) -> bool:
    if is_from_station is not None and frame.way != ("in" if is_from_station else "out"):
        return False
    return not wanted or frame.way == "missed" or wanted in frame.text.casefold()


async def _trim(connection: AsyncConnection, before: datetime, at_once: int) -> int:
    columns = CHUNKS.c
    old = select(columns.seq).where(columns.last_at < before).order_by(columns.last_at).limit(at_once)
    gone = delete(CHUNKS).where(columns.seq.in_((await connection.execute(old)).scalars().all()))
    rows = (await connection.execute(gone.returning(columns.network, columns.station_id, columns.octets))).all()
    # Taken off, not added up anew: that would read all frames of up to ``at_once`` stations
    less: Counter[tuple[str, str]] = Counter()
    for network, station_id, octets in rows:
        less[network, station_id] += octets
    for (network, station_id), octets in sorted(less.items()):
        sized = update(SIZES).where(SIZES.c.network == network, SIZES.c.station_id == station_id)
        await connection.execute(sized.values(octets=SIZES.c.octets - octets))
        empty = (SIZES.c.network == network, SIZES.c.station_id == station_id, SIZES.c.octets <= 0)
        await connection.execute(delete(SIZES).where(*empty))
    return len(rows)


TRIMMINGS = (Trimming(kind="wire", what="wire_chunks", remove=_trim, at_once=500),)

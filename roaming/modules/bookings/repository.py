"""Where booking locations and bookings are kept."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.identifiers import PartyId, fold
from roaming.modules.bookings.model import Booking, BookingLocation
from roaming.modules.bookings.tables import BookingLocationRow, BookingRow, BookingSlotRow
from roaming.store import shelves
from roaming.store.bulk import insert_new
from roaming.store.documents import Documents, owner_of_key
from roaming.store.reader import Reader, fetch_of
from roaming.store.shelves import Shelf, Shelves

NOT_ASSIGNED = "#NA"
"""``evse_uid`` of an option whose EVSE has yet to be chosen."""
_SLOTS = BookingSlotRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class Window:
    """Times in which something must be available, at least in part; ``None``: no limit."""

    begin: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a stored booking location is. Ids are folded."""

    key: str
    location_id: str
    evse_uid: str

    @property
    def owner(self) -> PartyId:
        """The CPO."""
        return owner_of_key(self.key)


def evse_of(location: BookingLocation) -> str:
    """The EVSE that it is for, folded; empty where none is named."""
    named = location.booking_option.evse_uid if location.booking_option is not None else None
    return fold(named) if named and named.upper() != NOT_ASSIGNED else ""


async def _keep_slots(connection: AsyncConnection, key: str, location: Any) -> None:
    await connection.execute(delete(_SLOTS).where(_SLOTS.c.key == key))
    slots = dict.fromkeys(
        (slot.start_date_time, slot.end_date_time)
        for calendar in location.calendars
        for slot in calendar.available_timeslots
    )
    rows = [
        {"key": key, "number": number, "start_at": start, "end_at": end} for number, (start, end) in enumerate(slots)
    ]
    if rows:
        await insert_new(connection, _SLOTS, rows, key=("key", "number"))


LOCATIONS = Shelf(
    path="booking_locations",
    documents=Documents(BookingLocationRow),
    of=BookingLocation,
    is_between=False,
    columns=lambda location: {"place": fold(location.location_id), "evse_uid": evse_of(location)},
    beside=_keep_slots,
)
BOOKINGS = Shelf(
    path="",
    documents=Documents(BookingRow),
    of=Booking,
    columns=lambda booking: {
        "request_id": fold(booking.request_id),
        "reference": fold(booking.authorization_reference),
        "place": fold(booking.location_id),
        "start_at": booking.period.start_date_time,
        "end_at": booking.period.end_date_time,
    },
)
SHELVES = Shelves(LOCATIONS, BOOKINGS)


async def booked(
    connection: AsyncConnection, cpo: PartyId, request_id: str, *, source: str, scope: str | None = None
) -> shelves.Kept | None:
    """The booking of a CPO that was asked for under this id (by ``scope``, or anybody), held."""
    table = BOOKINGS.documents.table.c
    wanted = [
        table.request_id == fold(request_id),
        table.country_code == cpo.country_code,
        table.party_id == cpo.party_id,
        table.source == source,
    ]
    if scope is not None:
        wanted.append(table.scope == scope)
    keys = (await connection.execute(select(table.key).where(*wanted).order_by(table.key))).scalars().all()
    return await shelves.load(connection, BOOKINGS, keys[0]) if keys else None


async def at_locations(reader: Reader, location_ids: Iterable[str]) -> list[Place]:
    """Everything that can be booked at these Locations, of whatever CPO. Raises ``StoreUnavailable``."""
    rows = await fetch_of(
        reader, "SELECT key, place, evse_uid FROM booking_locations WHERE place IN", list(location_ids)
    )
    return [_place(row) for row in rows]


async def available(reader: Reader, owners: Iterable[PartyId], window: Window) -> list[Place]:
    """What of ``owners`` has a timeslot that lies in ``window`` at least in part. Raises ``StoreUnavailable``."""
    limits, parameters = [], list[Any]([json.dumps([str(owner) for owner in owners])])
    for column, relation, limit in (("end_at", ">", window.begin), ("start_at", "<", window.end)):
        if limit is not None:
            parameters.append(limit)
            limits.append(f" AND s.{column} {relation} ${len(parameters)}")
    rows = await reader.fetch(
        "SELECT key, place, evse_uid FROM booking_locations AS b"  # noqa: S608 - our names
        f" WHERE country_code || '-' || party_id IN ({reader.members.format('$1')}) AND EXISTS"
        f" (SELECT 1 FROM booking_slots AS s WHERE s.key = b.key{''.join(limits)})",
        *parameters,
    )
    return [_place(row) for row in rows]


async def retold_at(
    reader: Reader, owner: PartyId, location_ids: Sequence[str] | None, after: str, limit: int
) -> list[str]:
    """``DeliveryRules.retold_at``."""
    begin = after or shelves.outgoing_key(LOCATIONS, "")
    parameters: list[Any] = [owner.country_code, owner.party_id, SHELVES.shelf_of(begin)[1]]
    where = "country_code = $1 AND party_id = $2 AND key > $3"
    if location_ids is not None:
        parameters.append(json.dumps(list(location_ids)))
        where += f" AND place IN ({reader.members.format('$4')})"
    rows = await reader.fetch(
        f"SELECT key FROM booking_locations WHERE {where} ORDER BY key LIMIT {limit}",  # noqa: S608 - our names
        *parameters,
    )
    return [shelves.outgoing_key(LOCATIONS, row[0]) for row in rows]


def _place(row: Sequence[Any]) -> Place:
    return Place(key=row[0], location_id=row[1], evse_uid=row[2])

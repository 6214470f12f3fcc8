"""Where booking locations and bookings are kept."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.canonical import from_document
from roaming.model.identifiers import PartyId, fold
from roaming.modules.bookings.model import Booking, BookingLocation
from roaming.modules.bookings.tables import BookingLocationRow, BookingRow
from roaming.store import shelves
from roaming.store.documents import Documents
from roaming.store.shelves import Shelf, Shelves

LOCATIONS = Shelf(path="booking_locations", documents=Documents(BookingLocationRow), of=BookingLocation)
BOOKINGS = Shelf(path="", documents=Documents(BookingRow), of=Booking)
SHELVES = Shelves(LOCATIONS, BOOKINGS)


async def booked(connection: AsyncConnection, cpo: PartyId, emsp: str, request_id: str) -> shelves.Kept | None:
    """The booking of a hosted CPO that an eMSP asked for under this id, held."""
    table = BOOKINGS.documents.table
    mine = (table.c.country_code == cpo.country_code, table.c.party_id == cpo.party_id, table.c.scope == emsp)
    rows = await connection.execute(select(table.c.key, table.c.document).where(*mine, table.c.source == ""))
    for key, document in rows:
        if fold(from_document(Booking, document).request_id) == fold(request_id):
            return await shelves.load(connection, BOOKINGS, key)
    return None

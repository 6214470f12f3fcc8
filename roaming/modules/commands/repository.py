"""Reservations in the store: rows ⇄ plain records."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.identifiers import fold
from roaming.modules.commands.tables import ReservationRow
from roaming.store.bulk import upsert
from roaming.store.trimming import old_rows

RESERVATIONS = ReservationRow.__table__  # type: ignore[attr-defined]
TRIMMINGS = (old_rows("command", RESERVATIONS, "expires_at"),)


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """A reservation at a station."""

    emsp: str
    cpo: str
    reservation_id: str
    station_reservation_id: str
    network: str
    station_id: str
    connector_id: int
    expires_at: datetime


async def keep_reservation(connection: AsyncConnection, reservation: Reservation) -> None:
    """Stores a reservation; the same eMSP's same id with the same CPO again replaces it."""
    row = asdict(reservation) | {"reservation_id": fold(reservation.reservation_id)}
    changed = ("station_reservation_id", "network", "station_id", "connector_id", "expires_at")
    await upsert(connection, RESERVATIONS, [row], key=("emsp", "cpo", "reservation_id"), update=changed)


async def find_reservation(connection: AsyncConnection, emsp: str, cpo: str, reservation_id: str) -> Reservation | None:
    """An eMSP's reservation with a CPO by its own id, held until the transaction ends."""
    columns = RESERVATIONS.c
    statement = (
        select(RESERVATIONS)
        .where(columns.emsp == emsp, columns.cpo == cpo, columns.reservation_id == fold(reservation_id))
        .with_for_update()
    )
    row = (await connection.execute(statement)).mappings().one_or_none()
    return Reservation(**row) if row is not None else None

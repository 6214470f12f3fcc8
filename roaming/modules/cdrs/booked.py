"""Which booking a charge has used: the one that it names, else the one of its token at its place at that time. Knows of
bookings what is needed for that, and not how they are made."""

from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.canonical import CanonicalObject
from roaming.model.identifiers import PartyId, fold
from roaming.model.session import Session
from roaming.store.documents import read_where

_VOID = ("CANCELED", "FAILED", "REJECTED")
"""Nobody can have used such a booking (OCPI 2.3.0 bookings, ReservationStatus)."""
_NOT_ASSIGNED = "#NA"


class _Token(CanonicalObject, frozen=True, kw_only=True):
    uid: str


class _Option(CanonicalObject, frozen=True, kw_only=True):
    evse_uid: str | None = None


class _Booking(CanonicalObject, frozen=True, kw_only=True):
    id: str
    reservation_status: str
    booking_option: _Option | None = None
    booking_tokens: tuple[_Token, ...] = ()

    def is_for(self, session: Session) -> bool:
        """Whether it is of this token, and of this EVSE where it names one."""
        uid = (self.booking_option.evse_uid if self.booking_option is not None else None) or _NOT_ASSIGNED
        is_here = uid.upper() == _NOT_ASSIGNED or fold(uid) == fold(session.evse_uid)
        return is_here and any(fold(token.uid) == fold(session.cdr_token.uid) for token in self.booking_tokens)


async def booking_of(connection: AsyncConnection, session: Session) -> str | None:
    """The id of the booking that a session of a hosted CPO has used (OCPI 2.3.0 with Bookings, CDR.booking_id), or
    ``None``."""
    cpo = PartyId.of(session.country_code, session.party_id)
    emsp = PartyId.of(session.cdr_token.country_code, session.cdr_token.party_id)
    between = {"country_code": cpo.country_code, "party_id": cpo.party_id, "scope": str(emsp), "source": ""}
    if session.authorization_reference:
        named = {"reference": fold(session.authorization_reference)}
        found = await read_where(connection, "bookings", between | named, _Booking)
        if used := next((each for each in found if each.reservation_status not in _VOID), None):
            return used.id
    end = session.end_date_time or session.last_updated
    here = {"place": fold(session.location_id)}
    found = await read_where(
        connection, "bookings", between | here, _Booking, overlapping=(session.start_date_time, end)
    )
    fitting = (each for each in found if each.reservation_status not in _VOID and each.is_for(session))
    return next((each.id for each in fitting), None)

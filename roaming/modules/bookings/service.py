"""Bookings: a CPO offers places with calendars, an eMSP asks for one, and each asks or decides for its own side.

A booking location is for whoever has an agreement with its CPO; a booking for its CPO and the eMSP that asked, and for
nobody else. What is asked for waits (PENDING) until the CPO decides; a cancellation in time needs no decision.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec

from roaming.model.canonical import from_document
from roaming.model.identifiers import PartyId, fold
from roaming.model.party import Role
from roaming.model.time import next_update
from roaming.model.version import Version
from roaming.modules.bookings import repository
from roaming.modules.bookings.codec import v230
from roaming.modules.bookings.model import (
    Booking,
    BookingLocation,
    BookingRequest,
    BookingRequestStatus,
    ReservationRequestStatus,
    ReservationStatus,
    Timeslot,
)
from roaming.modules.bookings.repository import BOOKINGS, LOCATIONS, SHELVES
from roaming.modules.bookings.showing import is_shown, retold, shown_to, withdrawn
from roaming.ocpi import shelved
from roaming.ocpi.codec import Codec, dump_json
from roaming.ocpi.errors import InvalidParameters, NotFound
from roaming.ocpi.module import GONE, DeliveryJob, Outgoing, PushRequest, Recipient
from roaming.ocpi.pulling import Incoming, Pulling, PullRules
from roaming.partners.directory import Directory
from roaming.partners.telling import viewers_of
from roaming.partners.views import View
from roaming.store import shelves
from roaming.store.database import Work
from roaming.store.documents import Origin, Stored, object_key
from roaming.store.shelves import Kept, Shelf

MODULE = "bookings"
PLACES = LOCATIONS.path
Sight = Callable[[BookingLocation], BookingLocation | None]
"""What somebody is shown of a booking location; ``None``: nothing."""
_REQUESTS = uuid.UUID("6d0a1c0e-51a1-4f0e-9d58-5e1d5f0c7b32")
CODECS: Mapping[str, Mapping[Version, Codec[Any]]] = {
    LOCATIONS.path: {Version.V2_3_0: v230.BOOKING_LOCATION_CODEC},
    BOOKINGS.path: {Version.V2_3_0: v230.BOOKING_CODEC},
}
"""By path."""
CALENDAR_CODECS = {Version.V2_3_0: v230.CALENDAR_CODEC}
REQUEST_CODECS = {Version.V2_3_0: v230.REQUEST_CODEC}
FINAL = frozenset(ReservationStatus) - {
    ReservationStatus.PENDING,
    ReservationStatus.RESERVED,
    ReservationStatus.UNKNOWN,
}


async def publish(work: Work, location: BookingLocation) -> None:
    """Stores a booking location of a hosted CPO, new or in place of the one of its id, and tells the eMSPs. Raises
    ``InvalidParameters`` when it says no option that could be booked."""
    if location.booking_option is None:
        raise InvalidParameters("booking_option: say at least which EVSE or kind of place can be booked")
    owner = PartyId.of(location.country_code, location.party_id)
    await shelved.publish(work, MODULE, LOCATIONS, location, owner=owner, scope="")


async def take(work: Work, shelf: Shelf, value: Any, *, source: str, scope: str, origin: Origin) -> bool:
    """Stores what a partner's CPO tells; True when new. Raises ``InvalidParameters`` for an object that somebody else
    gave us."""
    owner = PartyId.of(value.country_code, value.party_id)
    return await shelved.take(work, MODULE, shelf, value, owner=owner, source=source, scope=scope, origin=origin)


async def _take_location(work: Work, pulling: Pulling, incoming: Incoming) -> bool:
    return await take(work, LOCATIONS, incoming.value, source=pulling.partner.id, scope="", origin=incoming.origin)


async def _take_booking(work: Work, pulling: Pulling, incoming: Incoming) -> bool:
    emsp, booking = pulling.asked_by, incoming.value
    cpo = PartyId.of(booking.country_code, booking.party_id)
    if emsp is None or not pulling.directory.may_exchange(cpo=cpo, emsp=emsp):
        raise InvalidParameters(f"country_code: {cpo} has no agreement with {emsp}")
    scope = str(emsp)
    return await take(work, BOOKINGS, booking, source=pulling.partner.id, scope=scope, origin=incoming.origin)


async def _drop_location(work: Work, key: str, source: str) -> bool:
    return await shelved.hide(work, LOCATIONS, key, source)


PULLED_LOCATIONS = PullRules(
    role=Role.CPO,
    codecs=CODECS[LOCATIONS.path],
    documents=LOCATIONS.documents,
    take=_take_location,
    drop=_drop_location,
    path=LOCATIONS.path,
)
PULLED_BOOKINGS = PullRules(
    role=Role.CPO,
    codecs=CODECS[BOOKINGS.path],
    documents=BOOKINGS.documents,
    take=_take_booking,
    is_per_recipient=True,
    is_for_hosted_only=True,
)


async def told(work: Work, shelf: Shelf, owner: PartyId, id: str, *, source: str) -> Kept:
    """What a partner told, held; a booking also by the id of its request. Raises ``NotFound``, the same for somebody
    else's."""
    kept = await shelves.load(work.connection, shelf, object_key(owner, id))
    if kept is None and shelf is BOOKINGS:
        kept = await repository.booked(work.connection, owner, id, source=source)
    if kept is None or kept.stored.source != source:
        raise NotFound("you told of no such object: PUT it first")
    return kept


def emsp_for(directory: Directory, cpo: PartyId, named: PartyId | None, booking: Booking) -> PartyId:
    """For which hosted eMSP a partner's booking is: the one it is addressed to, the one of its tokens, or the only one
    under agreement. Raises ``InvalidParameters``."""
    agreed = [emsp for emsp in directory.emsps_with(cpo) if directory.has_role(emsp, Role.EMSP)]
    if named is not None:
        agreed = [emsp for emsp in agreed if emsp == named]
    if len(agreed) > 1:
        owners = {PartyId.of(token.country_code, token.party_id) for token in booking.booking_tokens}
        agreed = [emsp for emsp in agreed if emsp in owners] or agreed
    if len(agreed) > 1:
        raise InvalidParameters("OCPI-to-country-code, OCPI-to-party-id: say whose booking this is")
    if not agreed or not directory.is_hosted(agreed[0], Role.EMSP):
        raise InvalidParameters(f"{cpo} has no agreement here with the eMSP of this booking")
    return agreed[0]


async def request(work: Work, wish: BookingRequest, *, emsp: PartyId, cpos: Sequence[PartyId], sight: Sight) -> Booking:
    """A partner's eMSP asks a hosted CPO for a booking, a change or a cancellation; the booking as it is then. Raises
    ``InvalidParameters`` and ``NotFound``."""
    if wish.period.end_date_time <= wish.period.start_date_time:
        raise InvalidParameters("period.end_date_time: later than start_date_time")
    for cpo in cpos:
        known = await repository.booked(work.connection, cpo, wish.request_id, source="", scope=str(emsp))
        stored = await LOCATIONS.documents.find(work.connection, object_key(cpo, wish.booking_location_id))
        place = None
        if stored is not None and not stored.source and stored.is_listed:
            place = sight(from_document(BookingLocation, stored.document))
        if place is None and known is None:
            continue
        if place is not None and fold(place.location_id) != fold(wish.location_id):
            raise InvalidParameters("location_id: not that of the booking location")
        return await _asked_for(work, cpo, emsp, wish, place, known)
    raise NotFound("booking_location_id: there is no such booking location for you")


async def _asked_for(
    work: Work, cpo: PartyId, emsp: PartyId, wish: BookingRequest, place: BookingLocation | None, known: Kept | None
) -> Booking:
    """The booking is made once, however often and from wherever it is asked for at the same time; the last request
    once more changes nothing."""
    save = partial(shelves.save, work.connection, BOOKINGS, owner=cpo, source="", scope=str(emsp), now=work.now)
    if known is None and place is not None:
        booking = _new(place, wish, work, id=_booking_id(cpo, emsp, wish.request_id))
        if not await save(None, booking):
            known = await shelves.load(work.connection, BOOKINGS, object_key(cpo, booking.id))
    if known is not None:
        if known.value.booking_requests[-1].booking_request == wish:
            return known.value  # type: ignore[no-any-return]
        booking = _changed(known, wish, work)
        await save(known, booking)
    await shelved.tell_of(work, MODULE, BOOKINGS, booking, cpo)
    return booking


def _booking_id(cpo: PartyId, emsp: PartyId, request_id: str) -> str:
    return str(uuid.uuid5(_REQUESTS, f"{cpo}/{emsp}/{fold(request_id)}"))


def _new(place: BookingLocation, wish: BookingRequest, work: Work, *, id: str) -> Booking:
    if place.booking_terms is None:
        raise InvalidParameters("booking_location_id: it has no booking terms, and cannot be booked")
    if wish.canceled is not None:
        raise InvalidParameters("request_id: nothing was asked for under it that could be cancelled")
    period = Timeslot(start_date_time=wish.period.start_date_time, end_date_time=wish.period.end_date_time)
    return Booking(
        id=id,
        country_code=place.country_code,
        party_id=place.party_id,
        request_id=wish.request_id,
        booking_option=wish.booking_option or place.booking_option,
        location_id=place.location_id,
        booking_tokens=wish.tokens,
        tariff_ids=place.tariff_ids,
        period=period,
        reservation_status=ReservationStatus.PENDING,
        access_information=wish.access_information,
        authorization_reference=wish.authorization_reference,
        booking_terms=place.booking_terms,
        booking_requests=(_asked(wish, ReservationRequestStatus.PENDING, work),),
        last_updated=next_update(None, work.now),
    )


def _changed(known: Kept, wish: BookingRequest, work: Work) -> Booking:
    """A change waits for the CPO; a cancellation is good in time, and always while nothing has been decided."""
    booking: Booking = known.value
    changes: dict[str, Any] = {}
    word = ReservationRequestStatus.PENDING
    if booking.reservation_status in FINAL:
        word = ReservationRequestStatus.DECLINED
    elif wish.canceled is not None:
        ends = booking.period.start_date_time - _minutes(booking.booking_terms.cancel_until_minutes)
        is_good = booking.reservation_status == ReservationStatus.PENDING or work.now <= ends
        word = ReservationRequestStatus.ACCEPTED if is_good else ReservationRequestStatus.DECLINED
        if is_good:
            changes = {"reservation_status": ReservationStatus.CANCELED, "canceled": wish.canceled}
    elif booking.booking_terms.change_not_allowed or work.now > booking.period.start_date_time - _minutes(
        booking.booking_terms.change_until_minutes
    ):
        word = ReservationRequestStatus.DECLINED
    return msgspec.structs.replace(
        booking,
        **changes,
        booking_requests=(*booking.booking_requests, _asked(wish, word, work)),
        last_updated=next_update(booking.last_updated, work.now),
    )


def _minutes(value: Any) -> timedelta:
    return timedelta(minutes=float(value))


def _asked(wish: BookingRequest, status: str, work: Work) -> BookingRequestStatus:
    return BookingRequestStatus(
        request_status=status, booking_request=wish, request_received=next_update(None, work.now)
    )


async def decide(work: Work, cpo: PartyId, booking_id: str, *, is_accepted: bool) -> Booking:
    """A hosted CPO answers the requests that wait: accepts the last one, or declines it. Raises ``NotFound``, also when
    nothing waits."""
    kept = await shelves.load(work.connection, BOOKINGS, object_key(cpo, booking_id))
    waiting = [] if kept is None or kept.stored.source else _waiting(kept.value)
    if kept is None or not waiting:
        raise NotFound("there is no request of such a booking that waits")
    booking: Booking = kept.value
    word = ReservationRequestStatus.ACCEPTED if is_accepted else ReservationRequestStatus.DECLINED
    requests = tuple(
        msgspec.structs.replace(entry, request_status=word) if entry in waiting else entry
        for entry in booking.booking_requests
    )
    changes: dict[str, Any] = {}
    wish = waiting[-1].booking_request
    if is_accepted:
        start, end = wish.period.start_date_time, wish.period.end_date_time
        period = msgspec.structs.replace(booking.period, start_date_time=start, end_date_time=end)
        changes = {"reservation_status": ReservationStatus.RESERVED, "period": period}
        if wish.tokens:
            changes["booking_tokens"] = wish.tokens
    elif booking.reservation_status == ReservationStatus.PENDING:
        changes = {"reservation_status": ReservationStatus.REJECTED}
    decided = msgspec.structs.replace(
        booking,
        **changes,
        booking_requests=requests,
        last_updated=next_update(booking.last_updated, work.now),
    )
    await shelved.publish(work, MODULE, BOOKINGS, decided, owner=cpo, scope=kept.stored.scope)
    return decided


def _waiting(booking: Booking) -> list[BookingRequestStatus]:
    return [e for e in booking.booking_requests if e.request_status == ReservationRequestStatus.PENDING]


def audience(outgoing: Outgoing, kept: Stored | None, directory: Directory) -> Sequence[Recipient]:
    """A booking of a hosted CPO goes to the eMSP that asked, a booking location to every platform under agreement that
    sees its place; never back to who gave it to us, and nowhere when it was for one party alone."""
    if kept is None:
        return ()
    cpo = outgoing.owner
    shelf, _ = SHELVES.shelf_of(outgoing.object_key)
    if shelf is BOOKINGS:
        emsp = PartyId.parse(kept.scope)
        partner = directory.partner_of(emsp) if directory.may_exchange(cpo=cpo, emsp=emsp) else None
        if kept.source or partner is None or partner.version != Version.V2_3_0:
            return ()
        return (Recipient(partner_id=partner.id, to_party=emsp, from_party=cpo),)
    if kept.scope or not kept.is_listed:
        return ()
    location = from_document(BookingLocation, kept.document)
    teller = directory.teller_of(cpo, kept.source)
    return tuple(
        Recipient(partner_id=told.partner.id, to_party=told.party, from_party=teller, is_apart=told.is_apart)
        for told in viewers_of(directory, cpo)
        if told.partner.version == Version.V2_3_0 and told.partner.id != kept.source and is_shown(told.view, location)
    )


def build(job: DeliveryJob, kept: Stored | None, endpoint: str) -> PushRequest | None:
    """PUT of the object as it is now, as the partner is shown it."""
    shelf, _ = SHELVES.shelf_of(job.object_key)
    if kept is None or not endpoint or job.partner.version != Version.V2_3_0:
        return None
    value = from_document(shelf.of, kept.document)
    if isinstance(value, BookingLocation):
        is_seen = is_shown(job.view, value)
        if kept.scope or not kept.is_listed or not (is_seen or job.detail.startswith(GONE)):
            return None
        value = shown_to(job.view, value) if is_seen else withdrawn(value)
    encoded = CODECS[shelf.path][Version.V2_3_0].encode(value)
    path = [part for part in (shelf.path, kept.object_id) if part]
    url = job.address(endpoint, job.owner.country_code, job.owner.party_id, *path)
    return PushRequest(method="PUT", url=url, body=dump_json(encoded.body), losses=encoded.losses)


def retell(kept: Stored, before: View, now: View) -> Sequence[tuple[str, str]]:
    """``DeliveryRules.retell``."""
    return retold(from_document(BookingLocation, kept.document), before, now)

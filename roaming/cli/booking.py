"""Bookings from the command line: what is booked, decided on for a hosted CPO, and asked for by a hosted eMSP."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from roaming.cli.database import services_of_now
from roaming.cli.importing import objects_of
from roaming.cli.output import fail
from roaming.cli.registering import party_of
from roaming.model.canonical import from_document
from roaming.model.identifiers import PartyId, fold
from roaming.model.party import Role
from roaming.model.version import Version
from roaming.modules.bookings import asking, service
from roaming.modules.bookings.asking import NotDone, Pair
from roaming.modules.bookings.model import Booking
from roaming.ocpi.codec import DecodeError
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.module import Services


async def show_booking(booking_id: str, party: str) -> dict[str, Any]:
    """All of a booking, found by its own id or that of its request."""
    async with services_of_now() as services:
        cpo, emsp, source, booking = await _find(services, booking_id, party)
    return _all_of(booking, cpo, emsp, source)


async def decide_booking(booking_id: str, party: str, *, is_accepted: bool) -> dict[str, Any]:
    """Answers what waits for a hosted CPO."""
    async with services_of_now() as services:
        cpo, emsp, source, found = await _find(services, booking_id, party)
        if source:
            fail(f"{cpo} is not hosted here: {source} decides")
        try:
            async with services.database.work() as work:
                booking = await service.decide(work, cpo, found.id, is_accepted=is_accepted)
        except OcpiError as error:
            fail(f"{error}: see `roaming booking list`")
    return _all_of(booking, cpo, emsp, "")


async def ask_for(file: Path, *, emsp: str, cpo: str) -> dict[str, Any]:
    """Sends a BookingRequest of a hosted eMSP to a partner's CPO; the booking that it answers with."""
    pair, wishes = Pair(emsp=party_of(emsp), cpo=party_of(cpo)), objects_of(file)
    async with services_of_now() as services:
        directory = await services.directory.current()
        partner = directory.partner_of(pair.cpo, Role.CPO)
        if not directory.is_hosted(pair.emsp, Role.EMSP):
            fail(f"--from: {pair.emsp} is no eMSP hosted here: see `roaming party list`")
        if partner is None or not directory.may_exchange(cpo=pair.cpo, emsp=pair.emsp):
            fail(
                f"--to: {pair.cpo} is no connected CPO with an agreement with {pair.emsp}: see `roaming agreement list`"
            )
        try:
            (wish,) = (service.REQUEST_CODECS[Version.V2_3_0].decode(entry).value for entry in wishes)
            booking = await asking.request(services, partner, pair, wish)
        except (NotDone, DecodeError) as error:
            fail(str(error))
        except ValueError:
            fail(f"{file} holds {len(wishes)} objects: one BookingRequest is asked for at a time")
        finally:
            await services.journal.flush()
    return _all_of(booking, pair.cpo, str(pair.emsp), partner.id)


async def _find(services: Services, booking_id: str, party: str) -> tuple[PartyId, str, str, Booking]:
    rows: Sequence[Any] = await services.database.reader.fetch(
        "SELECT country_code, party_id, scope, source, document FROM bookings"
        " WHERE lower(object_id) = $1 OR request_id = $1 ORDER BY key",
        fold(booking_id),
    )
    if party:
        rows = [row for row in rows if PartyId(row[0], row[1]) == party_of(party)]
    if not rows:
        fail(f"no booking {booking_id}: see `roaming booking list`")
    if len(rows) > 1:
        parties = ", ".join(sorted(f"{row[0]}-{row[1]} for {row[2]}" for row in rows))
        fail(f"{len(rows)} bookings go by {booking_id} ({parties}): give the id of one, or its CPO with --party")
    row = rows[0]
    return PartyId(row[0], row[1]), row[2], row[3], from_document(Booking, row[4])


def _all_of(booking: Booking, cpo: PartyId, emsp: str, source: str) -> dict[str, Any]:
    return {
        "id": booking.id,
        "CPO": str(cpo),
        "eMSP": emsp,
        "told by": source or "here",
        "status": booking.reservation_status,
        "request": booking.request_id,
        "location": booking.location_id,
        "EVSE": (booking.booking_option.evse_uid if booking.booking_option is not None else None) or "",
        "begins": booking.period.start_date_time,
        "ends": booking.period.end_date_time,
        "charge": booking.authorization_reference,
        "tariffs": list(booking.tariff_ids),
        "requests": [
            f"{entry.request_status} of {entry.request_received}: "
            + ("cancel" if entry.booking_request.canceled is not None else _period_of(entry.booking_request))
            for entry in booking.booking_requests
        ],
        "last updated": booking.last_updated,
    }


def _period_of(wish: Any) -> str:
    return f"{wish.period.start_date_time} to {wish.period.end_date_time}"

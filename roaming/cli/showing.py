"""Lists of what the hub holds, newest first, and the reckoning of a CDR line by line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from roaming.billing.explaining import NotExplainable, explanation_of
from roaming.cli.database import known_partner, services_of_now
from roaming.cli.output import fail
from roaming.cli.registering import party_of
from roaming.model.canonical import CanonicalObject, from_document
from roaming.model.cdr import CDR
from roaming.model.identifiers import fold
from roaming.model.location import Location
from roaming.model.session import Session
from roaming.model.tariff import Tariff
from roaming.model.token import Token
from roaming.modules.bookings.model import Booking, BookingLocation, ReservationRequestStatus
from roaming.modules.cdrs.repository import with_ids
from roaming.modules.payments.model import FinancialAdviceConfirmation, Terminal
from roaming.modules.sessions.late import find_late
from roaming.modules.sessions.repository import take_up_again
from roaming.rating.explanation import for_people
from roaming.store.database import Database
from roaming.store.documents import object_key

Columns = Callable[[Any], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a list shows of one kind of object."""

    table: str
    cls: type[CanonicalObject]
    columns: Columns
    is_between: bool = False
    """Each is for one party beside its owner."""


def _driver(token: Any) -> str:
    return f"{token.country_code}-{token.party_id} …{token.uid[-4:]}"


def _session(session: Session) -> Mapping[str, Any]:
    cost = session.total_cost
    return {
        "status": session.status,
        "driver": _driver(session.cdr_token),
        "EVSE": session.evse_uid,
        "started": session.start_date_time,
        "ended": session.end_date_time or "",
        "kWh": session.kwh,
        "cost before taxes": cost.before_taxes if cost is not None else "",
        "currency": session.currency,
    }


def _cdr(cdr: CDR) -> Mapping[str, Any]:
    return {
        "session": cdr.session_id or "",
        "driver": _driver(cdr.cdr_token),
        "EVSE": cdr.cdr_location.evse_uid,
        "started": cdr.start_date_time,
        "ended": cdr.end_date_time,
        "kWh": cdr.total_energy,
        "cost before taxes": cdr.total_cost.before_taxes,
        "currency": cdr.currency,
    }


def _location(location: Location) -> Mapping[str, Any]:
    return {
        "name": location.name or "",
        "city": location.city,
        "country": location.country,
        "EVSEs": len(location.evses),
        "published": location.publish,
        "last updated": location.last_updated,
    }


def _tariff(tariff: Tariff) -> Mapping[str, Any]:
    return {"currency": tariff.currency, "elements": len(tariff.elements), "last updated": tariff.last_updated}


def _token(token: Token) -> Mapping[str, Any]:
    return {
        "type": token.type,
        "contract": token.contract_id,
        "valid": token.valid,
        "whitelist": token.whitelist,
        "last updated": token.last_updated,
    }


def _place(place: BookingLocation) -> Mapping[str, Any]:
    option = place.booking_option
    return {
        "location": place.location_id,
        "EVSE": (option.evse_uid if option is not None else None) or "",
        "timeslots": sum(len(calendar.available_timeslots) for calendar in place.calendars),
        "tariffs": " ".join(place.tariff_ids),
        "bookable": "yes" if place.booking_terms is not None else "no: give it booking_terms",
        "last updated": place.last_updated,
    }


def _booking(booking: Booking) -> Mapping[str, Any]:
    waiting = [each for each in booking.booking_requests if each.request_status == ReservationRequestStatus.PENDING]
    return {
        "status": booking.reservation_status,
        "waiting": len(waiting),
        "request": booking.request_id,
        "location": booking.location_id,
        "begins": booking.period.start_date_time,
        "ends": booking.period.end_date_time,
        "last updated": booking.last_updated,
    }


def _terminal(terminal: Terminal) -> Mapping[str, Any]:
    return {
        "reference": terminal.reference or "",
        "city": terminal.city or "",
        "locations": " ".join(terminal.location_ids),
        "EVSEs": " ".join(terminal.evse_uids),
        "last updated": terminal.last_updated,
    }


def _confirmation(confirmation: FinancialAdviceConfirmation) -> Mapping[str, Any]:
    taxes = confirmation.total_costs.taxes
    before = confirmation.total_costs.before_taxes
    return {
        "charge": confirmation.authorization_reference,
        "capture": confirmation.capture_status_code,
        "before taxes": before,
        "after taxes": "" if taxes is None else sum((tax.amount for tax in taxes), before),
        "currency": confirmation.currency,
        "last updated": confirmation.last_updated,
    }


KINDS: Mapping[str, Kind] = {
    "location": Kind(table="locations", cls=Location, columns=_location),
    "tariff": Kind(table="tariffs", cls=Tariff, columns=_tariff),
    "token": Kind(table="tokens", cls=Token, columns=_token),
    "session": Kind(table="sessions", cls=Session, columns=_session),
    "cdr": Kind(table="cdrs", cls=CDR, columns=_cdr),
    "booking": Kind(table="bookings", cls=Booking, columns=_booking, is_between=True),
    "place": Kind(table="booking_locations", cls=BookingLocation, columns=_place),
    "terminal": Kind(table="payment_terminals", cls=Terminal, columns=_terminal, is_between=True),
    "confirmation": Kind(
        table="payment_confirmations", cls=FinancialAdviceConfirmation, columns=_confirmation, is_between=True
    ),
}


async def list_objects(kind: str, *, party: str, partner: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest objects: of one owner when ``party`` is given, of one source when ``partner`` is (empty: ours)."""
    shape = KINDS[kind]
    conditions, parameters = ["true"], [limit]
    values: list[Any] = []
    if party:
        owner = party_of(party)
        values += [("country_code", owner.country_code), ("party_id", owner.party_id)]
    async with services_of_now() as services:
        if partner is not None:
            values.append(("source", (await known_partner(services, partner)).id if partner else ""))
        for column, value in values:
            parameters.append(value)
            conditions.append(f"{column} = ${len(parameters)}")
        rows = await services.database.reader.fetch(
            "SELECT country_code, party_id, object_id, source, document, scope"  # noqa: S608 - our own names
            f" FROM {shape.table} WHERE {' AND '.join(conditions)} ORDER BY last_updated DESC, key LIMIT $1",
            *parameters,
        )
    return [
        {
            "party": f"{row[0]}-{row[1]}",
            "id": row[2],
            "from": row[3] or "here",
            **({"for": row[5]} if shape.is_between else {}),
            **shape.columns(from_document(shape.cls, row[4])),
        }
        for row in rows
    ]


async def retry_given_up() -> dict[str, Any]:
    """Has the worker try again what was given up."""
    async with services_of_now() as services, services.database.work() as work:
        return {"charges to be tried again": await take_up_again(work.connection, now=work.now)}


async def list_late(*, limit: int) -> list[dict[str, Any]]:
    """What stations told of charges after they were closed, the newest first."""
    async with services_of_now() as services:
        found = await find_late(services.database.reader, limit=limit)
    return [
        {
            "session": fact.session_key,
            "station": fact.key[1],
            "transaction": fact.key[2],
            "came": fact.received_at,
            "what": fact.kind,
            "register Wh": "" if fact.register_wh is None else fact.register_wh,
            "billed to Wh": "" if fact.billed_wh is None else fact.billed_wh,
            "more than billed": fact.is_unbilled,
        }
        for fact in found
    ]


async def list_parties() -> list[dict[str, Any]]:
    """The parties hosted here."""
    async with services_of_now() as services:
        directory = await services.directory.current()
    return [{"party": str(role.party), "role": role.role, "name": role.name} for role in directory.hosted]


async def explain_cdr(cdr_id: str, *, party: str) -> list[dict[str, Any]]:
    """How a CDR's price comes about: a row per period and dimension, from the tariff and periods inside the CDR, and
    what it says itself."""
    async with services_of_now() as services:
        key = await _key_of(services.database, cdr_id, party)
        entry = (await with_ids(services.database.reader, [key]))[key]
        try:
            found = await explanation_of(services, entry)
        except NotExplainable as error:
            fail(str(error))
    rows = [for_people(row) for row in found.rows]
    cost = found.cdr.total_cost
    after = "" if cost.taxes is None else sum((tax.amount for tax in cost.taxes), cost.before_taxes)
    names = ("period", "part", "quantity", "step adds", "price", "VAT %", "before taxes", "after taxes")
    billed = {"sum before taxes": cost.before_taxes, "sum after taxes": after, "why": found.verdict}
    return [*rows, dict.fromkeys(names, "") | {"part": "BILLED"} | billed]


async def _key_of(database: Database, cdr_id: str, party: str) -> str:
    if party:
        rows = await database.reader.fetch("SELECT key FROM cdrs WHERE key = $1", object_key(party_of(party), cdr_id))
    else:
        rows = await database.reader.fetch("SELECT key FROM cdrs WHERE lower(object_id) = $1 LIMIT 2", fold(cdr_id))
    if not rows:
        fail(f"no CDR {cdr_id}: see `roaming cdr list`")
    if len(rows) > 1:
        fail(f"more than one party has a CDR {cdr_id}: name one with --party")
    return str(rows[0][0])

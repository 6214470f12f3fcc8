"""A hosted eMSP and a partner's CPO: its booking locations and bookings are fetched, and places asked for."""

from dataclasses import dataclass
from datetime import datetime

from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole, Role
from roaming.model.version import Version
from roaming.modules.bookings import service
from roaming.modules.bookings.model import Booking, BookingRequest
from roaming.modules.bookings.repository import BOOKINGS, SHELVES
from roaming.ocpi.client import Outcome
from roaming.ocpi.codec import DecodeError, dump_json
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.first_reading import Fetched, fetch_list
from roaming.ocpi.headers import RoutingHeaders
from roaming.ocpi.module import Services, dialect_of
from roaming.ocpi.partner_call import ask_partner, call_to, parties_of
from roaming.partners.directory import Partner
from roaming.store.documents import Origin
from roaming.store.shelves import Shelf

TIMEOUT_SECONDS = 10.0


class NotDone(RuntimeError):
    """The CPO did not do it. The text says why."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Who asks whom."""

    emsp: PartyId
    cpo: PartyId


async def request(services: Services, partner: Partner, pair: Pair, wish: BookingRequest) -> Booking:
    """Asks for a booking, a change or a cancellation; the booking as the CPO has it then, which is kept. Raises
    ``NotDone``."""
    endpoint = partner.endpoint(service.MODULE, InterfaceRole.SENDER)
    if endpoint is None or partner.version != Version.V2_3_0:
        raise NotDone(f"{partner.id} offers no bookings")
    routing = RoutingHeaders(pair.emsp, pair.cpo)
    body = dump_json(service.REQUEST_CODECS[Version.V2_3_0].encode(wish).body)
    url = dialect_of(partner).address(endpoint)
    call = call_to(services, partner, "POST", url, routing=routing, body=body, timeout=TIMEOUT_SECONDS)
    answer = await ask_partner(services, call, module=service.MODULE, parties=parties_of(routing))
    if answer.outcome != Outcome.DELIVERED:
        raise NotDone(answer.error or answer.message or f"HTTP {answer.http_status}")
    try:
        booking: Booking = service.CODECS[BOOKINGS.path][Version.V2_3_0].decode(answer.data).value
        await _take(services, partner, pair, BOOKINGS, booking)
    except (DecodeError, OcpiError) as error:
        raise NotDone(f"what it answered is no booking of its: {error}") from None
    return booking


async def _take(services: Services, partner: Partner, pair: Pair, shelf: Shelf, value: object) -> None:
    owner = PartyId.of(value.country_code, value.party_id)  # type: ignore[attr-defined]
    if owner != pair.cpo:
        raise DecodeError("country_code", f"{owner} is not {pair.cpo}")
    scope = str(pair.emsp) if shelf is BOOKINGS else ""
    async with services.database.work() as work:
        await service.take(work, shelf, value, source=partner.id, scope=scope, origin=Origin(Version.V2_3_0))


async def fetch(services: Services, partner: Partner) -> dict[str, Fetched]:
    """Reads both lists of a partner's CPOs for each hosted eMSP under agreement, by path. Raises
    ``StoreUnavailable``."""
    directory, found = await services.directory.current(), {}
    endpoint = partner.endpoint(service.MODULE, InterfaceRole.SENDER)
    if endpoint is None or partner.version != Version.V2_3_0:
        return {}
    pairs = [
        Pair(emsp=emsp, cpo=cpo)
        for cpo in partner.parties(Role.CPO)
        for emsp in directory.hosted_parties(Role.EMSP)
        if directory.may_exchange(cpo=cpo, emsp=emsp)
    ]
    for shelf in SHELVES.values():
        parts = [await _fetch(services, partner, endpoint, shelf, pair) for pair in pairs]
        found[shelf.path] = sum(parts, start=Fetched())
    return found


async def _fetch(services: Services, partner: Partner, endpoint: str, shelf: Shelf, pair: Pair) -> Fetched:
    codec = service.CODECS[shelf.path][Version.V2_3_0]

    async def take(item: object, at: datetime) -> None:
        await _take(services, partner, pair, shelf, codec.decode(item).value)

    url = dialect_of(partner).address(endpoint, *([shelf.path] if shelf.path else []))
    routing = RoutingHeaders(pair.emsp, pair.cpo)
    return await fetch_list(services, partner, url, module=service.MODULE, routing=routing, take=take)

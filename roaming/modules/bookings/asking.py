"""A hosted eMSP and a partner's CPO: places are asked for."""

from dataclasses import dataclass

from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole
from roaming.model.version import Version
from roaming.modules.bookings import service
from roaming.modules.bookings.model import Booking, BookingRequest
from roaming.modules.bookings.repository import BOOKINGS
from roaming.ocpi.client import Outcome
from roaming.ocpi.codec import DecodeError, dump_json
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.headers import RoutingHeaders
from roaming.ocpi.module import Services, dialect_of
from roaming.ocpi.partner_call import ask_partner, call_to, parties_of
from roaming.partners.directory import Partner
from roaming.store.documents import Origin

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
        await _keep(services, partner, pair, booking)
    except (DecodeError, OcpiError) as error:
        raise NotDone(f"what it answered is no booking of its: {error}") from None
    return booking


async def _keep(services: Services, partner: Partner, pair: Pair, booking: Booking) -> None:
    owner, scope = PartyId.of(booking.country_code, booking.party_id), str(pair.emsp)
    if owner != pair.cpo:
        raise DecodeError("country_code", f"{owner} is not {pair.cpo}")
    async with services.database.work() as work:
        await service.take(work, BOOKINGS, booking, source=partner.id, scope=scope, origin=Origin(Version.V2_3_0))

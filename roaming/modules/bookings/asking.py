"""A hosted eMSP and a partner's CPO: its booking locations and bookings are fetched, and places asked for."""

from dataclasses import dataclass, replace

from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole, Role
from roaming.model.version import Version
from roaming.modules.bookings import service
from roaming.modules.bookings.model import Booking, BookingRequest
from roaming.modules.bookings.repository import BOOKINGS, SHELVES, Shelf
from roaming.ocpi.client import Outcome
from roaming.ocpi.codec import DecodeError, dump_json
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.fetching import FetchLimits, get_all_pages
from roaming.ocpi.headers import RoutingHeaders
from roaming.ocpi.module import Services, dialect_of
from roaming.ocpi.partner_call import ask_partner, call_to, note_call, parties_of
from roaming.partners.directory import Partner
from roaming.store.documents import Origin

LIMITS = FetchLimits(pages=1_000, total_bytes=64 * 1024 * 1024, seconds=600)
TIMEOUT_SECONDS = 10.0


class NotDone(RuntimeError):
    """The CPO did not do it. The text says why."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Who asks whom."""

    emsp: PartyId
    cpo: PartyId


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What came of a list."""

    stored: int
    refused: tuple[str, ...]
    is_whole: bool


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
        found[shelf.path] = Fetched(
            stored=sum(part.stored for part in parts),
            refused=tuple(reason for part in parts for reason in part.refused),
            is_whole=all(part.is_whole for part in parts),
        )
    return found


async def _fetch(services: Services, partner: Partner, endpoint: str, shelf: Shelf, pair: Pair) -> Fetched:
    routing, at = RoutingHeaders(pair.emsp, pair.cpo), services.clock.now()
    url = dialect_of(partner).address(endpoint, *([shelf.path] if shelf.path else []))
    call = call_to(services, partner, "GET", url, routing=routing)
    codec = service.CODECS[shelf.path][Version.V2_3_0]
    stored, refused, is_whole = 0, list[str](), True
    async for page in get_all_pages(services.client, call, LIMITS):
        note_call(
            services,
            replace(call, url=page.url),
            page.answer,
            at=at,
            module=service.MODULE,
            parties=parties_of(routing),
            notes=[*page.findings, f"{len(page.items)} objects"],
        )
        for item in page.items:
            try:
                await _take(services, partner, pair, shelf, codec.decode(item).value)
                stored += 1
            except (DecodeError, OcpiError) as error:
                refused.append(str(error)[:200])
        is_whole = page.stopped is None
    return Fetched(stored=stored, refused=tuple(refused), is_whole=is_whole)

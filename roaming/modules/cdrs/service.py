"""What can be done with CDRs: take a partner's, tell the token's owner of ours. Nobody else ever sees one."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages import CdrIssued, ReservationExpired
from roaming.model.canonical import from_document
from roaming.model.cdr import CDR
from roaming.model.doubts import Doubts
from roaming.model.identifiers import PartyId, fold
from roaming.model.location import Location
from roaming.model.party import Role
from roaming.model.session import Session
from roaming.model.signed_records import SignedRecords
from roaming.model.time import parse_timestamp
from roaming.model.version import Version
from roaming.modules.cdrs import repository
from roaming.modules.cdrs.booked import booking_of
from roaming.modules.cdrs.bounds import must_be_bounded
from roaming.modules.cdrs.codec import BY_VERSION
from roaming.modules.cdrs.frozen import frozen_tariffs
from roaming.modules.cdrs.issuing import issue
from roaming.modules.cdrs.signing import MAX_REMARK, with_signed
from roaming.modules.cdrs.telling import Said, reader_of, said_of, stored_text_in
from roaming.modules.cdrs.unused import bill, prices_reservations
from roaming.ocpi.client import Outcome
from roaming.ocpi.codec import DecodeContext, EncodeContext, dump_json
from roaming.ocpi.errors import AddressRefused, InvalidParameters
from roaming.ocpi.module import CopyUnknown, DeliveryJob, Outgoing, PushRequest, Recipient, Services, routing_to
from roaming.ocpi.offered import find_connector, pick, price_reason, tariffs_at
from roaming.ocpi.outgoing import tell
from roaming.ocpi.paging import is_same_origin, mend_next_url
from roaming.ocpi.partner_call import call_to
from roaming.ocpi.pulling import Incoming, Pulling
from roaming.ocpi.quoting import context_to_read, contexts_to_write
from roaming.ocpi.wire import Wire
from roaming.partners.agreements import ChargeBegun
from roaming.partners.directory import Directory, Partner
from roaming.partners.drivers import group_of
from roaming.rating.readings import DEFAULT_READINGS, ChosenReadings
from roaming.store.database import Work
from roaming.store.documents import Origin, PageRow, Stored, object_key, read_object, read_started
from roaming.store.reader import Reader

CODECS = BY_VERSION
LOOK_UP_SECONDS = 5.0
PATIENT_LOOK_UPS = 6
"""A partner that answers every look-up with an error gets the CDR again after so many attempts."""


STARTED_WITHIN = timedelta(minutes=2)
"""How far the starts of a 2.1.1 CDR and of its session may be apart: nothing else says that they belong together."""


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """What became of a posted CDR."""

    cdr: CDR
    is_new: bool


async def surroundings(reader: Reader, found: Mapping[str, Stored | PageRow]) -> Mapping[str, EncodeContext]:
    """The locations that CDRs quote in 2.1.1, by CDR key."""
    places = []
    for key, entry in found.items():
        cdr = from_document(CDR, entry.document or "")
        owner = PartyId.of(cdr.country_code, cdr.party_id)
        places.append((key, object_key(owner, cdr.session_id or ""), owner, cdr.cdr_location.id))
    return await contexts_to_write(reader, places)


def outgoing_of(cdr: CDR, key: str, session_key: str, correlation_id: str, detail: str = "") -> Outgoing:
    """ "This CDR was issued". It follows its session. ``detail``: of ``telling.Said``."""
    return Outgoing(
        module="cdrs",
        object_key=key,
        owner=PartyId.of(cdr.country_code, cdr.party_id),
        order_key=f"session/{session_key}",
        detail=detail,
        correlation_id=correlation_id,
    )


async def issue_once(
    work: Work,
    directory: Directory,
    session_key: str,
    session: Session,
    *,
    correlation_id: str,
    cause: str,
    remark: str | None = None,
) -> bool:
    """Issues the CDR of a COMPLETED session of ours, tells the token's owner, and says so in ``CdrIssued``; False when
    it has one. ``remark``: what its readers should know besides. Raises ``issuing.PlaceUnknown``."""
    tariffs = await frozen_tariffs(work.connection, session_key, session)
    location = await read_object(work.connection, "session_snapshots", f"{session_key}#location", Location)
    chosen = await read_object(work.connection, "session_snapshots", f"{session_key}#readings", ChosenReadings)
    readings = chosen.readings if chosen is not None else DEFAULT_READINGS
    signed = await read_object(work.connection, "session_snapshots", f"{session_key}#signed", SignedRecords)
    doubts = await read_object(work.connection, "session_snapshots", f"{session_key}#doubts", Doubts)
    if doubts is not None:
        remark = "; ".join(filter(None, (remark, *doubts.texts)))[:MAX_REMARK]
    cdr = with_signed(issue(session, location, tariffs, now=work.now, remark=remark, readings=readings), signed)
    if (booking_id := await booking_of(work.connection, session)) is not None:
        cdr = msgspec.structs.replace(cdr, booking_id=booking_id)
    said = said_of(cdr, directory, source="", context=EncodeContext(location=location))
    return await _publish(work, cdr, said, session_key, correlation_id=correlation_id, cause=cause)


async def bill_unused(
    work: Work, message: ReservationExpired, directory: Directory, *, correlation_id: str, cause: str
) -> bool:
    """Issues the CDR of a reservation that nobody came for, once, where the tariff that its eMSP is offered there has a
    price for that; False where it has none, or its place is gone."""
    cpo = PartyId.of(message.country_code, message.party_id)
    emsp = PartyId.of(message.token_owner.country_code, message.token_owner.party_id)
    location = await read_object(work.connection, "locations", object_key(cpo, message.location_id), Location)
    if location is None:
        return False
    _, connector = find_connector(location, message.evse_uid, message.connector_id)
    if connector is None:
        return False
    group_id = await group_of(work.connection, message.token_uid, emsp)
    begun = ChargeBegun(at=message.began_at, token_uid=message.token_uid, group_id=group_id)
    rules = directory.rulebook.pricing(directory.viewer(emsp), cpo, message.location_id, message.evse_uid, begun)
    tariff_ids = price_reason(rules, connector.tariff_ids).tariff_ids
    held = await tariffs_at(work.connection, cpo, tariff_ids, message.began_at)
    tariff = pick(held, token_type=message.token_owner.token_type)
    if tariff is None or not prices_reservations(tariff):
        return False
    readings = ChosenReadings(chosen=directory.readings_between(cpo=cpo, emsp=emsp)).readings
    cdr = bill(message, location, connector, tariff, now=work.now, readings=readings)
    said = said_of(cdr, directory, source="")
    return await _publish(work, cdr, said, None, correlation_id=correlation_id, cause=cause)


async def _publish(
    work: Work, cdr: CDR, said: Said, session_key: str | None, *, correlation_id: str, cause: str
) -> bool:
    """Stores a CDR of ours for good, tells the token's owner, and says so in ``CdrIssued``; False when it is there."""
    is_new = await repository.insert(
        work.connection, cdr, source="", now=work.now, session_key=session_key, texts=said.texts
    )
    if not is_new:
        return False
    key = repository.key_of(PartyId.of(cdr.country_code, cdr.party_id), cdr.id)
    work.outbox.add(
        CdrIssued(
            country_code=cdr.country_code,
            party_id=cdr.party_id,
            cdr_id=cdr.id,
            session_id=cdr.session_id,
            token_country_code=cdr.cdr_token.country_code,
            token_party_id=cdr.cdr_token.party_id,
        ),
        subject=key,
        correlation_id=correlation_id,
        cause=cause,
    )
    await tell(work, [outgoing_of(cdr, key, session_key or key, correlation_id, said.detail)])
    return True


async def accept(
    work: Work, directory: Directory, wire: Wire, partner: Partner, body: Any, *, owners: Sequence[PartyId]
) -> Accepted:
    """Takes a partner's CDR as it was pushed (``take``)."""
    cdr, origin = await _decode(work, wire, partner, body, owners)
    return await take(work, directory, cdr, partner, body, owners=owners, origin=origin)


async def take(
    work: Work,
    directory: Directory,
    cdr: CDR,
    partner: Partner,
    body: Any,
    *,
    owners: Sequence[PartyId],
    origin: Origin,
) -> Accepted:
    """Takes a partner's CDR, pushed or pulled, for a token of a hosted eMSP under agreement (``owners``), once.

    The same CDR again is acknowledged; another one under its id is refused and the first kept. Raises
    ``InvalidParameters``.
    """
    party = PartyId.of(cdr.country_code, cdr.party_id)
    if party not in partner.parties(Role.CPO):
        raise InvalidParameters(f"country_code, party_id: {party} is no CPO of your credentials")
    token = cdr.cdr_token
    if PartyId.of(token.country_code, token.party_id) not in owners:
        raise InvalidParameters("cdr_token: its party is no eMSP that you have an agreement with here")
    must_be_bounded(cdr)
    digest = hashlib.sha256(dump_json(body)).hexdigest()
    said = said_of(cdr, directory, source=partner.id, origin=origin)
    is_new = await repository.insert(
        work.connection, cdr, source=partner.id, now=work.now, digest=digest, origin=origin, texts=said.texts
    )
    if is_new:
        key, session_key = repository.key_of(party, cdr.id), object_key(party, cdr.session_id or cdr.id)
        await tell(work, [outgoing_of(cdr, key, session_key, "", said.detail)])
    else:
        kept = await repository.load(work.connection, repository.key_of(party, cdr.id))
        if kept is None or kept.stored.source != partner.id or kept.digest != digest:
            raise InvalidParameters(f"id: CDR {cdr.id} was received before with other content; a CDR never changes")
    return Accepted(cdr=cdr, is_new=is_new)


async def take_pulled(work: Work, pulling: Pulling, incoming: Incoming) -> None:
    """``PullRules.take``."""
    owners = tuple(pulling.directory.emsps_for(pulling.partner))
    cdr, wire = incoming.value, pulling.wire
    if wire.version == Version.V2_1_1 and wire.owner is not None:
        _, session = await _surroundings_of(work.connection, pulling.partner, wire.owner, incoming.body, owners)
        cdr = _with_session(cdr, session)
    await take(work, pulling.directory, cdr, pulling.partner, incoming.body, owners=owners, origin=incoming.origin)


async def _decode(work: Work, wire: Wire, partner: Partner, body: Any, owners: Sequence[PartyId]) -> tuple[CDR, Origin]:
    """The CDR; one of 2.1.1 with the token and the session that it does not name, where they can be found."""
    if wire.version != Version.V2_1_1 or wire.owner is None:
        return wire.decode_as_told(CODECS, body)
    context, session = await _surroundings_of(work.connection, partner, wire.owner, body, owners)
    cdr, origin = wire.decode_as_told(CODECS, body, context=context)
    return _with_session(cdr, session), origin


async def pulled_context(connection: AsyncConnection, pulling: Pulling, body: Any) -> DecodeContext:
    """``PullRules.context``."""
    if pulling.wire.owner is None:
        return DecodeContext()
    owners = tuple(pulling.directory.emsps_for(pulling.partner))
    return (await _surroundings_of(connection, pulling.partner, pulling.wire.owner, body, owners))[0]


async def _surroundings_of(
    connection: AsyncConnection, partner: Partner, party: PartyId, body: Any, owners: Sequence[PartyId]
) -> tuple[DecodeContext, Session | None]:
    """What a 2.1.1 CDR leaves out, and the session that it seems to close."""
    context = await context_to_read(connection, body, party, owners=owners, session=None)
    started, token = _started(body), context.cdr_token
    if started is None or token is None:
        return context, None
    window = {"earliest": started - STARTED_WITHIN, "latest": started + STARTED_WITHIN}
    about = await read_started(connection, "sessions", source=partner.id, **window, cls=Session)
    mine = [each for each in about if fold(each.cdr_token.contract_id) == fold(token.contract_id)]
    session = min(mine, key=lambda each: abs(each.start_date_time - started), default=None)
    if session is None:
        return context, None
    known = replace(context, cdr_token=session.cdr_token, evse_uid=session.evse_uid, connector_id=session.connector_id)
    return known, session


def _with_session(cdr: CDR, session: Session | None) -> CDR:
    if session is None or fold(session.evse_uid) != fold(cdr.cdr_location.evse_uid):
        return cdr
    return msgspec.structs.replace(cdr, session_id=session.id)


def _started(body: Any) -> datetime | None:
    try:
        return parse_timestamp(body["start_date_time"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def audience(outgoing: Outgoing, kept: Stored | None, directory: Directory) -> Sequence[Recipient]:
    """The token's owner, if it is a partner's party and has an agreement with the CPO."""
    if kept is None:
        return ()
    emsp = PartyId.parse(kept.scope)
    partner = reader_of(directory, cpo=outgoing.owner, emsp=emsp, source=kept.source)
    if partner is None:
        return ()
    return (Recipient(partner_id=partner.id, to_party=emsp, from_party=outgoing.owner),)


def build(job: DeliveryJob, kept: Stored | None, endpoint: str) -> PushRequest | None:
    """POST of the CDR."""
    version = job.partner.version
    if kept is None or version is None or not endpoint:
        return None
    stored = stored_text_in(job.detail)
    if stored is not None and stored.version == version and (text := kept.texts.get(version)) is not None:
        return PushRequest(method="POST", url=job.address(endpoint), body=text.encode(), losses=stored.losses)
    if (as_it_came := kept.text_in(version)) is not None:
        return PushRequest(method="POST", url=job.address(endpoint), body=as_it_came)
    encoded = CODECS[version].encode(from_document(CDR, kept.document), context=job.context)
    return PushRequest(method="POST", url=job.address(endpoint), body=dump_json(encoded.body), losses=encoded.losses)


async def find_copy(services: Services, job: DeliveryJob, endpoint: str) -> str | None:
    """Asks the partner whether it holds the CDR, after an answer was lost.

    OCPI leaves the address of a stored CDR to the receiver, so the usual ones are tried: owner and id below the
    endpoint, the id alone, and the shape of the last address this partner gave us. Raises ``CopyUnknown`` when the
    partner could not say: only "it is not there" lets a CDR go out again.
    """
    found = await look_up_copy(services, job, endpoint)
    return None if found is None else found[0]


async def look_up_copy(services: Services, job: DeliveryJob, endpoint: str) -> tuple[str, dict[str, Any]] | None:
    """The address of the partner's copy, and the copy; see ``find_copy``."""
    async with services.database.reading() as connection:
        kept = await repository.load(connection, job.object_key)
    if kept is None or not endpoint:
        return None
    cdr = kept.cdr
    routing = routing_to(job.partner, job.recipient.from_party, job.recipient.to_party)
    known = await _known_shape(services, job, cdr, endpoint)
    addresses = [
        *([known] if known else []),
        job.address(endpoint, cdr.country_code, cdr.party_id, cdr.id),
        job.address(endpoint, cdr.id),
    ]
    for address in dict.fromkeys(addresses):
        call = call_to(services, job.partner, "GET", address, routing=routing, timeout=LOOK_UP_SECONDS)
        answer = await services.client.request(call)
        if answer.outcome not in (Outcome.DELIVERED, Outcome.REFUSED) and job.attempts < PATIENT_LOOK_UPS:
            raise CopyUnknown(f"GET {address}: {answer.error or answer.message or 'no answer'}")
        data = answer.data
        if isinstance(data, list) and len(data) == 1:
            data = data[0]  # extrawest-ocpi answers a list to a GET of one object
        is_copy = isinstance(data, dict) and fold(str(data.get("id", ""))) == fold(cdr.id)
        if answer.outcome == Outcome.DELIVERED and is_copy:
            return address, data
    return None


async def _known_shape(services: Services, job: DeliveryJob, cdr: CDR, endpoint: str) -> str | None:
    """The partner's last ``Location`` header with this CDR's id in place of that one's."""
    rows = await services.database.reader.fetch(
        "SELECT remote_url, object_key FROM deliveries"
        " WHERE partner_id = $1 AND module = 'cdrs' AND state = 'DELIVERED' AND remote_url <> ''"
        " ORDER BY id DESC LIMIT 1",
        job.partner.id,
    )
    for remote_url, earlier_key in rows:
        earlier = earlier_key.rsplit("/", 1)[-1]
        if earlier and fold(remote_url).endswith(earlier):
            try:
                address, findings = mend_next_url(str(remote_url)[: -len(earlier)] + cdr.id, endpoint)
                services.client.check(address)
            except (ValueError, AddressRefused):
                return None  # it wrote something else than an address, and must not hold up its CDRs by that
            # Where a partner says that its copy lies is not where our token may go
            is_there = is_same_origin(address, endpoint) and "link_path" not in findings
            return address if is_there else None
    return None

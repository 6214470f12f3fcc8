"""What can be done with sessions: take a partner's, tell the token's owner of ours. Nobody else ever sees one."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.canonical import from_document
from roaming.model.identifiers import PartyId, fold
from roaming.model.location import Capability, Connector, Location
from roaming.model.party import Role
from roaming.model.session import ChargingPeriod, ChargingPreferences, ChargingPreferencesResponse, Session
from roaming.model.tariff import TariffType
from roaming.model.version import Version
from roaming.modules.sessions import repository
from roaming.modules.sessions.codec import v211, v221, v230
from roaming.modules.sessions.preferences import judge, place_of
from roaming.ocpi.authorization import check_ids
from roaming.ocpi.codec import Codec, DecodeContext, DecodeError, EncodeContext, dump_json
from roaming.ocpi.errors import InvalidParameters, NotFound
from roaming.ocpi.forms.location import LOCATION_211
from roaming.ocpi.module import DeliveryJob, Outgoing, PushRequest, Recipient
from roaming.ocpi.offered import price_reason, tariffs_at
from roaming.ocpi.outgoing import tell
from roaming.ocpi.pulling import Incoming, Pulling
from roaming.ocpi.quoting import context_to_read, contexts_to_write
from roaming.ocpi.wire import Wire
from roaming.partners.agreements import CHARGING_PROFILE, ChargeBegun, Kind, Thing
from roaming.partners.directory import Directory
from roaming.partners.drivers import group_of
from roaming.store.columns import MAX_EXACT
from roaming.store.database import Work
from roaming.store.documents import Origin, PageRow, Stored, insert_or_hold, object_key, read_object
from roaming.store.reader import Reader

CODECS = {Version.V2_1_1: v211.CODEC, Version.V2_2_1: v221.CODEC, Version.V2_3_0: v230.CODEC}
PREFERENCES_CODECS = {
    Version.V2_2_1: v221.CHARGING_PREFERENCES_CODEC,
    Version.V2_3_0: v230.CHARGING_PREFERENCES_CODEC,
}
MOST_PROFILES = 100
"""Of one session: each begins a charging period. A driver who changes the profile more often is refused."""
QUOTED = Codec(Version.V2_1_1, LOCATION_211)


async def surroundings(reader: Reader, found: Mapping[str, Stored | PageRow]) -> Mapping[str, EncodeContext]:
    """The locations that sessions quote in 2.1.1, by session key."""
    sessions = [(key, from_document(Session, entry.document or "")) for key, entry in found.items()]
    return await contexts_to_write(
        reader, [(key, key, PartyId.of(s.country_code, s.party_id), s.location_id) for key, s in sessions]
    )


def outgoing_of(session: Session, key: str, correlation_id: str) -> Outgoing:
    """ "This session changed". Its CDR follows it in the same order key."""
    return Outgoing(
        module="sessions",
        object_key=key,
        owner=PartyId.of(session.country_code, session.party_id),
        order_key=f"session/{key}",
        correlation_id=correlation_id,
    )


async def put(
    work: Work, wire: Wire, party: PartyId, session_id: str, body: Any, *, source: str, owners: Sequence[PartyId]
) -> bool:
    """Stores a partner's session; True when new. Its token must belong to a hosted eMSP under agreement (``owners``).

    Raises ``InvalidParameters`` when body and address disagree or the token is nobody's here.
    """
    context = DecodeContext()
    key = repository.key_of(party, session_id)
    if wire.version == Version.V2_1_1:
        context = await _context_to_read(work.connection, key, body, party, source=source, owners=owners)
    session, origin = wire.decode_as_told(CODECS, body, context=context)
    check_ids(session, party, id=session_id)
    is_new = await take(work, session, source=source, owners=owners, origin=origin)
    if is_new and wire.version == Version.V2_1_1:
        await _keep_quoted(work, wire, key, body)
    return is_new


async def take(work: Work, session: Session, *, source: str, owners: Sequence[PartyId], origin: Origin) -> bool:
    """Stores a partner's session, pushed or pulled; True when new. One older than the stored one is left alone. Raises
    ``InvalidParameters`` when its token is nobody's here, or somebody else gave us the stored one."""
    token = session.cdr_token
    if PartyId.of(token.country_code, token.party_id) not in owners:
        raise InvalidParameters("cdr_token: its party is no eMSP that you have an agreement with here")
    _check_energy(session)
    key = repository.key_of(PartyId.of(session.country_code, session.party_id), session.id)
    kept = await insert_or_hold(
        partial(repository.load, work.connection, key, for_update=True),
        partial(repository.save, work.connection, None, session, source=source, now=work.now, origin=origin),
    )
    told = [outgoing_of(session, key, "")]
    if kept is None:
        await tell(work, told)
        return True
    _check_source(kept, source)
    if repository.scope_of(session) != kept.stored.scope:
        raise InvalidParameters("cdr_token: the session is another eMSP's; end it and begin one with a new id")
    if session.last_updated >= kept.session.last_updated:
        await repository.save(work.connection, kept, session, source=source, now=work.now, origin=origin)
        await tell(work, told)
    return False


async def pulled_context(connection: AsyncConnection, pulling: Pulling, body: Any) -> DecodeContext:
    """``PullRules.context``."""
    party, session_id = pulling.wire.owner, body.get("id") if isinstance(body, dict) else None
    if party is None:
        return DecodeContext()
    key = repository.key_of(party, session_id) if isinstance(session_id, str) else ""
    owners = tuple(pulling.directory.emsps_for(pulling.partner))
    return await _context_to_read(connection, key, body, party, source=pulling.partner.id, owners=owners)


async def _context_to_read(
    connection: AsyncConnection, key: str, body: Any, party: PartyId, *, source: str, owners: Sequence[PartyId]
) -> DecodeContext:
    known = await repository.load(connection, key)
    so_far = known.session if known is not None and known.stored.source == source else None
    return await context_to_read(connection, body, party, owners=owners, session=so_far)


async def take_pulled(work: Work, pulling: Pulling, incoming: Incoming) -> None:
    """``PullRules.take``."""
    owners = tuple(pulling.directory.emsps_for(pulling.partner))
    source, origin = pulling.partner.id, incoming.origin
    await take(work, incoming.value, source=source, owners=owners, origin=origin)


async def _keep_quoted(work: Work, wire: Wire, key: str, body: Any) -> None:
    """Freezes the Location that came with the session: nobody need have pushed it."""
    try:
        location = Wire(version=wire.version, received_at=wire.received_at, owner=wire.owner).decode(
            {wire.version: QUOTED}, body["location"]
        )
    except DecodeError:
        return
    await repository.keep_snapshot(work.connection, key, "location", location)


async def patch(work: Work, wire: Wire, party: PartyId, session_id: str, body: Any, *, source: str) -> None:
    """Changes the given fields of a partner's session and adds its charging periods. Raises ``NotFound``, or
    ``InvalidParameters`` without ``last_updated`` (2.2 and later)."""
    kept = await repository.load(work.connection, repository.key_of(party, session_id), for_update=True)
    old = kept.session if kept is not None and kept.stored.source == source else None
    context = DecodeContext()
    if wire.version == Version.V2_1_1 and old is not None:
        owner = PartyId.of(old.cdr_token.country_code, old.cdr_token.party_id)
        context = await context_to_read(work.connection, body, party, owners=[owner], session=old)
    change = wire.decode_patch(CODECS, body, context=context)
    if kept is None or old is None:
        raise NotFound("there is no such session: PUT it first")
    session = wire.apply(change, old, last_updated=old.last_updated)
    if session.cdr_token != old.cdr_token or fold(session.id) != fold(old.id):
        raise InvalidParameters("id and cdr_token of a session cannot be changed")
    periods = merge_periods(old.charging_periods, change.changes.get("charging_periods") or ())
    session = msgspec.structs.replace(session, charging_periods=periods)
    _check_energy(session)
    if session.last_updated >= old.last_updated:
        await repository.save(work.connection, kept, session, source=source, now=work.now)
        await tell(work, [outgoing_of(session, kept.stored.key, "")])


def merge_periods(known: Sequence[ChargingPeriod], added: Sequence[ChargingPeriod]) -> tuple[ChargingPeriod, ...]:
    """A PATCH adds periods; one with the start of a known period replaces it, so that a repeat doubles nothing."""
    merged: dict[datetime, ChargingPeriod] = {period.start_date_time: period for period in known}
    merged.update({period.start_date_time: period for period in added})
    return tuple(merged[start] for start in sorted(merged))


def _check_energy(session: Session) -> None:
    if abs(session.kwh) > MAX_EXACT:
        raise InvalidParameters(f"kwh: more than {MAX_EXACT} cannot be stored")


def _check_source(kept: repository.Kept, source: str) -> None:
    if kept.stored.source != source:
        raise InvalidParameters(f"session {kept.stored.object_id} cannot be changed by you")


async def prefer(
    work: Work,
    session_id: str,
    preferences: ChargingPreferences,
    directory: Directory,
    *,
    cpos: Sequence[PartyId],
    scopes: Collection[str],
) -> ChargingPreferencesResponse:
    """Judges a driver's preferences for a session of one of ``cpos``, hosted here, and keeps them when they are
    accepted: for whoever plans its energy (decision 0067), and for its price (0129). A profile is one that had a tariff
    when the session began, whatever is offered since.

    Raises ``NotFound``, the same for no such session and for one whose token belongs to none of ``scopes``; with 2001
    when the EVSE cannot take preferences, or rules forbid them there.
    """
    energy = preferences.energy_need
    if energy is not None and not 0 < energy <= MAX_EXACT:
        raise InvalidParameters(f"energy_need: must be more than 0 and at most {MAX_EXACT} kWh")
    key, session = await _own(work, session_id, cpos, scopes)
    party = PartyId.of(session.country_code, session.party_id)
    location = await read_object(work.connection, "locations", object_key(party, session.location_id), Location)
    evse, connector = place_of(session, location)
    if evse is None or Capability.CHARGING_PREFERENCES_CAPABLE not in evse.capabilities:
        raise NotFound("the EVSE of this session cannot take charging preferences", status_code=2001)
    emsp = PartyId.of(session.cdr_token.country_code, session.cdr_token.party_id)
    if not _may_prefer(directory, session, party, emsp):
        raise NotFound("you may not do this there by the rules of this hub", status_code=2001)
    types = await _types_to_choose(work, key, session, connector, directory)
    answer = judge(preferences, session.status, connector, types, now=work.now)
    before = (await repository.preferred_of(work.connection, [key])).get(key, ())
    if len(before) >= MOST_PROFILES and before[-1].profile_type != preferences.profile_type:
        return ChargingPreferencesResponse.NOT_POSSIBLE
    if answer == ChargingPreferencesResponse.ACCEPTED:
        await repository.keep_preferences(work.connection, key, preferences, now=work.now)
    return answer


async def _types_to_choose(
    work: Work, key: str, session: Session, connector: Connector | None, directory: Directory
) -> list[str | None]:
    """Types of the tariffs that a driver may choose among, ``None`` for one that prices any profile: those of the start
    of the session, and where these were not kept those that are offered."""
    if (frozen := await repository.tariffs_to_choose(work.connection, key)) is not None:
        return [None if tariff.type == TariffType.AD_HOC_PAYMENT else tariff.type for tariff in frozen]
    party = PartyId.of(session.country_code, session.party_id)
    emsp = PartyId.of(session.cdr_token.country_code, session.cdr_token.party_id)
    group_id = await group_of(work.connection, session.cdr_token.uid, emsp)
    begun = ChargeBegun(at=session.start_date_time, token_uid=session.cdr_token.uid, group_id=group_id)
    viewer, evse_uid = directory.viewer(emsp), session.evse_uid
    rules = directory.rulebook.pricing(viewer, party, session.location_id, evse_uid, begun)
    ids = price_reason(rules, connector.tariff_ids if connector is not None else ()).tariff_ids
    return [tariff.type for tariff in await tariffs_at(work.connection, party, ids, session.start_date_time)]


def _may_prefer(directory: Directory, session: Session, cpo: PartyId, emsp: PartyId) -> bool:
    """By the rules about charging profiles at its place, and about the driver whose it is."""
    if not directory.rulebook.rules:
        return True
    id, uid = session.location_id, session.evse_uid
    thing = Thing(kind=Kind.COMMANDS, owner=cpo, object_id=id, evse_uid=uid, command=CHARGING_PROFILE)
    is_charging = directory.may_charge(cpo=cpo, emsp=emsp, location_id=id, evse_uids=[uid])
    return is_charging and directory.decide_for(emsp, thing).is_allowed


async def _own(work: Work, session_id: str, cpos: Sequence[PartyId], scopes: Collection[str]) -> tuple[str, Session]:
    for cpo in cpos:
        key = repository.key_of(cpo, session_id)
        kept = await repository.load(work.connection, key, for_update=True)
        if kept is not None and not kept.stored.source and kept.stored.scope in scopes:
            return key, kept.session
    raise NotFound("there is no such session of yours")


def audience(outgoing: Outgoing, kept: Stored | None, directory: Directory) -> Sequence[Recipient]:
    """The token's owner, if it is a partner's party and has an agreement with the CPO."""
    if kept is None:
        return ()
    emsp = PartyId.parse(kept.scope)
    partner = directory.partner_of(emsp, Role.EMSP)
    if partner is None or partner.id == kept.source or not directory.may_exchange(cpo=outgoing.owner, emsp=emsp):
        return ()
    return (Recipient(partner_id=partner.id, to_party=emsp, from_party=outgoing.owner),)


def build(job: DeliveryJob, kept: Stored | None, endpoint: str) -> PushRequest | None:
    """PUT of the whole session as it is: it can be repeated and needs no earlier one to have arrived."""
    version = job.partner.version
    if kept is None or version is None or not endpoint:
        return None
    url = job.address(endpoint, kept.country_code, kept.party_id, kept.object_id)
    if (text := kept.text_in(version)) is not None:
        return PushRequest(method="PUT", url=url, body=text)
    encoded = CODECS[version].encode(from_document(Session, kept.document), context=job.context)
    return PushRequest(
        method="PUT",
        url=url,
        body=dump_json(encoded.body),
        losses=encoded.losses,
    )

"""What can be done with tokens: publish those of hosted eMSPs, take a partner's, say whether one may charge."""

import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from contracts.messages import TokenChanged, token_subject
from contracts.vocabulary import WhitelistPolicy
from roaming.model.canonical import from_document
from roaming.model.identifiers import PartyId, fold
from roaming.model.location import LocationReferences
from roaming.model.party import Role
from roaming.model.time import next_update
from roaming.model.token import AllowedType, AuthorizationInfo, Token, WhitelistType
from roaming.model.version import Version
from roaming.modules.tokens import repository
from roaming.modules.tokens.codec import v211, v221, v230
from roaming.ocpi.authorization import check_ids
from roaming.ocpi.codec import dump_json, parse_json
from roaming.ocpi.errors import InvalidParameters, NotFound, UnknownToken
from roaming.ocpi.module import GONE, DeliveryJob, OcpiRequest, Outgoing, PushRequest, Recipient, Services
from roaming.ocpi.outgoing import tell
from roaming.ocpi.pulling import Incoming, Pulling
from roaming.ocpi.seeing import with_tokens_in_sight
from roaming.ocpi.wire import Wire
from roaming.partners.directory import Directory
from roaming.partners.drivers import driver_of, remember
from roaming.partners.views import View
from roaming.store.database import Work
from roaming.store.documents import HERE, Origin, Stored, insert_or_hold

CODECS = {Version.V2_1_1: v211.CODEC, Version.V2_2_1: v221.CODEC, Version.V2_3_0: v230.CODEC}
INFO_CODECS = {
    Version.V2_1_1: v211.AUTHORIZATION_INFO_CODEC,
    Version.V2_2_1: v221.AUTHORIZATION_INFO_CODEC,
    Version.V2_3_0: v230.AUTHORIZATION_INFO_CODEC,
}
REFERENCES_CODECS = {
    Version.V2_1_1: v211.LOCATION_REFERENCES_CODEC,
    Version.V2_2_1: v221.LOCATION_REFERENCES_CODEC,
    Version.V2_3_0: v230.LOCATION_REFERENCES_CODEC,
}

_RETOLD_AT_ONCE = 500


async def publish(work: Work, token: Token) -> bool:
    """Stores a token of a hosted eMSP, tells partner CPOs and our own adapters; True when new."""
    party = PartyId.of(token.country_code, token.party_id)
    key = repository.key_of(party, token.uid, token.type)
    token = msgspec.structs.replace(token, last_updated=next_update(None, work.now))
    kept = await _insert_or_hold(work, key, token, source="", origin=HERE)
    if kept is not None:
        if kept.stored.source:
            raise InvalidParameters(f"token {token.uid} belongs to a partner")
        token = msgspec.structs.replace(token, last_updated=next_update(kept.stored.last_updated, work.now))
        await _replace(work, kept, token)
    await tell(work, [Outgoing(module="tokens", object_key=key, owner=party)])
    return kept is None


async def put(
    work: Work,
    wire: Wire,
    party: PartyId,
    uid: str,
    type: str | None,
    body: Any,
    *,
    source: str,
    scope: str = "",
) -> bool:
    """Stores a partner's token; True when new. The body's type counts where the query forgot it."""
    token, origin = wire.decode_as_told(CODECS, body)
    check_ids(token, party, uid=uid)
    if type is not None and type != token.type:
        raise InvalidParameters(f"type: {token.type} in the body, {type} in the address")
    return await take(work, token, source=source, origin=origin, scope=scope)


async def take(work: Work, token: Token, *, source: str, origin: Origin, scope: str = "") -> bool:
    """Stores a partner's token, pushed or pulled, and tells whoever may know; True when new. One older than the stored
    one is left alone. ``scope``: the one party it was addressed to, and nobody else hears of it. Raises
    ``InvalidParameters`` when somebody else gave us the stored one."""
    key = repository.key_of(_owner(token), token.uid, token.type)
    kept = await _insert_or_hold(work, key, token, source=source, origin=origin, scope=scope)
    if kept is not None and kept.stored.source != source:
        raise InvalidParameters(f"token {token.uid} cannot be changed by you")
    if kept is not None and token.last_updated < kept.token.last_updated:
        return False
    if kept is not None:
        await _replace(work, kept, token, scope=scope, origin=origin)
    await tell(work, [Outgoing(module="tokens", object_key=key, owner=_owner(token))])
    return kept is None


async def drop(work: Work, key: str, source: str) -> bool:
    """``PullRules.drop``: makes a partner's token invalid that its owner lists no more; True when it was valid.
    ``last_updated`` stays its owner's, so that the token is taken as it is when it comes back."""
    kept = await repository.load(work.connection, key, for_update=True)
    if kept is None or kept.stored.source != source or not kept.token.valid:
        return False
    await _replace(work, kept, msgspec.structs.replace(kept.token, valid=False))
    await tell(work, [Outgoing(module="tokens", object_key=key, owner=kept.stored.owner)])
    return True


async def take_pulled(work: Work, pulling: Pulling, incoming: Incoming) -> None:
    """``PullRules.take``."""
    await take(work, incoming.value, source=pulling.partner.id, origin=incoming.origin)


async def patch(work: Work, wire: Wire, party: PartyId, uid: str, type: str, body: Any, *, source: str) -> None:
    """Changes the given fields of a partner's token. Raises ``NotFound``, or ``InvalidParameters`` without
    ``last_updated`` (2.2 and later)."""
    change = wire.decode_patch(CODECS, body)
    kept = await repository.load(work.connection, repository.key_of(party, uid, type), for_update=True)
    if kept is None or kept.stored.source != source:
        raise NotFound("there is no such token: PUT it first")
    token = wire.apply(change, kept.token, last_updated=kept.token.last_updated)
    if fold(token.uid) != fold(uid) or token.type != type:
        raise InvalidParameters("uid and type cannot be changed: PUT a new token")
    if token.last_updated >= kept.token.last_updated:
        await _replace(work, kept, token)
        await tell(work, [Outgoing(module="tokens", object_key=kept.stored.key, owner=party)])


async def _insert_or_hold(
    work: Work, key: str, token: Token, *, source: str, origin: Origin, scope: str = ""
) -> repository.Kept | None:
    kept = await insert_or_hold(
        partial(repository.load, work.connection, key, for_update=True),
        partial(repository.save, work.connection, None, token, source=source, now=work.now, origin=origin, scope=scope),
    )
    if kept is None:
        await _spread(work, token, source)
    return kept


async def _replace(
    work: Work, kept: repository.Kept, token: Token, *, scope: str | None = None, origin: Origin = HERE
) -> None:
    source = kept.stored.source
    await repository.save(work.connection, kept, token, source=source, now=work.now, scope=scope, origin=origin)
    await _spread(work, token, kept.stored.source)


async def _spread(work: Work, token: Token, source: str) -> None:
    await remember(work, driver_of(token, source=source, now=work.now))
    changed = token_changed(token)
    work.outbox.add(changed, subject=token_subject(changed))


async def retell(services: Services) -> None:
    """Tells our own adapters of every token once more."""
    after = ""
    while True:
        async with services.database.work() as work:
            page = await repository.tokens_after(work.connection, after, limit=_RETOLD_AT_ONCE)
            for _, token in page:
                changed = token_changed(token)
                work.outbox.add(changed, subject=token_subject(changed), cause=f"retold-{work.now.isoformat()}")
        if len(page) < _RETOLD_AT_ONCE:
            return
        after = page[-1][0]


def token_changed(token: Token) -> TokenChanged:
    """What adapters need to know of a token. An unknown whitelist word means: always ask."""
    known = token.whitelist in WhitelistType.__members__
    return TokenChanged(
        uid=token.uid,
        type=token.type,
        country_code=token.country_code,
        party_id=token.party_id,
        contract_id=token.contract_id,
        is_valid=token.valid,
        whitelist=WhitelistPolicy(token.whitelist) if known else WhitelistPolicy.NEVER,
        group_id=token.group_id,
        last_updated=token.last_updated,
    )


async def authorize(request: OcpiRequest) -> bytes:
    """A partner CPO asks whether a token of a hosted eMSP may charge (OCPI 2.2.1 tokens 11.2.2.2).

    Returns the JSON of an AuthorizationInfo. Raises ``UnknownToken`` (404 and 2004).
    """
    wire = request.wire()
    location: LocationReferences | None = None
    if request.body.strip():
        location = wire.decode(REFERENCES_CODECS, parse_json(request.body))
    owners = request.directory.hosted_emsps_for(request.partner)
    if request.routing.to_party is not None:
        owners = tuple(owner for owner in owners if owner == request.routing.to_party)
    owners = tuple(with_tokens_in_sight(request, dict.fromkeys(owners, "")))
    token = repository.ours_of(request.beside, owners)
    if token is None:
        raise UnknownToken("this token is not known here")
    may_charge = _may_charge(request, _owner(token), location)
    is_allowed = token.valid and may_charge
    info = AuthorizationInfo(
        allowed=AllowedType.NOT_ALLOWED
        if not may_charge
        else AllowedType.ALLOWED
        if token.valid
        else AllowedType.BLOCKED,
        token=token,
        location=location if is_allowed else None,
        authorization_reference=str(uuid.uuid4()) if is_allowed else None,
    )
    return wire.encode(INFO_CODECS, info)


def _may_charge(request: OcpiRequest, emsp: PartyId, location: LocationReferences | None) -> bool:
    """With one of the asking operators at least, at the place that is named."""
    cpos = [party for party in request.from_parties if party in request.partner.parties(Role.CPO)]
    cpos = cpos or list(request.partner.parties(Role.CPO))
    location_id, evse_uids = (location.location_id, location.evse_uids) if location is not None else ("", ())
    return any(
        request.directory.may_charge(cpo=cpo, emsp=emsp, location_id=location_id, evse_uids=evse_uids) for cpo in cpos
    )


def _owner(token: Token) -> PartyId:
    return PartyId.of(token.country_code, token.party_id)


def _type_of(kept: Stored) -> str:
    """The last part of the key, which is cheaper than the document."""
    return kept.key.rsplit("/", 1)[-1].upper()


_NOT_PUSHED = ("APP_USER", "AD_HOC_USER", "EMAID")


def audience(outgoing: Outgoing, kept: Stored | None, directory: Directory) -> Sequence[Recipient]:
    """Every CPO under agreement with the owner; never the partner that gave it to us, and nobody when it was for one
    party alone. Tokens of APP_USER and AD_HOC_USER are not pushed (OCPI 2.2.1 tokens 11.1.1)."""
    if kept is None or kept.scope or _type_of(kept) in _NOT_PUSHED:
        return ()
    teller = directory.teller_of(outgoing.owner, kept.source)
    return [
        Recipient(partner_id=partner.id, to_party=cpo, from_party=teller)
        for partner, cpo in directory.cpos_of(outgoing.owner)
        if partner.id != kept.source
    ]


def retold(kept: Stored, before: View, now: View) -> Sequence[tuple[str, str]]:
    """``DeliveryRules.retell``: PUT of a token that comes; one that goes is told to be valid no more, since there is no
    DELETE (OCPI 2.2.1, tokens 11.2.1)."""
    if _type_of(kept) in _NOT_PUSHED or before.are_tokens_open == now.are_tokens_open:
        return []
    return [("", "" if now.are_tokens_open else GONE)]


def build(job: DeliveryJob, kept: Stored | None, endpoint: str) -> PushRequest | None:
    """PUT of the token as it is."""
    version = job.partner.version
    if kept is None or version is None or not endpoint:
        return None
    token = from_document(Token, kept.document)
    if not job.view.are_tokens_open:
        if job.detail != GONE:
            return None  # a rule has changed since
        token = msgspec.structs.replace(token, valid=False)
    url = job.address(endpoint, token.country_code, token.party_id, token.uid)
    if version != Version.V2_1_1:
        url += f"?type={token.type}"
    if job.view.are_tokens_open and (text := kept.text_in(version)) is not None:
        return PushRequest(method="PUT", url=url, body=text)
    encoded = CODECS[version].encode(token)
    return PushRequest(method="PUT", url=url, body=dump_json(encoded.body), losses=encoded.losses)

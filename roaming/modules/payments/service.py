"""Payment terminals and what they took: whose they are, who may change them, and who is told.

The payment terminal provider (PTP) owns both objects; each concerns one CPO, and nobody else ever sees it. The role has
no word of its own in OCPI 2.3.0: a party is a PTP that says ``PTP`` or ``OTHER``. It stands where an eMSP stands in
agreements.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from roaming.model.canonical import from_document, to_document
from roaming.model.identifiers import PartyId, fold
from roaming.model.party import Role
from roaming.model.time import next_update
from roaming.model.version import Version
from roaming.modules.payments.codec import v230
from roaming.modules.payments.model import Terminal
from roaming.modules.payments.repository import CONFIRMATIONS, SHELVES, TERMINALS
from roaming.ocpi import shelved
from roaming.ocpi.client import Outcome
from roaming.ocpi.codec import Codec, dump_json
from roaming.ocpi.errors import InvalidParameters, NotFound
from roaming.ocpi.module import CopyUnknown, DeliveryJob, Outgoing, PushRequest, Recipient, Services, routing_to
from roaming.ocpi.partner_call import call_to
from roaming.ocpi.pulling import Incoming, Pulling, PullRules
from roaming.partners.directory import Directory, Partner
from roaming.store import shelves
from roaming.store.database import Work
from roaming.store.documents import Origin, Stored, object_key
from roaming.store.shelves import Kept, Shelf

MODULE = "payments"
CODECS: Mapping[str, Mapping[Version, Codec[Any]]] = {
    TERMINALS.path: {Version.V2_3_0: v230.TERMINAL_CODEC},
    CONFIRMATIONS.path: {Version.V2_3_0: v230.CONFIRMATION_CODEC},
}
"""By path."""
TO_ACTIVATE = Codec(Version.V2_3_0, v230.TO_ACTIVATE)
PROVIDERS = ("PTP", Role.OTHER)
"""Roles in which a party may be a PTP."""
_ACTIVATIONS = uuid.UUID("3f1f6f0a-8a3d-4f0c-9a55-0c9d6f2b7e11")
LOOK_UP_SECONDS = 5.0
PATIENT_LOOK_UPS = 6
"""A partner that answers every look-up with an error is sent the object again after so many attempts."""


def provider_of(directory: Directory, partner: Partner, from_party: PartyId | None) -> PartyId:
    """Which of a partner's parties is the PTP that speaks. Raises ``InvalidParameters``."""
    parties = partner.parties(*PROVIDERS)
    if from_party is not None:
        parties = tuple(party for party in parties if party == from_party)
    if len(parties) != 1:
        raise InvalidParameters("OCPI-from: name the party in role OTHER or PTP whose terminal or confirmation it is")
    return parties[0]


def cpo_for(directory: Directory, provider: PartyId, named: PartyId | None, value: Any) -> PartyId:
    """Which hosted CPO an object of a partner's PTP is for: the one it is addressed to, the one that it names, or the
    only one under agreement. Raises ``InvalidParameters``."""
    if named is None and isinstance(value, Terminal) and value.party_id and value.country_code:
        named = PartyId.of(value.country_code, value.party_id)
    agreed = [cpo for cpo in directory.cpos_with(provider) if named in (None, cpo)]
    if len(agreed) > 1:
        raise InvalidParameters("OCPI-to-country-code, OCPI-to-party-id: say which CPO this is for")
    if not agreed or not directory.is_hosted(agreed[0], Role.CPO):
        raise InvalidParameters(f"{provider} has no agreement here with the CPO that this is for")
    return agreed[0]


def hosted_provider(directory: Directory, cpos: Sequence[PartyId], named: PartyId | None) -> tuple[PartyId, PartyId]:
    """The hosted PTP that a partner's CPO asks, and which of its CPOs asks. Raises ``InvalidParameters``."""
    hosted = directory.hosted_parties(*PROVIDERS)
    pairs = [
        (provider, cpo)
        for cpo in cpos
        for provider in directory.emsps_with(cpo)
        if named in (None, provider) and directory.has_role(provider, *PROVIDERS)
    ]
    if len(pairs) > 1:
        raise InvalidParameters("name both parties: OCPI-from and OCPI-to")
    if not pairs or pairs[0][0] not in hosted:
        raise InvalidParameters("there is no agreement with a PTP here")
    return pairs[0]


async def take(
    work: Work, shelf: Shelf, value: Any, *, owner: PartyId, source: str, cpo: PartyId, origin: Origin
) -> bool:
    """Stores what a partner's PTP tells; True when new. Raises ``InvalidParameters`` for an object that somebody else
    gave us."""
    scope = str(cpo)
    return await shelved.take(work, MODULE, shelf, value, owner=owner, source=source, scope=scope, origin=origin)


async def _take_pulled(work: Work, pulling: Pulling, incoming: Incoming, *, shelf: Shelf) -> bool:
    assert pulling.asked is not None, "2.1.1 has no payments"
    assert pulling.asked_by is not None
    return await take(
        work,
        shelf,
        incoming.value,
        owner=pulling.asked,
        source=pulling.partner.id,
        cpo=pulling.asked_by,
        origin=incoming.origin,
    )


async def _drop(work: Work, key: str, source: str) -> bool:
    return await shelved.hide(work, TERMINALS, key, source)


def _pulled(shelf: Shelf, **more: Any) -> PullRules:
    """A PTP's list, for each hosted CPO under agreement."""
    return PullRules(
        role=PROVIDERS[0],
        more_roles=PROVIDERS[1:],
        codecs=CODECS[shelf.path],
        documents=shelf.documents,
        take=partial(_take_pulled, shelf=shelf),
        is_per_recipient=True,
        is_for_hosted_only=True,
        path=shelf.path,
        names_owner=False,
        **more,
    )


PULLED_TERMINALS = _pulled(TERMINALS, id_fields=("terminal_id",), drop=_drop)
PULLED_CONFIRMATIONS = _pulled(CONFIRMATIONS)


async def publish(work: Work, shelf: Shelf, value: Any, *, provider: PartyId, cpo: PartyId) -> None:
    """Stores an object of a hosted PTP, new or in place of the one of its id, and tells the CPO. Raises
    ``InvalidParameters`` when its id is another CPO's."""
    await shelved.publish(work, MODULE, shelf, value, owner=provider, scope=str(cpo))


async def activate(work: Work, terminal: Terminal, *, provider: PartyId, cpo: PartyId) -> Terminal:
    """A partner's CPO asks a hosted PTP for a terminal: it gets one, and is told of it. An empty id is chosen here, the
    same for an equal request, so that one sent twice makes one terminal and leaves it as it is then."""
    chosen = msgspec.structs.replace(
        terminal,
        country_code=cpo.country_code,
        party_id=cpo.party_id,
        last_updated=next_update(None, work.now),
    )
    if not chosen.terminal_id:
        chosen = msgspec.structs.replace(chosen, terminal_id=_chosen_id(chosen, provider))
        kept = await shelves.load(work.connection, TERMINALS, object_key(provider, chosen.terminal_id))
        if kept is not None and kept.stored.is_listed and kept.stored.scope == str(cpo):
            return kept.value  # type: ignore[no-any-return]
    await publish(work, TERMINALS, chosen, provider=provider, cpo=cpo)
    return chosen


def _chosen_id(terminal: Terminal, provider: PartyId) -> str:
    timeless = msgspec.structs.replace(terminal, last_updated=datetime.min.replace(tzinfo=UTC))
    return str(uuid.uuid5(_ACTIVATIONS, f"{provider}/{to_document(timeless)}"))


async def hosted_terminal(work: Work, directory: Directory, terminal_id: str, cpos: Sequence[PartyId]) -> Kept:
    """A terminal of a hosted PTP for one of ``cpos`` under agreement with it, held. Raises ``NotFound``, the same for
    another CPO's."""
    for provider in directory.hosted_parties(*PROVIDERS):
        scopes = {str(cpo) for cpo in cpos if directory.may_exchange(cpo=cpo, emsp=provider)}
        kept = await shelves.load(work.connection, TERMINALS, object_key(provider, terminal_id)) if scopes else None
        if kept is not None and not kept.stored.source and kept.stored.scope in scopes:
            return kept
    raise NotFound("there is no such terminal for you")


async def change(work: Work, kept: Kept, terminal: Terminal, *, is_listed: bool = True) -> None:
    """A CPO has changed a terminal of a hosted PTP (or given it up): it stays the PTP's, with a ``last_updated`` of
    ours. Nobody is told: the CPO knows."""
    if fold(terminal.terminal_id) != fold(kept.value.terminal_id):
        raise InvalidParameters(f"terminal_id: {terminal.terminal_id!r} in the body is not that of the address")
    changed = msgspec.structs.replace(
        terminal,
        terminal_id=kept.value.terminal_id,
        last_updated=next_update(kept.value.last_updated, work.now),
    )
    stored = kept.stored
    await shelves.save(
        work.connection,
        TERMINALS,
        kept,
        changed,
        owner=stored.owner,
        source="",
        scope=stored.scope,
        now=work.now,
        is_listed=is_listed,
    )


def audience(outgoing: Outgoing, kept: Stored | None, directory: Directory) -> Sequence[Recipient]:
    """The CPO that it is for, if it is a partner's, under agreement, and speaks 2.3.0."""
    if kept is None or kept.source:
        return ()
    cpo = PartyId.parse(kept.scope)
    partner = directory.partner_of(cpo)
    may = directory.may_exchange(cpo=cpo, emsp=outgoing.owner)
    if partner is None or partner.version != Version.V2_3_0 or not may:
        return ()
    return (Recipient(partner_id=partner.id, to_party=cpo, from_party=outgoing.owner),)


def build(job: DeliveryJob, kept: Stored | None, endpoint: str) -> PushRequest | None:
    """POST of the object as it is now."""
    shelf, _ = SHELVES.shelf_of(job.object_key)
    if kept is None or not endpoint or job.partner.version != Version.V2_3_0:
        return None
    encoded = CODECS[shelf.path][Version.V2_3_0].encode(from_document(shelf.of, kept.document))
    url = job.address(endpoint, shelf.path)
    return PushRequest(method="POST", url=url, body=dump_json(encoded.body), losses=encoded.losses)


async def find_copy(services: Services, job: DeliveryJob, endpoint: str) -> str | None:
    """Asks the CPO what it holds, after an answer was lost: its address there when it is what we have now. Raises
    ``CopyUnknown``."""
    shelf, key = SHELVES.shelf_of(job.object_key)
    ours = (await shelf.documents.read_many(services.database.reader, [key])).get(key)
    if ours is None:
        return endpoint
    address = job.address(endpoint, shelf.path, ours.object_id)
    routing = routing_to(job.partner, job.recipient.from_party, job.recipient.to_party)
    answer = await services.client.request(
        call_to(services, job.partner, "GET", address, routing=routing, timeout=LOOK_UP_SECONDS)
    )
    if answer.outcome not in (Outcome.DELIVERED, Outcome.REFUSED) and job.attempts < PATIENT_LOOK_UPS:
        raise CopyUnknown(f"GET {address}: {answer.error or answer.message or 'no answer'}")
    if answer.outcome != Outcome.DELIVERED or not isinstance(answer.data, dict):
        return None
    try:
        held = CODECS[shelf.path][Version.V2_3_0].decode(answer.data).value
    except ValueError:
        return None
    return address if held.last_updated == ours.last_updated else None

"""What can be done with tariffs: publish ours, take a partner's, withdraw one."""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import msgspec

from roaming.model.canonical import from_document
from roaming.model.identifiers import PartyId, fold
from roaming.model.party import Role
from roaming.model.tariff import Tariff
from roaming.model.time import next_update
from roaming.model.version import Version
from roaming.modules.tariffs import repository
from roaming.modules.tariffs.codec import v211, v221, v230
from roaming.ocpi.authorization import check_ids
from roaming.ocpi.codec import Loss, dump_json
from roaming.ocpi.errors import InvalidParameters, NotFound
from roaming.ocpi.module import DeliveryJob, Outgoing, PushRequest, Recipient
from roaming.ocpi.outgoing import tell
from roaming.ocpi.pulling import Incoming, Pulling
from roaming.ocpi.wire import Wire
from roaming.partners.directory import Directory
from roaming.partners.telling import viewers_of
from roaming.partners.views import View
from roaming.store.database import Work
from roaming.store.documents import HERE, Origin, Stored, id_of_key, insert_or_hold

CODECS = {Version.V2_1_1: v211.CODEC, Version.V2_2_1: v221.CODEC, Version.V2_3_0: v230.CODEC}
AT_HAND = 64
"""Bodies kept for the other partners that are about to be told the same."""


async def publish(work: Work, tariff: Tariff) -> Tariff:
    """Stores a tariff of a hosted CPO and tells whoever may know. ``last_updated`` is set here."""
    check_priced(tariff)
    party = PartyId.of(tariff.country_code, tariff.party_id)
    key = repository.key_of(party, tariff.id)
    tariff = msgspec.structs.replace(tariff, last_updated=next_update(None, work.now))
    kept = await _insert_or_hold(work, key, tariff, source="", origin=HERE)
    if kept is not None:
        if kept.stored.source:
            raise InvalidParameters(f"tariff {tariff.id} belongs to a partner")
        tariff = msgspec.structs.replace(tariff, last_updated=next_update(kept.stored.last_updated, work.now))
        await repository.save(work.connection, kept, tariff, source="", now=work.now)
    await tell(work, [Outgoing(module="tariffs", object_key=key, owner=party)])
    return tariff


async def put(
    work: Work, wire: Wire, party: PartyId, tariff_id: str, body: Any, *, source: str, scope: str = ""
) -> bool:
    """Stores a partner's tariff; True when new. Raises ``InvalidParameters`` when body and address disagree."""
    tariff, origin = wire.decode_as_told(CODECS, body)
    check_ids(tariff, party, id=tariff_id)
    return await take(work, tariff, source=source, origin=origin, scope=scope)


async def take(work: Work, tariff: Tariff, *, source: str, origin: Origin, scope: str = "") -> bool:
    """Stores a partner's tariff, pushed or pulled, and tells whoever may know; True when new. One older than the stored
    one is left alone. ``scope``: the one party it was addressed to, and nobody else hears of it. Raises
    ``InvalidParameters`` when somebody else gave us the stored one, or it has no prices."""
    check_priced(tariff)
    key = repository.key_of(PartyId.of(tariff.country_code, tariff.party_id), tariff.id)
    kept = await _insert_or_hold(work, key, tariff, source=source, origin=origin, scope=scope)
    if kept is not None and kept.stored.source != source:
        raise InvalidParameters(f"tariff {tariff.id} cannot be changed by you")
    if kept is not None and tariff.last_updated < kept.tariff.last_updated:
        return False
    if kept is not None:
        await repository.save(work.connection, kept, tariff, source=source, now=work.now, scope=scope, origin=origin)
    await _tell(work, kept, key, tariff, scope)
    return kept is None


def check_priced(tariff: Tariff) -> None:
    """What no version can say could be stored and never be told (OCPI 2.2.1, tariffs: both lists have one entry at
    least). Free is a price of 0."""
    if not tariff.elements:
        raise InvalidParameters("elements: one at least is required")
    for index, element in enumerate(tariff.elements):
        if not element.price_components:
            raise InvalidParameters(
                f"elements[{index}].price_components: one at least is required; free is a price of 0"
            )


async def _tell(work: Work, kept: repository.Kept | None, key: str, tariff: Tariff, scope: str) -> None:
    """Also those whom it was told to before it became one party's: they are told that it is gone."""
    party = PartyId.of(tariff.country_code, tariff.party_id)
    is_withdrawn = kept is not None and bool(scope) and not kept.stored.scope
    detail = tariff.id if is_withdrawn else ""
    await tell(work, [Outgoing(module="tariffs", object_key=key, owner=party, detail=detail)])


async def take_pulled(work: Work, pulling: Pulling, incoming: Incoming) -> None:
    """``PullRules.take``."""
    await take(work, incoming.value, source=pulling.partner.id, origin=incoming.origin)


async def drop(work: Work, key: str, source: str) -> bool:
    """``PullRules.drop``: a tariff that is not in the list is deleted; False when ``source`` has none."""
    kept = await repository.load(work.connection, key, for_update=True)
    if kept is None or kept.stored.source != source:
        return False
    await _withdraw(work, kept)
    return True


async def patch(work: Work, wire: Wire, party: PartyId, tariff_id: str, body: Any, *, source: str) -> None:
    """Changes the given fields of a partner's tariff (2.1.1 only). Raises ``NotFound``, ``InvalidParameters``."""
    change = wire.decode_patch(CODECS, body)
    kept = await repository.load(work.connection, repository.key_of(party, tariff_id), for_update=True)
    if kept is None or kept.stored.source != source:
        raise NotFound("there is no such tariff: PUT it first")
    tariff = wire.apply(change, kept.tariff, last_updated=kept.tariff.last_updated)
    if fold(tariff.id) != fold(tariff_id):
        raise InvalidParameters("id cannot be changed: PUT a new tariff")
    check_priced(tariff)
    if tariff.last_updated >= kept.tariff.last_updated:
        await repository.save(work.connection, kept, tariff, source=source, now=work.now)
        await tell(work, [Outgoing(module="tariffs", object_key=kept.stored.key, owner=party)])


async def _insert_or_hold(
    work: Work, key: str, tariff: Tariff, *, source: str, origin: Origin, scope: str = ""
) -> repository.Kept | None:
    return await insert_or_hold(
        partial(repository.load, work.connection, key, for_update=True),
        partial(
            repository.save, work.connection, None, tariff, source=source, now=work.now, origin=origin, scope=scope
        ),
    )


async def withdraw(work: Work, party: PartyId, tariff_id: str, *, source: str) -> None:
    """Deletes a tariff of a partner (``source``) or of ours (empty). Raises ``NotFound``."""
    key = repository.key_of(party, tariff_id)
    kept = await repository.load(work.connection, key, for_update=True)
    if kept is None or kept.stored.source != source:
        raise NotFound("there is no such object")
    await _withdraw(work, kept)


async def _withdraw(work: Work, kept: repository.Kept) -> None:
    await repository.withdraw(work.connection, kept, now=work.now)
    if not kept.stored.scope:
        change = Outgoing(module="tariffs", object_key=kept.stored.key, owner=kept.stored.owner, detail=kept.tariff.id)
        await tell(work, [change])


def audience(outgoing: Outgoing, kept: Stored | None, directory: Directory) -> Sequence[Recipient]:
    """Every eMSP and information service under agreement with the owner; never the partner that gave it to us, and of
    one that is for one party alone nobody, but that it is gone for the others."""
    if kept is not None and kept.scope and not outgoing.detail:
        return ()
    source = kept.source if kept is not None else ""
    owner = directory.partner_of(outgoing.owner, Role.CPO)
    if not source and owner is not None and not directory.is_hosted(outgoing.owner, Role.CPO):
        source = owner.id  # it is gone, and with it who gave it to us
    teller = directory.teller_of(outgoing.owner, source)
    return [
        Recipient(partner_id=told.partner.id, to_party=told.party, from_party=teller, is_apart=told.is_apart)
        for told in viewers_of(directory, outgoing.owner)
        if told.partner.id != source and told.view.sees_tariff(id_of_key(outgoing.object_key))
    ]


def retell(kept: Stored, before: View, now: View) -> Sequence[tuple[str, str]]:
    """``DeliveryRules.retell``: PUT of a tariff that comes, DELETE of one that goes."""
    was, is_seen = before.sees_tariff(kept.object_id), now.sees_tariff(kept.object_id)
    return [] if was == is_seen else [("", "" if is_seen else kept.object_id)]


def build(job: DeliveryJob, kept: Stored | None, endpoint: str) -> PushRequest | None:
    """PUT of the tariff as it is, or DELETE when it was withdrawn."""
    version = job.partner.version
    if version is None or not endpoint:
        return None
    if kept is None or kept.scope or not job.view.sees_tariff(kept.object_id):
        if not job.detail:
            return None
        url = job.address(endpoint, job.owner.country_code, job.owner.party_id, job.detail)
        return PushRequest(method="DELETE", url=url, body=None)
    url = job.address(endpoint, kept.country_code, kept.party_id, kept.object_id)
    if (text := kept.text_in(version)) is not None:
        return PushRequest(method="PUT", url=url, body=text)
    body, losses = _whole(version, kept.document)
    return PushRequest(method="PUT", url=url, body=body, losses=losses)


@lru_cache(AT_HAND)
def _whole(version: Version, document: str) -> tuple[bytes, Sequence[Loss]]:
    """What all partners of a version are told."""
    encoded = CODECS[version].encode(from_document(Tariff, document))
    return dump_json(encoded.body), encoded.losses

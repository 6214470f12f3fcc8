"""What can be done with locations: publish ours, take a partner's, change an EVSE's status."""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from roaming.model.canonical import from_document
from roaming.model.identifiers import PartyId, fold
from roaming.model.location import EVSE, Connector, LiveStatus, Location, read_live
from roaming.model.time import next_update
from roaming.model.version import Version
from roaming.modules.locations import repository
from roaming.modules.locations.codec import v211, v221, v230
from roaming.modules.locations.repository import Held, Kept
from roaming.modules.locations.showing import removed, removed_evse, retold, shown_to
from roaming.ocpi.authorization import check_id, check_ids
from roaming.ocpi.codec import Loss, Patch, dump_json
from roaming.ocpi.errors import InvalidParameters, NotFound, UnknownLocation
from roaming.ocpi.module import GONE, DeliveryJob, Outgoing, PushRequest, Recipient
from roaming.ocpi.outgoing import tell
from roaming.ocpi.pulling import Incoming, Pulling
from roaming.ocpi.wire import Wire
from roaming.partners.directory import Directory
from roaming.partners.telling import viewers_of
from roaming.partners.views import View
from roaming.store.database import Work
from roaming.store.documents import HERE, Origin, Stored, insert_or_hold

LOCATION_CODECS = {Version.V2_1_1: v211.CODEC, Version.V2_2_1: v221.CODEC, Version.V2_3_0: v230.CODEC}
EVSE_CODECS = {Version.V2_1_1: v211.EVSE_CODEC, Version.V2_2_1: v221.EVSE_CODEC, Version.V2_3_0: v230.EVSE_CODEC}
CONNECTOR_CODECS = {
    Version.V2_1_1: v211.CONNECTOR_CODEC,
    Version.V2_2_1: v221.CONNECTOR_CODEC,
    Version.V2_3_0: v230.CONNECTOR_CODEC,
}

AT_HAND = 64
"""Bodies kept for the other partners that are about to be told the same."""


class EvseChange(msgspec.Struct, frozen=True, kw_only=True):
    """An EVSE's new status, from its station."""

    party: PartyId
    location_id: str
    evse_uid: str
    status: str
    correlation_id: str


def check_ours(location: Location) -> None:
    """Refuses what partners could not use, or what no charge could be priced by: an unknown time zone, a country that
    is no three letters, coordinates that lie nowhere. Raises ``InvalidParameters`` that names the field. (OCPI 2.2.1,
    locations, section 8.3.1; partners' own locations are taken as they come.)"""
    try:
        ZoneInfo(location.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidParameters(
            f"time_zone: {location.time_zone!r} is no IANA time zone; give one such as Europe/Amsterdam"
        ) from None
    if re.fullmatch("[A-Z]{3}", location.country) is None:
        raise InvalidParameters(f"country: {location.country!r} is not ISO 3166-1 alpha-3; give one such as NLD")
    for name, most in (("latitude", 90), ("longitude", 180)):
        given = getattr(location.coordinates, name)
        if re.fullmatch(r"-?\d{1,3}(\.\d{1,10})?", given, re.ASCII) is None or abs(Decimal(given)) > most:
            raise InvalidParameters(
                f"coordinates.{name}: {given!r} is not a number of degrees up to {most}; give one such as 51.90500"
            )


async def publish(work: Work, location: Location) -> Location:
    """Stores a location of a hosted CPO, new or changed, and tells whoever may know. ``last_updated`` is set here.
    Raises ``InvalidParameters`` for what ``check_ours`` refuses, and for a location of a partner."""
    check_ours(location)
    key = repository.key_of(PartyId.of(location.country_code, location.party_id), location.id)
    location = msgspec.structs.replace(location, last_updated=next_update(None, work.now))
    kept = await _insert_or_hold(work, key, location, source="", origin=HERE)
    if kept is not None:
        if kept.stored.source:
            raise InvalidParameters(f"location {location.id} belongs to a partner")
        location = msgspec.structs.replace(location, last_updated=next_update(kept.stored.last_updated, work.now))
        await repository.replace(work.connection, kept, location, now=work.now)
    await tell(work, [Outgoing(module="locations", object_key=key, owner=_owner(location))])
    return location


async def change_evses(work: Work, changes: Sequence[EvseChange]) -> int:
    """Sets statuses of EVSEs of hosted locations; returns how many were different."""
    by_location: dict[str, list[EvseChange]] = {}
    for change in changes:
        by_location.setdefault(repository.key_of(change.party, change.location_id), []).append(change)
    changed: list[Held] = []
    outgoing: list[Outgoing] = []
    for held in await repository.hold_statuses(work.connection, sorted(by_location)):
        updated = next_update(held.last_updated, work.now)
        statuses = held.statuses
        told = len(outgoing)
        for change in by_location[held.key]:
            uid = fold(change.evse_uid)
            known = statuses.get(uid)
            if known is None or known.status == change.status:
                continue
            statuses[uid] = LiveStatus(known.uid, change.status, updated)
            outgoing.append(
                Outgoing(
                    module="locations",
                    object_key=held.key,
                    owner=change.party,
                    part=known.uid,
                    correlation_id=change.correlation_id,
                )
            )
        if len(outgoing) > told:
            changed.append(Held(key=held.key, last_updated=updated, statuses=statuses))
    await repository.change_statuses(work.connection, changed, now=work.now)
    await tell(work, outgoing)
    return len(outgoing)


async def put(
    work: Work, wire: Wire, party: PartyId, path: Sequence[str], body: Any, *, source: str, scope: str = ""
) -> bool:
    """Stores a partner's Location, EVSE or Connector at ``path`` (its ids from the location down); True when new.

    An object older than the stored one is acknowledged and left alone. Raises ``InvalidParameters`` when the body
    names other ids than the address, ``UnknownLocation`` when the parent is missing.
    """
    if len(path) == 1:
        return await _put_location(work, wire, party, path[0], body, source=source, scope=scope)
    kept = await _partners_location(work, party, path[0], source)
    location = kept.location
    evse = find_evse(location, path[1])
    if len(path) == 2:
        incoming = wire.decode(EVSE_CODECS, body)
        check_id("uid", incoming.uid, path[1])
        is_new, updated, changed = evse is None, incoming.last_updated, incoming
    else:
        if evse is None:
            raise UnknownLocation(f"EVSE {path[1]} is not known here: PUT it before its connectors")
        connector = wire.decode(CONNECTOR_CODECS, body)
        check_id("id", connector.id, path[2])
        is_new, updated = find_connector(evse, path[2]) is None, connector.last_updated
        changed = _with_connector(evse, connector)
    await _keep(work, kept, _with_evse(location, changed, updated))
    return is_new


async def _put_location(
    work: Work, wire: Wire, party: PartyId, location_id: str, body: Any, *, source: str, scope: str
) -> bool:
    location, origin = wire.decode_as_told(LOCATION_CODECS, body)
    check_ids(location, party, id=location_id)
    return await take(work, location, source=source, origin=origin, scope=scope)


async def take(work: Work, location: Location, *, source: str, origin: Origin, scope: str = "") -> bool:
    """Stores a partner's location, pushed or pulled, and tells whoever may know; True when new. One older than the
    stored one is left alone. ``scope``: the one party it was addressed to, and nobody else hears of it.
    Raises ``InvalidParameters`` when somebody else gave us the stored one."""
    key = repository.key_of(_owner(location), location.id)
    kept = await _insert_or_hold(work, key, location, source=source, origin=origin, scope=scope)
    if kept is not None and kept.stored.source != source:
        raise InvalidParameters(f"location {location.id} cannot be changed by you")
    if kept is not None and location.last_updated < kept.location.last_updated:
        return False
    if kept is not None:
        await repository.replace(work.connection, kept, location, scope=scope, now=work.now, origin=origin)
    await tell(work, [Outgoing(module="locations", object_key=key, owner=_owner(location))])
    return kept is None


async def drop(work: Work, key: str, source: str) -> bool:
    """``PullRules.drop``: takes a partner's location that its owner lists no more out of our lists; True when it was in
    them. It stays stored, since sessions and CDRs name it, and is listed again as soon as it comes back."""
    kept = await repository.load(work.connection, key, for_update=True)
    if kept is None or kept.stored.source != source or not kept.stored.is_listed:
        return False
    await repository.hide(work.connection, kept, now=work.now)
    return True


async def take_pulled(work: Work, pulling: Pulling, incoming: Incoming) -> None:
    """``PullRules.take``."""
    await take(work, incoming.value, source=pulling.partner.id, origin=incoming.origin)


async def _insert_or_hold(
    work: Work, key: str, location: Location, *, source: str, origin: Origin, scope: str = ""
) -> Kept | None:
    return await insert_or_hold(
        partial(repository.load, work.connection, key, for_update=True),
        partial(repository.insert, work.connection, location, source=source, now=work.now, origin=origin, scope=scope),
    )


async def patch(work: Work, wire: Wire, party: PartyId, path: Sequence[str], body: Any, *, source: str) -> None:
    """Changes the given fields of a partner's Location, EVSE or Connector. Raises ``InvalidParameters`` without
    ``last_updated`` (2.2 and later), ``UnknownLocation`` for what is not there."""
    kept = await _partners_location(work, party, path[0], source)
    location = kept.location
    if len(path) == 1:
        change = wire.decode_patch(LOCATION_CODECS, body)
        changed = wire.apply(change, location, last_updated=location.last_updated)
        newest = max(changed.last_updated, location.last_updated)
        await _keep(work, kept, msgspec.structs.replace(changed, last_updated=newest))
        return
    evse = find_evse(location, path[1])
    if evse is None:
        raise UnknownLocation(f"EVSE {path[1]} is not known here: PUT it first")
    if len(path) == 2:
        evse = wire.apply(wire.decode_patch(EVSE_CODECS, body), evse, last_updated=evse.last_updated)
        updated = evse.last_updated
    else:
        connector = find_connector(evse, path[2])
        if connector is None:
            raise UnknownLocation(f"connector {path[2]} is not known here: PUT it first")
        change_of_it = wire.decode_patch(CONNECTOR_CODECS, body)
        connector = wire.apply(change_of_it, connector, last_updated=connector.last_updated)
        evse, updated = _with_connector(evse, connector), connector.last_updated
    await _keep(work, kept, _with_evse(location, evse, updated))


async def _partners_location(work: Work, party: PartyId, location_id: str, source: str) -> Kept:
    key = repository.key_of(party, location_id)
    kept = await repository.load(work.connection, key, for_update=True)
    if kept is None or kept.stored.source != source:
        raise UnknownLocation(f"location {location_id} is not known here: PUT it first")
    return kept


async def _keep(work: Work, kept: Kept, location: Location) -> None:
    if location.last_updated >= kept.location.last_updated:
        await repository.replace(work.connection, kept, location, now=work.now)
        await tell(work, [Outgoing(module="locations", object_key=kept.stored.key, owner=_owner(location))])


def _with_evse(location: Location, evse: EVSE, updated: datetime) -> Location:
    newest = max(updated, location.last_updated)
    evse = msgspec.structs.replace(evse, last_updated=max(updated, evse.last_updated))
    evses = [evse if fold(entry.uid) == fold(evse.uid) else entry for entry in location.evses]
    if find_evse(location, evse.uid) is None:
        evses.append(evse)
    return msgspec.structs.replace(location, evses=tuple(evses), last_updated=newest)


def _with_connector(evse: EVSE, connector: Connector) -> EVSE:
    connectors = [connector if fold(entry.id) == fold(connector.id) else entry for entry in evse.connectors]
    if find_connector(evse, connector.id) is None:
        connectors.append(connector)
    return msgspec.structs.replace(evse, connectors=tuple(connectors))


def find_evse(location: Location, uid: str) -> EVSE | None:
    """The EVSE with this uid, compared without case."""
    return next((evse for evse in location.evses if fold(evse.uid) == fold(uid)), None)


def find_connector(evse: EVSE, connector_id: str) -> Connector | None:
    """The connector with this id, compared without case."""
    return next((entry for entry in evse.connectors if fold(entry.id) == fold(connector_id)), None)


def encode_part(location: Location, path: Sequence[str], wire: Wire) -> bytes:
    """JSON of the Location, or of the EVSE or Connector that ``path`` names below it. Raises ``NotFound``."""
    if len(path) == 1:
        return wire.encode(LOCATION_CODECS, location)
    evse = find_evse(location, path[1])
    connector = find_connector(evse, path[2]) if evse is not None and len(path) == 3 else None
    if evse is None or (len(path) == 3 and connector is None):
        raise NotFound("there is no such object")
    if connector is not None:
        return wire.encode(CONNECTOR_CODECS, connector)
    return wire.encode(EVSE_CODECS, evse)


def _owner(location: Location) -> PartyId:
    return PartyId.of(location.country_code, location.party_id)


def audience(outgoing: Outgoing, kept: Stored | None, directory: Directory) -> Sequence[Recipient]:
    """Every eMSP and information service under agreement with the owner, if the location is published; never the
    partner that gave it to us, and nobody when it was for one party alone."""
    if kept is None or kept.scope or not kept.is_listed:
        return ()
    teller = directory.teller_of(outgoing.owner, kept.source)
    return [
        Recipient(partner_id=told.partner.id, to_party=told.party, from_party=teller, is_apart=told.is_apart)
        for told in viewers_of(directory, outgoing.owner)
        if told.partner.id != kept.source and _is_told(told.view, kept.object_id, outgoing.part)
    ]


def _is_told(view: View, location_id: str, part: str) -> bool:
    return view.sees_evse(location_id, part) if part else view.sees_location(location_id)


def build(job: DeliveryJob, kept: Stored | None, endpoint: str) -> PushRequest | None:
    """PATCH of an EVSE's status where only that changed, else PUT of the whole Location."""
    version = job.partner.version
    if kept is None or version is None or not endpoint:
        return None
    if not _is_told(job.view, kept.object_id, job.part):
        return (
            _build_gone(job, kept, version, endpoint) if job.detail.startswith(GONE) else None
        )  # a rule has changed since
    ids = [kept.country_code, kept.party_id, kept.object_id]
    changed = read_live(kept.live).get(fold(job.part)) if job.part and kept.live and not job.is_full else None
    if changed is not None:
        patch: Patch[EVSE] = Patch({"status": changed.status, "last_updated": changed.last_updated})
        partial = EVSE_CODECS[version].encode_patch(patch)
        url = job.address(endpoint, *ids, changed.uid)
        return PushRequest(method="PATCH", url=url, body=dump_json(partial.body), losses=partial.losses)
    url = job.address(endpoint, *ids)
    is_as_stored = not job.view.alters_location(kept.object_id)
    if is_as_stored and (text := kept.text_in(version)) is not None:
        return PushRequest(method="PUT", url=url, body=text)
    if is_as_stored:
        body, losses = _whole(version, kept.document, kept.live)
        return PushRequest(method="PUT", url=url, body=body, losses=losses)
    encoded = LOCATION_CODECS[version].encode(shown_to(job.view, repository.decoded(kept)))
    return PushRequest(method="PUT", url=url, body=dump_json(encoded.body), losses=encoded.losses)


@lru_cache(AT_HAND)
def _whole(version: Version, document: str, live: str) -> tuple[bytes, Sequence[Loss]]:
    """What all partners of a version are told."""
    encoded = LOCATION_CODECS[version].encode(from_document(Location, document, live))
    return dump_json(encoded.body), encoded.losses


def _build_gone(job: DeliveryJob, kept: Stored, version: Version, endpoint: str) -> PushRequest | None:
    """An EVSE or a location that the partner saw before a rule changed."""
    ids, location = [kept.country_code, kept.party_id, kept.object_id], repository.decoded(kept)
    if not job.part:
        encoded = LOCATION_CODECS[version].encode(removed(location, job.detail))
        url = job.address(endpoint, *ids)
        return PushRequest(method="PUT", url=url, body=dump_json(encoded.body), losses=encoded.losses)
    evse = find_evse(location, job.part)
    if evse is None:
        return None
    url = job.address(endpoint, *ids, evse.uid)
    if job.is_full:
        whole = EVSE_CODECS[version].encode(removed_evse(evse))
        return PushRequest(method="PUT", url=url, body=dump_json(whole.body), losses=whole.losses)
    patch: Patch[EVSE] = Patch({"status": "REMOVED", "last_updated": evse.last_updated})
    partial = EVSE_CODECS[version].encode_patch(patch)
    return PushRequest(method="PATCH", url=url, body=dump_json(partial.body), losses=partial.losses)


def retell(kept: Stored, before: View, now: View) -> Sequence[tuple[str, str]]:
    """``DeliveryRules.retell``."""
    return retold(repository.decoded(kept), before, now)

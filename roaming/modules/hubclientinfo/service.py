"""What is said of the parties that can be reached here, and to whom; what a hub in front of us says of its own.

Decision 0066: everybody who is connected may know who else is.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from roaming.model.canonical import from_document
from roaming.model.client_info import ClientInfo, ConnectionStatus
from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole
from roaming.model.version import Version
from roaming.modules.hubclientinfo import repository
from roaming.modules.hubclientinfo.codec import v221, v230
from roaming.modules.hubclientinfo.repository import Known
from roaming.ocpi.authorization import check_ids
from roaming.ocpi.codec import DecodeContext, dump_json
from roaming.ocpi.errors import InvalidParameters
from roaming.ocpi.module import DeliveryJob, Outgoing, PushRequest, Recipient, Services
from roaming.ocpi.outgoing import tell
from roaming.ocpi.wire import Wire, finding_note
from roaming.partners import registry
from roaming.partners.directory import HUB, Directory, Partner
from roaming.partners.presence import offline_partners
from roaming.store.database import Work
from roaming.store.documents import Origin, Stored, insert_or_hold

CODECS = {Version.V2_2_1: v221.CODEC, Version.V2_3_0: v230.CODEC}
_BEST_FIRST = (
    ConnectionStatus.CONNECTED,
    ConnectionStatus.OFFLINE,
    ConnectionStatus.PLANNED,
    ConnectionStatus.SUSPENDED,
)


def stated(directory: Directory, offline: Collection[str], before: Mapping[str, Known]) -> dict[str, Known]:
    """What is to be said now, by key. A party that is gone is SUSPENDED: nothing is ever unsaid."""
    found: dict[str, Known] = {}
    for entry in directory.hosted:
        _add(found, entry.party, entry.role, ConnectionStatus.CONNECTED)
    for partner in directory.partners.values():
        status = _status(partner, offline)
        for entry in partner.roles:
            _add(found, entry.party, entry.role, status)
    for key, known in before.items():
        if key not in found:
            found[key] = Known(party=known.party, role=known.role, status=ConnectionStatus.SUSPENDED)
    return found


def _status(partner: Partner, offline: Collection[str]) -> ConnectionStatus:
    """All parties of a platform share its fate."""
    if partner.state == "SUSPENDED":
        return ConnectionStatus.SUSPENDED
    if not partner.is_connected:
        return ConnectionStatus.PLANNED
    return ConnectionStatus.OFFLINE if partner.id in offline else ConnectionStatus.CONNECTED


def _add(found: dict[str, Known], party: PartyId, role: str, status: ConnectionStatus) -> None:
    """A party that moved to another platform is where it is now."""
    key = repository.key_of(party, role)
    known = found.get(key)
    if role != HUB and (known is None or _BEST_FIRST.index(status) < _BEST_FIRST.index(ConnectionStatus(known.status))):
        found[key] = Known(party=party, role=role, status=status)


async def keep(services: Services) -> int:
    """Brings what we say up to date and tells those who may know; returns how much changed. Raises
    ``StoreUnavailable``."""
    reader = services.database.reader
    before = await repository.known(reader)
    now = stated(await services.directory.current(), await offline_partners(reader), before)
    changed = {key: known for key, known in now.items() if before.get(key) != known}
    if not changed:
        return 0
    told: list[Outgoing] = []
    async with services.database.work() as work:
        for key in sorted(changed):
            known = changed[key]
            if await _say(work, key, known):
                told.append(Outgoing(module="hubclientinfo", object_key=key, owner=known.party))
        await tell(work, told)
    return len(told)


async def _say(work: Work, key: str, known: Known) -> bool:
    """False when another process has said it meanwhile."""
    info = ClientInfo(
        country_code=known.party.country_code,
        party_id=known.party.party_id,
        role=known.role,
        status=known.status,
        last_updated=work.now,
    )
    kept = await insert_or_hold(
        partial(repository.load, work.connection, key),
        partial(repository.save, work.connection, None, info, source="", now=work.now),
    )
    if kept is None:
        return True
    if kept.info.status == known.status:
        return False
    await repository.save(work.connection, kept, info, source="", now=work.now)
    return True


async def put(
    work: Work, wire: Wire, partner: Partner, party: PartyId, body: Any, *, hub_party: PartyId | None
) -> bool:
    """Stores what a hub says of a party, beside what others say of it; True when new.

    Raises ``InvalidParameters`` when body and address disagree, or when the caller is no hub by its version details.
    A body without ``last_updated`` is of now: the specification's own example has none.
    """
    if partner.endpoint("hubclientinfo", InterfaceRole.SENDER) is None:
        raise InvalidParameters("only a hub tells of clients: your version details have no hubclientinfo SENDER")
    decoded = CODECS[wire.version].decode(body, context=DecodeContext(received_at=wire.received_at))
    wire.notes.extend(finding_note(finding) for finding in decoded.findings)
    info = decoded.value
    check_ids(info, party)
    origin = Origin(wire.version)
    kept = await insert_or_hold(
        partial(repository.load, work.connection, repository.key_of(party, info.role, source=partner.id)),
        partial(repository.save, work.connection, None, info, source=partner.id, now=work.now, origin=origin),
    )
    if kept is None or info.last_updated >= kept.info.last_updated:
        await _place(work, partner, party, info, hub_party)
    if kept is not None and info.last_updated >= kept.info.last_updated:
        await repository.save(work.connection, kept, info, source=partner.id, now=work.now, origin=origin)
    return kept is None


async def _place(work: Work, partner: Partner, party: PartyId, info: ClientInfo, hub_party: PartyId | None) -> None:
    """Whom a hub can reach is reached through it from now on; who has left it, no more (decision 0098)."""
    if info.status in (ConnectionStatus.CONNECTED, ConnectionStatus.OFFLINE):
        await registry.learn_behind(work, partner, party, info.role, hub_party=hub_party)
    elif info.status == ConnectionStatus.SUSPENDED:
        await registry.forget_behind(work, partner, party, info.role)


def audience(outgoing: Outgoing, kept: Stored | None, directory: Directory) -> Sequence[Recipient]:
    """Every connected partner that takes client info, but the one that speaks for the party. No routing headers: a
    configuration module."""
    if kept is None or kept.source:
        return ()
    return tuple(
        Recipient(partner_id=partner.id, to_party=None, from_party=None)
        for partner in directory.partners.values()
        if partner.is_connected
        and partner.version in CODECS
        and partner.endpoint("hubclientinfo", InterfaceRole.RECEIVER) is not None
        and outgoing.owner not in partner.parties()
    )


def build(job: DeliveryJob, kept: Stored | None, endpoint: str) -> PushRequest | None:
    """PUT of the client info as it is now."""
    version = job.partner.version
    if kept is None or version not in CODECS or not endpoint:
        return None
    info = from_document(ClientInfo, kept.document)
    encoded = CODECS[version].encode(info)
    return PushRequest(
        method="PUT",
        url=job.address(endpoint, info.country_code, info.party_id),
        body=dump_json(encoded.body),
        losses=encoded.losses,
    )

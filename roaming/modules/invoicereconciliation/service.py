"""What can be done with invoice reconciliation records: issue and withdraw ours, take a partner's.

A record concerns two parties: whose invoice it is, and who got it. Nobody else ever sees it (decision 0088).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from roaming.model.canonical import from_document
from roaming.model.identifiers import PartyId, fold
from roaming.model.party import Role
from roaming.model.time import next_update
from roaming.model.version import Version
from roaming.modules.invoicereconciliation import repository
from roaming.modules.invoicereconciliation.checking import Checked, Verdict, between, check
from roaming.modules.invoicereconciliation.codec import v230
from roaming.modules.invoicereconciliation.model import InvoiceReconciliationRecord
from roaming.ocpi.client import Outcome
from roaming.ocpi.codec import DecodeError, dump_json
from roaming.ocpi.errors import InvalidParameters, NotFound
from roaming.ocpi.module import CopyUnknown, DeliveryJob, Outgoing, PushRequest, Recipient, Services, routing_to
from roaming.ocpi.outgoing import tell
from roaming.ocpi.partner_call import call_to
from roaming.ocpi.pulling import Incoming, Pulling
from roaming.partners.directory import Directory, Partner
from roaming.store.database import Work
from roaming.store.documents import HERE, Origin, Stored, insert_or_hold
from roaming.store.reader import Reader

MODULE = "invoicereconciliation"
CODECS = {Version.V2_3_0: v230.CODEC}
ISSUERS = (Role.CPO, Role.EMSP)
_REASONS = {
    Verdict.MISSING: "is no CDR between the two parties",
    Verdict.REPEATED: "stands there twice",
    Verdict.BILLED_BEFORE: "stands on another invoice already: ",
}
LOOK_UP_SECONDS = 5.0
PATIENT_LOOK_UPS = 6
"""A partner that answers every look-up with an error is sent the record again after so many attempts."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """``Outgoing.detail``: what is to be said of a record, and to whom, when it may be gone."""

    method: str
    to: str
    id: str


def may_bill(directory: Directory, one: PartyId, other: PartyId) -> bool:
    """Whether an agreement between the two is in force, whichever of them is the CPO."""
    return directory.may_exchange(cpo=one, emsp=other) or directory.may_exchange(cpo=other, emsp=one)


def read_ours(body: object) -> InvoiceReconciliationRecord:
    """A record of ours from its JSON form. Raises ``DecodeError``, which is a ``ValueError``."""
    return CODECS[Version.V2_3_0].decode(body).value


async def issue(
    services: Services, record: InvoiceReconciliationRecord, to: PartyId
) -> tuple[InvoiceReconciliationRecord, Checked]:
    """Stores a record of a hosted party for an invoice that ``to`` gets, new or in place of the one of that id, and
    tells ``to``. ``last_updated`` is set here.

    Raises ``InvalidParameters`` for a record that cannot be right: not a hosted party's, no agreement, or a CDR that is
    not between the two or on another invoice of theirs.
    """
    directory = await services.directory.current()
    party = PartyId.of(record.country_code, record.party_id)
    if not any(directory.is_hosted(party, role) for role in ISSUERS):
        raise InvalidParameters(f"country_code, party_id: {party} is not hosted here")
    if not may_bill(directory, party, to):
        raise InvalidParameters(f"{to} has no agreement with {party}: nothing can be invoiced between them")
    checked = await check(services.database.reader, record, to)
    for line in checked.lines:
        if line.verdict != Verdict.FOUND:
            raise InvalidParameters(f"cdrs: {line.cdr_id} {_REASONS[line.verdict]}{line.also_on}")
    async with services.database.work() as work:
        record = msgspec.structs.replace(record, last_updated=next_update(None, work.now))
        kept = await _insert_or_hold(work, record, source="", scope=str(to), origin=HERE)
        if kept is not None:
            if kept.stored.source or kept.stored.scope != str(to):
                raise InvalidParameters(f"id: {record.id} is a record for {kept.stored.scope}; choose another id")
            record = msgspec.structs.replace(record, last_updated=next_update(kept.stored.last_updated, work.now))
            await repository.save(work.connection, kept, record, source="", scope=str(to), now=work.now)
        await _tell(work, record, party, Told(method="PUT" if kept else "POST", to=str(to), id=record.id))
    return record, checked


async def withdraw(work: Work, party: PartyId, record_id: str) -> None:
    """Deletes a record of ours that should never have been, and tells who got it. Raises ``NotFound``."""
    kept = await repository.load(work.connection, repository.key_of(party, record_id))
    if kept is None or kept.stored.source:
        raise NotFound("there is no such record of ours")
    await repository.remove(work.connection, kept)
    await _tell(work, kept.record, party, Told(method="DELETE", to=kept.stored.scope, id=kept.record.id))


async def _tell(work: Work, record: InvoiceReconciliationRecord, party: PartyId, told: Told) -> None:
    key = repository.key_of(party, record.id)
    await tell(work, [Outgoing(module=MODULE, object_key=key, owner=party, detail=msgspec.json.encode(told).decode())])


async def post(work: Work, record: InvoiceReconciliationRecord, *, source: str, to: PartyId, origin: Origin) -> None:
    """Stores a partner's new record for ``to``. The same one again is acknowledged. Raises ``InvalidParameters`` when
    there is another one under its id."""
    kept = await _insert_or_hold(work, record, source=source, scope=str(to), origin=origin)
    if kept is not None and (kept.stored.source != source or kept.record != record):
        raise InvalidParameters(f"id: there is a record {record.id} with other content; PUT it to change it")


async def put(work: Work, partner: Partner, record: InvoiceReconciliationRecord) -> None:
    """Replaces a partner's record; one older than the stored one is left alone. Raises ``NotFound``."""
    key = repository.key_of(PartyId.of(record.country_code, record.party_id), record.id)
    kept = await repository.load(work.connection, key)
    if kept is None or kept.stored.source != partner.id:
        raise NotFound("there is no such record: POST it first")
    await _replace(work, kept, record)


async def _replace(work: Work, kept: repository.Kept, record: InvoiceReconciliationRecord) -> None:
    if record.last_updated >= kept.record.last_updated and record != kept.record:
        stored = kept.stored
        await repository.save(work.connection, kept, record, source=stored.source, scope=stored.scope, now=work.now)


async def delete(work: Work, party: PartyId, record_id: str, *, source: str) -> None:
    """Forgets a partner's record. Raises ``NotFound``."""
    if not await drop(work, repository.key_of(party, record_id), source):
        raise NotFound("there is no such record")


async def drop(work: Work, key: str, source: str) -> bool:
    """``PullRules.drop``: a record that its issuer does not list any more; False when ``source`` gave none."""
    kept = await repository.load(work.connection, key)
    if kept is None or kept.stored.source != source:
        return False
    await repository.remove(work.connection, kept)
    return True


async def take_pulled(work: Work, pulling: Pulling, incoming: Incoming) -> None:
    """``PullRules.take``: as for whom we asked, or as the record itself tells."""
    record: InvoiceReconciliationRecord = incoming.value
    source = pulling.partner.id
    kept = await repository.load(work.connection, incoming.key)
    if kept is None:
        to = pulling.asked_by
        if to is None or not may_bill(pulling.directory, PartyId.of(record.country_code, record.party_id), to):
            raise InvalidParameters("country_code, party_id: no agreement with the party that asked")
        kept = await _insert_or_hold(work, record, source=source, scope=str(to), origin=incoming.origin)
    if kept is not None and kept.stored.source != source:
        raise InvalidParameters(f"record {record.id} cannot be changed by you")
    if kept is not None:
        await _replace(work, kept, record)


async def receiver_of(
    reader: Reader,
    directory: Directory,
    partner: Partner,
    record: InvoiceReconciliationRecord,
    *,
    named: PartyId | None,
) -> PartyId:
    """For which of our parties a partner's record is, since the record does not say: the one it is addressed to, the
    only one under agreement, or the only one that its CDRs are shared with. Raises ``InvalidParameters``."""
    issuer = PartyId.of(record.country_code, record.party_id)
    if issuer not in partner.parties(*ISSUERS):
        raise InvalidParameters(f"country_code, party_id: {issuer} is neither CPO nor eMSP of your credentials")
    agreed = [party for party in directory.hosted_parties(*ISSUERS) if may_bill(directory, issuer, party)]
    if named is not None:
        agreed = [party for party in agreed if party == named]
    if len(agreed) > 1:
        sharing = [party for party in agreed if await between(reader, issuer, party, record.cdrs)]
        agreed = sharing or agreed
    if not agreed:
        raise InvalidParameters(f"{issuer} has no agreement here with the party that this record is for")
    if len(agreed) > 1:
        raise InvalidParameters("OCPI-to-country-code, OCPI-to-party-id: say which party the invoice was sent to")
    return agreed[0]


async def _insert_or_hold(
    work: Work, record: InvoiceReconciliationRecord, *, source: str, scope: str, origin: Origin
) -> repository.Kept | None:
    key = repository.key_of(PartyId.of(record.country_code, record.party_id), record.id)
    return await insert_or_hold(
        partial(repository.load, work.connection, key),
        partial(
            repository.save, work.connection, None, record, source=source, scope=scope, now=work.now, origin=origin
        ),
    )


def audience(outgoing: Outgoing, kept: Stored | None, directory: Directory) -> Sequence[Recipient]:
    """The party that got the invoice, if it is a partner's, under agreement, and takes such records."""
    told = msgspec.json.decode(outgoing.detail, type=Told)
    to = PartyId.parse(told.to)
    partner = directory.partner_of(to)
    if partner is None or partner.version not in CODECS or not may_bill(directory, outgoing.owner, to):
        return ()
    return (Recipient(partner_id=partner.id, to_party=to, from_party=outgoing.owner),)


def build(job: DeliveryJob, kept: Stored | None, endpoint: str) -> PushRequest | None:
    """POST or PUT of the record as it is now, or DELETE."""
    version = job.partner.version
    if version not in CODECS or not endpoint:
        return None
    told = msgspec.json.decode(job.detail, type=Told)
    address = job.address(endpoint, job.owner.country_code, job.owner.party_id, told.id)
    if told.method == "DELETE":
        return PushRequest(method="DELETE", url=address, body=None)
    if kept is None:
        return None
    encoded = CODECS[version].encode(from_document(InvoiceReconciliationRecord, kept.document))
    return PushRequest(
        method=told.method,
        url=job.address(endpoint) if told.method == "POST" else address,
        body=dump_json(encoded.body),
        losses=encoded.losses,
    )


async def find_copy(services: Services, job: DeliveryJob, endpoint: str) -> str | None:
    """Asks the partner what it holds, after an answer was lost: its address there when nothing need be sent again.

    A POST has arrived when there is a copy at all (a later change has its own PUT), a PUT when the copy is of our
    ``last_updated``, a DELETE when there is none. Raises ``CopyUnknown``.
    """
    told = msgspec.json.decode(job.detail, type=Told)
    address = job.address(endpoint, job.owner.country_code, job.owner.party_id, told.id)
    routing = routing_to(job.partner, job.recipient.from_party, job.recipient.to_party)
    call = call_to(services, job.partner, "GET", address, routing=routing, timeout=LOOK_UP_SECONDS)
    answer = await services.client.request(call)
    if answer.outcome not in (Outcome.DELIVERED, Outcome.REFUSED) and job.attempts < PATIENT_LOOK_UPS:
        raise CopyUnknown(f"GET {address}: {answer.error or answer.message or 'no answer'}")
    held = answer.data if answer.outcome == Outcome.DELIVERED and isinstance(answer.data, dict) else None
    is_copy = held is not None and fold(str(held.get("id", ""))) == fold(told.id)
    if told.method == "DELETE":
        return address if answer.http_status == 404 else None
    if told.method == "PUT" and is_copy:
        ours = await repository.DOCUMENTS.read_many(services.database.reader, [job.object_key])
        is_copy = job.object_key not in ours or _stamp(held) == ours[job.object_key].last_updated
    return address if is_copy else None


def _stamp(body: Any) -> Any:
    try:
        return CODECS[Version.V2_3_0].decode(body).value.last_updated
    except DecodeError:
        return None

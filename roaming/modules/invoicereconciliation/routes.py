"""Endpoints of invoice reconciliation. The caller sees records for its own parties, and those it gave us."""

from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole
from roaming.modules.invoicereconciliation import repository, service
from roaming.modules.invoicereconciliation.model import InvoiceReconciliationRecord
from roaming.ocpi.addresses import join
from roaming.ocpi.authorization import check_ids, party_of_address
from roaming.ocpi.codec import parse_json
from roaming.ocpi.content import Content
from roaming.ocpi.errors import InvalidParameters
from roaming.ocpi.listing import addressed, answer_list, answer_own
from roaming.ocpi.module import OcpiRequest, OcpiResponse, Route
from roaming.store.documents import Origin


async def list_records(request: OcpiRequest) -> OcpiResponse:
    directory, theirs = request.directory, request.from_parties
    billing = {
        party: ""
        for party in directory.hosted_parties(*service.ISSUERS)
        if any(service.may_bill(directory, party, other) for other in theirs)
    }
    owners = addressed(request, billing)
    scopes = tuple(str(party) for party in theirs)
    return await answer_list(
        request, repository.DOCUMENTS, service.CODECS, InvoiceReconciliationRecord, owners=owners, scopes=scopes
    )


async def get(request: OcpiRequest) -> OcpiResponse:
    key = repository.key_of(_owner(request), request.path["id"])
    return await answer_own(request, repository.DOCUMENTS, service.CODECS, InvoiceReconciliationRecord, key=key)


async def post(request: OcpiRequest) -> OcpiResponse:
    record = request.wire().decode(service.CODECS, parse_json(request.body))
    reader, named, source = request.services.database.reader, request.routing.to_party, request.partner.id
    to = await service.receiver_of(reader, request.directory, request.partner, record, named=named)
    async with request.work() as work:
        await service.post(work, record, source=source, to=to, origin=Origin(request.version))
    address = join(request.url.partition("?")[0], record.country_code, record.party_id, record.id)
    return OcpiResponse(http_status=201, headers={"Location": address})


async def put(request: OcpiRequest) -> OcpiResponse:
    party = _owner(request)
    record = request.wire(party).decode(service.CODECS, parse_json(request.body))
    check_ids(record, party, id=request.path["id"])
    async with request.work() as work:
        await service.put(work, request.partner, record)
    return OcpiResponse()


async def delete(request: OcpiRequest) -> OcpiResponse:
    party = _owner(request)
    async with request.work() as work:
        await service.delete(work, party, request.path["id"], source=request.partner.id)
    return OcpiResponse()


def _owner(request: OcpiRequest) -> PartyId:
    party = party_of_address(request.path["country_code"], request.path["party_id"])
    if party not in request.partner.parties(*service.ISSUERS):
        raise InvalidParameters(f"{party} is neither CPO nor eMSP of your credentials")
    return party


_ONE = "/{country_code}/{party_id}/{id}"
_RECORD = Content.of(service.CODECS)
_SENDER, _RECEIVER = InterfaceRole.SENDER, InterfaceRole.RECEIVER

ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="",
        interface=_SENDER,
        handle=list_records,
        summary="List InvoiceReconciliationRecords of invoices to your parties",
        gives=_RECORD.listed,
    ),
    Route(
        method="GET",
        path=_ONE,
        interface=_RECEIVER,
        handle=get,
        summary="An InvoiceReconciliationRecord as stored here",
        gives=_RECORD,
    ),
    Route(
        method="POST",
        path="",
        interface=_RECEIVER,
        handle=post,
        summary="Tell which CDRs an invoice of yours bills",
        takes=_RECORD,
        successes=(201,),
        response_headers=("Location",),
    ),
    Route(
        method="PUT",
        path=_ONE,
        interface=_RECEIVER,
        handle=put,
        summary="Correct an InvoiceReconciliationRecord",
        takes=_RECORD,
    ),
    Route(
        method="DELETE",
        path=_ONE,
        interface=_RECEIVER,
        handle=delete,
        summary="Withdraw an InvoiceReconciliationRecord",
    ),
)

"""Invoice reconciliation from the command line: told, listed, and set against the CDRs held here."""

from collections.abc import Sequence
from typing import Any

from roaming.cli.database import services_of_now
from roaming.cli.output import fail
from roaming.cli.registering import party_of
from roaming.model.canonical import from_document
from roaming.model.identifiers import PartyId, fold
from roaming.modules.invoicereconciliation import service
from roaming.modules.invoicereconciliation.checking import Checked, check
from roaming.modules.invoicereconciliation.model import InvoiceReconciliationRecord
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.module import Services

_SELECT = "SELECT country_code, party_id, object_id, source, scope, document FROM invoice_records"


async def list_invoices(party: str, limit: int) -> list[dict[str, Any]]:
    """The newest records, from and to ``party`` or everybody."""
    where, parameters = "", [limit]
    values: list[Any] = []
    if party:
        mine = party_of(party)
        where = " WHERE (country_code = $2 AND party_id = $3) OR scope = $4"
        values = [mine.country_code, mine.party_id, str(mine)]
    async with services_of_now() as services:
        rows = await services.database.reader.fetch(
            f"{_SELECT}{where} ORDER BY last_updated DESC, key LIMIT $1", *parameters, *values
        )
    return [
        {
            "id": row[2],
            "invoice": record.invoice_id,
            "from": f"{row[0]}-{row[1]}",
            "to": row[4],
            "told by": row[3] or "here",
            "CDRs": len(record.cdrs),
            "last updated": record.last_updated,
        }
        for row in rows
        for record in [from_document(InvoiceReconciliationRecord, row[5])]
    ]


async def issue_invoice(
    record_id: str, *, issuer: str, to: str, invoice: str, cdrs: Sequence[str]
) -> list[dict[str, Any]]:
    """Issues a record; what its CDRs come to."""
    party, receiver = party_of(issuer), party_of(to)
    body = {
        "country_code": party.country_code,
        "party_id": party.party_id,
        "id": record_id,
        "invoice_id": invoice,
        "cdrs": list(cdrs),
        "last_updated": "2000-01-01T00:00:00Z",
    }
    async with services_of_now() as services:
        try:
            record = service.read_ours(body)
            _, checked = await service.issue(services, record, receiver)
        except (OcpiError, ValueError) as error:
            fail(str(error))
    return _lines(checked)


async def check_invoice(record_id: str, issuer: str) -> tuple[list[dict[str, Any]], bool]:
    """A record's lines and sums, and whether nothing is wrong with them."""
    async with services_of_now() as services:
        record, other = await _find(services, record_id, issuer)
        checked = await check(services.database.reader, record, other)
    return _lines(checked), checked.is_clean


async def withdraw_invoice(record_id: str, issuer: str) -> dict[str, Any]:
    """Deletes a record of ours."""
    party = party_of(issuer)
    async with services_of_now() as services:
        try:
            async with services.database.work() as work:
                await service.withdraw(work, party, record_id)
        except OcpiError as error:
            fail(f"{error}: see `roaming invoice list`")
    return {"id": record_id, "from": str(party), "state": "withdrawn"}


async def _find(services: Services, record_id: str, issuer: str) -> tuple[InvoiceReconciliationRecord, PartyId]:
    rows = await services.database.reader.fetch(f"{_SELECT} WHERE lower(object_id) = $1", fold(record_id))
    if issuer:
        party = party_of(issuer)
        rows = [row for row in rows if (row[0], row[1]) == party]
    if not rows:
        fail(f"no record {record_id}: see `roaming invoice list`")
    if len(rows) > 1:
        fail(f"{len(rows)} parties have a record {record_id}: say whose with --from")
    return from_document(InvoiceReconciliationRecord, rows[0][5]), PartyId.parse(rows[0][4])


def _lines(checked: Checked) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for line in checked.lines:
        cdr = line.cdr
        taxes = cdr.total_cost.taxes if cdr is not None else None
        rows.append(
            {
                "CDR": line.cdr_id,
                "state": line.verdict.value,
                "also on": line.also_on,
                "ended": cdr.end_date_time if cdr is not None else "",
                "kWh": cdr.total_energy if cdr is not None else "",
                "before taxes": cdr.total_cost.before_taxes if cdr is not None else "",
                "after taxes": ""
                if cdr is None or taxes is None
                else sum((tax.amount for tax in taxes), cdr.total_cost.before_taxes),
                "currency": cdr.currency if cdr is not None else "",
            }
        )
    for currency, (before, after) in checked.totals().items():
        total = {"CDR": "TOTAL", "before taxes": before, "after taxes": "" if after is None else after}
        rows.append(dict.fromkeys(rows[0], "") | total | {"currency": currency})
    return rows

"""An invoice reconciliation record against the CDRs we hold: what each of its ids stands for, and what they come to.

It reads and judges; it stores nothing, and no partner is told what came of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId, fold
from roaming.modules.invoicereconciliation import repository
from roaming.modules.invoicereconciliation.model import InvoiceReconciliationRecord
from roaming.store.documents import object_key, read_objects
from roaming.store.reader import Reader


class Verdict(StrEnum):
    """What an id on an invoice stands for."""

    FOUND = "FOUND"
    MISSING = "MISSING"
    """No CDR between the two parties has this id here."""
    REPEATED = "REPEATED"
    """It stands on this record before."""
    BILLED_BEFORE = "BILLED_BEFORE"
    """It stands on another invoice between the two parties as well."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One id of the record."""

    cdr_id: str
    verdict: Verdict
    cdr: CDR | None = None
    also_on: str = ""
    """The other record's key."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A record with what became of its ids."""

    record: InvoiceReconciliationRecord
    lines: tuple[Line, ...]

    @property
    def is_clean(self) -> bool:
        """Every id is a CDR between the two, on this invoice only."""
        return all(line.verdict == Verdict.FOUND for line in self.lines)

    def totals(self) -> Mapping[str, tuple[Decimal, Decimal | None]]:
        """By currency: what the invoice should come to before and after taxes, each CDR once; the latter is ``None``
        when a CDR does not tell its taxes."""
        found: dict[str, tuple[Decimal, Decimal | None]] = {}
        for line in self.lines:
            if line.cdr is None or line.verdict == Verdict.REPEATED:
                continue
            cost = line.cdr.total_cost
            before, after = found.get(line.cdr.currency, (Decimal(0), Decimal(0)))
            gross = None if cost.taxes is None else sum((tax.amount for tax in cost.taxes), cost.before_taxes)
            total = None if after is None or gross is None else after + gross
            found[line.cdr.currency] = (before + cost.before_taxes, total)
        return found


async def check(reader: Reader, record: InvoiceReconciliationRecord, other: PartyId) -> Checked:
    """``record`` as sent to ``other``, or by it. Ids of CDRs are unique with their CPO only, so each is looked for
    under both parties. Raises ``StoreUnavailable``."""
    issuer = PartyId.of(record.country_code, record.party_id)
    cdrs = await between(reader, issuer, other, record.cdrs)
    key = repository.key_of(issuer, record.id)
    pair = frozenset((str(issuer), str(other)))
    elsewhere = {
        entry.cdr_id: entry.record_key
        for entry in await repository.invoiced(reader, record.cdrs)
        if entry.parties == pair and entry.record_key != key
    }
    lines: list[Line] = []
    seen: set[str] = set()
    for cdr_id in record.cdrs:
        folded = fold(cdr_id)
        cdr, also_on = cdrs.get(folded), elsewhere.get(folded, "")
        if folded in seen:
            verdict = Verdict.REPEATED
        elif cdr is None:
            verdict = Verdict.MISSING
        else:
            verdict = Verdict.BILLED_BEFORE if also_on else Verdict.FOUND
        seen.add(folded)
        lines.append(Line(cdr_id=cdr_id, verdict=verdict, cdr=cdr, also_on=also_on))
    return Checked(record=record, lines=tuple(lines))


async def between(reader: Reader, one: PartyId, other: PartyId, cdr_ids: Sequence[str]) -> dict[str, CDR]:
    """The CDRs with these ids that one of the two issued for a token of the other, by folded id."""
    keys = [object_key(cpo, cdr_id) for cdr_id in cdr_ids for cpo in (one, other)]
    found: dict[str, CDR] = {}
    for cdr in (await read_objects(reader, "cdrs", keys, CDR)).values():
        token = cdr.cdr_token
        owner, emsp = PartyId.of(cdr.country_code, cdr.party_id), PartyId.of(token.country_code, token.party_id)
        if (owner, emsp) in ((one, other), (other, one)):
            found[fold(cdr.id)] = cdr
    return found

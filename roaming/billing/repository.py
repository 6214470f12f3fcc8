"""Check rules and verdicts in the store."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Table, delete, update

from roaming.billing.checks import CheckRules, Finding, Outcome, Verdict
from roaming.billing.tables import CdrVerdictRow, CheckRulesRow
from roaming.model.identifiers import PartyId
from roaming.store.bulk import select_rows, upsert
from roaming.store.columns import text_to_time
from roaming.store.database import Work
from roaming.store.reader import Reader, fetch_of

RULES: Table = CheckRulesRow.__table__  # type: ignore[attr-defined]
VERDICTS: Table = CdrVerdictRow.__table__  # type: ignore[attr-defined]
EVERYBODY = ""


@dataclass(frozen=True, kw_only=True)
class KeptVerdict:
    """A verdict as stored."""

    cdr_key: str
    partner_id: str
    cpo: str
    emsp: str
    verdict: Verdict
    checked_at: datetime
    decision: str
    note: str

    @property
    def outcome(self) -> str:
        """A person's word before the check's."""
        return self.decision or self.verdict.outcome.value


async def rules_of(reader: Reader) -> dict[str, CheckRules]:
    """The rules that were set, by partner; the empty id stands for everybody. Raises ``StoreUnavailable``."""
    rows = await reader.fetch("SELECT partner_id, document FROM check_rules ORDER BY partner_id")
    return {row[0]: msgspec.json.decode(row[1], type=CheckRules) for row in rows}


def rules_for(kept: dict[str, CheckRules], partner_id: str) -> CheckRules:
    """Of a partner: its own, else everybody's, else the defaults."""
    return kept.get(partner_id) or kept.get(EVERYBODY) or CheckRules()


async def set_rules(work: Work, partner_id: str, rules: CheckRules) -> None:
    """Stores the rules of a partner, or of everybody."""
    row = {"partner_id": partner_id, "document": msgspec.json.encode(rules).decode(), "changed_at": work.now}
    await upsert(work.connection, RULES, [row], key=("partner_id",), update=("document", "changed_at"))


async def drop_rules(work: Work, partner_id: str) -> bool:
    """Forgets the rules of a partner; False when it had none of its own."""
    done = await work.connection.execute(delete(RULES).where(RULES.c.partner_id == partner_id))
    return bool(done.rowcount)


async def outcomes_of(work: Work, cdr_keys: Sequence[str]) -> dict[str, str]:
    """By CDR that was checked: what came of it, a person's word before the check's."""
    columns = ("cdr_key", "outcome", "decision")
    rows = await select_rows(work.connection, VERDICTS, columns, key=("cdr_key",), values=[(key,) for key in cdr_keys])
    return {key: decision or outcome for key, outcome, decision in rows}


async def keep_verdicts(work: Work, verdicts: Iterable[tuple[str, str, PartyId, PartyId, Verdict]]) -> None:
    """Stores (CDR key, partner, CPO, eMSP, verdict) each; what a person decided stays."""
    rows = [
        {
            "cdr_key": key,
            "partner_id": partner_id,
            "cpo": str(cpo),
            "emsp": str(emsp),
            "outcome": verdict.outcome.value,
            "at_stake": f"{verdict.at_stake:f}",
            "currency": verdict.currency,
            "findings": msgspec.json.encode(verdict.findings).decode(),
            "checked_at": work.now,
            "note": "",
        }
        for key, partner_id, cpo, emsp, verdict in verdicts
    ]
    changed = ("outcome", "at_stake", "currency", "findings", "checked_at")
    await upsert(work.connection, VERDICTS, rows, key=("cdr_key",), update=changed)


async def decide(work: Work, cdr_key: str, decision: str, note: str) -> bool:
    """Writes what a person decided of a CDR that was checked; False when it was not."""
    values = {"decision": decision, "note": note, "decided_at": work.now}
    done = await work.connection.execute(update(VERDICTS).where(VERDICTS.c.cdr_key == cdr_key).values(**values))
    return bool(done.rowcount)


_COLUMNS = "cdr_key, partner_id, cpo, emsp, outcome, at_stake, currency, findings, checked_at, decision, note"


async def verdicts_of(reader: Reader, cdr_keys: Iterable[str]) -> dict[str, KeptVerdict]:
    """The verdicts of these CDRs, by key. Raises ``StoreUnavailable``."""
    rows = await fetch_of(reader, f"SELECT {_COLUMNS} FROM cdr_verdicts WHERE cdr_key IN", cdr_keys)  # noqa: S608
    return {row[0]: _kept(row) for row in rows}


async def unchecked(reader: Reader, *, until: datetime, limit: int) -> Sequence[str]:
    """Keys of partners' CDRs that came before ``until`` and were never checked. Raises ``StoreUnavailable``."""
    rows = await reader.fetch(
        "SELECT key FROM cdrs WHERE source <> '' AND received_at < $1"  # noqa: S608 - a number of ours
        " AND NOT EXISTS (SELECT 1 FROM cdr_verdicts v WHERE v.cdr_key = cdrs.key)"
        f" ORDER BY received_at LIMIT {int(limit)}",
        until,
    )
    return [row[0] for row in rows]


def _kept(row: Sequence[Any]) -> KeptVerdict:
    key, partner_id, cpo, emsp, outcome, at_stake, currency, findings, checked_at, decision, note = row
    verdict = Verdict(
        outcome=Outcome(outcome),
        findings=msgspec.json.decode(findings, type=tuple[Finding, ...]),
        at_stake=Decimal(at_stake),
        currency=currency,
    )
    return KeptVerdict(
        cdr_key=key,
        partner_id=partner_id,
        cpo=cpo,
        emsp=emsp,
        verdict=verdict,
        checked_at=text_to_time(checked_at),
        decision=decision,
        note=note,
    )

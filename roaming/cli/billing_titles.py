"""How records of billing are headed in tables of commands: field, and what stands above it, in their order."""

from collections.abc import Mapping

CDR: Mapping[str, str] = {
    "cdr_id": "CDR",
    "cpo": "CPO",
    "emsp": "eMSP",
    "source": "from",
    "state": "state",
    "ended_at": "ended",
    "kwh": "kWh",
    "net": "before taxes",
    "currency": "currency",
    "credits": "credits",
    "dispute_id": "dispute",
    "statement_id": "statement",
    "last_error": "last error",
}
DISPUTE: Mapping[str, str] = {
    "id": "dispute",
    "cdr_id": "CDR",
    "cpo": "CPO",
    "emsp": "eMSP",
    "raised_by": "raised by",
    "state": "state",
    "at_stake": "at stake",
    "currency": "currency",
    "due_at": "due",
    "reason": "reason",
    "resolution": "resolution",
    "settled_by": "settled by",
}
FINDING: Mapping[str, str] = {
    "kind": "kind",
    "field": "field",
    "text": "finding",
    "at_stake": "at stake",
    "reading": "reading",
}
STATEMENT: Mapping[str, str] = {
    "number": "number",
    "month": "month",
    "one": "one",
    "other": "other",
    "state": "state",
    "changed_at": "changed",
    "cdrs": "CDRs",
}
INVOICE: Mapping[str, str] = {
    "number": "number",
    "reference": "reference",
    "kind": "kind",
    "statement_id": "statement",
    "seller": "seller",
    "buyer": "buyer",
    "currency": "currency",
    "issued_on": "issued",
    "due_on": "due",
    "net": "before taxes",
    "tax": "taxes",
    "rounding": "rounding",
    "payable": "payable",
    "about": "about",
    "cancels": "cancels",
}
MATCH: Mapping[str, str] = {
    "cdr_id": "CDR",
    "result": "result",
    "currency": "currency",
    "ours": "ours",
    "theirs": "theirs",
    "difference": "difference",
    "text": "text",
}
BALANCE: Mapping[str, str] = {
    "account": "account",
    "counterparty": "with",
    "currency": "currency",
    "debit": "debit",
    "credit": "credit",
}
ENTRY: Mapping[str, str] = {
    "at": "at",
    "posting": "posting",
    **BALANCE,
    "statement_id": "statement",
}
RATE: Mapping[str, str] = {
    "source": "source",
    "day": "day",
    "base": "base",
    "currency": "currency",
    "rate": "rate",
}
COPY: Mapping[str, str] = {
    "cdr_id": "CDR",
    "cpo": "CPO",
    "emsp": "eMSP",
    "partner": "partner",
    "copy": "copy",
    "differs_in": "differs in",
    "net": "before taxes",
    "currency": "currency",
    "sent_again": "sent again",
}
RULE: Mapping[str, str] = {"partner": "partner", "rule": "rule", "value": "value", "is_default": "default"}
LINT: Mapping[str, str] = {"state": "state", "code": "code", "where": "where", "what": "what"}
VERSION: Mapping[str, str] = {
    "version": "version",
    "since": "since",
    "last_updated": "last_updated",
    "source": "from",
    "changed": "changed",
}
SIGNED_RECORD: Mapping[str, str] = {
    "id": "id",
    "record": "record",
    "meter": "meter",
    "registers": "registers",
    "verdict": "verdict",
    "why": "why",
}

"""What is shown of the rules that CDRs are checked by, of partners' copies of ours, and of signed meter data, one
record a row, as in ``records``."""

from decimal import Decimal

import msgspec

from roaming.billing.checks import CheckRules
from roaming.billing.checks.rules import DEFAULT_OUTCOMES, NAMES
from roaming.billing.copies import Compared
from roaming.billing.receiving import cpo_of, emsp_of
from roaming.billing.repository import rules_for
from roaming.rating.signed_data import SignedVerdict
from roaming.rating.verified_documents import NamedRecord, VerifiedDocument

EVERYBODY = "all"


class ShownCopy(msgspec.Struct, frozen=True, kw_only=True):
    """A CDR of ours at the partner. ``copy``: SAME, DIFFERS, MISSING, UNKNOWN, or NOBODY to ask; ``differs_in``: the
    fields, or why nothing is known."""

    cdr_id: str
    cpo: str
    emsp: str
    partner: str
    copy: str
    differs_in: str
    net: Decimal
    currency: str
    sent_again: bool


class ShownRule(msgspec.Struct, frozen=True, kw_only=True):
    """How strict a partner's CDRs are looked at; ``partner`` `all`: those of everybody who has no rules of its own."""

    partner: str
    rule: str
    value: str
    is_default: bool


class ShownSignedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A signed record, or (``record`` `ALL`) the signed data as a whole. ``verdict``: VALID, INVALID, NO_KEY or what
    else keeps it from being known."""

    id: str
    record: str
    meter: str
    registers: str
    verdict: str
    why: str


def shown_copy(compared: Compared, *, is_sent_again: bool) -> ShownCopy:
    """A copy."""
    cdr = compared.entry.cdr
    return ShownCopy(
        cdr_id=cdr.id,
        cpo=str(cpo_of(cdr)),
        emsp=str(emsp_of(cdr)),
        partner=compared.partner_id,
        copy=compared.copy.value,
        differs_in="; ".join(compared.fields),
        net=cdr.total_cost.before_taxes,
        currency=cdr.currency,
        sent_again=is_sent_again,
    )


def shown_rules(stored: dict[str, CheckRules]) -> list[ShownRule]:
    """Every rule in force by partner: what was set, and the defaults."""
    defaults = _rules_by_name(CheckRules())
    return [
        ShownRule(partner=partner_id or EVERYBODY, rule=name, value=value, is_default=value == defaults[name])
        for partner_id in sorted({"", *stored})
        for name, value in _rules_by_name(rules_for(stored, partner_id)).items()
    ]


def _rules_by_name(rules: CheckRules) -> dict[str, str]:
    values = {name: getattr(rules, name) for name in NAMES}
    shown = {name: " ".join(value) if isinstance(value, tuple) else str(value) for name, value in values.items()}
    return shown | {kind.value: rules.outcomes.get(kind, default).value for kind, default in DEFAULT_OUTCOMES.items()}


def shown_verification(found: VerifiedDocument) -> list[ShownSignedRecord]:
    """Each record, and a last row for the whole where what was billed is known."""
    rows = [_shown_record(each) for each in found.records]
    return rows if found.whole is None else [*rows, _shown_whole(found.whole)]


def _shown_record(named: NamedRecord) -> ShownSignedRecord:
    found = named.verdict
    return ShownSignedRecord(
        id=named.id,
        record=found.nature or "-",
        meter=found.meter,
        registers="; ".join(f"{each.obis} {each.kwh.normalize():f} kWh" for each in found.registers),
        verdict=found.verdict.value,
        why="; ".join(filter(None, (found.reason, *found.remarks))),
    )


def _shown_whole(whole: SignedVerdict) -> ShownSignedRecord:
    signed = "unknown" if whole.signed_kwh is None else f"{whole.signed_kwh} kWh"
    return ShownSignedRecord(
        id="",
        record="ALL",
        meter="",
        registers=f"signed {signed}, billed {whole.billed_kwh} kWh: {whole.energy.value}",
        verdict=whole.signatures.value,
        why=whole.reason,
    )

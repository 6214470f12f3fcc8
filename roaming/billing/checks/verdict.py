"""All checks of one CDR, and what they come to together. Pure."""

import msgspec

from roaming.billing.checks.amounts import ZERO
from roaming.billing.checks.charges import check_charge, check_credit
from roaming.billing.checks.finding import SEVERITY, Finding, Outcome, Verdict
from roaming.billing.checks.known import Known
from roaming.billing.checks.prices import check_prices
from roaming.billing.checks.profiles import check_profiles
from roaming.billing.checks.rules import CheckRules
from roaming.billing.checks.signatures import check_signatures
from roaming.model.cdr import CDR


def check(cdr: CDR, known: Known, rules: CheckRules) -> Verdict:
    """The verdict under ``rules``. Of a credit only what makes a credit is looked at: the rest is the original's."""
    found: list[Finding] = []
    if cdr.credit:
        found += check_credit(cdr, known)
    else:
        found += check_charge(cdr, known, rules)
        found += check_prices(cdr, known, rules)
        found += check_profiles(cdr, known, rules)
        found += check_signatures(cdr, rules)
    findings = tuple(_judged(finding, rules) for finding in found)
    outcome = max((finding.outcome for finding in findings), key=SEVERITY.__getitem__, default=Outcome.ACCEPT)
    counted = [finding for finding in findings if finding.outcome is outcome is not Outcome.ACCEPT]
    whole = abs(cdr.total_cost.before_taxes)
    return Verdict(
        outcome=outcome,
        findings=tuple(sorted(findings, key=lambda each: (-SEVERITY[each.outcome], -each.at_stake))),
        at_stake=min(whole, max((finding.at_stake for finding in counted), default=ZERO)),
        currency=cdr.currency,
    )


def _judged(finding: Finding, rules: CheckRules) -> Finding:
    return msgspec.structs.replace(finding, outcome=rules.outcome_of(finding.kind, finding.at_stake))

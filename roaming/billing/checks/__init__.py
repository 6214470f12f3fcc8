"""What can be wrong with a CDR. Pure: what is known beside it is handed in."""

from roaming.billing.checks.finding import Finding, Kind, Outcome, Verdict
from roaming.billing.checks.known import Known
from roaming.billing.checks.rules import CheckRules, MalformedRule, rules_with
from roaming.billing.checks.verdict import check

__all__ = ["CheckRules", "Finding", "Kind", "Known", "MalformedRule", "Outcome", "Verdict", "check", "rules_with"]

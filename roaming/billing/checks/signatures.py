"""Whether what a CDR bills is what the meter signed. Pure."""

from collections.abc import Iterator

from roaming.billing.checks.amounts import shown
from roaming.billing.checks.finding import Finding, Kind
from roaming.billing.checks.prices import per_kwh
from roaming.billing.checks.rules import CheckRules
from roaming.model.cdr import CDR
from roaming.rating.signed_data import EnergyVerdict, SignatureVerdict, verify


def check_signatures(cdr: CDR, rules: CheckRules) -> Iterator[Finding]:
    """Findings about signed meter data; most CDRs have none, and need none."""
    if cdr.signed_data is None:
        return
    span = (cdr.start_date_time, cdr.end_date_time)
    found = verify(cdr.signed_data, cdr.total_energy, tolerance=rules.signed_tolerance, span=span)
    if found.energy is EnergyVerdict.OTHER_CHARGE:
        whole = abs(cdr.total_cost.before_taxes)
        text = f"may be of another charge: {found.reason}"
        yield Finding(kind=Kind.SIGNATURE, field="signed_data", text=text, at_stake=whole)
    elif found.signatures is SignatureVerdict.INVALID:
        whole = abs(cdr.total_cost.before_taxes)
        yield Finding(kind=Kind.SIGNATURE, field="signed_data", text=f"does not hold: {found.reason}", at_stake=whole)
    elif found.signatures is not SignatureVerdict.VALID:
        yield Finding(kind=Kind.SIGNATURE_UNKNOWN, field="signed_data", text=f"is not verified: {found.reason}")
    elif found.energy is EnergyVerdict.UNKNOWN:
        yield Finding(kind=Kind.SIGNATURE_UNKNOWN, field="signed_data", text=f"proves no energy: {found.reason}")
    elif found.energy is EnergyVerdict.DIFFERENT and found.signed_kwh is not None:
        yield Finding(
            kind=Kind.SIGNED_ENERGY,
            field="total_energy",
            text=f"says {shown(cdr.total_energy)} kWh, its meter signed {shown(found.signed_kwh)} kWh",
            stated=shown(cdr.total_energy),
            expected=shown(found.signed_kwh),
            at_stake=abs(cdr.total_energy - found.signed_kwh) * per_kwh(cdr),
        )

"""How strict a partner's CDRs are looked at: thresholds, and what becomes of a CDR by kind of finding. Pure."""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from roaming.billing.checks.finding import Kind, Outcome

DEFAULT_OUTCOMES: Mapping[Kind, Outcome] = {
    Kind.PRICE: Outcome.DISPUTE,
    Kind.VOLUMES: Outcome.DISPUTE,
    Kind.SUM: Outcome.DISPUTE,
    Kind.PERIODS: Outcome.HOLD,
    Kind.TARIFF: Outcome.DISPUTE,
    Kind.TARIFF_MISSING: Outcome.HOLD,
    Kind.PROFILE: Outcome.DISPUTE,
    Kind.PROFILE_UNKNOWN: Outcome.HOLD,
    Kind.CURRENCY: Outcome.DISPUTE,
    Kind.SESSION: Outcome.DISPUTE,
    Kind.SESSION_MISSING: Outcome.HOLD,
    Kind.TOKEN: Outcome.DISPUTE,
    Kind.TOKEN_INVALID: Outcome.HOLD,
    Kind.CONTRACT: Outcome.DISPUTE,
    Kind.LOCATION: Outcome.HOLD,
    Kind.DUPLICATE: Outcome.DISPUTE,
    Kind.OVERLAP: Outcome.HOLD,
    Kind.POWER: Outcome.DISPUTE,
    Kind.DURATION: Outcome.HOLD,
    Kind.ENERGY: Outcome.HOLD,
    Kind.LATE: Outcome.HOLD,
    Kind.FUTURE: Outcome.DISPUTE,
    Kind.SIGNATURE: Outcome.DISPUTE,
    Kind.SIGNATURE_UNKNOWN: Outcome.ACCEPT,
    Kind.SIGNED_ENERGY: Outcome.DISPUTE,
    Kind.CREDIT: Outcome.DISPUTE,
}


class CheckRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules for one partner; the defaults are for everybody."""

    tolerance: Decimal = Decimal("0.01")
    """Of amounts, in the currency of the CDR."""
    energy_tolerance: Decimal = Decimal("0.1")
    """kWh between session and CDR."""
    signed_tolerance: Decimal = Decimal("0.01")
    """kWh between signed and billed energy; many bill two digits."""
    time_tolerance: int = 60
    """Seconds between session and CDR, and of overlaps."""
    power_margin: Decimal = Decimal("1.1")
    """How many times its own power a connector may seem to give."""
    most_hours: Decimal = Decimal(48)
    most_kwh: Decimal = Decimal(200)
    """More than the battery of a car takes."""
    late_days: Decimal = Decimal(7)
    """Between the end of the charge and its CDR."""
    least_at_stake: Decimal = Decimal(0)
    """A finding below it is accepted; one without an amount never is for that reason."""
    currencies: tuple[str, ...] = ()
    """Agreed with the partner; empty: any."""
    outcomes: Mapping[Kind, Outcome] = {}
    """By kind, where it differs from the default."""

    def outcome_of(self, kind: Kind, at_stake: Decimal) -> Outcome:
        """What becomes of a CDR with such a finding."""
        if at_stake and at_stake < self.least_at_stake:
            return Outcome.ACCEPT
        return self.outcomes.get(kind, DEFAULT_OUTCOMES[kind])


class MalformedRule(ValueError):
    """A rule that nobody can follow. The text names it and says what it should look like."""


NAMES = tuple(name for name in CheckRules.__struct_fields__ if name != "outcomes")


def rules_with(rules: CheckRules, changes: Iterable[str]) -> CheckRules:
    """``rules`` with changes such as ``late_days=14`` or ``LATE=accept``. Raises ``MalformedRule``."""
    values: dict[str, Any] = {}
    outcomes = dict(rules.outcomes)
    for change in changes:
        name, is_given, value = (part.strip() for part in change.partition("="))
        if not is_given:
            raise MalformedRule(f"{change}: write NAME=VALUE, such as late_days=14 or LATE=accept")
        if name.upper() in Kind.__members__ and name == name.upper():
            if value.upper() not in Outcome.__members__:
                raise MalformedRule(f"{name}: {value} is none of accept, hold, dispute")
            outcomes[Kind(name)] = Outcome(value.upper())
        elif name in NAMES:
            values[name] = _value(name, value)
        else:
            raise MalformedRule(f"{name}: is none of {', '.join((*NAMES, *Kind))}")
    return msgspec.structs.replace(rules, outcomes=outcomes, **values)


def _value(name: str, text: str) -> Any:
    if name == "currencies":
        return tuple(code.upper() for code in text.replace(",", " ").split())
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise MalformedRule(f"{name}: {text} is no number from 0 on")
    return int(number) if name == "time_tolerance" else number

"""What a check says: one finding, and the verdict over all findings of a CDR. Pure."""

from decimal import Decimal
from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """What becomes of a CDR, from the mildest on."""

    ACCEPT = "ACCEPT"
    HOLD = "HOLD"
    """A person looks at it before it is paid."""
    DISPUTE = "DISPUTE"


SEVERITY = {Outcome.ACCEPT: 0, Outcome.HOLD: 1, Outcome.DISPUTE: 2}


class Kind(StrEnum):
    """What may be wrong with a CDR."""

    PRICE = "PRICE"
    """A cost does not follow from the tariff and the periods of the CDR."""
    VOLUMES = "VOLUMES"
    """Total energy or times do not follow from the periods."""
    SUM = "SUM"
    """The total is not the sum of its parts, or a tax is not its percentage."""
    PERIODS = "PERIODS"
    """Periods out of order or outside the session, or negative volumes."""
    TARIFF = "TARIFF"
    """Another version of the tariff than the one that was told before the session began."""
    TARIFF_MISSING = "TARIFF_MISSING"
    PROFILE = "PROFILE"
    """A tariff of another profile than the driver's preferences or token named."""
    PROFILE_UNKNOWN = "PROFILE_UNKNOWN"
    """A tariff of a profile that nobody here heard the driver prefer: it may have been chosen at the station."""
    CURRENCY = "CURRENCY"
    SESSION = "SESSION"
    """Another energy, time, driver or place than the session."""
    SESSION_MISSING = "SESSION_MISSING"
    TOKEN = "TOKEN"
    """None of the eMSP that is to pay."""
    TOKEN_INVALID = "TOKEN_INVALID"
    """Not valid now: it may have been when the session began."""
    CONTRACT = "CONTRACT"
    LOCATION = "LOCATION"
    """A location, EVSE or connector that its owner never told us of."""
    DUPLICATE = "DUPLICATE"
    OVERLAP = "OVERLAP"
    """One connector twice at a time, or one card at two places."""
    POWER = "POWER"
    """More energy than the connector can give in the time."""
    DURATION = "DURATION"
    ENERGY = "ENERGY"
    LATE = "LATE"
    FUTURE = "FUTURE"
    SIGNATURE = "SIGNATURE"
    """Signed meter data whose signature is not of it."""
    SIGNATURE_UNKNOWN = "SIGNATURE_UNKNOWN"
    """Signed meter data that cannot be verified: no key, or another method than OCMF."""
    SIGNED_ENERGY = "SIGNED_ENERGY"
    """The energy that was signed is not the one that is billed."""
    CREDIT = "CREDIT"
    """A credit of nothing that is here, of another amount, or the second one."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong. Amounts are in the currency of the CDR, before taxes."""

    kind: Kind
    text: str
    """For people."""
    field: str = ""
    """Of the CDR, as OCPI names it."""
    stated: str = ""
    expected: str = ""
    at_stake: Decimal = Decimal(0)
    """What the payer would lose by accepting it; never negative."""
    reading: str = ""
    """The named reading of the tariff that makes the difference vanish."""
    outcome: Outcome = Outcome.HOLD


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one CDR, and why."""

    outcome: Outcome
    findings: tuple[Finding, ...]
    at_stake: Decimal
    """The greatest amount of any finding that leads to the outcome, and never more than the CDR: findings are often
    views of one mistake."""
    currency: str

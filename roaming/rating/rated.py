"""What rating returns: totals, billed volumes, and the lines that explain them.

Line amounts are exact ratios; amounts in ``Price`` objects were rounded once, each from its exact sum.
"""

from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

import msgspec

from roaming.model.money import Price
from roaming.rating.price_list import PricedComponent, PriceList
from roaming.rating.restrictions import Moment


class Part(StrEnum):
    """What a line of the bill is for; the totals of a CDR are sums over one part each."""

    ENERGY = "ENERGY"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"
    FLAT = "FLAT"
    RESERVATION = "RESERVATION"
    """Its time and its fixed fees (OCPI 2.2.1 mod_cdrs, total_reservation_cost)."""
    LIMIT = "LIMIT"
    """What ``min_price`` added or ``max_price`` took away; in no total but the whole."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One charging period, one dimension: how much, at which price, and what it came to.

    ``quantity`` was consumed, ``step_added`` was added by ``step_size``; both in kWh, seconds, or 1 for a FLAT
    fee. ``component`` is ``None`` where nothing priced the quantity, and in a LIMIT line.
    """

    tariff_id: str
    part: Part
    dimension: str
    period: int | None
    quantity: Decimal
    step_added: Decimal
    component: PricedComponent | None
    moment: Moment | None
    """The start of the period as the restrictions saw it."""
    net: Decimal | None
    """Numerator of the amount before taxes; ``None``: not known."""
    gross: Decimal | None
    """Numerator of the amount with taxes; ``None``: not known."""
    denominator: Decimal

    @property
    def before_taxes(self) -> Fraction | None:
        """The exact amount before taxes; ``None``: not known."""
        return None if self.net is None else Fraction(self.net) / Fraction(self.denominator)

    @property
    def after_taxes(self) -> Fraction | None:
        """The exact amount with taxes; ``None``: not known."""
        return None if self.gross is None else Fraction(self.gross) / Fraction(self.denominator)


class FindingCode(StrEnum):
    """What a reader of the result should know."""

    NET_UNKNOWN = "NET_UNKNOWN"
    """Prices contain taxes of an unknown rate: ``before_taxes`` holds the sum with taxes."""
    TAX_UNKNOWN = "TAX_UNKNOWN"
    TARIFF_NOT_VALID = "TARIFF_NOT_VALID"
    """The session began outside the tariff's validity."""
    OTHER_TARIFF = "OTHER_TARIFF"
    """A period names another tariff than the one it was priced by."""
    NO_TARIFF = "NO_TARIFF"
    """A period names no tariff where others name several: none is relevant to it (OCPI 2.2.1 cdrs, ChargingPeriod)."""
    POWER_UNKNOWN = "POWER_UNKNOWN"
    CURRENT_UNKNOWN = "CURRENT_UNKNOWN"
    UNREAD_TARIFF_PART = "UNREAD_TARIFF_PART"
    REGISTER_FELL = "REGISTER_FELL"
    READING_IGNORED = "READING_IGNORED"
    READING_OUTSIDE_SESSION = "READING_OUTSIDE_SESSION"


class Finding(msgspec.Struct, frozen=True):
    """One remark; ``period`` is the index of the charging period it is about."""

    code: FindingCode
    text: str
    period: int | None = None


class Rated(msgspec.Struct, frozen=True, kw_only=True):
    """A priced session. A part that nothing priced costs 0 with no taxes due."""

    currency: str
    total: Price
    energy: Price
    time: Price
    parking: Price
    fixed: Price
    reservation: Price
    is_net_known: bool
    """Whether ``before_taxes`` of the amounts is what it says; see ``NET_UNKNOWN``."""
    billed_energy: Decimal
    """kWh, priced or not, with what ``step_size`` added."""
    billed_charging_seconds: Decimal
    billed_parking_seconds: Decimal
    billed_reservation_seconds: Decimal
    lines: tuple[Line, ...]
    """In the order of the periods; their exact amounts add up to the exact total."""
    findings: tuple[Finding, ...]
    price_lists: tuple[PriceList, ...]
    """Those that price a period, in the order in which they first do; under one set of readings."""

    @property
    def price_list(self) -> PriceList:
        """The first one; most charges have no other."""
        return self.price_lists[0]

    def price_list_of(self, line: Line) -> PriceList:
        """The one that priced a line."""
        return next((each for each in self.price_lists if each.tariff.id == line.tariff_id), self.price_list)

"""A tariff as a station can reckon by it: part of what an operator asks. The words are those of OCPP 2.1."""

from datetime import datetime
from decimal import Decimal

import msgspec

from contracts.vocabulary import TariffPriceKind


class TariffCondition(msgspec.Struct, frozen=True, kw_only=True):
    """When a price holds: while all holds that is said (OCPP 2.1 TariffConditionsType). Upper ends are exclusive."""

    start_time_of_day: str | None = None
    """``HH:MM`` by the station's clock on the wall."""
    end_time_of_day: str | None = None
    """Likewise; before the start it is on the next day."""
    days_of_week: tuple[str, ...] = ()
    """``MONDAY`` …; none: all."""
    valid_from: str | None = None
    """Day on the wall, ``YYYY-MM-DD``."""
    valid_to: str | None = None
    """Likewise, exclusive."""
    min_energy: Decimal | None = None
    """Wh, as is the next one."""
    max_energy: Decimal | None = None
    min_current: Decimal | None = None
    """A, all phases together, as is the next one."""
    max_current: Decimal | None = None
    min_power: Decimal | None = None
    """W, as is the next one."""
    max_power: Decimal | None = None
    min_time: int | None = None
    """Seconds of the charge, as is the next one."""
    max_time: int | None = None


class TariffPrice(msgspec.Struct, frozen=True, kw_only=True):
    """A price, without taxes."""

    kind: TariffPriceKind
    price: Decimal
    condition: TariffCondition | None = None
    """Of several of one kind the first holds whose condition does."""


class TariffTax(msgspec.Struct, frozen=True, kw_only=True):
    """A tax on all prices of one kind."""

    kind: TariffPriceKind
    name: str
    """Such as ``VAT``."""
    percent: Decimal


class StationTariff(msgspec.Struct, frozen=True, kw_only=True):
    """Prices in one currency."""

    tariff_id: str
    currency: str
    """ISO 4217."""
    prices: tuple[TariffPrice, ...]
    taxes: tuple[TariffTax, ...] = ()
    description: str | None = None
    """For the driver, in English or the station's own language."""
    min_cost: Decimal | None = None
    """Without taxes, as is the next one."""
    max_cost: Decimal | None = None
    valid_from: datetime | None = None

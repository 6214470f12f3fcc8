"""Bodies of ``tariffs_api``."""

from decimal import Decimal
from typing import Annotated, Any

import msgspec

from roaming.billing.tariff_records import ShownLint
from roaming.modules.tariffs.importing import Judged
from roaming.rating.price_signals import Repeated

Word = Annotated[str, msgspec.Meta(max_length=255)]
Long = Annotated[str, msgspec.Meta(max_length=500_000)]
OneOrMany = list[dict[str, Any]] | dict[str, Any]
"""A Tariff, or a list of them."""


class Judgements(msgspec.Struct, frozen=True, kw_only=True):
    """What became of each tariff, in the order of the request."""

    dry_run: bool
    stored: int
    """With ``dry_run``: how many would be."""
    refused: int
    tariffs: tuple[Judged, ...]


class PriceWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price and when it holds; local time unless it says its offset."""

    start: Word
    price: Decimal
    end: Word = ""


class PreviewWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A charge that begins at ``start`` (local time unless it says its offset)."""

    start: Word
    kwh: Decimal = Decimal(20)
    power: Decimal = Decimal(11)
    minutes: Decimal | None = None


class PricesWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``prices``, bare ones with their ``day``, or ``csv``; and what the tariff is besides, as
    `roaming tariff from-prices` takes it."""

    party: Word
    id: Word
    time_zone: Word
    currency: Word = "EUR"
    prices: tuple[PriceWish | Decimal, ...] = ()
    csv: Long = ""
    per: Word = "kWh"
    day: Word = ""
    percent: Decimal = Decimal(0)
    markup: Decimal = Decimal(0)
    floor: Decimal | None = None
    otherwise: Decimal | None = None
    vat: Decimal | None = None
    fee: Decimal | None = None
    parking: Decimal | None = None
    step_size: int = 1
    repeated: Repeated = Repeated.MEAN
    publish: bool = False
    """Also store it here and tell partners."""
    preview: PreviewWish | None = None


class MadeTariff(msgspec.Struct, frozen=True, kw_only=True):
    """``tariff``: as OCPI 2.2.1 writes it, to be sent to ``POST /api/tariffs``."""

    tariff: dict[str, Any]
    notes: tuple[str, ...]
    findings: tuple[ShownLint, ...]
    published: bool
    preview: str = ""
    """As a driver reads it."""

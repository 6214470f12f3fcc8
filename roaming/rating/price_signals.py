"""A tariff whose elements carry the prices of a day, by the hour or the quarter of one. Pure.

OCPI has no message for prices that change every hour. A Tariff says them with an element for each, restricted by local
date and time (OCPI 2.2.1 and 2.3.0 mod_tariffs, TariffRestrictions), and a last one for all other time: a charge keeps
the tariff of its start, and may outlast the prices that were known then. Local time cannot tell the two passes of an
hour that a clock change repeats: they get one price (``Repeated``).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, Inexact, InvalidOperation, Overflow, localcontext
from enum import StrEnum
from itertools import groupby, pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from roaming.model.identifiers import PartyId
from roaming.model.money import TaxIncluded
from roaming.model.tariff import PriceComponent, Tariff, TariffDimensionType, TariffElement, TariffRestrictions
from roaming.rating.engine import zone_of
from roaming.rating.errors import MalformedSignals, UnsupportedNumber
from roaming.rating.exact import EXACT, ZERO, is_amount, rounded
from roaming.rating.readings import MOST_DECIMALS, Rounding

MOST_DAYS: Final = 8
"""Prices are known a day or two ahead; elements of more days would be looked through for every period."""
_DAY: Final = 24 * 60
_MINUTE: Final = timedelta(minutes=1)


class Signal(NamedTuple):
    """What energy costs in a stretch of time."""

    start: datetime
    """UTC, a whole minute."""
    end: datetime
    price: Decimal
    """Per kWh, before mark-up and taxes."""


class Repeated(StrEnum):
    """The price of a time that comes twice, where its two passes have different ones."""

    MEAN = "MEAN"
    LOWER = "LOWER"
    HIGHER = "HIGHER"


class TariffFrame(msgspec.Struct, frozen=True, kw_only=True):
    """What a tariff is besides its prices. Amounts are before VAT, in ``currency``."""

    party: PartyId
    """The CPO."""
    id: str
    currency: str
    time_zone: str
    """Of the locations."""
    percent: Decimal = ZERO
    """Added to a price first, of itself."""
    markup: Decimal = ZERO
    """Per kWh, added then: margin, grid fee, energy tax."""
    floor: Decimal | None = None
    """No price is less than this."""
    otherwise: Decimal | None = None
    """Per kWh at all other time, everything in it; ``None``: the mean of the prices."""
    vat: Decimal | None = None
    """Percent; ``None``: no VAT applies."""
    fee: Decimal | None = None
    """Once a charge."""
    parking: Decimal | None = None
    """Per hour without charging."""
    step_size: int = 1
    """Wh."""
    decimals: int = 4
    """Of prices; OCPI numbers have four."""
    repeated: Repeated = Repeated.MEAN


class Made(NamedTuple):
    """A tariff, and what whoever made it should know."""

    tariff: Tariff
    notes: tuple[str, ...]


class _Window(NamedTuple):
    """Minutes of a local day, the end not in it."""

    day: date
    start: int
    end: int
    price: Decimal


def tariff_of_prices(signals: Sequence[Signal], frame: TariffFrame, *, now: datetime) -> Made:
    """The tariff, which begins with the first price and ends with the last one. Raises ``RatingError``."""
    zone = zone_of(frame.time_zone)
    _check(frame)
    ordered = _in_order(signals)
    with localcontext(EXACT):
        try:
            priced = [each._replace(price=_price(each.price, frame)) for each in ordered]
            windows, notes = _windows(priced, frame, zone)
            minutes = [(each.end - each.start) // _MINUTE for each in ordered]
            weighed = sum((each.price * length for each, length in zip(priced, minutes, strict=True)), ZERO)
            mean = _rounded(weighed, sum(minutes), frame)
        except (Inexact, InvalidOperation, Overflow):
            raise UnsupportedNumber("prices, percent, markup: a number cannot be kept exact; shorten it") from None
    otherwise = mean if frame.otherwise is None else frame.otherwise
    elements = [*_fixed(frame), *(_element(each, frame) for each in windows)]
    elements.append(TariffElement(price_components=(_energy(otherwise, frame),)))
    tariff = Tariff(
        country_code=frame.party.country_code,
        party_id=frame.party.party_id,
        id=frame.id,
        currency=frame.currency,
        elements=tuple(elements),
        tax_included=TaxIncluded.NO.value,
        last_updated=now,
        start_date_time=ordered[0].start,
        end_date_time=ordered[-1].end,
    )
    return Made(tariff, tuple(_notes(ordered, windows, notes, otherwise, frame, zone)))


def _check(frame: TariffFrame) -> None:
    if not 0 < len(frame.id) <= 36:
        raise MalformedSignals("id: 1 to 36 characters (OCPI CiString(36))")
    if not 0 <= frame.decimals <= MOST_DECIMALS:
        raise MalformedSignals(f"decimals: 0 to {MOST_DECIMALS}")
    if frame.step_size < 1:
        raise MalformedSignals("step_size: in Wh, 1 at least")
    for name in ("percent", "markup", "floor", "otherwise", "vat", "fee", "parking"):
        value = getattr(frame, name)
        if value is not None and not is_amount(value):
            raise MalformedSignals(f"{name}: {value} is no amount")


def _in_order(signals: Iterable[Signal]) -> list[Signal]:
    ordered = sorted(signals)
    if not ordered:
        raise MalformedSignals("prices: none is given")
    for each in ordered:
        if not is_amount(each.price):
            raise MalformedSignals(f"prices: {each.price} at {_utc(each.start)} is no amount")
        if each.start >= each.end:
            raise MalformedSignals(f"prices: that of {_utc(each.start)} ends at {_utc(each.end)}, not after it")
        if any(at.second or at.microsecond for at in (each.start, each.end)):
            raise MalformedSignals(f"prices: {_utc(each.start)} to {_utc(each.end)} are no whole minutes")
    for one, other in pairwise(ordered):
        if other.start < one.end:
            raise MalformedSignals(
                f"prices: that of {_utc(one.start)} ends at {_utc(one.end)}, after the next one began at"
                f" {_utc(other.start)}; leave one of them out"
            )
    if ordered[-1].end - ordered[0].start > timedelta(days=MOST_DAYS):
        raise MalformedSignals(f"prices: they span more than {MOST_DAYS} days; give those of a day or two")
    return ordered


def _price(signal: Decimal, frame: TariffFrame) -> Decimal:
    exact = signal + (signal * frame.percent).scaleb(-2) + frame.markup
    price = _rounded(exact, 1, frame)
    return price if frame.floor is None else max(price, frame.floor)


def _rounded(amount: Decimal, parts: int, frame: TariffFrame) -> Decimal:
    return rounded(amount, Decimal(parts), frame.decimals, Rounding.HALF_UP)


def _windows(signals: Iterable[Signal], frame: TariffFrame, zone: ZoneInfo) -> tuple[list[_Window], list[str]]:
    """Minutes of equal price by local day, and what had to be decided on the way."""
    days: dict[date, list[list[Decimal]]] = {}
    for signal in signals:
        at = signal.start
        while at < signal.end:
            local = at.astimezone(zone)
            minutes = days.setdefault(local.date(), [[] for _ in range(_DAY)])
            minutes[local.hour * 60 + local.minute].append(signal.price)
            at += _MINUTE
    found: list[_Window] = []
    notes: list[str] = []
    for day, minutes in sorted(days.items()):
        if any(len(set(each)) > 1 for each in minutes):
            notes.append(_twice(day, minutes, frame.repeated))
        found += _of_day(day, [_one(each, frame) for each in minutes], zone)
    return found, notes


def _one(prices: Sequence[Decimal], frame: TariffFrame) -> Decimal | None:
    """Of a minute: it has none, one, or one in each of its two passes."""
    if not prices:
        return None
    if frame.repeated is Repeated.LOWER:
        return min(prices)
    if frame.repeated is Repeated.HIGHER:
        return max(prices)
    return prices[0] if len(prices) == 1 else _rounded(sum(prices, ZERO), len(prices), frame)


def _of_day(day: date, minutes: list[Decimal | None], zone: ZoneInfo) -> Iterator[_Window]:
    for minute in range(1, _DAY):
        if minutes[minute] is None and _is_skipped(day, minute, zone):
            minutes[minute] = minutes[minute - 1]  # it has no length, and so leaves no gap that looks like one
    place = 0
    for price, run in groupby(minutes):
        start, place = place, place + sum(1 for _ in run)
        if price is not None:
            yield _Window(day, start, place, price)


def _is_skipped(day: date, minute: int, zone: ZoneInfo) -> bool:
    local = datetime.combine(day, time(minute // 60, minute % 60), tzinfo=zone)
    back = local.astimezone(UTC).astimezone(zone)
    return (back.hour, back.minute) != (local.hour, local.minute)


def _fixed(frame: TariffFrame) -> Iterator[TariffElement]:
    kind = TariffDimensionType
    found: list[PriceComponent] = []
    if frame.fee is not None:
        found.append(PriceComponent(type=kind.FLAT.value, price=frame.fee, step_size=1, vat=frame.vat))
    if frame.parking is not None:
        found.append(PriceComponent(type=kind.PARKING_TIME.value, price=frame.parking, step_size=1, vat=frame.vat))
    if found:
        yield TariffElement(price_components=tuple(found))


def _element(window: _Window, frame: TariffFrame) -> TariffElement:
    is_whole = (window.start, window.end) == (0, _DAY)
    restrictions = TariffRestrictions(
        start_date=window.day.isoformat(),
        end_date=(window.day + timedelta(days=1)).isoformat(),
        start_time=None if is_whole else _clock(window.start),
        end_time=None if is_whole else _clock(window.end % _DAY),
    )
    return TariffElement(price_components=(_energy(window.price, frame),), restrictions=restrictions)


def _energy(price: Decimal, frame: TariffFrame) -> PriceComponent:
    return PriceComponent(type=TariffDimensionType.ENERGY.value, price=price, step_size=frame.step_size, vat=frame.vat)


def _notes(
    ordered: Sequence[Signal],
    windows: Sequence[_Window],
    found: Iterable[str],
    otherwise: Decimal,
    frame: TariffFrame,
    zone: ZoneInfo,
) -> Iterator[str]:
    first, last = (at.astimezone(zone) for at in (ordered[0].start, ordered[-1].end))
    prices = [each.price for each in windows]
    yield (
        f"{len(ordered)} prices from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} ({frame.time_zone}), {min(prices)}"
        f" to {max(prices)} {frame.currency} per kWh, in {len(windows)} elements"
    )
    yield from found
    for one, other in pairwise(ordered):
        if one.end < other.start:
            until, then = (at.astimezone(zone) for at in (one.end, other.start))
            yield f"no price is given from {until:%Y-%m-%d %H:%M} to {then:%Y-%m-%d %H:%M}"
    why = "the mean of the prices" if frame.otherwise is None else "as you say"
    yield f"at all other time, and in charges that go on after the last price, a kWh costs {otherwise}: {why}"
    if frame.fee is not None or frame.parking is not None:
        yield (
            "fee and parking have an element of their own: partners of OCPI 2.1.1, who take one element for all, read"
            " no other"
        )


def _twice(day: date, minutes: Sequence[Sequence[Decimal]], repeated: Repeated) -> str:
    places = [place for place, prices in enumerate(minutes) if len(set(prices)) > 1]
    return (
        f"{_clock(places[0])} to {_clock((places[-1] + 1) % _DAY)} comes twice on {day} with different prices, which no"
        f" tariff can tell apart: the {repeated.lower()} of both holds"
    )


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}Z"

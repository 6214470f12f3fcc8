"""What a charge would cost: an assumed charge of constant power by a tariff, line by line. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Final

import msgspec

from roaming.model.money import TaxIncluded
from roaming.model.tariff import Tariff
from roaming.rating.constant_power import constant
from roaming.rating.cutting import PricedSession, price_session
from roaming.rating.engine import zone_of
from roaming.rating.errors import MalformedTimeline
from roaming.rating.exact import is_amount
from roaming.rating.explanation import Row, explain
from roaming.rating.price_list import PriceList
from roaming.rating.rated import Part, Rated
from roaming.rating.readings import DEFAULT_READINGS, Readings

_NAMES: Final = {
    Part.ENERGY: "Energy",
    Part.TIME: "Charging time",
    Part.PARKING_TIME: "Connected after charging",
    Part.FLAT: "Start fee",
    Part.RESERVATION: "Reservation",
}


FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""Of starts: what lies beyond is a slip, and its end may be no date at all."""


def start_of(text: str, time_zone: str) -> datetime:
    """When an assumed charge begins: local time of the zone, unless it says its own. Raises ``MalformedTimeline``, and
    ``RatingError`` for what is no zone."""
    zone = zone_of(time_zone)
    try:
        found = datetime.fromisoformat(text)
        found = (found if found.tzinfo is not None else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise MalformedTimeline(f"start: {text[:40]} is no time; write 2026-01-12T18:00") from None
    _must_be_near(found)
    return found


def _must_be_near(start: datetime) -> None:
    if not FIRST <= start < LAST:
        raise MalformedTimeline(f"start: {start.year} is no time from 1970 to 8999")


class Assumed(msgspec.Struct, frozen=True, kw_only=True):
    """The charge that is assumed."""

    start: datetime
    kwh: Decimal
    power_kw: Decimal
    minutes: Decimal | None = None
    """How long the vehicle stays connected; ``None``: until the energy is in."""
    time_zone: str = "UTC"

    @property
    def end(self) -> datetime:
        """When the vehicle leaves. Raises ``MalformedTimeline``."""
        _must_be_near(self.start)
        for name in ("kwh", "power_kw", "minutes"):
            value = getattr(self, name)
            if value is not None and (not is_amount(value) or value < 0):
                raise MalformedTimeline(f"{name}: {value} is negative or no number; correct it")
        if self.minutes is not None:
            length = self.minutes * 60_000_000
        elif self.power_kw:
            length = self.kwh * 3_600_000_000 / self.power_kw
        else:
            raise MalformedTimeline("power_kw is 0: give the minutes that the vehicle stays")
        if length > 366 * 86_400_000_000:
            raise MalformedTimeline("the charge takes more than 366 days; give more power or fewer minutes")
        return self.start + timedelta(microseconds=int(length.to_integral_value(ROUND_CEILING)))


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One price at one stretch of the charge."""

    what: str
    since: datetime | None
    """``None``: of the whole charge."""
    quantity: str
    """As a driver reads it."""
    price: str
    amount: Decimal | None
    """With taxes, or without where they are not known; ``None``: not known."""
    why: str


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of an assumed charge."""

    currency: str
    total_before_taxes: Decimal | None
    total_with_taxes: Decimal | None
    preauthorized: Decimal | None
    """What a payment terminal reserves before the charge; ``None``: the tariff does not say."""
    energy_kwh: Decimal
    start: datetime
    end: datetime
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def preview(tariff: Tariff | PriceList, assumed: Assumed, readings: Readings = DEFAULT_READINGS) -> Preview:
    """Raises ``RatingError``. Where the power suffices for less than ``kwh``, less is charged."""
    end = assumed.end
    story = constant(assumed.start, end, power_kw=assumed.power_kw, kwh=assumed.kwh)
    session = price_session(story, tariff, assumed.time_zone, readings)
    rated = session.rated
    assert rated is not None
    taxes = rated.total.taxes
    total = rated.total.before_taxes
    with_taxes = None if taxes is None else total + sum((tax.amount for tax in taxes), Decimal(0))
    if not rated.is_net_known:
        with_taxes = total
    return Preview(
        currency=rated.currency,
        total_before_taxes=total if rated.is_net_known else None,
        total_with_taxes=with_taxes,
        preauthorized=rated.price_list.tariff.preauthorize_amount,
        energy_kwh=session.total_energy,
        start=session.start_date_time,
        end=session.end_date_time,
        lines=tuple(_lines(session, rated, is_gross=with_taxes is not None)),
        notes=tuple(_notes(rated, with_taxes)),
    )


def as_text(found: Preview, time_zone: str) -> str:
    """What a driver reads."""
    zone = zone_of(time_zone)
    begin, end = found.start.astimezone(zone), found.end.astimezone(zone)
    title = f"{_plain(found.energy_kwh)} kWh, {begin:%a %d %B %Y %H:%M} to {_until(begin, end)} ({time_zone})"
    table = [
        (
            line.what,
            "" if line.since is None else f"from {line.since.astimezone(zone):%H:%M}",
            line.quantity,
            line.price,
            "?" if line.amount is None else _money(line.amount),
        )
        for line in found.lines
    ]
    if found.total_with_taxes is not None:
        table.append(("Total with taxes", "", "", "", f"{_money(found.total_with_taxes)} {found.currency}"))
    if found.total_before_taxes is not None:
        name = "before taxes" if found.total_with_taxes is not None else "Total before taxes"
        table.append((name, "", "", "", f"{_money(found.total_before_taxes)} {found.currency}"))
    # Amounts stand under each other by their decimal point.
    amounts = [(row[:-1], *row[-1].partition(" ")[::2]) for row in table]
    widths = [max(len(row[place]) for row, _, _ in amounts) for place in range(4)]
    most = max(len(amount) for _, amount, _ in amounts)
    rows = [title]
    for row, amount, currency in amounts:
        cells = "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True))
        rows.append(f"  {cells}  {amount:>{most}} {currency}".rstrip())
    rows += [f"  note: {note}" for note in found.notes]
    return "\n".join(rows)


def _notes(rated: Rated, with_taxes: Decimal | None) -> Iterator[str]:
    yield from (finding.text for finding in rated.findings)
    reserved = rated.price_list.tariff.preauthorize_amount
    if reserved is not None:
        short = "; this charge costs more" if with_taxes is not None and with_taxes > reserved else ""
        yield f"a payment terminal reserves {_money(reserved)} {rated.currency} first{short}"


def _lines(session: PricedSession, rated: Rated, *, is_gross: bool) -> Iterator[Line]:
    starts = [period.start_date_time for period in session.periods]
    for row in explain(rated):
        amount = row.after_taxes if is_gross and row.after_taxes is not None else row.before_taxes
        if row.part is Part.LIMIT:
            yield Line(what=row.reason.capitalize(), since=None, quantity="", price="", amount=amount, why=row.reason)
        elif row.price is not None or row.part is not Part.TIME:
            yield Line(
                what=_NAMES[row.part],
                since=None if row.period is None or row.part is Part.FLAT else starts[row.period],
                quantity=_quantity(row),
                price=_price(row, rated),
                amount=amount,
                why=row.reason,
            )


def _price(row: Row, rated: Rated) -> str:
    if not row.price:
        return "free"
    tax = f" + {_plain(row.vat)} % VAT" if row.vat and rated.price_list.tariff.tax_included == TaxIncluded.NO else ""
    return f"{_plain(row.price)} {row.price_unit}{tax}"


def _quantity(row: Row) -> str:
    if row.unit == "kWh":
        added = f", billed as {_plain(row.quantity + row.step_added)} kWh" if row.step_added else ""
        return f"{_plain(row.quantity)} kWh{added}"
    if row.unit == "s":
        added = f", billed as {_minutes(row.quantity + row.step_added)} min" if row.step_added else ""
        return f"{_minutes(row.quantity)} min{added}"
    return ""


def _minutes(seconds: Decimal) -> str:
    return _plain((seconds / 60).quantize(Decimal("0.1"), ROUND_HALF_UP))


def _money(amount: Decimal) -> str:
    return f"{amount.quantize(Decimal('0.01'), ROUND_HALF_UP)}"


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _until(begin: datetime, end: datetime) -> str:
    return f"{end:%H:%M}" if begin.date() == end.date() else f"{end:%a %d %B %H:%M}"

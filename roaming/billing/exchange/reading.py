"""Rates as people and central banks write them. Pure.

Three shapes of CSV are read: the ECB's files of reference rates (``eurofxref.csv``, ``eurofxref-hist.csv``: a column
per currency), those of its data portal (``CURRENCY``, ``TIME_PERIOD``, ``OBS_VALUE``), and a list with the columns
``date``, ``currency`` and ``rate``.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from roaming.billing.exchange.rates import ECB, EURO, Rate

_CURRENCY = re.compile(r"[A-Z]{3}\Z", re.ASCII)
_SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,29}\Z", re.ASCII)
_NOTHING = frozenset({"", "N/A", "NA", "-", "NAN"})
_NAMES = {
    "date": ("date", "day", "time_period"),
    "currency": ("currency",),
    "rate": ("rate", "obs_value", "value"),
    "base": ("base", "currency_denom"),
}
"""Columns of the long shapes; those of the ECB's data portal among them."""
LARGEST, SMALLEST = Decimal("1e9"), Decimal("1e-9")


class MalformedRates(ValueError):
    """Rates that nobody can convert by. The text names the line or field and says what to write."""


def read_rate(currency: str, rate: str, day: str, *, source: str = ECB, base: str = EURO) -> Rate:
    """One rate as people write it. Raises ``MalformedRates``.

    >>> str(read_rate("chf", "0.9412", "2026-10-30"))
    '1 EUR = 0.9412 CHF'
    """
    if not _SOURCE.match(source):
        raise MalformedRates(f"source: {source[:40]!r}; a name such as ECB, of letters, digits, dots and hyphens")
    made = Rate(
        source=source.upper(),
        base=_code("base", base),
        currency=_code("currency", currency),
        day=_day(day),
        value=_value(rate),
    )
    if made.base == made.currency:
        raise MalformedRates(f"currency: {made.currency} against itself needs no rate")
    return made


def read_rates(text: str, *, source: str = ECB, base: str = EURO) -> list[Rate]:
    """All rates of a CSV file; what it leaves out (``N/A``) is left out. Raises ``MalformedRates`` naming the line."""
    text = text.lstrip("\ufeff")
    header = text.split("\n", 1)[0]
    rows = csv.reader(io.StringIO(text), delimiter=max((",", ";", "\t"), key=header.count), skipinitialspace=True)
    names = [name.strip() for name in next(rows, [])]
    folded = [name.lower().replace(" ", "_") for name in names]
    is_long = _places(folded).keys() >= {"date", "currency", "rate"}
    if not is_long and (not folded or folded[0] not in _NAMES["date"]):
        raise MalformedRates(
            "line 1: expected the ECB's header (Date,USD,JPY,…), or columns named date, currency and rate"
        )
    found: dict[tuple[str, date], Rate] = {}
    for number, row in enumerate(rows, start=2):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        try:
            given = _long(folded, cells, base) if is_long else _wide(names, cells, base)
            for currency, rate, day, against in given:
                each = read_rate(currency, rate, day, source=source, base=against)
                if found.setdefault((each.currency, each.day), each) != each:
                    raise MalformedRates(f"{each.currency}: {each.day} is there twice, with another rate")
        except MalformedRates as error:
            raise MalformedRates(f"line {number}: {error}") from None
    if not found:
        raise MalformedRates("it holds no rate")
    if len(bases := {each.base for each in found.values()}) > 1:
        raise MalformedRates(f"base: {' and '.join(sorted(bases))}; a source quotes against one, import them apart")
    return list(found.values())


def _places(folded: Sequence[str]) -> dict[str, int]:
    return {field: folded.index(name) for field, known in _NAMES.items() for name in known if name in folded}


def _wide(names: Sequence[str], cells: Sequence[str], base: str) -> Iterator[tuple[str, str, str, str]]:
    for name, cell in zip(names[1:], cells[1:], strict=False):
        if name and cell.upper() not in _NOTHING:
            yield name, cell, cells[0], base


def _long(folded: Sequence[str], cells: Sequence[str], base: str) -> Iterator[tuple[str, str, str, str]]:
    places = _places(folded)
    if max(places[name] for name in ("date", "currency", "rate")) >= len(cells):
        raise MalformedRates(f"{len(cells)} columns, the header has {len(folded)}")
    values = {name: cells[place] for name, place in places.items() if place < len(cells)}
    if values["rate"].upper() not in _NOTHING:
        yield values["currency"], values["rate"], values["date"], values.get("base") or base


def _code(field: str, text: str) -> str:
    code = text.strip().upper()
    if not _CURRENCY.match(code):
        raise MalformedRates(f"{field}: {text[:40]!r}; write the three letters of ISO 4217, such as CHF")
    return code


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text) if "-" in text else datetime.strptime(text, "%d %B %Y").date()  # noqa: DTZ007
    except ValueError:
        raise MalformedRates(f"day: {text[:40]!r}; write it as 2026-10-30") from None


def _value(text: str) -> Decimal:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not SMALLEST <= value <= LARGEST or len(value.as_tuple().digits) > 30:
        raise MalformedRates(f"rate: {text[:40]!r}; a number above 0 such as 0.9412, with a point")
    return value

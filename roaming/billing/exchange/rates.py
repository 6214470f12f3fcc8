"""Rates of exchange and what is converted by them. Pure.

A source quotes all its rates against one base on days of its own, as the ECB does: 1 EUR = 0.9412 CHF. Of a day without
one the last before it counts, as far back as ``OLDEST``.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from operator import attrgetter

import msgspec

from roaming.billing.checks.amounts import shown

ECB, EURO = "ECB", "EUR"
OLDEST = timedelta(days=7)
"""Longer than any holidays of a central bank."""
EXACT = Decimal("0.0001")
"""Converted amounts have the decimals of OCPI's numbers."""
_WIDE = Context(prec=400, rounding=ROUND_HALF_UP)
_MOST_SHOWN = 10


class MissingRate(ValueError):
    """Something cannot be converted. The text has a line for each rate that is missing, and says what to do."""


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """What one piece of ``base`` was worth on a day, as ``source`` says."""

    source: str
    base: str
    currency: str
    day: date
    value: Decimal

    def __str__(self) -> str:
        return f"1 {self.base} = {shown(self.value)} {self.currency}"


class Rates:
    """All rates that are known; ``today``: no later ones are asked for."""

    def __init__(self, rates: Iterable[Rate] = (), *, today: date = date.max) -> None:
        self._today = today
        self._bases: dict[str, str] = {ECB: EURO}
        self._quoted: dict[tuple[str, str], list[Rate]] = {}
        for rate in sorted(rates, key=attrgetter("day")):
            self._bases[rate.source] = rate.base
            self._quoted.setdefault((rate.source, rate.currency), []).append(rate)

    def between(self, source: str, one: str, other: str, day: date) -> tuple[Rate, ...]:
        """The rates by which an amount of ``one`` becomes one of ``other``: one of them, or both against the base of
        the source. Raises ``MissingRate``."""
        base, day = self._bases.get(source, ""), min(day, self._today)
        lacks, found = [], []
        for currency in (one, other):
            if base and currency == base:
                continue
            rate = self._last(source, currency, day)
            if rate is None:
                lacks.append(_lacking(source, base, currency, day))
            else:
                found.append(rate)
        if lacks:
            raise MissingRate("\n".join(lacks))
        return tuple(found)

    def _last(self, source: str, currency: str, day: date) -> Rate | None:
        rates = self._quoted.get((source, currency), [])
        place = bisect_right(rates, day, key=attrgetter("day"))
        return rates[place - 1] if place and day - rates[place - 1].day <= OLDEST else None


def _lacking(source: str, base: str, currency: str, day: date) -> str:
    against = f" --base {base}" if base else ""
    return (
        f"{source} has no rate of {currency} for {day} nor the {OLDEST.days} days before: `roaming settle rates import"
        f" FILE --source {source}` takes a list, `roaming settle rates set {currency} RATE --day {day}"
        f" --source {source}{against}` one rate"
    )


def joined(lacks: Iterable[MissingRate]) -> MissingRate:
    """All that is missing in one, each line once."""
    lines = list(dict.fromkeys(line for each in lacks for line in str(each).splitlines()))
    more = [f"and {len(lines) - _MOST_SHOWN} more"] if len(lines) > _MOST_SHOWN else []
    return MissingRate("\n".join(lines[:_MOST_SHOWN] + more))


def converted(amount: Decimal, rates: Iterable[Rate], currency: str, unit: Decimal = EXACT) -> Decimal:
    """An amount of another currency in ``currency``, by ``rates`` as ``Rates.between`` gives them: rounded once, to
    ``unit``, half up.

    >>> day = date(2026, 10, 30)
    >>> franc = Rate(source="ECB", base="EUR", currency="CHF", day=day, value=Decimal("0.9412"))
    >>> converted(Decimal("9.412"), [franc], "EUR"), converted(Decimal(10), [franc], "CHF")
    (Decimal('10.0000'), Decimal('9.4120'))
    """
    exact = amount
    for rate in rates:
        exact = _WIDE.multiply(exact, rate.value) if rate.currency == currency else _WIDE.divide(exact, rate.value)
    return exact.quantize(unit, context=_WIDE)


def told(rates: Iterable[Rate]) -> Mapping[str, str]:
    """Rates as a row shows them: what, of which day, by whom."""
    found = tuple(rates)
    return {
        "rate": ", ".join(map(str, found)),
        "rate date": ", ".join(dict.fromkeys(rate.day.isoformat() for rate in found)),
        "rate source": ", ".join(dict.fromkeys(rate.source for rate in found)),
    }

"""Rates of exchange in the store."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from sqlalchemy import Table, select

from roaming.billing.exchange.rates import OLDEST, Rate
from roaming.billing.exchange.reading import MalformedRates
from roaming.billing.tables import ExchangeRateRow
from roaming.store.bulk import select_rows, upsert
from roaming.store.database import Work
from roaming.store.reader import Reader

RATES: Table = ExchangeRateRow.__table__  # type: ignore[attr-defined]
_KEY = ("source", "currency", "day")
AT_ONCE = 5_000


async def keep_rates(work: Work, rates: Sequence[Rate], *, is_replacing: bool = False) -> int:
    """Stores rates and returns how many are new or changed. Raises ``MalformedRates`` for one that is there with
    another value, unless ``is_replacing``, and for a source that quotes against another base."""
    for source, base in sorted({(rate.source, rate.base) for rate in rates}):
        other = await _base_of(work, source)
        if other not in (None, base):
            raise MalformedRates(f"source: {source} quotes against {other}; name one of its own for {base}")
    written = 0
    for start in range(0, len(rates), AT_ONCE):
        written += await _keep(work, rates[start : start + AT_ONCE], is_replacing=is_replacing)
    return written


async def _base_of(work: Work, source: str) -> str | None:
    one = select(RATES.c.base).where(RATES.c.source == source).limit(1)
    return (await work.connection.execute(one)).scalar_one_or_none()


async def _keep(work: Work, rates: Sequence[Rate], *, is_replacing: bool) -> int:
    by_key = {(rate.source, rate.currency, rate.day.isoformat()): rate for rate in rates}
    there = await select_rows(work.connection, RATES, (*_KEY, "value"), key=_KEY, values=list(by_key), is_held=True)
    for source, currency, day, value in there:
        rate = by_key[source, currency, day]
        if Decimal(value) == rate.value:
            del by_key[source, currency, day]
        elif not is_replacing:
            raise MalformedRates(
                f"rate: {source} says {value} {currency} for {day} here, {rate.value:f} there; --replace (`replace`"
                " over HTTP) takes the new one; closed statements keep theirs"
            )
    rows = [
        {
            "source": rate.source,
            "currency": rate.currency,
            "day": rate.day.isoformat(),
            "base": rate.base,
            "value": f"{rate.value:f}",
            "changed_at": work.now,
        }
        for rate in by_key.values()
    ]
    return len(await upsert(work.connection, RATES, rows, key=_KEY, update=("base", "value", "changed_at")))


async def rates_of(
    reader: Reader, *, sources: Iterable[str] = (), since: date = date.min, until: date = date.max, currency: str = ""
) -> list[Rate]:
    """Rates by source, currency and day: of these sources (none: all), for days of ``since`` to ``until``. Raises
    ``StoreUnavailable``."""
    earliest = since - OLDEST if since - date.min > OLDEST else date.min
    conditions, values = ["day >= $1", "day <= $2"], [earliest.isoformat(), until.isoformat()]
    if wanted := sorted(set(sources)):
        conditions.append(f"source IN ({', '.join(f'${len(values) + 1 + n}' for n in range(len(wanted)))})")
        values += wanted
    if currency:
        values.append(currency)
        conditions.append(f"currency = ${len(values)}")
    rows = await reader.fetch(
        "SELECT source, base, currency, day, value FROM exchange_rates"  # noqa: S608 - our names
        f" WHERE {' AND '.join(conditions)} ORDER BY source, currency, day",
        *values,
    )
    return [
        Rate(source=row[0], base=row[1], currency=row[2], day=date.fromisoformat(row[3]), value=Decimal(row[4]))
        for row in rows
    ]

"""Rates of exchange from the command line."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from roaming.billing.exchange.rates import Rate
from roaming.billing.exchange.reading import MalformedRates, read_rate, read_rates
from roaming.billing.exchange.repository import keep_rates, rates_of
from roaming.billing.records import shown_rate, titled
from roaming.cli.billing_titles import RATE
from roaming.cli.cdr_checking import month_or_fail
from roaming.cli.database import services_of_now
from roaming.cli.output import fail


async def import_rates(file: Path, *, source: str, base: str, is_replacing: bool) -> dict[str, Any]:
    """All rates of a file."""
    found = _read(file, source, base)
    new = await _keep(found, is_replacing=is_replacing)
    days = sorted(rate.day for rate in found)
    return {
        "source": found[0].source,
        "rates": len(found),
        "new": new,
        "currencies": " ".join(sorted({rate.currency for rate in found})),
        "first": days[0].isoformat(),
        "last": days[-1].isoformat(),
    }


def _read(file: Path, source: str, base: str) -> list[Rate]:
    try:
        return read_rates(file.read_text(encoding="utf-8-sig"), source=source, base=base)
    except (OSError, UnicodeDecodeError, MalformedRates) as error:
        fail(f"{file}: {error}")


async def set_rate(given: Mapping[str, str], *, is_replacing: bool) -> dict[str, Any]:
    """One rate; ``given`` as ``read_rate`` takes it."""
    try:
        rate = read_rate(**given)
    except MalformedRates as error:
        fail(str(error))
    new = await _keep([rate], is_replacing=is_replacing)
    return {**titled(shown_rate(rate), RATE), "new": bool(new)}


async def _keep(rates: Sequence[Rate], *, is_replacing: bool) -> int:
    async with services_of_now() as services:
        try:
            async with services.database.work() as work:
                return await keep_rates(work, rates, is_replacing=is_replacing)
        except MalformedRates as error:
            fail(str(error))


async def list_rates(source: str, currency: str, month: str) -> list[dict[str, Any]]:
    """Those that are known."""
    since, until = (each.date() for each in month_or_fail(month)) if month else (date.min, date.max)
    until -= timedelta(days=1)
    async with services_of_now() as services:
        found = await rates_of(
            services.database.reader,
            sources=[source.upper()] if source else (),
            since=since,
            until=until,
            currency=currency.upper(),
        )
    return [titled(shown_rate(rate), RATE) for rate in found]

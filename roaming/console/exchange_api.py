"""Rates of exchange over HTTP; ``billing_api`` takes them into its table."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from roaming.billing.exchange.reading import MalformedRates, read_rate, read_rates
from roaming.billing.exchange.repository import keep_rates, rates_of
from roaming.billing.months import bounds_of
from roaming.billing.records import ShownRate, Word, shown_rate
from roaming.console.billing_asking import for_own_people, listed, month_named
from roaming.console.hearing import read
from roaming.console.rules_api import AS_CSV, Entry
from roaming.console.saying import given
from roaming.ocpi.module import Services

Listed = Annotated[str, msgspec.Meta(max_length=1_000_000)]


class RateWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of ``currency`` one piece of the base was worth on ``day`` (2026-10-30)."""

    currency: Word
    rate: Word
    day: Word


class RatesWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates one by one, or the text of a CSV file: the ECB's, or one with columns date, currency and rate.
    ``replace``: take the new one where there is another; closed months keep theirs."""

    source: Word = "ECB"
    base: Word = "EUR"
    rates: tuple[RateWish, ...] = ()
    csv: Listed = ""
    replace: bool = False


class KnownRates(msgspec.Struct, frozen=True, kw_only=True):
    """Rates by source, currency and day."""

    rates: tuple[ShownRate, ...]


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """How many rates were given, and how many of them are new."""

    rates: int
    new: int


async def get_rates(services: Services, request: Request, _who: str) -> Response:
    query = request.query_params
    since, until = (each.date() for each in bounds_of(month_named(query.get("month", ""), services)))
    source = query.get("source", "").upper()
    found = await rates_of(
        services.database.reader,
        sources=[source] if source else (),
        since=since,
        until=until - timedelta(days=1),
        currency=query.get("currency", "").upper(),
    )
    shown = [shown_rate(rate) for rate in found]
    return listed(request, KnownRates(rates=tuple(shown)), shown)


async def post_rates(services: Services, request: Request, _who: str) -> Response:
    for_own_people(request)
    wish = await read(request, RatesWish)
    found = [read_rate(each.currency, each.rate, each.day, source=wish.source, base=wish.base) for each in wish.rates]
    if wish.csv:
        found += read_rates(wish.csv, source=wish.source, base=wish.base)
    if not found:
        raise MalformedRates("rates, csv: give either")
    async with services.database.work() as work:
        new = await keep_rates(work, found, is_replacing=wish.replace)
    return given(Taken(rates=len(found), new=new), 201 if new else 200)


ENTRIES: Sequence[Entry] = (
    Entry(
        method="GET",
        path="/api/exchange-rates",
        handle=get_rates,
        summary="Rates of exchange that count in a month: its own, and those of the week before",
        gives=KnownRates,
        refusals=(400,),
        query=(
            ("month", "Such as 2026-10 (UTC); this one unless given"),
            ("source", "Only those of this one, such as ECB"),
            ("currency", "Only those of this one, such as CHF"),
            AS_CSV,
        ),
    ),
    Entry(
        method="POST",
        path="/api/exchange-rates",
        handle=post_rates,
        summary="Enter or import rates, all or none; 200: all were known",
        takes=RatesWish,
        gives=Taken,
        success=201,
        refusals=(400, 403),
    ),
)

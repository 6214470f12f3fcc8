"""Tariffs of hosted CPOs over HTTP, as `roaming tariff import` and `from-prices` do it. ``GET /api/tariffs.json``
describes it.

``POST /api/tariffs`` takes one Tariff or a list, in the shape of OCPI 2.2.1 (2.3.0 where it says ``tax_included``)::

    [{"country_code": "NL", "party_id": "HUB", "id": "T1", "currency": "EUR", "elements": [...]}]

Each is judged by itself: what is right is stored, and of what is wrong the answer names the field.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from roaming.billing.tariff_records import shown_lint
from roaming.console.hearing import Unfit, content_of, read
from roaming.console.rules_api import Entry, Work
from roaming.console.saying import HEADERS, committed, given, said
from roaming.console.tariffs_forms import (
    Judgements,
    MadeTariff,
    OneOrMany,
    PreviewWish,
    PricesWish,
    PriceWish,
)
from roaming.model.identifiers import PartyId
from roaming.model.tariff import Tariff
from roaming.model.version import Version
from roaming.modules.tariffs import importing, service
from roaming.ocpi.codec import DecodeError, MalformedJson, dump_json, parse_json
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.module import Services
from roaming.rating import RatingError
from roaming.rating.errors import MalformedTimeline
from roaming.rating.lint import Lint, lint
from roaming.rating.preview import Assumed, as_text, preview, start_of
from roaming.rating.price_signal_files import Row, read_prices, signals_of
from roaming.rating.price_signals import Made, TariffFrame, tariff_of_prices

LARGEST = 8 * 1024 * 1024
MOST = 1_000
"""Tariffs of one request."""
_WORDS = {"true": True, "false": False, "": False}
_UNITS = {"kwh": False, "mwh": True}


async def post_tariffs(services: Services, request: Request, _who: str) -> Response:
    is_dry_run = _WORDS.get(request.query_params.get("dry_run", "").lower())
    if is_dry_run is None:
        raise Unfit("true or false", "dry_run")
    try:
        body = parse_json(await content_of(request, largest=LARGEST))
    except MalformedJson as error:
        raise Unfit(f"the body is no JSON: {error}") from None
    entries = body if isinstance(body, list) else [body]
    if not 0 < len(entries) <= MOST:
        raise Unfit(f"a Tariff, or a list of 1 to {MOST}")
    judged = await importing.take_each(services, entries, is_dry_run=is_dry_run)
    stored = sum(each.state == "ok" for each in judged)
    return given(Judgements(dry_run=is_dry_run, stored=stored, refused=len(judged) - stored, tariffs=tuple(judged)))


async def post_prices(services: Services, request: Request, _who: str) -> Response:
    wish = await read(request, PricesWish)
    # Not here: to look through the elements of many days takes a while, in which this process would answer nobody
    made, findings = await asyncio.to_thread(_made, wish, services.clock.now())
    shown = await asyncio.to_thread(_previewed, made.tariff, wish.preview, wish.time_zone) if wish.preview else ""
    if wish.publish:
        await _publish(services, made.tariff, findings)
    found = {
        "tariff": service.CODECS[Version.V2_2_1].encode(made.tariff).body,
        "notes": made.notes,
        "findings": [msgspec.structs.asdict(shown_lint(each)) for each in findings],
        "published": wish.publish,
        "preview": shown,
    }
    # Numbers stay numbers, as OCPI has them
    return Response(dump_json(found), media_type="application/json", headers=HEADERS)


async def _publish(services: Services, tariff: Tariff, findings: Sequence[Lint]) -> None:
    if (wrong := next((each for each in findings if each.is_error), None)) is not None:
        raise Unfit(wrong.text, wrong.where)
    await importing.publish_own(services, tariff)


def _made(wish: PricesWish, now: datetime) -> tuple[Made, Sequence[Lint]]:
    if wish.per.lower() not in _UNITS:
        raise Unfit("kWh or MWh", "per")
    if bool(wish.prices) == bool(wish.csv):
        raise Unfit("give either prices or csv", "prices")
    try:
        party = PartyId.parse(wish.party)
    except ValueError as error:
        raise Unfit(str(error), "party") from None
    shared = (name for name in TariffFrame.__struct_fields__ if name != "party" and hasattr(wish, name))
    frame = TariffFrame(party=party, **{name: getattr(wish, name) for name in shared})
    how: dict[str, Any] = {"time_zone": wish.time_zone, "per_mwh": _UNITS[wish.per.lower()], "day": wish.day}
    signals = read_prices(wish.csv, **how) if wish.csv else signals_of(list(_rows(wish)), **how)
    made = tariff_of_prices(signals, frame, now=now)
    return made, lint(made.tariff, time_zone=wish.time_zone)


def _rows(wish: PricesWish) -> Sequence[Row]:
    return [
        Row(f"prices[{place}]", each.start, each.end, each.price)
        if isinstance(each, PriceWish)
        else Row(f"prices[{place}]", "", "", each)
        for place, each in enumerate(wish.prices)
    ]


def _previewed(tariff: Tariff, wish: PreviewWish, time_zone: str) -> str:
    try:
        start = start_of(wish.start, time_zone)
    except MalformedTimeline as error:
        raise Unfit(str(error), "preview") from None
    assumed = Assumed(start=start, kwh=wish.kwh, power_kw=wish.power, minutes=wish.minutes, time_zone=time_zone)
    return as_text(preview(tariff, assumed), time_zone)


async def get_document(_services: Services, _request: Request, _who: str) -> Response:
    """As it is committed."""
    return committed("operators-tariffs.json")


def _checked(handle: Work) -> Work:
    async def work(services: Services, request: Request, who: str) -> Response:
        try:
            return await handle(services, request, f"api:{who}")
        except Unfit as error:
            return said(str(error), 400, field=error.field)
        except (DecodeError, RatingError, OcpiError) as error:
            return said(str(error), 400, field=importing.field_of(error))

    return work


ENTRIES: Sequence[Entry] = (
    Entry(
        method="POST",
        path="/api/tariffs",
        handle=post_tariffs,
        summary="Store and publish one tariff or many, each judged by itself",
        takes=OneOrMany,  # type: ignore[arg-type]  # mypy: a union is no type
        gives=Judgements,
        refusals=(400,),
        query=(("dry_run", "true: only judge, and store nothing; 200 then"),),
    ),
    Entry(
        method="POST",
        path="/api/tariffs/from-prices",
        handle=post_prices,
        summary="Make a tariff of the prices of a day, an element for each, and look through it",
        takes=PricesWish,
        gives=MadeTariff,
        refusals=(400,),
    ),
)
ROUTES: Sequence[tuple[str, str, Work]] = (
    ("/api/tariffs.json", "GET", get_document),
    *((entry.path, entry.method, _checked(entry.handle)) for entry in ENTRIES),
)

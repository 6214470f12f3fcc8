"""Prices over HTTP: why a CDR costs what it costs, any charge by any tariff, and tariffs looked at, with the verbs of
`roaming rate`, `verify`, `cdr explain` and `tariff`; ``billing_api`` takes them into its table."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from roaming.billing.check_records import shown_verification
from roaming.billing.explaining import explanation_of
from roaming.billing.receiving import cpo_of, emsp_of
from roaming.billing.tariff_records import shown_lint, shown_versions
from roaming.console import pricing_forms as forms
from roaming.console.billing_asking import NotThere, entry_named, listed, must_be, party_named, path
from roaming.console.hearing import Unfit, exact, read
from roaming.console.rules_api import AS_CSV, Entry
from roaming.model.canonical import from_document
from roaming.model.identifiers import fold
from roaming.model.tariff import Tariff
from roaming.modules.tariffs.repository import key_of, versions_of
from roaming.ocpi.module import Services
from roaming.rating import Readings, Row, explain
from roaming.rating.documents import tariff_of, version_of_tariff
from roaming.rating.errors import MalformedTimeline
from roaming.rating.lint import lint
from roaming.rating.preview import Assumed, as_text, preview, start_of
from roaming.rating.priced_documents import PricedDocument, price_document
from roaming.rating.verified_documents import Unverifiable, verify_document

MOST_RECORDS = 1_000
"""Of one request: each signature takes about a millisecond."""


async def get_explanation(services: Services, request: Request, _who: str) -> Response:
    entry = await entry_named(services, request)
    found = await explanation_of(services, entry)
    body = forms.Explained(
        cpo=str(cpo_of(entry.cdr)),
        emsp=str(emsp_of(entry.cdr)),
        cdr_id=entry.cdr.id,
        currency=entry.cdr.currency,
        billed=entry.cdr.total_cost.before_taxes,
        reckoned=found.reckoned,
        verdict=found.verdict,
        lines=found.rows,
        notes=tuple(each.text for each in found.rated.findings),
    )
    return listed(request, body, found.rows)


async def post_rate(_services: Services, request: Request, _who: str) -> Response:
    wish = await read(request, forms.RateWish)
    tariffs, charge = _tariffs(wish.tariff), _object(wish.charge, "charge")
    found, rows = await asyncio.to_thread(_rated, tariffs, charge, wish)
    notes = [*(each.text for each in found.rated.findings), *(each.text for each in found.spans)]
    body = forms.RatedCharge(priced=found.document, lines=rows, notes=tuple(notes))
    return listed(request, body, rows)


def _rated(
    tariffs: list[dict[str, Any]], charge: dict[str, Any], wish: forms.RateWish
) -> tuple[PricedDocument, tuple[Row, ...]]:
    found = price_document(
        tariffs,
        charge,
        time_zone=wish.time_zone,
        version=wish.version,
        chosen=wish.readings,
        is_reservation_expired=wish.reservation_expired,
    )
    return found, explain(found.rated)


def _object(raw: msgspec.Raw, field: str) -> dict[str, Any]:
    found = exact(raw, field)
    if not isinstance(found, dict):
        raise Unfit("a JSON object", field)
    return found


def _tariffs(raw: msgspec.Raw) -> list[dict[str, Any]]:
    found = exact(raw, "tariff")
    several = found if isinstance(found, list) else [found]
    if not several or not all(isinstance(each, dict) for each in several):
        raise Unfit("a tariff, or a list of tariffs", "tariff")
    ids = Counter(fold(str(each.get("id"))) for each in several)
    if twice := [id for id, count in ids.items() if count > 1]:
        raise Unfit(f"holds {twice[0]} twice: give each once", "tariff")
    return several


async def post_verify(_services: Services, request: Request, _who: str) -> Response:
    wish = await read(request, forms.VerifyWish)
    body = exact(wish.document, "document")
    if (count := _records_in(body)) > MOST_RECORDS:
        raise Unfit(f"{count} records, more than {MOST_RECORDS}: give them in parts", "document")
    try:
        found = await asyncio.to_thread(verify_document, body, public_key=wish.public_key, kwh=wish.kwh)
    except Unverifiable as error:
        raise Unfit(str(error), error.field if error.field in ("kwh", "public_key") else "document") from None
    rows, whole = shown_verification(found), found.whole
    shown = forms.Verified(
        is_right=found.is_right,
        energy=whole.energy.value if whole is not None else "",
        signed_kwh=whole.signed_kwh if whole is not None else None,
        billed_kwh=whole.billed_kwh if whole is not None else None,
        records=tuple(rows),
    )
    return listed(request, shown, rows)


def _records_in(body: Any) -> int:
    held = body.get("signed_data", body) if isinstance(body, dict) else body
    values = held.get("signed_values") if isinstance(held, dict) else held
    return len(values) if isinstance(values, list) else 1


async def post_lint(_services: Services, request: Request, _who: str) -> Response:
    wish = await read(request, forms.LintWish)
    body = _object(wish.tariff, "tariff")
    return await _linted(request, _Kept(tariff_of(body), version_of_tariff(body)), wish.time_zone)


async def _linted(request: Request, kept: "_Kept", time_zone: str) -> Response:
    readings = Readings.of_version(kept.version)
    found = await asyncio.to_thread(lint, kept.tariff, time_zone=time_zone, readings=readings)
    rows = [shown_lint(each) for each in found]
    body = forms.Lints(is_usable=not any(each.is_error for each in found), findings=tuple(rows))
    return listed(request, body, rows)


class _Kept(NamedTuple):
    tariff: Tariff
    version: str


async def _stored(services: Services, request: Request) -> _Kept:
    """The tariff of the address, for the hub's own people and its owner."""
    owner = party_named("cpo", path(request, "cpo"))
    must_be(request, str(owner))
    sql = "SELECT document, origin_version FROM tariffs WHERE key = $1"
    rows = await services.database.reader.fetch(sql, key_of(owner, path(request, "tariff")))
    if not rows:
        raise NotThere(f"{owner} has no tariff {path(request, 'tariff')} here")
    return _Kept(from_document(Tariff, rows[0][0]), rows[0][1] or "2.2.1")


async def get_lint(services: Services, request: Request, _who: str) -> Response:
    return await _linted(request, await _stored(services, request), request.query_params.get("time_zone", ""))


async def get_preview(services: Services, request: Request, _who: str) -> Response:
    kept, query = await _stored(services, request), request.query_params
    time_zone = query.get("time_zone", "UTC")
    assumed = Assumed(
        start=_start(query["start"], time_zone) if query.get("start") else services.clock.now(),
        kwh=_number("kwh", query.get("kwh", "20")),
        power_kw=_number("power", query.get("power", "11")),
        minutes=_number("minutes", query["minutes"]) if query.get("minutes") else None,
        time_zone=time_zone,
    )
    found = await asyncio.to_thread(preview, kept.tariff, assumed, Readings.of_version(kept.version))
    body = forms.Previewed(text=as_text(found, time_zone), preview=found)
    return listed(request, body, found.lines)


def _start(text: str, time_zone: str) -> datetime:
    try:
        return start_of(text, time_zone)
    except MalformedTimeline as error:
        raise Unfit(str(error), "start") from None


def _number(field: str, text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Unfit("a number, such as 20", field) from None


async def get_history(services: Services, request: Request, _who: str) -> Response:
    owner = party_named("cpo", path(request, "cpo"))
    must_be(request, str(owner))
    found = await versions_of(services.database.reader, path(request, "tariff"), owner)
    if not found:
        raise NotThere(f"no tariff {path(request, 'tariff')} of {owner} was ever stored here")
    rows = shown_versions(found)
    return listed(request, forms.Versions(versions=tuple(rows)), rows)


_ZONE = ("time_zone", "Of the location, such as Europe/Amsterdam")
_TARIFF = "/api/tariffs/{cpo}/{tariff}"
ENTRIES: Sequence[Entry] = (
    Entry(
        method="GET",
        path="/api/cdrs/{cpo}/{cdr_id}/explanation",
        handle=get_explanation,
        summary="Why a CDR costs what it costs: a line per period and dimension",
        gives=forms.Explained,
        refusals=(400, 404, 409),
        query=(AS_CSV,),
    ),
    Entry(
        method="POST",
        path="/api/rate",
        handle=post_rate,
        summary="Price a CDR, Session or charge of constant power by any tariff, with a reason for each line",
        takes=forms.RateWish,
        gives=forms.RatedCharge,
        refusals=(400,),
        query=(AS_CSV,),
    ),
    Entry(
        method="POST",
        path="/api/verify",
        handle=post_verify,
        summary=f"Verify signed meter data (OCMF), at most {MOST_RECORDS} records, and compare it with what is billed",
        takes=forms.VerifyWish,
        gives=forms.Verified,
        refusals=(400,),
        query=(AS_CSV,),
    ),
    Entry(
        method="POST",
        path="/api/tariff-lint",
        handle=post_lint,
        summary="What is wrong in a tariff, or most likely not meant",
        takes=forms.LintWish,
        gives=forms.Lints,
        refusals=(400,),
        query=(AS_CSV,),
    ),
    Entry(
        method="GET",
        path=f"{_TARIFF}/lint",
        handle=get_lint,
        summary="The same of a tariff that is stored",
        gives=forms.Lints,
        refusals=(400, 403, 404),
        query=(_ZONE, AS_CSV),
    ),
    Entry(
        method="GET",
        path=f"{_TARIFF}/preview",
        handle=get_preview,
        summary="What a charge would cost by it, as a driver reads it",
        gives=forms.Previewed,
        refusals=(400, 403, 404),
        query=(
            ("kwh", "That the vehicle takes; 20 unless given"),
            ("power", "kW, from the start until the energy is in; 11 unless given"),
            ("start", "Local time, such as 2026-01-12T18:00; now unless given"),
            ("minutes", "How long it stays; until the energy is in unless given"),
            ("time_zone", "Of the location, such as Europe/Amsterdam; UTC unless given"),
            AS_CSV,
        ),
    ),
    Entry(
        method="GET",
        path=f"{_TARIFF}/history",
        handle=get_history,
        summary="What it has said since when, and what each version changed",
        gives=forms.Versions,
        refusals=(400, 403, 404),
        query=(AS_CSV,),
    ),
)

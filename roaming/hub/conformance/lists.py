"""A module's list at a platform: paging to its end, filters, and every object read by the codec of its version.

(OCPI 2.2.1, transport_and_format 4.1.6.3 and 4.1.6.4)
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from roaming.hub.conformance.probing import Prober, words
from roaming.hub.conformance.report import Verdict
from roaming.model.identifiers import PartyId
from roaming.model.time import format_timestamp, parse_timestamp
from roaming.model.token import CdrToken
from roaming.model.version import Version
from roaming.ocpi.addresses import with_query
from roaming.ocpi.answers import Answer, Outcome
from roaming.ocpi.codec import Codec, DecodeContext, DecodeError
from roaming.ocpi.fetching import FetchedPage, FetchLimits, read_page_of_partner, reason_to_stop
from roaming.ocpi.habits import habits_of_page
from roaming.ocpi.paging import LIMIT, TOTAL_COUNT, read_count

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
REACH = timedelta(days=30)
NEEDS_DATE_FROM = frozenset({"sessions"})
_INDEX = re.compile(r"\[\d+\]")
_LINK_FAULTS = {
    "link_scheme": "Link: another scheme than the one that answered",
    "link_path": "Link: names of a program in its path or query",
    "link_host": "Link: leads to another host",
}


@dataclass(frozen=True, kw_only=True)
class ListSide:
    """A list, and how its objects are read."""

    module: str
    url: str
    codec: Codec[Any]
    parties: Sequence[PartyId] = ()
    """Who may own them; empty: not known."""
    id_fields: tuple[str, ...] = ("id",)


@dataclass(kw_only=True)
class Listed:
    """What came of a list."""

    items: list[Any] = field(default_factory=list)
    """Parsed JSON; only objects."""
    total: int | None = None
    is_whole: bool = False


async def check_list(prober: Prober, side: ListSide, *, page_size: int, pages: int) -> Listed:
    """Reads at most ``pages`` pages of the list, then tries its filters."""
    now = prober.clock.now()
    date_from = format_timestamp(now - REACH, is_fraction_allowed=False) if side.module in NEEDS_DATE_FROM else None
    first = with_query(side.url, {"date_from": date_from, "limit": page_size})
    listed = await _read_pages(prober, side, first, page_size=page_size, pages=pages)
    if listed is None:
        return Listed()
    for item in listed.items:
        read_object(prober, side, item, now)
    await prober.expect_refusal(side.module, first)
    await _check_filters(prober, side, listed, now)
    return listed


async def _read_pages(prober: Prober, side: ListSide, url: str, *, page_size: int, pages: int) -> Listed | None:
    report, module, listed = prober.report, side.module, Listed()
    seen: set[str] = set()
    next_url: str | None = url
    while next_url is not None and len(seen) < pages:
        seen.add(next_url)
        answer = await prober.get(module, next_url)
        name = "list" if len(seen) == 1 else "next page"
        if not prober.succeeded(module, name, answer):
            return None if len(seen) == 1 else listed
        page = read_page_of_partner(next_url, answer)
        if not report.expect(module, name, isinstance(answer.data, list), "data: expected a list"):
            return None if len(seen) == 1 else listed
        prober.habits += habits_of_page(page, module)
        _judge_page(prober, side, page, page_size)
        listed.items += [item for item in page.items if isinstance(item, dict)]
        listed.total = page.total
        next_url = page.next_url
        if next_url is not None:
            stopped = reason_to_stop(page, seen, 0, FetchLimits(), float("inf"))
            if not report.expect(module, "links", stopped is None, f"Link: {stopped}, {next_url[:120]}"):
                return listed
    listed.is_whole = next_url is None
    _judge_whole(prober, side, listed, len(seen))
    return listed


def _judge_page(prober: Prober, side: ListSide, page: FetchedPage, page_size: int) -> None:
    report, module, headers = prober.report, side.module, page.answer.headers
    count = len(page.items)
    report.expect(module, "limit", count <= page_size, f"{count} objects came, limit={page_size} was asked for")
    for name in (TOTAL_COUNT, LIMIT):
        value = headers.get(name.lower())
        is_read = read_count(value) is not None
        detail = f"{name}: {'missing' if value is None else 'no number'}"
        report.expect(module, "paging headers", is_read, detail)
    for finding, detail in _LINK_FAULTS.items():
        if finding in page.findings:
            report.add(module, "links", Verdict.FAIL, detail)


def _judge_whole(prober: Prober, side: ListSide, listed: Listed, pages: int) -> None:
    report, module = prober.report, side.module
    count, total = len(listed.items), listed.total
    keys = [_key(side, item) for item in listed.items]
    doubles = len(keys) - len(set(keys))
    report.expect(module, "links", not doubles, f"{doubles} objects are on more than one page")
    if not listed.is_whole:
        read = f"{count} of {total if total is not None else 'unknown'} objects in {pages} pages, the rest was left"
        report.add(module, "complete", Verdict.PASS, read)
    elif total is not None:
        detail = f"{count} objects came, {TOTAL_COUNT} says {total}"
        report.expect(module, "complete", count == total, detail)


async def _check_filters(prober: Prober, side: ListSide, listed: Listed, now: datetime) -> None:
    report, module = prober.report, side.module
    base = {"date_from": format_timestamp(LONG_AGO)} if module in NEEDS_DATE_FROM else {}
    tomorrow = format_timestamp(now + timedelta(days=1), is_fraction_allowed=False)
    empty = (
        ("date_from", {"date_from": tomorrow}, "in the future"),
        ("date_to", {**base, "date_to": format_timestamp(LONG_AGO)}, "long ago"),
    )
    for name, query, when in empty:
        answer = await prober.get(module, with_query(side.url, query))
        if prober.succeeded(module, name, answer):
            count = len(answer.data) if isinstance(answer.data, list) else None
            report.expect(module, name, count == 0, f"{name} {when}: {count} objects came, expected none")
    newest = max((time for item in listed.items if (time := _time(item)) is not None), default=None)
    if newest is not None:
        since = newest.replace(microsecond=0)
        answer = await prober.get(module, with_query(side.url, {"date_from": format_timestamp(since)}))
        if prober.succeeded(module, "date_from", answer) and isinstance(answer.data, list):
            times = [_time(item) for item in answer.data if isinstance(item, dict)]
            early = sum(time is not None and time < since for time in times)
            report.expect(module, "date_from", not early, f"{early} objects are older than date_from")
            report.expect(module, "date_from", bool(times), "date_from is inclusive: an object of that time is missing")
    answer = await prober.get(module, with_query(side.url, {**base, "limit": "none"}))
    _judge_refusal(prober, module, "wrong parameter", answer, "limit=none")


def _judge_refusal(prober: Prober, module: str, name: str, answer: Answer, what: str) -> None:
    """What is wrong in a request is told with 2001 and HTTP 200; an HTTP 4xx is understood, the rest is not."""
    detail = f"to {what}: {words(answer)}, expected OCPI 2001"
    if answer.http_status == 200 and answer.ocpi_status is not None and 2000 <= answer.ocpi_status <= 2999:
        prober.report.add(module, name, Verdict.PASS)
    elif answer.outcome in (Outcome.REFUSED, Outcome.DELIVERED):
        prober.report.add(module, name, Verdict.WARN, detail)
    else:
        prober.report.add(module, name, Verdict.FAIL, detail)


def read_object(prober: Prober, side: ListSide, item: Any, now: datetime) -> Any:
    """Reads one object by its codec; what it departs in is reported by the path of the field."""
    report, module = prober.report, side.module
    try:
        decoded = side.codec.decode(item, context=_context(prober, side, item, now))
    except DecodeError as error:
        path = _INDEX.sub("[]", error.path)
        report.add(module, "fields", Verdict.FAIL, f"{path or 'data'}: {error.reason}")
        return None
    report.add(module, "fields", Verdict.PASS)
    for finding in decoded.findings:
        path = _INDEX.sub("[]", finding.path)
        report.add(module, "fields", Verdict.WARN, f"{path or 'data'}: {finding.code} {finding.detail}".rstrip())
    value = decoded.value
    owner = PartyId.of(value.country_code, value.party_id)
    if side.parties and prober.version != Version.V2_1_1:
        detail = f"country_code, party_id: {owner} is not in its credentials"
        report.expect(module, "owner", owner in side.parties, detail)
    last_updated = getattr(value, "last_updated", None)
    if last_updated is not None:
        is_past = last_updated <= now + timedelta(minutes=5)
        report.expect(module, "last_updated", is_past, "last_updated: in the future", otherwise=Verdict.WARN)
    return value


def _context(prober: Prober, side: ListSide, item: Any, now: datetime) -> DecodeContext:
    """What 2.1.1 leaves to its surroundings, made up: only the body is judged."""
    if prober.version != Version.V2_1_1:
        return DecodeContext()
    owner = side.parties[0] if side.parties else PartyId("ZZ", "ZZZ")
    contract = item.get("auth_id") if isinstance(item, dict) else None
    token = CdrToken(
        country_code="ZZ",
        party_id="ZZZ",
        uid="X",
        type="OTHER",
        contract_id=contract if isinstance(contract, str) else "X",
    )
    return DecodeContext(
        country_code=owner.country_code,
        party_id=owner.party_id,
        received_at=now,
        cdr_token=token,
        evse_uid="#NA",
        connector_id="#NA",
        time_zone="UTC",
    )


def _key(side: ListSide, item: Any) -> tuple[str, ...]:
    names = ("country_code", "party_id", *side.id_fields, "type" if side.module == "tokens" else "role")
    return tuple(str(item.get(name, "")).casefold() for name in names)


def _time(item: Any) -> datetime | None:
    text = item.get("last_updated")
    try:
        return parse_timestamp(text) if isinstance(text, str) else None
    except ValueError:
        return None

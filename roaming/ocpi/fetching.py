"""Fetching a partner's whole list by following its Link headers, within caps. Knows no object."""

import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from roaming.ocpi.answers import Answer
from roaming.ocpi.client import Call, OcpiClient
from roaming.ocpi.paging import (
    LINK,
    TOTAL_COUNT,
    is_downgrade,
    is_on_allowed_host,
    is_same_origin,
    mend_next_url,
    next_url,
    read_count,
)


class Stopped(StrEnum):
    """Why fetching ended before the last page."""

    FAILED = "FAILED"
    """The answer tells why."""
    NOT_A_LIST = "NOT_A_LIST"
    LOOP = "LOOP"
    """The Link leads to a page that was fetched already, or pages bring nothing that was not in those before."""
    FOREIGN_LINK = "FOREIGN_LINK"
    """The Link leaves the host that answered: our credentials token is not for anybody else."""
    DOWNGRADE = "DOWNGRADE"
    """The Link leaves https: the credentials token would travel in the clear."""
    TOO_MANY_PAGES = "TOO_MANY_PAGES"
    TOO_MANY_BYTES = "TOO_MANY_BYTES"
    TOO_LONG = "TOO_LONG"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """A partner whose list never ends is left at the first of these."""

    pages: int = 10_000
    total_bytes: int = 1024 * 1024 * 1024
    seconds: float = 3600.0


_DEFAULT_LIMITS = FetchLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPage:
    """One page. Only when the last one has ``stopped`` None is the list complete: then, without a date filter,
    what is missing from it exists no more."""

    url: str
    answer: Answer
    items: tuple[Any, ...] = ()
    """Parsed JSON, not validated."""
    total: int | None = None
    """X-Total-Count, information only."""
    next_url: str | None = None
    stopped: Stopped | None = None
    findings: tuple[str, ...] = ()
    is_link_allowed: bool = False
    """A person has allowed the host that ``next_url`` leads to."""


async def get_page(client: OcpiClient, call: Call) -> FetchedPage:
    """One page; ``stopped`` only when there is none to read. Never raises for anything the partner does."""
    return read_page_of_partner(call.url, await client.request(call))


async def get_all_pages(
    client: OcpiClient, call: Call, limits: FetchLimits = _DEFAULT_LIMITS
) -> AsyncIterator[FetchedPage]:
    """Pages from ``call.url`` on, at least one. Each is requested when the one before has been dealt with; all share
    the correlation id. Never raises for anything the partner does.

    Findings beside those of the answer: those of ``paging.mend_next_url``, and ``total_fell``.
    """
    ends_at = time.monotonic() + limits.seconds
    seen = {call.url}
    received = 0
    previous_total: int | None = None
    while True:
        page = await get_page(client, call)
        received += len(page.answer.body)
        if page.total is not None and previous_total is not None and page.total < previous_total:
            page = replace(page, findings=(*page.findings, "total_fell"))
        previous_total = page.total
        if page.next_url is not None:
            page = replace(page, stopped=reason_to_stop(page, seen, received, limits, ends_at))
        yield page
        if page.next_url is None or page.stopped is not None:
            return
        seen.add(page.next_url)
        call = replace(call, url=page.next_url, ids=call.ids.forwarded())


def read_page_of_partner(url: str, answer: Answer, page_links: str = "refuse") -> FetchedPage:
    """The page that an answer to a GET of ``url`` holds. ``page_links``: the switch of that name."""
    if not answer.is_delivered:
        return FetchedPage(url=url, answer=answer, stopped=Stopped.FAILED, findings=answer.findings)
    if not isinstance(answer.data, list):
        # An absent list is no empty list: taking it for one would delete all we know
        return FetchedPage(url=url, answer=answer, stopped=Stopped.NOT_A_LIST, findings=answer.findings)
    following = next_url(answer.headers.get(LINK.lower()), url)
    findings = answer.findings
    if following is not None:
        following, mended = mend_next_url(following, url, is_host_mended=page_links == "mend")
        findings += mended
    return FetchedPage(
        url=url,
        answer=answer,
        items=tuple(answer.data),
        total=read_count(answer.headers.get(TOTAL_COUNT.lower())),
        next_url=following,
        findings=findings,
        is_link_allowed=following is not None and is_on_allowed_host(following, page_links),
    )


def said_of(stopped: Stopped, next_url: str, partner_id: str) -> str:
    """Why a list ended before its end, for whoever reads of it, and what to do where that is not plain."""
    hint = f"; `roaming partner dialect {partner_id}`, page_links" if stopped is Stopped.FOREIGN_LINK else ""
    return f"{stopped}: the next page would be {next_url[:200]}{hint}"


def reason_to_stop(
    page: FetchedPage, seen: Collection[str], received: int, limits: FetchLimits, ends_at: float
) -> Stopped | None:
    """Why the page's ``next_url`` must not be followed. ``seen``: the addresses fetched so far, this page's included;
    ``received``: their bytes; ``ends_at``: on the monotonic clock."""
    assert page.next_url is not None
    if page.next_url in seen:
        return Stopped.LOOP
    if is_downgrade(page.next_url, page.url):
        return Stopped.DOWNGRADE
    if not page.is_link_allowed and not is_same_origin(page.next_url, page.url):
        return Stopped.FOREIGN_LINK
    if len(seen) >= limits.pages:
        return Stopped.TOO_MANY_PAGES
    if received >= limits.total_bytes:
        return Stopped.TOO_MANY_BYTES
    if time.monotonic() >= ends_at:
        return Stopped.TOO_LONG
    return None

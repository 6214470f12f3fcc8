"""One page of a partner's list: where it is, how it is asked for, and what stands in the journal about it."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from roaming.hub.pulling.page import Refusal
from roaming.hub.pulling.state import Progress, Pull
from roaming.model.identifiers import PartyId
from roaming.model.time import format_timestamp
from roaming.ocpi.addresses import with_query
from roaming.ocpi.dialect import is_by_hand
from roaming.ocpi.fetching import FetchedPage, read_page_of_partner
from roaming.ocpi.habits import habits_of_page, is_headless
from roaming.ocpi.headers import RequestIds, RoutingHeaders
from roaming.ocpi.module import Services, dialect_of
from roaming.ocpi.noticing import notice
from roaming.ocpi.partner_call import call_to, note_call, parties_of, request_in_either_form
from roaming.ocpi.pulling import PullPace, PullRules, module_of
from roaming.ocpi.wire import Note, as_text
from roaming.partners.directory import Partner
from roaming.store.journal import Exchange, mask_body

TIMEOUT_SECONDS = 30.0
MAX_JOURNALED = 100
"""Refused objects of a page that get a line of their own; the rest is counted."""


def routing_of(line: tuple[str, str]) -> RoutingHeaders:
    """The inverse of ``line_of``."""
    ours, theirs = line
    return RoutingHeaders(PartyId.parse(ours) if ours else None, PartyId.parse(theirs) if theirs else None)


def line_of(routing: RoutingHeaders) -> tuple[str, str]:
    """Who asks whom, as text."""
    return str(routing.from_party or ""), str(routing.to_party or "")


def date_from_of(pull: Pull, rules: PullRules, pace: PullPace) -> datetime | None:
    """From when on changes are asked for; ``None`` for everything. By the partner's own clock, since it is compared
    with its ``last_updated``, and with an overlap, since an object may become visible a while after that."""
    if pull.kind == "DELTA" and pull.mark is not None:
        return pull.mark - pace.overlap
    return rules.since


def first_url(
    partner: Partner,
    endpoint: str,
    *,
    path: str = "",
    date_from: datetime | None,
    page_size: int | None,
    now: datetime,
) -> str:
    """The first page of a list, which is at ``path`` below the endpoint. ``now``: a ``date_to``, for partners that need
    one, is a day after."""
    dialect = dialect_of(partner)
    begins = format_timestamp(date_from, is_fraction_allowed=False) if date_from is not None else None
    end = now + timedelta(days=1) if dialect.date_to == "sent" else None
    ends = format_timestamp(end, is_fraction_allowed=False) if end is not None else None
    return with_query(
        dialect.address(endpoint, *filter(None, [path])), {"date_from": begins, "date_to": ends, "limit": page_size}
    )


async def ask_for_page(
    services: Services, partner: Partner, pull_module: str, url: str, routing: RoutingHeaders, ids: RequestIds
) -> FetchedPage:
    """Sends one GET, as the partner likes it by now, and notes it in the journal. Never raises for anything the partner
    does; raises ``StoreUnavailable``."""
    at = services.clock.now()
    partner = (await services.directory.current()).partners.get(partner.id, partner)
    headers = routing if routing != RoutingHeaders() else None
    call = call_to(services, partner, "GET", url, routing=headers, ids=ids, timeout=TIMEOUT_SECONDS)
    answer, habits = await request_in_either_form(services, call, module=pull_module)
    page = read_page_of_partner(url, answer, dialect_of(partner).page_links)
    note_call(
        services,
        call,
        page.answer,
        at=at,
        module=pull_module,
        parties=parties_of(routing),
        notes=[*page.findings, f"{len(page.items)} objects"],
        has_response=page.stopped is not None,
    )
    await notice(services, partner.id, [*habits, *habits_of_page(page, pull_module)])
    return page


def journal_refusals(
    services: Services, pull: Pull, url: str, refusals: Sequence[Refusal], ids: RequestIds, notes: Sequence[Note]
) -> None:
    """A line for each object of a page that was not stored, with the reason, and one for what was tolerated."""
    entries = [(refusal.reason, refusal.body) for refusal in refusals[:MAX_JOURNALED]]
    if len(refusals) > MAX_JOURNALED:
        entries.append((f"{len(refusals) - MAX_JOURNALED} more objects of this page were refused", None))
    if notes:
        entries.append((f"tolerated {len(notes)} times: " + as_text(dict.fromkeys(notes)), None))
    for note, body in entries:
        text = "" if body is None else json.dumps(body, default=str, ensure_ascii=False)
        services.journal.note(
            Exchange(
                at=services.clock.now(),
                direction="out",
                method="GET",
                url=url,
                partner_id=pull.partner_id,
                module=module_of(pull.module),
                request_id=ids.request_id,
                correlation_id=ids.correlation_id,
                response_body=mask_body(text.encode("utf-8", "backslashreplace")),
                note=note,
            )
        )


def next_page_url(partner: Partner, page: FetchedPage, progress: Progress, page_size: int | None) -> str | None:
    """Where the list goes on. A partner that counts more objects than it has shown and gives no Link is asked by
    offset, though the specification leaves that to the Link: else its list would end at the first page. One that
    says nothing at all is asked until a page brings nothing new."""
    if page.next_url is not None or not page.items or page.stopped is not None:
        return page.next_url
    if page.total is None:
        is_guessed = is_headless(page) and not is_by_hand(partner.dialect, "paging_headers")
        if progress.stale_pages or not (is_guessed or dialect_of(partner).paging_headers == "missing"):
            return None
    elif page.total <= progress.line_objects:
        return None
    progress.findings["link_missing"] = progress.findings.get("link_missing", 0) + 1
    url, _, query = page.url.partition("?")
    kept = "&".join(part for part in query.split("&") if part and not part.startswith(("offset=", "limit=")))
    return with_query(f"{url}?{kept}" if kept else url, {"offset": progress.line_objects, "limit": page_size})

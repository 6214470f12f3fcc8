"""Pulls one list, page by page: what a page held and where the next one is are saved together, so that a kill at any
moment loses at most the page under way, which is then asked for again.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from roaming.hub.pulling import schedule
from roaming.hub.pulling.asking import (
    ask_for_page,
    date_from_of,
    first_url,
    journal_refusals,
    next_page_url,
    routing_of,
)
from roaming.hub.pulling.missing import settle_missing
from roaming.hub.pulling.page import add_doubt, store_page
from roaming.hub.pulling.state import Pull, forget_seen, note_seen, save
from roaming.ocpi.client import Answer, Outcome, Trouble
from roaming.ocpi.fetching import FetchedPage, FetchLimits, Stopped, reason_to_stop, said_of
from roaming.ocpi.headers import RequestIds
from roaming.ocpi.module import Services, dialect_of
from roaming.ocpi.pulling import Pulling, PullRules, module_of
from roaming.ocpi.wire import Wire
from roaming.partners.directory import Directory, Partner
from roaming.store.columns import storable_text

LIMITS = FetchLimits(pages=100_000, total_bytes=32 * 1024**3)
MAX_OBJECTS = 10_000_000
STALE_PAGES = 2
"""Pages in a row that bring nothing new: the list goes in a circle, whatever its links say."""
MAX_RESTARTS = 2
OnPage = Callable[[Pull], None]


class Runner:
    """One pull of a claimed list. ``on_page`` is told after each page and at the end."""

    def __init__(
        self,
        services: Services,
        directory: Directory,
        partner: Partner,
        rules: PullRules,
        pull: Pull,
        *,
        on_page: OnPage | None = None,
        ends_at: float = float("inf"),
    ) -> None:
        """``ends_at``, on the monotonic clock: after the page under way then, others have their turn."""
        self._services = services
        self._directory = directory
        self._partner = partner
        self._rules = rules
        self._pull = pull
        self._on_page = on_page or (lambda _pull: None)
        self._ends_at = ends_at
        self._visited: set[str] = set()
        self._asked_at = 0.0

    async def run(self) -> None:
        """Asks for page after page until the list ends, or cannot be had now. Raises ``Lost`` and
        ``StoreUnavailable``; then the claim is left to lapse."""
        pull, module = self._pull, module_of(self._pull.module)
        endpoint = self._partner.endpoint(module, self._rules.interface)
        ids = RequestIds.fresh()
        while pull.state == "RUNNING":
            progress = pull.progress
            if progress.line >= len(progress.lines):
                await self._finish()
                self._on_page(pull)
                break
            url = progress.url or self._first_url(endpoint or "")
            self._visited.add(url)
            await self._keep_pace()
            ids = ids.forwarded()
            routing = routing_of(progress.lines[progress.line])
            page = await ask_for_page(self._services, self._partner, module, url, routing, ids)
            if page.stopped is not None:
                await self._fail(page)
            else:
                await self._take(page, ids)
            self._on_page(pull)

    def _first_url(self, endpoint: str) -> str:
        pull, pace = self._pull, self._services.pulling
        assert pull.started_at is not None
        date_from = date_from_of(pull, self._rules, pace)
        page_size = None if pull.progress.is_without_limit else pace.page_size
        now = self._services.clock.now()
        return first_url(
            self._partner, endpoint, path=self._rules.path, date_from=date_from, page_size=page_size, now=now
        )

    async def _keep_pace(self) -> None:
        wait = self._asked_at + 1 / self._services.pulling.requests_per_second - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        self._asked_at = time.monotonic()

    async def _take(self, page: FetchedPage, ids: RequestIds) -> None:
        """Stores a page, then saves what it came to and where to go on."""
        services, pull, progress = self._services, self._pull, self._pull.progress
        version, owner = self._partner.version, self._rules.sole_owner(self._partner)
        assert version is not None
        zone = dialect_of(self._partner).zone
        wire = Wire(version=version, received_at=services.clock.now(), owner=owner, zone=zone)
        line = routing_of(progress.lines[progress.line])
        pulling = Pulling(
            partner=self._partner,
            directory=self._directory,
            wire=wire,
            asked_by=line.from_party,
            asked=line.to_party,
        )
        result = await store_page(services.database, self._rules, pulling, page.items)
        journal_refusals(services, pull, page.url, result.refusals, ids, wire.notes)
        restarts = progress.restarts
        result.add_to(progress)
        progress.pages += 1
        progress.received += len(page.answer.body)
        progress.attempts = 0
        async with services.database.work() as work:
            seen = await note_seen(work, pull, result.keys)
            progress.duplicates += len(result.keys) - seen
            progress.stale_pages = progress.stale_pages + 1 if page.items and not seen else 0
            if reason := self._go_on(page):
                self._give_up(reason)
            elif time.monotonic() >= self._ends_at:
                pull.state, pull.due_at = "WAITING", work.now
            if progress.restarts != restarts:
                await forget_seen(work, pull, line=progress.line)
            await save(work, pull, is_released=pull.state != "RUNNING")

    def _go_on(self, page: FetchedPage) -> str:
        """Sets the next page, line or beginning; or says why there is none."""
        progress = self._pull.progress
        for finding in page.findings:
            progress.findings[finding] = progress.findings.get(finding, 0) + 1
        fell = progress.total is not None and page.total is not None and page.total < progress.total
        progress.total = page.total if page.total is not None else progress.total
        if fell and self._restart("the list became shorter while it was read"):
            return ""
        page_size = None if progress.is_without_limit else self._services.pulling.page_size
        following = next_page_url(self._partner, page, progress, page_size)
        if following is None:
            self._end_line()
            return ""
        if progress.stale_pages >= STALE_PAGES:
            return f"{Stopped.LOOP}: {STALE_PAGES} pages in a row brought nothing new"
        if progress.objects >= MAX_OBJECTS:
            return f"more than {MAX_OBJECTS} objects"
        following_page = replace(page, next_url=following)
        stopped = reason_to_stop(following_page, self._visited, progress.received, LIMITS, float("inf"))
        if stopped is None and progress.pages >= LIMITS.pages:
            stopped = Stopped.TOO_MANY_PAGES
        if stopped is not None:
            return said_of(stopped, following, self._partner.id)
        progress.url = following
        return ""

    def _end_line(self) -> None:
        progress = self._pull.progress
        if progress.total is not None and progress.total > progress.line_objects:
            add_doubt(progress, f"{progress.line_objects} objects came, {progress.total} were announced")
        progress.line += 1
        progress.url, progress.total, progress.line_objects, progress.stale_pages = "", None, 0, 0

    def _restart(self, why: str) -> bool:
        """From the beginning of the line, unless that was done too often."""
        progress = self._pull.progress
        if progress.restarts >= MAX_RESTARTS:
            add_doubt(progress, why)
            return False
        progress.restarts += 1
        progress.url, progress.total, progress.line_objects, progress.stale_pages = "", None, 0, 0
        self._visited.clear()
        return True

    async def _fail(self, page: FetchedPage) -> None:
        """A page could not be had: again soon, from the beginning, or not before the next night."""
        pull, progress, answer = self._pull, self._pull.progress, page.answer
        async with self._services.database.work() as work:
            is_temporary = answer.outcome in (Outcome.FAILED, Outcome.UNREACHABLE, Outcome.UNKNOWN)
            if page.stopped is Stopped.FAILED and is_temporary and answer.trouble is not Trouble.ADDRESS:
                progress.attempts += 1
                pause = schedule.pause_after(progress.attempts, answer.retry_after, random.random())  # noqa: S311
                pull.state, pull.due_at, pull.last_error = "WAITING", work.now + pause, _words(answer)
            elif answer.outcome is Outcome.REFUSED and not progress.url and not progress.is_without_limit:
                progress.is_without_limit = True
            elif answer.outcome is Outcome.REFUSED and progress.url and self._restart("a page link was refused"):
                await forget_seen(work, pull, line=progress.line)
            else:
                self._give_up(_words(answer) if page.stopped is Stopped.FAILED else "the answer's data is no list")
            await save(work, pull, is_released=pull.state != "RUNNING")

    def _give_up(self, reason: str) -> None:
        """Until the next night: asking again now would end the same."""
        pull = self._pull
        pull.state, pull.last_error, pull.due_at = "FAILED", storable_text(reason), self._next_night()

    async def _finish(self) -> None:
        pull, progress = self._pull, self._pull.progress
        if pull.kind == "FULL" and self._rules.since is None:
            await settle_missing(self._services.database, self._rules, pull)
        async with self._services.database.work() as work:
            if progress.newest is not None and pull.started_at is not None:
                # A partner whose clock is ahead must not make us miss what it changes before that time comes
                newest = min(progress.newest, pull.started_at)
                pull.mark = max(pull.mark, newest) if pull.mark is not None else newest
            pull.state, pull.last_error, pull.finished_at = "DONE", "", work.now
            pull.full_at = work.now if pull.kind == "FULL" else pull.full_at
            pull.due_at = self._next_night()
            await forget_seen(work, pull)
            await save(work, pull, is_released=True)

    def _next_night(self) -> datetime:
        share = schedule.share_of(self._partner.id, self._pull.module)
        return schedule.next_night(self._services.clock.now(), self._services.pulling, share)


def _words(answer: Answer) -> str:
    return storable_text(answer.error or answer.message or f"HTTP {answer.http_status}")[:300]

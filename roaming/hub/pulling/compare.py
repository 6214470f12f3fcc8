"""Our copy of a partner's list beside the list itself: what one has and the other lacks, and what differs.

Nothing is changed unless it is asked for; then what the partner says is taken where it is not older than ours.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from roaming.hub.pulling.asking import ask_for_page, first_url, line_of, next_page_url
from roaming.hub.pulling.page import PageResult, document_of, read_item
from roaming.hub.pulling.state import Progress
from roaming.model.canonical import to_document
from roaming.ocpi.codec import parse_json
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.fetching import FetchedPage, FetchLimits, reason_to_stop, said_of
from roaming.ocpi.headers import RequestIds, RoutingHeaders
from roaming.ocpi.module import Services, dialect_of
from roaming.ocpi.pulling import Incoming, Pulling, PullRules, module_of
from roaming.ocpi.wire import Wire
from roaming.partners.directory import Directory, Partner
from roaming.store.columns import storable_text

LIMITS = FetchLimits(pages=100_000, total_bytes=32 * 1024**3)
MAX_FIELDS = 20
AT_ONCE = 200


class NotComparable(RuntimeError):
    """The partner's list cannot be had; the text says why."""


class Difference(StrEnum):
    """How an object is here and there."""

    MISSING_HERE = "missing here"
    MISSING_THERE = "missing there"
    NEWER_HERE = "newer here"
    NEWER_THERE = "newer there"
    DIFFERENT = "different"
    """With the same ``last_updated``."""
    UNUSABLE_THERE = "unusable there"
    """We would not take it as it is in the partner's list."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """One difference. ``fields`` are names on the way to what differs, such as ``evses[0].status``."""

    key: str
    difference: Difference
    fields: tuple[str, ...] = ()
    here: datetime | None = None
    there: datetime | None = None
    note: str = ""
    is_mended: bool = False


@dataclass(kw_only=True)
class Comparison:
    """Compares one list; read ``same`` once all differences were seen."""

    services: Services
    directory: Directory
    partner: Partner
    module: str
    rules: PullRules
    is_mending: bool = False
    same: int = 0
    is_short: bool = False
    """Fewer objects came than were announced: what is missing there may be there all the same, and is left alone."""
    _seen: set[str] = field(default_factory=set)
    _progress: Progress = field(default_factory=Progress)
    _last_items: tuple[Any, ...] = ()

    async def differences(self) -> AsyncIterator[Found]:
        """Every difference, page by page, then what the list lacks. Raises ``NotComparable``, ``StoreUnavailable``."""
        version, began = self.partner.version, self.services.clock.now()
        endpoint = self.partner.endpoint(module_of(self.module), self.rules.interface)
        lines = self.rules.lines(self.directory, self.partner)
        if version is None or endpoint is None or not lines:
            raise NotComparable("it offers no such list, or no agreement is in force")
        since = self.rules.since
        for line in lines:
            self._progress = Progress(lines=[line_of(line)])
            async for page in self._pages(endpoint, line, since):
                owner, zone = self.rules.sole_owner(self.partner), dialect_of(self.partner).zone
                wire = Wire(version=version, received_at=began, owner=owner, zone=zone)
                pulling = Pulling(
                    partner=self.partner,
                    directory=self.directory,
                    wire=wire,
                    asked_by=line.from_party,
                    asked=line.to_party,
                )
                for start in range(0, len(page.items), AT_ONCE):
                    for found in await self._compare(pulling, page.items[start : start + AT_ONCE]):
                        yield found
        async for found in self._missing_there(began, since):
            yield found

    async def _pages(self, endpoint: str, line: RoutingHeaders, since: datetime | None) -> AsyncIterator[FetchedPage]:
        pace, ids, visited = self.services.pulling, RequestIds.fresh(), set[str]()
        now = self.services.clock.now()
        url: str | None = first_url(
            self.partner, endpoint, path=self.rules.path, date_from=since, page_size=pace.page_size, now=now
        )
        while url is not None:
            visited.add(url)
            ids = ids.forwarded()
            page = await ask_for_page(self.services, self.partner, module_of(self.module), url, line, ids)
            if page.stopped is not None:
                reason = page.answer.error or page.answer.message or f"{page.stopped}"
                raise NotComparable(storable_text(f"GET {url}: {reason}"))
            self._progress.line_objects += len(page.items)
            self._progress.received += len(page.answer.body)
            self._progress.stale_pages = int(bool(page.items) and page.items == self._last_items)
            self._last_items = page.items
            yield page
            url = next_page_url(self.partner, page, self._progress, pace.page_size)
            if url is None and page.total is not None and page.total > self._progress.line_objects:
                self.is_short = True
            if url is not None:
                following = replace(page, next_url=url)
                stopped = reason_to_stop(following, visited, self._progress.received, LIMITS, float("inf"))
                if stopped is not None:
                    raise NotComparable(said_of(stopped, url, self.partner.id))
                await asyncio.sleep(1 / pace.requests_per_second)

    async def _compare(self, pulling: Pulling, items: tuple[Any, ...]) -> list[Found]:
        result = PageResult()
        incoming = [entry for item in items if (entry := read_item(self.rules, pulling, item, result))]
        self._seen.update(result.keys)
        found = [
            Found(
                key=self.rules.key_of_body(refusal.body, self.rules.owner_beside(pulling)) or "?",
                difference=Difference.UNUSABLE_THERE,
                note=refusal.reason,
            )
            for refusal in result.refusals
        ]
        kept = await self.rules.documents.read_many(self.services.database.reader, [e.key for e in incoming])
        for entry in incoming:
            stored = kept.get(entry.key)
            there = entry.value.last_updated
            if stored is None:
                found.append(Found(key=entry.key, difference=Difference.MISSING_HERE, there=there))
            elif stored.source != self.partner.id:
                note = f"we have it from {stored.source or 'a party hosted here'}"
                found.append(Found(key=entry.key, difference=Difference.UNUSABLE_THERE, there=there, note=note))
            elif fields := self._fields(stored, entry):
                here = stored.last_updated
                how = Difference.NEWER_HERE if here > there else Difference.NEWER_THERE
                how = Difference.DIFFERENT if here == there else how
                found.append(Found(key=entry.key, difference=how, fields=fields, here=here, there=there))
            else:
                self.same += 1
        if self.is_mending:
            by_key = {entry.key: entry for entry in incoming}
            found = [await self._mend(pulling, by_key.get(entry.key), entry) for entry in found]
        return found

    def _fields(self, stored: Any, entry: Incoming) -> tuple[str, ...]:
        ours = document_of(stored, type(entry.value))
        theirs = to_document(entry.value)
        fields = () if ours == theirs else tuple(differing(parse_json(ours.encode()), parse_json(theirs.encode())))
        is_shown = stored.is_listed == self.rules.is_listed(entry.value)
        return fields if is_shown else (*fields, "(left our lists)")

    async def _mend(self, pulling: Pulling, entry: Incoming | None, found: Found) -> Found:
        if entry is None or found.difference in (Difference.NEWER_HERE, Difference.UNUSABLE_THERE):
            return found
        try:
            async with self.services.database.work() as work:
                await self.rules.take(work, pulling, entry)
        except (OcpiError, ValueError) as error:
            return _with(found, note=str(error)[:200])
        return _with(found, is_mended=True)

    async def _missing_there(self, began: datetime, since: datetime | None) -> AsyncIterator[Found]:
        table, after = self.rules.documents.table.name, ""
        condition = "source = $1 AND received_at < $2 AND key > $3" + (" AND last_updated >= $4" if since else "")
        sql = f"SELECT key FROM {table} WHERE {condition} ORDER BY key LIMIT {AT_ONCE}"  # noqa: S608 - our own names
        while True:
            parameters = [self.partner.id, began, after, *([since] if since else [])]
            rows = await self.services.database.reader.fetch(sql, *parameters)
            if not rows:
                return
            after = rows[-1][0]
            for (key,) in rows:
                if key not in self._seen:
                    yield await self._settle_missing(key)

    async def _settle_missing(self, key: str) -> Found:
        kept = await self.rules.documents.read_many(self.services.database.reader, [key])
        here = kept[key].last_updated if key in kept else None
        found = Found(key=key, difference=Difference.MISSING_THERE, here=here)
        if not self.is_mending or self.rules.drop is None:
            is_hidden = key in kept and not kept[key].is_listed
            return _with(found, note="shown to nobody already") if is_hidden else found
        if self.is_short:
            return _with(found, note="left alone: fewer objects came than were announced")
        async with self.services.database.work() as work:
            is_changed = await self.rules.drop(work, key, self.partner.id)
        return _with(found, is_mended=is_changed, note="" if is_changed else "settled before")


def _with(found: Found, **changes: Any) -> Found:
    return Found(**{name: getattr(found, name) for name in Found.__dataclass_fields__} | changes)


def differing(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Where two JSON values differ, at most twenty places.

    >>> differing({"a": 1, "b": [{"c": 1}]}, {"a": 2, "b": [{"c": 2}]})
    ['a', 'b[0].c']
    """
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        found: list[str] = []
        for name in dict.fromkeys((*ours, *theirs)):
            below = f"{path}.{name}" if path else str(name)
            found += differing(ours.get(name), theirs.get(name), below)
        return found[:MAX_FIELDS]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        found = []
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            found += differing(one, other, f"{path}[{number}]")
        return found[:MAX_FIELDS]
    return [] if ours == theirs else [path]

"""The objects of one page: read one by one, stored by the rules for pushed objects, each ending counted.

One object that cannot be read or stored never stops the others.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from roaming.hub.pulling.state import Progress
from roaming.model.canonical import CanonicalObject, from_document, to_document
from roaming.model.identifiers import PartyId
from roaming.model.version import Version
from roaming.ocpi.codec import DecodeContext, DecodeError
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.pulling import Incoming, Pulling, PullRules
from roaming.store.columns import storable_text
from roaming.store.database import Database, Work
from roaming.store.documents import Stored, key_for_logs
from roaming.store.errors import StoreUnavailable

_NOTHING_KNOWN = DecodeContext()
logger = structlog.get_logger(__name__)

AT_ONCE = 25
"""Objects in a transaction, after which everybody else gets a turn: some ten milliseconds of work."""
MAX_REASONS = 20
MAX_REASON = 200


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An object that is not stored."""

    body: Any
    reason: str


@dataclass(kw_only=True)
class PageResult:
    """What became of a page's objects."""

    new: int = 0
    changed: int = 0
    same: int = 0
    older: int = 0
    newest: datetime | None = None
    keys: list[str] = field(default_factory=list)
    """Of all that could be named, refused ones too."""
    unnamed: int = 0
    refusals: list[Refusal] = field(default_factory=list)

    def add_to(self, progress: Progress) -> None:
        """Counts this page."""
        progress.objects += len(self.keys) + self.unnamed
        progress.line_objects += len(self.keys) + self.unnamed
        progress.new += self.new
        progress.changed += self.changed
        progress.same += self.same
        progress.older += self.older
        progress.refused += len(self.refusals)
        for refusal in self.refusals:
            reason = refusal.reason
            if reason not in progress.reasons and len(progress.reasons) >= MAX_REASONS:
                reason = "other reasons: see the journal"
            progress.reasons[reason] = progress.reasons.get(reason, 0) + 1
        if self.newest is not None and (progress.newest is None or self.newest > progress.newest):
            progress.newest = self.newest
        if self.unnamed:
            add_doubt(progress, "objects without a readable id")


def add_doubt(progress: Progress, doubt: str) -> None:
    """Once is enough."""
    if doubt not in progress.doubts:
        progress.doubts.append(doubt)


async def store_page(database: Database, rules: PullRules, pulling: Pulling, items: Sequence[Any]) -> PageResult:
    """Stores the objects of a page, in several transactions. Raises ``StoreUnavailable``; storing the page
    again does no harm."""
    result = PageResult()
    for start in range(0, len(items), AT_ONCE):
        incoming = [
            found
            for item in items[start : start + AT_ONCE]
            if (found := await _read_with_context(database, rules, pulling, item, result))
        ]
        try:
            part = PageResult()
            async with database.work() as work:
                await _store(work, rules, pulling, incoming, part)
        except StoreUnavailable:
            raise
        except Exception as error:
            # One of them is more than the database takes: find it, store the others
            logger.warning("pulled_objects_one_by_one", module=rules.documents.module, reason=str(error)[:MAX_REASON])
            part = await _store_each(database, rules, pulling, incoming)
        _merge(result, part)
        await asyncio.sleep(0)
    return result


async def _read_with_context(
    database: Database, rules: PullRules, pulling: Pulling, item: Any, result: PageResult
) -> Incoming | None:
    """``read_item``, with what a 2.1.1 body leaves to its surroundings."""
    if rules.context is None or pulling.wire.version != Version.V2_1_1:
        return read_item(rules, pulling, item, result)
    try:
        async with database.reading() as connection:
            context = await rules.context(connection, pulling, item)
    except OcpiError as error:
        _refuse(rules, item, rules.sole_owner(pulling.partner), result, error.message)
        return None
    return read_item(rules, pulling, item, result, context)


def read_item(
    rules: PullRules, pulling: Pulling, item: Any, result: PageResult, context: DecodeContext = _NOTHING_KNOWN
) -> Incoming | None:
    """One object of a page, or ``None`` and a refusal in ``result``."""
    owner = rules.owner_beside(pulling)
    try:
        value, origin = pulling.wire.decode_as_told(rules.codecs, item, context=context)
        party = rules.owner_of(value, pulling)
        if party is None or party not in pulling.partner.parties(*rules.roles):
            raise DecodeError("country_code", f"{party} is no {' or '.join(rules.roles)} behind this partner")
        key = rules.key_of(value, party)
    except (DecodeError, ValueError) as error:
        _refuse(rules, item, owner, result, str(error))
        return None
    except Exception as error:
        logger.exception("pulled_object_unreadable", module=rules.documents.module)
        _refuse(rules, item, owner, result, type(error).__name__)
        return None
    result.keys.append(key)
    if result.newest is None or value.last_updated > result.newest:
        result.newest = value.last_updated
    return Incoming(key=key, value=value, body=item, origin=origin)


def _refuse(rules: PullRules, item: Any, owner: PartyId | None, result: PageResult, reason: str) -> None:
    key = rules.key_of_body(item, owner)
    if key is None:
        result.unnamed += 1
    else:
        result.keys.append(key)
    result.refusals.append(Refusal(body=item, reason=storable_text(reason)[:MAX_REASON]))


async def _store(
    work: Work, rules: PullRules, pulling: Pulling, incoming: Sequence[Incoming], result: PageResult
) -> None:
    kept = await rules.documents.find_many(work.connection, [entry.key for entry in incoming], for_update=True)
    done: set[str] = set()
    for entry in incoming:
        stored = kept.get(entry.key) if entry.key not in done else None
        done.add(entry.key)
        if stored is not None and stored.source == pulling.partner.id:
            if is_same(rules, stored, entry):
                result.same += 1
                continue
            if stored.last_updated > entry.value.last_updated:
                result.older += 1
                continue
        try:
            await rules.take(work, pulling, entry)
        except (DecodeError, OcpiError) as error:
            result.refusals.append(Refusal(body=entry.body, reason=storable_text(str(error))[:MAX_REASON]))
            continue
        if stored is None:
            result.new += 1
        else:
            result.changed += 1


def is_same(rules: PullRules, stored: Stored, entry: Incoming) -> bool:
    """Whether nothing would change: the object is as it is stored, and shown as it should be."""
    is_shown = stored.is_listed == rules.is_listed(entry.value)
    return is_shown and document_of(stored, type(entry.value)) == to_document(entry.value)


def document_of(stored: Stored, cls: type[CanonicalObject]) -> str:
    """The document with what is kept beside it."""
    return to_document(from_document(cls, stored.document, stored.live)) if stored.live else stored.document


async def _store_each(
    database: Database, rules: PullRules, pulling: Pulling, incoming: Sequence[Incoming]
) -> PageResult:
    result = PageResult()
    for entry in incoming:
        part = PageResult()
        try:
            async with database.work() as work:
                await _store(work, rules, pulling, [entry], part)
        except StoreUnavailable:
            raise
        except Exception as error:
            module = rules.documents.module
            logger.exception("pulled_object_cannot_be_stored", module=module, key=key_for_logs(module, entry.key))
            part = PageResult(refusals=[Refusal(body=entry.body, reason=type(error).__name__)])
        _merge(result, part)
    return result


def _merge(result: PageResult, part: PageResult) -> None:
    result.new += part.new
    result.changed += part.changed
    result.same += part.same
    result.older += part.older
    result.refusals.extend(part.refusals)

"""Partners' lists from the command line: pulled on demand, and how far each one is."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from roaming.cli.database import known_partner, services_of_now
from roaming.cli.losing import losses_of
from roaming.cli.output import Tell, fail
from roaming.hub.pulling import state
from roaming.hub.pulling.compare import Comparison, Found, NotComparable
from roaming.hub.pulling.puller import Puller
from roaming.hub.pulling.state import Pull
from roaming.ocpi.dialect import departures
from roaming.ocpi.module import Services, pulled_lists
from roaming.ocpi.pulling import module_of
from roaming.partners.checks import last_check
from roaming.partners.presence import silent_since, state_of

LOOK_SECONDS = 0.5
TELL_SECONDS = 1.0


async def sync_partner(partner_id: str, *, module: str, is_full: bool, tell: Tell) -> list[dict[str, Any]]:
    """Pulls a partner's lists now, in this process or, where another one is at it, by waiting for that one. A list
    that the partner does not give now is left to the worker. ``tell`` hears of the progress."""
    async with services_of_now() as services:
        partner = await known_partner(services, partner_id)
        partner_id = partner.id
        if not partner.is_connected:
            fail(f"{partner_id} is {partner.state}: nothing can be pulled before it is registered")
        puller = Puller(services, services.modules)
        await puller.look_at_directory()
        wanted = await _ask(services, partner_id, module, "FULL" if is_full else "DELTA")
        teller = _Teller(tell)
        try:
            while await _open(services, partner_id, wanted):
                if await puller.pull_next(partner_id, modules=wanted, on_page=teller.on_page) is None:
                    await asyncio.sleep(LOOK_SECONDS)
        finally:
            await services.journal.flush()
        pulls = await state.all_pulls(services.database.reader, partner_id)
    return [_row(pull) for pull in pulls if pull.module in wanted]


async def _ask(services: Services, partner_id: str, module: str, kind: str) -> list[str]:
    pulls = await state.all_pulls(services.database.reader, partner_id)
    wanted = [pull.module for pull in pulls if module in ("", pull.module, module_of(pull.module))]
    if not wanted:
        known = ", ".join(pull.module for pull in pulls) or "nothing: it offers no list, or there is no agreement"
        fail(f"{partner_id} can be asked for {known}")
    async with services.database.work() as work:
        for name in wanted:
            await state.ask(work, partner_id, name, kind)
    return wanted


async def _open(services: Services, partner_id: str, wanted: Sequence[str]) -> bool:
    """Whether one of these is asked for and not begun, or under way."""
    pulls = await state.all_pulls(services.database.reader, partner_id)
    return any(pull.module in wanted and (pull.wanted or pull.state == "RUNNING") for pull in pulls)


class _Teller:
    """A line now and then, and one at the end of each list."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._told_at = 0.0

    def on_page(self, pull: Pull) -> None:
        progress = pull.progress
        if pull.state == "RUNNING" and time.monotonic() - self._told_at < TELL_SECONDS:
            return
        self._told_at = time.monotonic()
        of = f" of {progress.total}" if progress.total is not None else ""
        changed = f"{progress.new} new, {progress.changed} changed, {progress.refused} refused"
        error = f": {pull.last_error}" if pull.last_error else ""
        self._tell(f"{pull.module}: {pull.state}, {progress.objects}{of} objects, {changed}{error}")


async def compare_partner(partner_id: str, *, module: str, is_mending: bool, limit: int) -> list[dict[str, Any]]:
    """The differences between our copy of a partner's list and the list, at most ``limit`` of them."""
    async with services_of_now() as services:
        partner = await known_partner(services, partner_id)
        partner_id = partner.id
        rules = pulled_lists(services.modules)
        if module not in rules:
            fail(f"--module: one of {', '.join(rules)}")
        comparison = Comparison(
            services=services,
            directory=await services.directory.current(),
            partner=partner,
            module=module,
            rules=rules[module],
            is_mending=is_mending,
        )
        rows: list[dict[str, Any]] = []
        try:
            async for found in comparison.differences():
                if len(rows) < limit:
                    rows.append(_difference(found))
                elif not is_mending:
                    break
        except NotComparable as error:
            fail(f"{partner_id} {module}: {error}")
        finally:
            await services.journal.flush()
    return rows


def _difference(found: Found) -> dict[str, Any]:
    return {
        "object": found.key,
        "difference": found.difference.value,
        "fields": " ".join(found.fields),
        "here": _time(found.here),
        "there": _time(found.there),
        "mended": "yes" if found.is_mended else "",
        "note": found.note,
    }


async def list_pulls(partner_id: str = "") -> list[dict[str, Any]]:
    """How far every list is, of all partners or of one."""
    async with services_of_now() as services:
        if partner_id:
            partner_id = (await known_partner(services, partner_id)).id
        return [_row(pull) for pull in await state.all_pulls(services.database.reader, partner_id or None)]


async def show_partner(partner_id: str) -> dict[str, Any]:
    """What is known of a partner, how far its lists are, and what was odd about them."""
    async with services_of_now() as services:
        partner = await known_partner(services, partner_id)
        partner_id = partner.id
        pulls = await state.all_pulls(services.database.reader, partner_id)
        lost = await losses_of(services.database.reader, partner)
        checked = await last_check(services.database.reader, partner_id)
        silent = await silent_since(services.database.reader)
    return {
        "id": partner.id,
        "name": partner.name,
        "state": state_of(partner, silent),
        "version": partner.version.value if partner.version else "",
        "versions address": partner.versions_url,
        "parties": [f"{role.party}:{role.role}" for role in partner.roles],
        "connected": partner.connected_at,
        "dialect": departures(partner.dialect),
        "endpoints": {f"{entry.module} {entry.role}": entry.url for entry in partner.endpoints},
        "pulls": [_row(pull) for pull in pulls],
        "oddities": [oddity for pull in pulls for oddity in _oddities(pull)],
        "losses": lost,
        "check": checked,
    }


def _row(pull: Pull) -> dict[str, Any]:
    progress = pull.progress
    return {
        "partner": pull.partner_id,
        "module": pull.module,
        "state": pull.state,
        "kind": pull.kind,
        "started": _time(pull.started_at),
        "finished": _time(pull.finished_at),
        "last full": _time(pull.full_at),
        "newest": _time(pull.mark),
        "next": _time(pull.due_at),
        "pages": progress.pages,
        "objects": progress.objects,
        "new": progress.new,
        "changed": progress.changed,
        "same": progress.same,
        "older": progress.older,
        "refused": progress.refused,
        "twice": progress.duplicates,
        "missing": progress.missing,
        "dropped": progress.dropped,
        "last error": pull.last_error,
    }


def _oddities(pull: Pull) -> list[str]:
    progress = pull.progress
    counted: Mapping[str, int] = {**progress.reasons, **progress.findings}
    found = [f"{pull.module}: {reason} ({count} times)" for reason, count in counted.items()]
    found += [f"{pull.module}: the list may be incomplete: {doubt}" for doubt in progress.doubts]
    if progress.missing_keys:
        found.append(f"{pull.module}: its list lacks {', '.join(progress.missing_keys)}")
    return found


def _time(value: datetime | None) -> str:
    return value.isoformat(timespec="seconds") if value is not None else ""

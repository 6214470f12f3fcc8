"""A partner's habits in the directory, by switch: as set by hand, and as seen in its traffic. All inside a ``Work``.

Which switches and values there are is not known here.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select, update

from roaming.model.time import format_timestamp
from roaming.partners.registry import PARTNERS, touch
from roaming.store.database import Work

MAX_REASON = 300


def entry_of(stored: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """What is stored of a switch: under ``hand`` what a person set, under ``seen`` what traffic showed."""
    entry = stored.get(name)
    if isinstance(entry, dict):
        return entry
    # As it was stored before it was known by whom
    return {"hand": {"value": str(entry)}} if entry is not None else {}


async def set_switch(work: Work, partner_id: str, name: str, value: str) -> None:
    """A person sets a switch: traffic does not change it from then on."""
    entry = {"value": value, "at": format_timestamp(work.now)}
    await _change(work, partner_id, lambda stored: {**stored, name: {**entry_of(stored, name), "hand": entry}})


async def forget_switch(work: Work, partner_id: str, name: str) -> None:
    """Neither hand nor traffic has said anything of this switch."""
    await _change(work, partner_id, lambda stored: {key: kept for key, kept in stored.items() if key != name})


async def note_seen(work: Work, partner_id: str, seen: Mapping[str, tuple[str, str]]) -> None:
    """Habits that a partner's traffic showed: value and reason, by switch."""
    at = format_timestamp(work.now)

    def changed(stored: Mapping[str, Any]) -> dict[str, Any]:
        entries = {
            name: {**entry_of(stored, name), "seen": {"value": value, "at": at, "why": why[:MAX_REASON]}}
            for name, (value, why) in seen.items()
        }
        return {**stored, **entries}

    await _change(work, partner_id, changed)


async def _change(work: Work, partner_id: str, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
    await touch(work)
    statement = select(PARTNERS.c.dialect).where(PARTNERS.c.id == partner_id)
    stored = (await work.connection.execute(statement)).scalar_one_or_none()
    if stored is None:
        return
    text = json.dumps(change(json.loads(stored)))
    await work.connection.execute(update(PARTNERS).where(PARTNERS.c.id == partner_id).values(dialect=text))

"""What a station must get answered about its transactions, in order, however long it takes: said again with the same
content and a new message id until the hub answers. Optionally on disk."""

import asyncio
import json
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MOST_METER_VALUES: Final = 5000
"""Of these the oldest are given up first, as stations do; starts and stops never are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """A message about a transaction. The transaction id is filled in when it is sent: it may not be known before."""

    action: str
    charge: int
    body: dict[str, Any]
    """In the words of OCPP 1.6."""
    number: int = 0
    """Counts the messages of its charge."""


class UnansweredQueue:
    """First in, first answered."""

    def __init__(self, journal: Path | None = None) -> None:
        self._items: deque[Unanswered] = deque()
        self._journal = journal
        self._has_items = asyncio.Event()
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: Unanswered) -> None:
        """At the end."""
        self._items.append(item)
        if len(self._items) > MOST_METER_VALUES and item.action == "MeterValues":
            self._give_up_oldest()
        self._has_items.set()
        self._is_empty.clear()

    async def first(self) -> Unanswered:
        """Waits for the next one to send; it stays until ``answered``."""
        await self._has_items.wait()
        return self._items[0]

    def answered(self) -> None:
        """The first one is done."""
        self._items.popleft()
        if not self._items:
            self._has_items.clear()
            self._is_empty.set()

    async def emptied(self) -> None:
        """Until everything has been answered."""
        await self._is_empty.wait()

    def save(self, charges: list[dict[str, Any]]) -> None:
        """Writes the journal in one piece, with what else the station must know."""
        if self._journal is None:
            return
        items = [
            {"action": item.action, "charge": item.charge, "body": item.body, "number": item.number}
            for item in self._items
        ]
        text = json.dumps({"charges": charges, "items": items})
        unfinished = self._journal.with_suffix(".new")
        unfinished.write_text(text)
        os.replace(unfinished, self._journal)

    def load(self, take_charge: Callable[[dict[str, Any]], None]) -> None:
        """What an earlier run left."""
        if self._journal is None or not self._journal.exists():
            return
        left = json.loads(self._journal.read_text())
        for charge in left["charges"]:
            take_charge(charge)
        for item in left["items"]:
            self.add(
                Unanswered(
                    action=item["action"], charge=item["charge"], body=item["body"], number=item.get("number", 0)
                )
            )

    def _give_up_oldest(self) -> None:
        # The first one may be on its way: it is left alone.
        for position, item in enumerate(self._items):
            if position and item.action == "MeterValues":
                del self._items[position]
                return

"""Reports that were asked for: a station tells them in pieces, each a request of its own (OCPP 2.0.1 part 2, B07)."""

import asyncio
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.ocpp.v201 import variables
from adapters.ocpp.whole import whole
from contracts.messages.operation import ConfigurationValue

LONGEST: Final = 400_000
"""Characters of names and values that are kept of a report: it must fit into one message of the bus."""


@dataclass(kw_only=True)
class Report:
    """One, as far as it has come."""

    request_id: int
    is_cut: bool = False
    """It was longer than ``LONGEST``."""
    is_lost: bool = False
    """The station has gone before its end."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _values: dict[str, ConfigurationValue] = field(default_factory=dict)
    _size: int = 0

    @property
    def values(self) -> tuple[ConfigurationValue, ...]:
        """In the order in which they were told."""
        return tuple(self._values.values())

    def add(self, payload: Mapping[str, Any]) -> None:
        """A piece. One that is told again changes nothing."""
        for entry in payload.get("reportData") or ():
            value = variables.of_report(entry)
            self._size += 0 if value.key in self._values else len(value.key) + len(value.value or "")
            if self._size > LONGEST:
                self.is_cut = True
                break
            self._values[value.key] = value
        if not payload.get("tbc"):
            self.ended.set()


class Reports:
    """Those that are awaited now. For the event loop's thread."""

    def __init__(self) -> None:
        self._awaited: dict[tuple[str, int], Report] = {}

    @contextmanager
    def expect(self, station_id: str) -> Iterator[Report]:
        """From before the request goes out: the first piece may overtake its answer."""
        # Random, so that what is left of a report of before a restart is not taken for one of now
        report = Report(request_id=secrets.randbelow(2**31 - 1) + 1)
        self._awaited[station_id, report.request_id] = report
        try:
            yield report
        finally:
            del self._awaited[station_id, report.request_id]

    def forget_station(self, station_id: str) -> None:
        """It is not connected here any more: nobody need wait."""
        for (where, _), report in self._awaited.items():
            if where == station_id and not report.ended.is_set():
                report.is_lost = True
                report.ended.set()

    def take(self, station_id: str, payload: Mapping[str, Any]) -> None:
        """A NotifyReport; nothing when nobody waits for it."""
        report = self._awaited.get((station_id, whole(payload["requestId"]) or 0))
        if report is not None:
            report.add(payload)

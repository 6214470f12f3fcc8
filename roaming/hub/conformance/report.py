"""What a check of a platform found. Pure.

As JSON::

    {"url": "https://cpo.example/ocpi/versions", "version": "2.2.1", "at": "2026-11-23T10:00:00Z", "verdict": "WARN",
     "modules": {"locations": {"PASS": 12, "WARN": 1, "FAIL": 0}},
     "checks": [{"module": "locations", "check": "fields", "verdict": "WARN", "count": 3,
                 "details": ["evses[].physical_reference: NULL (3 times)"]}]}
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from roaming.model.time import format_timestamp

MAX_DETAILS = 20
MAX_DETAIL = 300


class Verdict(StrEnum):
    """From good to bad."""

    PASS = "PASS"
    WARN = "WARN"
    """Understood all the same, or not settled by the specification."""
    FAIL = "FAIL"


_ORDER = tuple(Verdict)


def worst(verdicts: "list[Verdict]") -> Verdict:
    """The worst of several; of none ``PASS``."""
    return max(verdicts, key=_ORDER.index, default=Verdict.PASS)


@dataclass(kw_only=True)
class Check:
    """One rule of one module, over all that it was applied to. ``details`` name fields, headers and counts."""

    module: str
    name: str
    verdict: Verdict = Verdict.PASS
    count: int = 0
    """How often it was applied."""
    details: dict[str, int] = field(default_factory=dict)
    """What was found, and how often."""

    def lines(self) -> list[str]:
        """The details as people read them."""
        return [text if count == 1 else f"{text} ({count} times)" for text, count in self.details.items()]

    def to_json(self) -> dict[str, Any]:
        return {
            "module": self.module,
            "check": self.name,
            "verdict": self.verdict.value,
            "count": self.count,
            "details": self.lines(),
        }


@dataclass(kw_only=True)
class Report:
    """All checks of one platform, in the order in which they were made."""

    url: str
    at: datetime
    version: str = ""
    checks: list[Check] = field(default_factory=list)

    def add(self, module: str, name: str, verdict: Verdict, detail: str = "") -> None:
        """One application of a rule; the worst verdict stays."""
        check = next((check for check in self.checks if (check.module, check.name) == (module, name)), None)
        if check is None:
            check = Check(module=module, name=name)
            self.checks.append(check)
        check.verdict = worst([check.verdict, verdict])
        check.count += 1
        detail = detail[:MAX_DETAIL]
        if detail and detail not in check.details and len(check.details) >= MAX_DETAILS:
            detail = "and more"
        if detail:
            check.details[detail] = check.details.get(detail, 0) + 1

    def expect(self, module: str, name: str, is_kept: bool, detail: str, *, otherwise: Verdict = Verdict.FAIL) -> bool:
        """A rule that is kept or not; ``detail`` says how it is broken. Returns ``is_kept``."""
        self.add(module, name, Verdict.PASS if is_kept else otherwise, "" if is_kept else detail)
        return is_kept

    @property
    def verdict(self) -> Verdict:
        return worst([check.verdict for check in self.checks])

    def modules(self) -> Mapping[str, Mapping[str, int]]:
        """How many checks of each module ended how."""
        found: dict[str, dict[str, int]] = {}
        for check in self.checks:
            counts = found.setdefault(check.module, {verdict.value: 0 for verdict in Verdict})
            counts[check.verdict.value] += 1
        return found

    def to_json(self) -> dict[str, Any]:
        """See the module."""
        return {
            "url": self.url,
            "version": self.version,
            "at": format_timestamp(self.at),
            "verdict": self.verdict.value,
            "modules": {name: dict(counts) for name, counts in self.modules().items()},
            "checks": [check.to_json() for check in self.checks],
        }


Tell = Callable[[str], None]
"""Hears of the progress, a line at a time."""

"""How the sandbox misbehaves when asked to."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What happens to a request."""

    ERROR = "error"
    """HTTP 500 without an envelope; nothing is saved."""
    REFUSE = "refuse"
    """HTTP 200 with OCPI status 3000; nothing is saved."""
    SILENCE = "silence"
    """Nothing is saved and no answer comes."""
    LOST_ANSWER = "lost-answer"
    """Saved, but the answer never comes."""
    GARBAGE = "garbage"
    """HTML with HTTP 200; nothing is saved."""


@dataclass
class _Planned:
    fault: Fault
    left: int


class FaultPlan:
    """Which module misbehaves how, and how often. ``*`` stands for every module."""

    def __init__(self) -> None:
        self._planned: dict[str, _Planned] = {}
        self.happened: Counter[str] = Counter()

    def plan(self, module: str, fault: Fault, times: int = 1) -> None:
        """The next ``times`` requests to ``module`` go wrong."""
        self._planned[module] = _Planned(fault, times)

    def clear(self) -> None:
        """Behaves again."""
        self._planned.clear()

    def take(self, module: str) -> Fault | None:
        """What happens to a request of now."""
        for key in (module, "*"):
            planned = self._planned.get(key)
            if planned is not None and planned.left > 0:
                planned.left -= 1
                self.happened[f"{module}:{planned.fault}"] += 1
                return planned.fault
        return None

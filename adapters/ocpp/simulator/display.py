"""What a simulated station was told to show its driver and to reckon by."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True)
class Display:
    """One station's."""

    texts: dict[int, dict[str, Any]] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)
    """By transaction."""
    tariffs: dict[str, str] = field(default_factory=dict)
    """By id, whether it is a DefaultTariff or a DriverTariff."""
    limits: dict[int, float] = field(default_factory=dict)
    """Of dynamic profiles, as they were moved."""
    first: set[str] = field(default_factory=set)
    """Transactions that go before others."""

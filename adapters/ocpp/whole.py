"""Integers as stations write them."""

from typing import Any


def whole(value: Any) -> int | None:
    """The integer, where it fits 64 bits; ``None`` for absence and for what is none. To JSON Schema 7.0 is an integer
    too, and so is 1e300.

    >>> whole(7.0), whole(1e300), whole(None), whole(True)
    (7, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**63:
        return None
    return int(value) if value == int(value) else None

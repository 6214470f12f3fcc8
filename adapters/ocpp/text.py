"""How much of a station's text is kept."""

from typing import Any, Final

MAX_TEXT: Final = 2000
"""Texts are kept whole over the limits of the protocol, but not without end."""


def kept(value: Any) -> str | None:
    """The text, cut if it never ends; ``None`` for none and for an empty one."""
    return str(value)[:MAX_TEXT] if value else None

"""What a station said, written down: how much of its text is kept, and JSON of whatever it sent."""

import json
from typing import Any, Final

import orjson

MAX_TEXT: Final = 2000
"""Texts are kept whole over the limits of the protocol, but not without end."""


def kept(value: Any) -> str | None:
    """The text, cut if it never ends; ``None`` for none and for an empty one."""
    return str(value)[:MAX_TEXT] if value else None


def written(value: Any) -> bytes:
    """JSON of what was read from a frame, integers of more than 64 bits too."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

"""What the first octets of a frame tell, without reading the rest: of which kind it is, and its id. Pure.

Enough to tell an answer that is ours from one that must pass. Whoever needs more reads a copy.
"""

import re
from typing import Final, NamedTuple

from adapters.ocpp import frames

OURS: Final = "hub:"
"""Ids of our own requests begin so; 32 hexadecimal digits follow: 36 characters, as many as OCPP lets an id have."""
_HEAD: Final = re.compile(rb'\s*\[\s*([2-6])\s*,\s*"((?:[^"\\\x00-\x1f]|\\.){0,255})"')
_ACTION: Final = re.compile(rb'\s*\[\s*2\s*,\s*"(?:[^"\\\x00-\x1f]|\\.){0,255}"\s*,\s*"([A-Za-z]{1,60})"')


class Head(NamedTuple):
    """The beginning of a frame."""

    kind: int
    """2: a request, 3 and 4: an answer, as ``frames`` has them."""
    id: bytes
    """As it is written, not unescaped: the same id may be written in two ways, but nobody does."""

    @property
    def is_answer(self) -> bool:
        """To a request of whoever is at the other end."""
        return self.kind in (frames.CALL_RESULT, frames.CALL_ERROR)


def head(data: bytes) -> Head | None:
    """``None`` for what does not begin like a frame.

    >>> head(b'[2, "7", "Heartbeat", {}]')
    Head(kind=2, id=b'7')
    """
    found = _HEAD.match(data)
    return None if found is None else Head(int(found[1]), found[2])


def action(data: bytes) -> str:
    """What a request asks for; empty for everything else.

    >>> action(b'[2,"7","Authorize",{"idTag":"A"}]'), action(b'[3,"7",{}]')
    ('Authorize', '')
    """
    found = _ACTION.match(data)
    return "" if found is None else found[1].decode()

"""What all messages share: frozen, keyword only, with a version."""

from typing import ClassVar

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Parent of every message. Times are aware UTC, energy is Decimal Wh, ids are spelled as they came."""

    VERSION: ClassVar[int] = 1

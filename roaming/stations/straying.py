"""How often a station has strayed from its specification since it was first seen: each connection counts from zero, and
says so several times. Pure."""

from collections import Counter
from collections.abc import Mapping

import msgspec

from contracts.messages import StationDeviationsCounted


class Deviations(msgspec.Struct, frozen=True, kw_only=True):
    """By kind (``contracts.deviations``)."""

    earlier: dict[str, int] = {}
    """Of connections that are over."""
    epoch: int = 0
    now: dict[str, int] = {}
    """Of this connection."""

    def totals(self) -> dict[str, int]:
        """All together, the most frequent first."""
        return dict((Counter(self.earlier) + Counter(self.now)).most_common())


def counted(known: Deviations, message: StationDeviationsCounted) -> Deviations:
    """With what a connection has counted. One that is over may still tell its last word, which is then not added
    again."""
    if message.epoch == known.epoch:
        return msgspec.structs.replace(known, now=_highest(known.now, message.counts))
    if message.epoch < known.epoch:
        return known
    return Deviations(
        earlier=dict(Counter(known.earlier) + Counter(known.now)), epoch=message.epoch, now=dict(message.counts)
    )


def _highest(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return dict(Counter(one) | Counter(other))


def read(text: str) -> Deviations:
    """As it is stored; nothing of what was never counted."""
    return msgspec.json.decode(text, type=Deviations) if text else Deviations()


def written(deviations: Deviations) -> str:
    """To be stored."""
    return msgspec.json.encode(deviations).decode()

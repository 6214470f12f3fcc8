"""Which tariff prices a session from when on, where its driver came to prefer another profile meanwhile. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from roaming.model.identifiers import fold
from roaming.model.tariff import Tariff
from roaming.rating.readings import ProfileChange


class Since(NamedTuple):
    """A tariff, and from when on it prices a session."""

    at: datetime
    tariff: Tariff


class Preferred(NamedTuple):
    """A preference of a driver, and when it was accepted."""

    at: datetime
    profile_type: str


_PREFERRED = msgspec.json.Decoder(tuple[Preferred, ...])


def preferred_in(document: str) -> tuple[Preferred, ...]:
    """What is kept of a session as JSON."""
    return _PREFERRED.decode(document)


def tariffs_over_time(
    first: Tariff | None,
    of_profile: Mapping[str, Tariff],
    preferred: Sequence[Preferred],
    reading: ProfileChange,
    *,
    until: datetime | None = None,
) -> tuple[Tariff | None, tuple[Since, ...]]:
    """The tariff of the start and those after it, in the order of time. ``of_profile``: those that a profile may lead
    to; one in another currency prices nothing, since a CDR has one. ``preferred`` in the order of time; what comes
    ``until`` or later prices nothing. Where there is no ``first``, the first one preferred prices all before it too.
    """
    if reading is ProfileChange.NEVER:
        return first, ()
    found: list[Since] = []
    for at, profile_type in preferred:
        tariff = of_profile.get(profile_type)
        before = found[-1].tariff if found else first
        if tariff is None or (until is not None and at >= until):
            continue
        if before is not None and (fold(tariff.id) == fold(before.id) or tariff.currency != before.currency):
            continue
        found.append(Since(at, tariff))
    if found and reading is ProfileChange.WHOLE:
        return found[-1].tariff, ()
    if found and first is None:
        return found[0].tariff, tuple(found[1:])
    return first, tuple(found)

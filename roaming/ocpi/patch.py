"""A change to part of an object, as a PATCH says it. Knows canonical attributes only, no wire names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from roaming.model.canonical import CanonicalObject
from roaming.model.identifiers import fold
from roaming.ocpi.translation import DecodeError, Finding

T = TypeVar("T", bound=CanonicalObject)


@dataclass(frozen=True)
class Patch(Generic[T]):
    """New values by attribute. An optional attribute that is cleared stands with ``None`` or ``()``."""

    changes: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields that the version's table does not know, as they came."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Lists that are merged by an attribute of their entries, and that attribute. The entries in ``changes`` are
    whole objects or, for one that is already there, a ``Patch``. Any other list replaces what was there."""
    findings: tuple[Finding, ...] = ()

    @property
    def last_updated(self) -> datetime | None:
        """The patch's own ``last_updated``; required since 2.2, which is for the route to check."""
        stamp: datetime | None = self.changes.get("last_updated")
        return stamp

    def apply(self, value: T) -> T:
        """``value`` with the changes. Raises ``DecodeError`` when an entry of a merged list is new and incomplete."""
        changes = dict(self.changes)
        for name in self.keys.keys() & changes.keys():
            changes[name] = _merged(getattr(value, name), changes[name], name, self.keys[name])
        if self.extra:
            changes["extra"] = {**(value.extra or {}), **self.extra}
        return msgspec.structs.replace(value, **changes)


def _merged(old: tuple[Any, ...], entries: tuple[Any, ...], name: str, key: str) -> tuple[Any, ...]:
    """Entries take the place of those with the same key, the rest is appended; by time when the key is a time, since
    a charging period ends where the next one begins."""
    by_key = {_comparable(getattr(entry, key)): entry for entry in old}
    for index, entry in enumerate(entries):
        if not isinstance(entry, Patch):
            by_key[_comparable(getattr(entry, key))] = entry
            continue
        place = _comparable(entry.changes[key])
        if place not in by_key:
            raise DecodeError(f"{name}[{index}]", f"no entry with this {key} is known, and it is not complete itself")
        by_key[place] = entry.apply(by_key[place])
    if by_key and isinstance(next(iter(by_key)), datetime):
        return tuple(by_key[place] for place in sorted(by_key))
    return tuple(by_key.values())


def _comparable(key: Any) -> Any:
    return fold(key) if isinstance(key, str) else key

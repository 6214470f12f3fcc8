"""What one version of a tariff changed against the one before it. Pure."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from roaming.model.tariff import Tariff

_UNTOLD = frozenset(("last_updated",))


def changes(before: Tariff, after: Tariff) -> Iterator[str]:
    """Each field that differs, as ``elements[0].price_components[0].price 0.25 -> 0.30``."""
    one, other = (msgspec.to_builtins(each, builtin_types=(Decimal,)) for each in (before, after))
    yield from _differences("", one, other)


def _differences(place: str, one: Any, other: Any) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in [*one, *(name for name in other if name not in one)]:
            if name not in _UNTOLD:
                yield from _differences(f"{place}.{name}" if place else name, one.get(name), other.get(name))
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        for index in range(max(len(one), len(other))):
            pair = (each[index] if index < len(each) else None for each in (one, other))
            yield from _differences(f"{place}[{index}]", *pair)
    elif one != other:
        yield f"{place} {_said(one)} -> {_said(other)}"


def _said(value: Any) -> str:
    if value is None:
        return "nothing"
    return "something" if isinstance(value, dict | list) else str(value)

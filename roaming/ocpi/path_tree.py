"""Finds what an address leads to: segment by segment, so that the number of routes does not matter.

(FastAPI tries its routes one after the other: with those of one OCPI version that took a third of a request's time.)
"""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Node(Generic[T]):
    fixed: "dict[str, _Node[T]]" = field(default_factory=dict)
    variable: "_Node[T] | None" = None
    end: "tuple[T, tuple[str, ...]] | None" = None
    """What stands here, and the names of the variable segments on the way."""


class PathTree(Generic[T]):
    """Templates such as ``/ocpi/2.2.1/sender/tokens/{token_uid}/authorize``, each with a target."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, template: str, target: T) -> None:
        """Raises ``ValueError`` when the place is taken."""
        node, names = self._root, []
        for segment in template.split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.variable = node = node.variable or _Node()
            else:
                node = node.fixed.setdefault(segment, _Node())
        if node.end is not None:
            raise ValueError(f"two targets for {template}")
        node.end = (target, tuple(names))

    def find(self, path: str) -> tuple[T, dict[str, str]] | None:
        """The target, and the variable segments by name as they stand in ``path``. A fixed segment goes before a
        variable one, which is never empty."""
        found = _find(self._root, path.split("/"), 0, ())
        if found is None:
            return None
        (target, names), values = found
        return target, dict(zip(names, values, strict=True))


def _find(
    node: _Node[T], segments: list[str], position: int, values: tuple[str, ...]
) -> tuple[tuple[T, tuple[str, ...]], tuple[str, ...]] | None:
    if position == len(segments):
        return (node.end, values) if node.end is not None else None
    segment = segments[position]
    fixed = node.fixed.get(segment)
    if fixed is not None:
        found = _find(fixed, segments, position + 1, values)
        if found is not None:
            return found
    if node.variable is not None and segment:
        return _find(node.variable, segments, position + 1, (*values, segment))
    return None

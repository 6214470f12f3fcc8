"""What all that is asked of a station, and all that it tells in answer, are like: told apart by ``kind``."""

import re

import msgspec


def _kind(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


class Operation(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=_kind):
    """Parent of what can be asked: ``Reset`` is told by ``"kind": "RESET"``. Connectors are numbered as the station's
    statuses number them; without one the whole station is meant."""


class Told(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=_kind):
    """Parent of what a station tells beside the outcome."""

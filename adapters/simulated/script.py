"""Simple scripts for simulated stations: one step per line, parsed before anything runs.

``plug 1``, ``present 1 TOKEN``, ``charge 1 30m``, ``stop 1``, ``unplug 1``, ``fail 1 GroundFailure``,
``disconnect``, ``connect``, ``repeat`` (from the first step, for ever). Durations: ``90s``, ``30m``, ``2h``.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from adapters.simulated.station import SimulatedStation
from contracts.vocabulary import StopReason

Step = Callable[[SimulatedStation], Awaitable[object]]
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


class ScriptError(ValueError):
    """A line that means nothing. The text says which."""


def parse(lines: Sequence[str]) -> tuple[list[Step], bool]:
    """The steps, and whether they are repeated. Raises ``ScriptError``."""
    steps: list[Step] = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if words == ["repeat"] and number == len(lines) and steps:
            return steps, True
        try:
            steps.append(_step(words))
        except (KeyError, ValueError, IndexError):
            raise ScriptError(f"line {number} of the script, {line!r}, is no step") from None
    return steps, False


def _step(words: list[str]) -> Step:
    name, *arguments = words
    if name in ("connect", "disconnect") and not arguments:
        return lambda station: station.connect() if name == "connect" else station.disconnect()
    connector = int(arguments[0])
    match name, arguments[1:]:
        case "plug", []:
            return lambda station: station.plug(connector)
        case "unplug", []:
            return lambda station: station.unplug(connector)
        case "stop", []:
            return lambda station: station.stop(connector, StopReason.DRIVER)
        case "present", [token_uid]:
            return lambda station: station.present(connector, token_uid)
        case "charge", [text]:
            duration = _duration(text)
            return lambda station: station.charge(connector, duration)
        case "fail", [code]:
            return lambda station: station.fail(connector, code)
    raise ValueError(name)


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"(\d+)([smh])", text)
    if found is None:
        raise ValueError(text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])})

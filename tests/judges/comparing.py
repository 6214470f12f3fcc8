"""Our price beside another engine's: where the two differ, the fewest readings that make the difference vanish."""

import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from roaming.rating import Readings, rate
from roaming.rating.cases import amounts
from roaming.rating.documents import COSTS, charge_of, tariff_of

TOLERANCE: Final = Decimal("0.00011")
"""ocpi-tariffs rounds to four decimals, half to even; we round half up."""
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")

Amounts = Mapping[str, Mapping[str, str | None]]


class Judge(NamedTuple):
    """Another engine, what it prices, and the readings it takes that are not our defaults, each with its clause."""

    name: str
    versions: frozenset[str]
    readings: Mapping[str, tuple[str, str]]


class Verdict(NamedTuple):
    """What a run found."""

    same: int
    explained: Counter[tuple[str, ...]]
    unexplained: list[Any]


def as_lines(cases: Iterable[Any]) -> bytes:
    """The cases as the judges read them."""
    return b"".join(_ENCODER.encode(case) + b"\n" for case in cases)


def ask(program: Path, cases: Iterable[Any]) -> list[Any]:
    """The answers of a judge, in the order of the cases."""
    run = subprocess.run([program], input=as_lines(cases), stdout=subprocess.PIPE, check=True, timeout=120)
    return [msgspec.json.decode(line) for line in run.stdout.splitlines()]


def compare(judge: Judge, cases: Sequence[Any], answers: Sequence[Any]) -> Verdict:
    """Sets every answer beside our price."""
    ways = list(_ways(judge))
    same, explained, unexplained = 0, Counter[tuple[str, ...]](), []
    for case, answer in zip(cases, answers, strict=True):
        assert case["id"] == answer["id"]
        assert "error" not in answer, (case, answer)
        for way in ways:
            if _is_same(_ours(case, judge, way), answer):
                same += not way
                if way:
                    explained[way] += 1
                break
        else:
            unexplained.append((case, answer))
    return Verdict(same, explained, unexplained)


def _ways(judge: Judge) -> Iterable[tuple[str, ...]]:
    for count in range(len(judge.readings) + 1):
        yield from combinations(judge.readings, count)


def _ours(case: Any, judge: Judge, way: tuple[str, ...]) -> Amounts:
    readings = Readings.of_version(case["version"]).choosing({name: judge.readings[name][0] for name in way})
    charge = charge_of(case["cdr"])
    rated = rate(
        tariff_of(case["tariff"]),
        charge.periods,
        start=charge.start,
        end=charge.end,
        time_zone=case["time_zone"],
        readings=readings,
    )
    return amounts(rated)


def _is_same(ours: Amounts, theirs: Amounts) -> bool:
    for field in COSTS:
        if field not in theirs:
            continue
        for kind in ("excl_vat", "incl_vat"):
            mine, other = ours[field][kind], theirs[field][kind]
            if (mine is None) != (other is None):
                return False
            if mine is not None and abs(Decimal(mine) - Decimal(str(other))) > TOLERANCE:
                return False
    return True

"""No file names a package registry or a folder of somebody's machine, and no work is promised in a comment; a
number names one decision."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.adapters.ocpp.quirks import QUIRKS
from tests.architecture.tree import files, text

# Written in halves, so that this file does not name them either
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("crates", "io"),
        ("repo", "maven", "apache", "org"),
        ("repo1", "maven", "org"),
        ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
        ("ghcr", "io"),
    )
)
MACHINE_PATH = re.compile(r"(?<![\w./})-])/(?:root|work|Users|home)/")
PROMISE = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r"\b)")
VENDORED = re.compile(r"\.min\.(?:js|css)$|\.woff2$|/vendor/|\.png$|\.ico$")


WRITTEN = [path for path in files() if not VENDORED.search(path.as_posix())]

QUOTED = re.compile(r'"([^"|]+)"')


def found(pattern: re.Pattern[str]) -> list[str]:
    """Where ``pattern`` occurs, as ``file:line: match``."""
    return [
        f"{path}:{number}: {match.group()}"
        for path in WRITTEN
        for number, line in enumerate(text(path).splitlines(), start=1)
        for match in pattern.finditer(line)
    ]


def test_no_file_names_a_package_registry() -> None:
    assert found(re.compile("|".join(re.escape(host) for host in REGISTRIES))) == []


def test_no_file_names_a_folder_of_a_machine() -> None:
    assert found(MACHINE_PATH) == []


def test_no_file_promises_work() -> None:
    assert found(PROMISE) == []


def test_a_number_names_one_decision() -> None:
    numbers = Counter(path.name[:4] for path in files() if path.parent.name == "decisions")
    assert [number for number, times in numbers.items() if times > 1] == []


@pytest.mark.parametrize("name", ["FAULTS-AND-ATTACKS.md", "FAULTS-AND-ATTACKS-OCPP.md"])
def test_what_is_said_to_be_proven_has_its_test(name: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", text(Path("tests") / name)))
    tests = "\n".join(text(path) for path in files() if path.parts[0] == "tests" and path.suffix == ".py")
    assert len(named) > 50
    assert named - set(re.findall(r"def (test_\w+)\(", tests)) == set()


def test_every_habit_and_attack_of_stations_has_its_row() -> None:
    habits, _, attacks = text(Path("tests/FAULTS-AND-ATTACKS-OCPP.md")).partition("## Attacks")
    for part, counts in ((habits, {"A": 31, "B": 30}), (attacks, {"A": 20, "B": 20})):
        rows = re.findall(r"^\| ([AB][AB\d ]*) \|.*\| ([^|]+) \|$", part, re.MULTILINE)
        numbers = sorted(number for row, _ in rows for number in row.split())
        assert numbers == sorted(f"{letter}{n}" for letter, count in counts.items() for n in range(1, count + 1))
        assert all(re.search('`test_|"', proof) for _, proof in rows)
    proofs = re.findall(r"\| ([^|]+) \|$", habits + attacks, re.MULTILINE)
    quoted = {name for proof in proofs for name in QUOTED.findall(proof)}
    assert quoted - {quirk.name for quirk in QUIRKS} == set()

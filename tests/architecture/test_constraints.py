"""The pinned dependencies: complete, hashed, within the bounds of pyproject.toml, and from nowhere in particular."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import pyproject, text

PIN = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)==(?P<version>\S+)(?: ; (?P<marker>.+?))? \\$")
CONSTRAINTS = text(Path("constraints.txt"))


def pins() -> dict[str, list[str]]:
    """Versions by name; a name may be pinned once per marker."""
    found: dict[str, list[str]] = {}
    for line in CONSTRAINTS.splitlines():
        if match := PIN.match(line):
            found.setdefault(canonicalize_name(match["name"]), []).append(match["version"])
    return found


def bounds() -> list[Requirement]:
    project = pyproject()["project"]
    return [Requirement(line) for line in (*project["dependencies"], *project["optional-dependencies"]["dev"])]


def test_no_address_and_no_option_is_named() -> None:
    assert "://" not in CONSTRAINTS
    assert re.findall(r"^--.*|^-[ief] .*", CONSTRAINTS, re.MULTILINE) == []


def test_every_pin_has_a_hash() -> None:
    unhashed = re.findall(r"^[A-Za-z0-9].*\n(?!    --hash=sha256:[0-9a-f]{64})", CONSTRAINTS, re.MULTILINE)
    assert unhashed == []
    assert len(re.findall(r"^[A-Za-z0-9]", CONSTRAINTS, re.MULTILINE)) == sum(map(len, pins().values()))


@pytest.mark.parametrize("requirement", bounds(), ids=str)
def test_a_dependency_is_pinned_within_its_bounds(requirement: Requirement) -> None:
    versions = pins()[canonicalize_name(requirement.name)]
    assert all(requirement.specifier.contains(version) for version in versions)


@pytest.mark.parametrize("requirement", bounds(), ids=str)
def test_a_dependency_has_a_lower_bound(requirement: Requirement) -> None:
    assert any(part.operator in (">=", "==", "~=") for part in requirement.specifier)

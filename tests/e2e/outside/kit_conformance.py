"""The conformance runner of the crate ocpi-kit, and its report as data."""

import asyncio
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from tests.e2e.outside.kit_mock import ocpi_program

_MARKS = {"+": "passed", "x": "failed", "!": "warnings", "-": "skipped"}
_CHECK = re.compile(r"^\[(.)\] (\S+) +(.*)$")
_SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) warnings, (\d+) skipped$", re.MULTILINE)


@dataclass(frozen=True)
class Check:
    """One line of the report, such as ``module.link`` of ``cdrs``; ``module`` is empty for what concerns all."""

    outcome: str
    id: str
    module: str
    detail: str


@dataclass(frozen=True)
class Report:
    """``version``: the one it was run in."""

    text: str
    exit_code: int
    version: str
    checks: tuple[Check, ...]

    def of(self, outcome: str) -> list[tuple[str, str]]:
        """Which checks came out so, by id and module."""
        return [(check.id, check.module) for check in self.checks if check.outcome == outcome]

    def about(self, outcome: str, id: str) -> dict[str, str]:
        """Module → detail of the checks ``id`` that came out so."""
        return {check.module: check.detail for check in self.checks if (check.outcome, check.id) == (outcome, id)}


async def conformance(versions_url: str, token: str) -> Report:
    """Runs ``ocpi conformance`` as the partner whose token that is."""
    process = await asyncio.create_subprocess_exec(
        ocpi_program(),
        *("--insecure", "conformance", "--token", token, versions_url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    text = out.decode()
    assert process.returncode is not None
    version = re.search(r"^checked against OCPI (\S+)$", text, re.MULTILINE)
    checks = tuple(_checks(text.splitlines()))
    summary = _SUMMARY.search(text)
    assert summary is not None, text
    counted = [sum(check.outcome == outcome for check in checks) for outcome in _MARKS.values()]
    assert counted == [int(number) for number in summary.groups()], f"not all lines were read\n{text}"
    return Report(text, process.returncode, version[1] if version else "", checks)


def _checks(lines: Iterable[str]) -> Iterable[Check]:
    followed = [*lines, ""]
    for line, after in itertools.pairwise(followed):
        if found := _CHECK.match(line):
            mark, id, title = found.groups()
            module = re.split(r"[ ']", title)[0] if id.startswith("module.") else ""
            yield Check(_MARKS[mark], id, module, "" if after.startswith("[") else after.strip())

"""A pytest plugin: what passed tests prove by their marks, printed as a table; fails when a cell is empty.

Loaded by ``make matrix-ocpi`` only. A mark is ``ocpi_cell(module, version, role, side)``; a version such as ``$hub``
is the value of the test's parameter of that name.
"""

from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.matrix.cells import Cell, every_cell, table

MARK = "ocpi_cell"
_proofs: dict[Cell, list[str]] = defaultdict(list)


def cells_of(item: pytest.Function) -> Iterator[Cell]:
    """What a test claims to prove. Raises ``UsageError`` for a cell that the specification does not have."""
    for mark in item.iter_markers(MARK):
        module, version, role, side = mark.args
        if version.startswith("$"):
            version = str(item.callspec.params[version[1:]])
        cell = Cell(module, version, role, side)
        if cell not in every_cell():
            raise pytest.UsageError(f"{item.nodeid}: there is no cell {tuple(cell)}")
        yield cell


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function):
            item.user_properties.extend((MARK, tuple(cell)) for cell in cells_of(item))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and report.passed:
        for name, value in report.user_properties:
            if name == MARK:
                _proofs[Cell(*value)].append(report.nodeid)  # type: ignore[misc]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput") and session.exitstatus == 0 and empty():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    cells = every_cell()
    terminalreporter.section("OCPI: module, version, interface role, side, test")
    for line in table(_proofs, cells):
        terminalreporter.write_line(line, red=line.endswith("EMPTY"))
    missing = empty()
    terminalreporter.write_line(f"{len(cells) - len(missing)} of {len(cells)} cells proven, {len(missing)} empty")


def empty() -> list[Cell]:
    """Cells that no test has proven."""
    return [cell for cell in every_cell() if not _proofs.get(cell)]

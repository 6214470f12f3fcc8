"""A pytest plugin: what passed tests prove by their marks, printed as a table; fails when a cell is empty, or when an
endpoint of the specification was never answered with success.

Loaded by ``make matrix-ocpi`` only. A mark is ``ocpi_cell(module, version, role, side)``; a version such as ``$hub``
is the value of the test's parameter of that name. Endpoints are not claimed by anybody: what the hub answered while a
test ran counts, where the test passed and is marked with the cell that the endpoint belongs to.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from roaming.ocpi.module import module_path
from roaming.ocpi.server import _Exchange
from tests.matrix.cells import Cell, Endpoint, endpoint_of, every_cell, every_endpoint, table

MARK, ANSWERED = "ocpi_cell", "ocpi_answered"
_proofs: dict[Cell, list[str]] = defaultdict(list)
_answered: dict[Endpoint, str] = {}
_seen: set[tuple[str, ...]] = set()
"""Of the test that runs: module, version, role, method and path below the module's address."""


class _Watched(_Exchange):
    """Notes what was answered with success, and by which side."""

    def _meant(self, *args: Any) -> Any:
        self.route = super()._meant(*args)
        return self.route

    async def _handle(self, *args: Any) -> Any:
        reply, ocpi_status = await super()._handle(*args)
        if reply.http_status < 300 and ocpi_status == 1000:
            base = "" if self.module.id == "versions" else module_path(self.version, self.module, self.route.interface)
            path = self.url.partition("?")[0].removeprefix(self.services.public_url + base)
            role = self.route.interface.lower()
            versions = self.services.versions if path == "/versions" else (self.version,)
            _seen.update((self.module.id, str(version), role, self.method, path) for version in versions)
        return reply, ocpi_status


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


def pytest_configure() -> None:
    import roaming.ocpi.server

    roaming.ocpi.server._Exchange = _Watched  # type: ignore[misc]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function):
            item.user_properties.extend((MARK, tuple(cell)) for cell in cells_of(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    _seen.clear()
    yield
    item.user_properties.extend((ANSWERED, entry) for entry in sorted(_seen))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when != "call" or not report.passed:
        return
    cells = {Cell(*value) for name, value in report.user_properties if name == MARK}  # type: ignore[misc]
    for cell in cells:
        _proofs[cell].append(report.nodeid)
    for name, value in report.user_properties:
        if name == ANSWERED:
            endpoint = endpoint_of(*value)  # type: ignore[misc]
            if endpoint is not None and Cell(endpoint.module, endpoint.version, endpoint.role, "server") in cells:
                _answered.setdefault(endpoint, report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    is_last = not hasattr(session.config, "workerinput")
    if is_last and session.exitstatus == 0 and (empty() or unanswered()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    cells = every_cell()
    terminalreporter.section("OCPI: module, version, interface role, side, test")
    for line in table(_proofs, cells):
        terminalreporter.write_line(line, red=line.endswith("EMPTY"))
    missing = empty()
    terminalreporter.write_line(f"{len(cells) - len(missing)} of {len(cells)} cells proven, {len(missing)} empty")
    silent, endpoints = unanswered(), every_endpoint()
    for endpoint in silent:
        terminalreporter.write_line(f"{endpoint} NEVER ANSWERED", red=True)
    answered = len(endpoints) - len(silent)
    terminalreporter.write_line(f"{answered} of {len(endpoints)} endpoints answered by the hub in these tests")


def empty() -> list[Cell]:
    """Cells that no test has proven."""
    return [cell for cell in every_cell() if not _proofs.get(cell)]


def unanswered() -> list[Endpoint]:
    """Endpoints that the hub answered in no test of their cell."""
    return [endpoint for endpoint in every_endpoint() if endpoint not in _answered]

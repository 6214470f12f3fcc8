"""A pytest plugin: what passed tests prove of OCPI by their marks, printed as a table; fails when a cell is empty, or
when an endpoint of the specification was never answered with success.

Loaded by ``make matrix-ocpi`` only. A mark is ``ocpi_cell(module, version, role, side)``; a version such as ``$hub``
is the value of the test's parameter of that name. Endpoints are not claimed by anybody: what the hub answered while a
test ran counts, where the test passed and is marked with the cell that the endpoint belongs to.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from roaming.ocpi.module import module_path
from roaming.ocpi.server import _Exchange
from tests.matrix.cells import Cell, Endpoint, endpoint_of, every_cell, every_endpoint, row
from tests.matrix.proving import Row, Table

MARK, ANSWERED = "ocpi_cell", "ocpi_answered"
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


class OcpiTable(Table):
    """Cells and endpoints."""

    title = "OCPI: module, version, interface role, side, test"
    kinds = (MARK, ANSWERED)

    def __init__(self) -> None:
        super().__init__()
        self._answered: dict[Endpoint, str] = {}

    def take(self, properties: Sequence[tuple[str, Row]], test: str) -> None:
        """See ``Table``."""
        cells = {Cell(*value) for name, value in properties if name == MARK}
        for cell in cells:
            self.proofs[cell].append(test)
        for name, value in properties:
            endpoint = endpoint_of(*value) if name == ANSWERED else None  # type: ignore[arg-type]
            if endpoint is not None and Cell(endpoint.module, endpoint.version, endpoint.role, "server") in cells:
                self._answered.setdefault(endpoint, test)

    def lines(self) -> Iterator[str]:
        """See ``Table``."""
        return (row(cell, self.proofs[cell]) for cell in every_cell() if self.proofs.get(cell))

    def gaps(self) -> Sequence[str]:
        """See ``Table``."""
        return [row(cell, ()) for cell in self._empty()] + [f"{each} NEVER ANSWERED" for each in self._unanswered()]

    def summary(self) -> Sequence[str]:
        """See ``Table``."""
        cells, endpoints = len(every_cell()), len(every_endpoint())
        empty, silent = len(self._empty()), len(self._unanswered())
        return (
            f"{cells - empty} of {cells} cells proven, {empty} empty",
            f"{endpoints - silent} of {endpoints} endpoints answered by the hub in these tests",
        )

    def _empty(self) -> list[Cell]:
        return [cell for cell in every_cell() if not self.proofs.get(cell)]

    def _unanswered(self) -> list[Endpoint]:
        return [endpoint for endpoint in every_endpoint() if endpoint not in self._answered]


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


def pytest_configure(config: pytest.Config) -> None:
    import roaming.ocpi.server

    roaming.ocpi.server._Exchange = _Watched  # type: ignore[misc]
    config.pluginmanager.register(OcpiTable())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function):
            item.user_properties.extend((MARK, tuple(cell)) for cell in cells_of(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    _seen.clear()
    yield
    item.user_properties.extend((ANSWERED, entry) for entry in sorted(_seen))

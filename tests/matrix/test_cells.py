"""The table of cells is the specification's, and a run with an empty cell fails."""

import json
from pathlib import Path

import pytest

from tests.matrix.cells import Cell, endpoint_of, endpoints, every_cell, every_endpoint, row
from tests.matrix.collecting import OcpiTable

CATALOGUE = Path(__file__).parents[3] / "shared" / "ocpi" / "catalogue"
pytest_plugins = ["pytester"]


@pytest.mark.skipif(not CATALOGUE.is_dir(), reason="the catalogue of the specification is not here")
def test_the_table_is_the_catalogue() -> None:
    expected = [
        (version, entry["module"], entry["side"], entry["method"], entry["path"])
        for version in ("2.1.1", "2.2.1", "2.3.0")
        for entry in json.loads((CATALOGUE / f"{version}.json").read_text())["endpoints"]
    ]
    assert endpoints() == expected


def test_each_cell_is_there_once() -> None:
    cells = every_cell()
    assert len(set(cells)) == len(cells)
    assert {cell.module for cell in cells if cell.version == "2.1.1"}.isdisjoint({"chargingprofiles", "hubclientinfo"})
    assert Cell("bookings", "2.3.0", "receiver", "client") in cells


def test_a_line_names_the_test_or_says_that_there_is_none() -> None:
    proven, empty = Cell("cdrs", "2.2.1", "sender", "server"), Cell("cdrs", "2.2.1", "sender", "client")
    first, second = row(proven, ["b", "a"]), row(empty, [])
    assert first.split() == ["cdrs", "2.2.1", "sender", "server", "a", "(+1)"]
    assert second.split()[-1] == "EMPTY"


def test_each_level_of_an_address_is_an_endpoint() -> None:
    mine = [e.path for e in every_endpoint() if e[:4] == ("locations", "2.1.1", "sender", "GET")]
    assert mine == ["", "/{location_id}", "/{location_id}/{evse_uid}", "/{location_id}/{evse_uid}/{connector_id}"]
    assert len(every_endpoint()) == len(set(every_endpoint()))


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        (("payments", "2.3.0", "sender", "POST", "/terminals/activate"), "/terminals/activate"),
        (("payments", "2.3.0", "sender", "GET", "/terminals/activate"), "/terminals/{terminal_id}"),
        (("versions", "2.2.1", "sender", "GET", "/versions"), "/versions"),
        (("versions", "2.2.1", "sender", "GET", "/2.2.1"), "/{version}"),
        (("cdrs", "2.2.1", "receiver", "GET", "/NL/TNM/C1"), "address from the Location header"),
        (("commands", "2.1.1", "receiver", "POST", "/START_SESSION"), "/START_SESSION"),
        (("commands", "2.1.1", "receiver", "POST", "/CANCEL_RESERVATION"), None),
        (("tokens", "2.2.1", "sender", "GET", "/NL/TNM/T1"), None),
    ],
)
def test_a_request_is_of_one_endpoint(asked: tuple[str, str, str, str, str], path: str | None) -> None:
    found = endpoint_of(*asked)
    assert (found.path if found is not None else None) == path


def test_an_endpoint_counts_where_a_test_of_its_cell_saw_it_answered(pytester: pytest.Pytester) -> None:
    """The list of versions does; their details were asked for by a test of another cell."""
    pytester.makeini("[pytest]\nmarkers = ocpi_cell: x\nasyncio_mode = auto")
    pytester.makepyfile(
        """
        import pytest
        from roaming.store import migrate
        from tests.kit.hub_in_process import hub_in_process

        async def ask(folder, path):
            await migrate.upgrade(f"sqlite:///{folder}/hub.db")
            async with hub_in_process(f"sqlite:///{folder}/hub.db", folder) as hub:
                assert (await hub.call("aaa", "GET", path)).code == 1000

        @pytest.mark.ocpi_cell("versions", "2.2.1", "both", "server")
        async def test_list(tmp_path):
            await ask(tmp_path, "/versions")

        @pytest.mark.ocpi_cell("credentials", "2.2.1", "both", "server")
        async def test_details(tmp_path):
            await ask(tmp_path, "/2.2.1")
        """
    )
    result = pytester.runpytest_subprocess("-p", "tests.matrix.collecting")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert any(line.startswith("1 of ") and "endpoints answered" in line for line in result.outlines)


def test_only_a_test_that_passed_proves_a_cell(pytester: pytest.Pytester) -> None:
    """Of a test that passed, one that failed and one that was skipped, each of a cell of its own."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.ocpi_cell("cdrs", "$version", "sender", "server")
        @pytest.mark.parametrize("version", ["2.3.0"])
        def test_passes(version):
            assert version

        @pytest.mark.ocpi_cell("tokens", "2.3.0", "sender", "server")
        def test_fails():
            assert False

        @pytest.mark.ocpi_cell("tariffs", "2.3.0", "sender", "server")
        def test_is_skipped():
            pytest.skip()
        """
    )
    pytester.makeini("[pytest]\nmarkers = ocpi_cell: x")
    result = pytester.runpytest_subprocess("-p", "tests.matrix.collecting")
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    assert any(line.startswith("1 of ") and "cells proven" in line for line in result.outlines)
    (proven,) = [line for line in result.outlines if "test_passes" in line]
    assert proven.split()[:4] == ["cdrs", "2.3.0", "sender", "server"]


def test_a_run_with_an_empty_cell_fails(pytester: pytest.Pytester) -> None:
    """Though all of its tests passed."""
    pytester.makeini("[pytest]\nmarkers = ocpi_cell: x\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile("def test_nothing(): pass")
    result = pytester.runpytest_inprocess(plugins=[OcpiTable()])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_cell_that_the_specification_does_not_have_is_an_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.ocpi_cell("bookings", "2.1.1", "sender", "server")
        def test_it():
            pass
        """
    )
    pytester.makeini("[pytest]\nmarkers = ocpi_cell: x")
    result = pytester.runpytest_subprocess("-p", "tests.matrix.collecting")
    assert result.ret == pytest.ExitCode.USAGE_ERROR

"""The table of cells is the specification's, and a run with an empty cell fails."""

import json
from pathlib import Path

import pytest

from tests.matrix.cells import Cell, endpoints, every_cell, table

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
    first, second = table({proven: ["b", "a"]}, [proven, empty])
    assert first.split() == ["cdrs", "2.2.1", "sender", "server", "a", "(+1)"]
    assert second.split()[-1] == "EMPTY"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("assert True", "1 of "),
        ("assert False", "0 of "),
        ("pytest.skip()", "0 of "),
    ],
)
def test_only_a_test_that_passed_proves_a_cell(pytester: pytest.Pytester, body: str, said: str) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.ocpi_cell("cdrs", "$version", "sender", "server")
        @pytest.mark.parametrize("version", ["2.3.0"])
        def test_it(version):
            {body}
        """
    )
    pytester.makeini("[pytest]\nmarkers = ocpi_cell: x")
    result = pytester.runpytest_subprocess("-p", "tests.matrix.collecting")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert any(line.startswith(said) and "cells proven" in line for line in result.outlines)


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

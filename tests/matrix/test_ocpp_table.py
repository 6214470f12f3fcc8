"""The table of OCPP messages is that of the ``ocpp`` package, and a run with a gap fails."""

from pathlib import Path

import pytest

from tests.matrix.ocpp import PACKAGES, TO_HUB, TO_STATION, Cell, blocks, every_cell, messages_of, reasons
from tests.matrix.ocpp_exchanges import RAW, SAID, OcppTable

pytest_plugins = ["pytester"]
RESET = Cell("Reset", "2.1", TO_STATION)


def test_the_counts_of_the_package() -> None:
    """39, 64 and 91 messages; DataTransfer goes both ways in each."""
    assert [len(messages_of(version)) for version in PACKAGES] == [39, 64, 91]
    assert len(every_cell()) == 39 + 64 + 91 + 3
    assert len([cell for cell in every_cell() if cell.direction == TO_HUB and cell.version == "2.0.1"]) == 25


def test_the_list_has_nothing_that_no_version_has() -> None:
    assert set(blocks()) == {cell.message for cell in every_cell()}


def test_reasons_are_few_and_each_is_of_a_cell(tmp_path: Path) -> None:
    named = [row.split("\t")[0] for row in (Path(__file__).parent / "ocpp_reasons.tsv").read_text().splitlines()[1:]]
    assert {cell.message for cell in reasons()} == set(named)
    assert len(named) < 10
    own = tmp_path / "own.tsv"
    own.write_text("message\tversion\treason\nHeartbeat\t1.6\tbecause\n")
    assert reasons(own) == {Cell("Heartbeat", "1.6", TO_HUB): "because"}


def test_a_verb_of_its_own_stands_before_a_raw_call() -> None:
    table = OcppTable({})
    for what, test in ((RAW, "a"), ("RESET", "b"), (RAW, "c")):
        table.take([(SAID, (*RESET, what))], test)
    assert table.proofs[RESET] == ["b"]
    (shown,) = table.lines()
    assert shown.split() == ["provisioning", "Reset", "2.1", "hub", "→", "station", "RESET", "b"]


def test_a_gap_is_told_and_so_is_a_reason_for_what_is_proven() -> None:
    table = OcppTable({RESET: "nobody resets"})
    gaps = table.gaps()
    assert len(gaps) == len(every_cell()) - 1
    assert all(text.endswith("MISSING") for text in gaps)
    table.take([(SAID, (*RESET, RAW))], "a")
    assert [text for text in table.gaps() if "ocpp_reasons.tsv" in text] == [
        "Reset 2.1 hub → station: proven, and ocpp_reasons.tsv says why not"
    ]


def test_what_is_said_in_a_marked_test_that_passed_counts(pytester: pytest.Pytester) -> None:
    """A boot is a fact, a heartbeat is none, and a request that is refused proves nothing."""
    pytester.makeini(
        """
        [pytest]
        markers = ocpp_exchange: x
        asyncio_mode = auto
        asyncio_default_fixture_loop_scope = function
        """
    )
    pytester.makepyfile(
        """
        import pytest
        from tests.adapters.ocpp.conftest import Hub
        from tests.kit.raw_station import CallFailed

        async def said(folder, action, payload):
            hub = Hub(folder)
            await hub.start()
            try:
                return await (await hub.station()).call(action, payload)
            finally:
                await hub.close()

        @pytest.mark.ocpp_exchange
        async def test_looks(tmp_path):
            await said(tmp_path, "Heartbeat", {})
            with pytest.raises(CallFailed):
                await said(tmp_path, "SecurityEventNotification", {})

        @pytest.mark.ocpp_exchange
        async def test_fails(tmp_path):
            await said(tmp_path, "StatusNotification", {"connectorId": 1, "status": "Available"})
            1 / 0

        async def test_does_not_look(tmp_path):
            await said(tmp_path, "FirmwareStatusNotification", {"status": "Installed"})
        """
    )
    result = pytester.runpytest_subprocess("-p", "tests.matrix.ocpp_exchanges", "--whole-table")
    result.assert_outcomes(passed=2, failed=1)
    assert [line.split()[1] for line in result.outlines if "test_looks" in line and "station → hub" in line] == [
        "BootNotification"
    ]
    assert any(line.startswith("1 of 197 messages proven") for line in result.outlines)


def test_a_run_with_a_gap_fails(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile("def test_nothing(): pass")
    result = pytester.runpytest_inprocess(plugins=[OcppTable({})])
    assert result.ret == pytest.ExitCode.TESTS_FAILED

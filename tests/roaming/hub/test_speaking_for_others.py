"""What a partner answers about parties that are not its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kit import ocpi_bodies
from tests.kit.passing import Passing, passing_hub


@pytest.fixture
async def equal(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Passing]:
    async with passing_hub(sqlite_url, tmp_path, ope="2.2.1", op2="2.2.1", msp="2.2.1", ms2="2.2.1") as passing:
        yield passing


@pytest.mark.parametrize("to", [None, "IT-MSP"])
async def test_an_emsp_allows_no_token_of_another(equal: Passing, to: str | None) -> None:
    equal.msp.says_data({"allowed": "ALLOWED", "token": ocpi_bodies.token("IT-MS2", uid="U1")})
    equal.ms2.says_code(2004, status="404 Not Found")
    path = "/2.2.1/sender/tokens/U1/authorize"
    answer = await equal.ope.call("POST", path, to=to, body={"location_id": "L1"})
    assert answer.code in (2004, 4000), answer.text
    assert "IT" not in str(answer.data)


@pytest.mark.parametrize("module", ["locations", "tariffs", "sessions", "cdrs"])
async def test_a_list_that_is_passed_on_has_no_objects_of_other_operators(equal: Passing, module: str) -> None:
    make = {
        "locations": lambda party: ocpi_bodies.location(party),
        "tariffs": lambda party: ocpi_bodies.tariff(party),
        "sessions": lambda party: ocpi_bodies.session(party, "IT-MSP"),
        "cdrs": lambda party: ocpi_bodies.cdr(party, "IT-MSP"),
    }[module]
    equal.ope.says_data([make("ES-OPE"), make("ES-OP2")])
    path = f"/2.2.1/sender/{module}?date_from=2020-01-01T00:00:00Z"
    answer = await equal.msp.call("GET", path, to=equal.ope)
    assert [entry["party_id"] for entry in answer.data] == ["OPE"], answer.text

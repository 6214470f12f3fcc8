"""Charging profiles of an eMSP for a charge at another partner's station."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.kit import ocpi_bodies
from tests.kit.passing import Passing, passing_hub

PATH = "/2.2.1/receiver/chargingprofiles/S1"
PROFILE = {"charging_rate_unit": "A", "charging_profile_period": [{"start_period": 0, "limit": 16}]}


@pytest.fixture
async def passing(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Passing]:
    async with passing_hub(sqlite_url, tmp_path, ope="2.3.0", op2="2.2.1", msp="2.2.1") as found:
        session = found.ope.speech.session("ES-OPE", "IT-MSP")
        assert (await found.ope.push("PUT", "sessions", "S1", body=session)).code == 1000
        found.ope.says_data({"result": "ACCEPTED", "timeout": 5})
        yield found


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_response_url_in_the_query_becomes_ours(passing: Passing, method: str) -> None:
    theirs = f"{passing.msp.door.url}/results/1?a=b&c=d"
    query = f"duration=60&response_url={quote(theirs, safe='')}"
    answer = await passing.msp.call(method, f"{PATH}?{query}")
    assert answer.data["result"] == "ACCEPTED", answer.text
    sent = urlsplit(passing.ope.last.target)
    assert sent.path.endswith("/receiver/chargingprofiles/S1")
    asked = parse_qs(sent.query)
    assert asked["duration"] == ["60"]
    result = await passing.ope.call("POST", asked["response_url"][0], body={"result": "ACCEPTED"})
    assert result.code == 1000, result.text
    assert passing.msp.last.target == "/results/1?a=b&c=d"
    assert passing.op2.asked == []


async def test_a_profile_finds_its_session_and_its_result_the_emsp(passing: Passing) -> None:
    body: dict[str, Any] = {"charging_profile": PROFILE, "response_url": f"{passing.msp.door.url}/r"}
    answer = await passing.msp.call("PUT", PATH, body=body)
    assert answer.data["result"] == "ACCEPTED", answer.text
    assert passing.ope.last_body["charging_profile"] == PROFILE
    ours = passing.ope.last_body["response_url"]
    assert (await passing.ope.call("POST", ours, body={"result": "REJECTED"})).code == 1000
    assert passing.msp.last_body == {"result": "REJECTED"}


async def test_a_changed_profile_is_told_to_the_emsp_that_is_named(passing: Passing) -> None:
    body = {"start_date_time": ocpi_bodies.NOW, "charging_profile": PROFILE}
    answer = await passing.ope.call("PUT", "/2.3.0/sender/chargingprofiles/S1", to=passing.msp, body=body)
    assert answer.code == 1000, answer.text
    assert passing.msp.last_body["charging_profile"] == PROFILE


async def test_of_two_sessions_with_one_id_the_operator_must_be_named(passing: Passing) -> None:
    """The address of a charging profile has no owner (ocpi/ocpi#405): nobody's charge is limited by mistake."""
    session = passing.op2.speech.session("ES-OP2", "IT-MSP")
    assert (await passing.op2.push("PUT", "sessions", "S1", body=session)).code == 1000
    passing.op2.says_data({"result": "ACCEPTED", "timeout": 5})
    before = [len(each.asked) for each in (passing.ope, passing.op2)]
    body: dict[str, Any] = {"charging_profile": PROFILE, "response_url": f"{passing.msp.door.url}/r"}
    unnamed = await passing.msp.call("PUT", PATH, body=body)
    assert (unnamed.outcome, unnamed.data["result"]) == ((200, 1000), "UNKNOWN_SESSION"), unnamed.text
    assert [len(each.asked) for each in (passing.ope, passing.op2)] == before
    for named in (passing.ope, passing.op2):
        answer = await passing.msp.call("PUT", PATH, to=named, body=body)
        assert answer.data["result"] == "ACCEPTED", answer.text
        assert named.last.target.endswith("/receiver/chargingprofiles/S1")

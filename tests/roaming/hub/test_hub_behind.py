"""A partner that is a hub itself, as its roles of 2.3.0 say: the parties behind it are reached through it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from roaming.model.identifiers import PartyId
from roaming.partners import registry
from tests.kit import ocpi_bodies
from tests.kit.passing import Passing, parties_in, passing_hub

BEHIND = {"SE-BEH": "EMSP", "SE-CPO": "CPO"}


@pytest.fixture
async def passing(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Passing]:
    """``ms2`` is a hub with an eMSP and a CPO behind it."""
    async with passing_hub(sqlite_url, tmp_path, ope="2.3.0", msp="2.3.0", ms2="2.3.0") as found:
        roles = [{"country_code": party[:2], "party_id": party[3:], "role": role} for party, role in BEHIND.items()]
        async with found.hub.services.database.work() as work:
            await work.connection.execute(
                text("UPDATE partners SET roles = :roles WHERE id = 'ms2'"), {"roles": json.dumps(roles)}
            )
            for cpo, emsp in (("ES-OPE", "SE-BEH"), ("SE-CPO", "IT-MSP"), ("SE-CPO", "SE-BEH")):
                await registry.agree(work, cpo=PartyId.parse(cpo), emsp=PartyId.parse(emsp))
        yield found


async def test_a_party_behind_it_is_reached_through_it_with_the_same_headers(passing: Passing) -> None:
    body = passing.ope.speech.session("ES-OPE", "SE-BEH")
    answer = await passing.ope.push("PUT", "sessions", "S1", to="SE-BEH", body=body)
    assert answer.code == 1000, answer.text
    assert parties_in(passing.ms2.last.headers) == ("ES-OPE", "SE-BEH")
    assert parties_in(answer.headers) == ("SE-BEH", "ES-OPE")


async def test_a_party_behind_it_asks_through_it(passing: Passing) -> None:
    headers = {"OCPI-from-country-code": "SE", "OCPI-from-party-id": "CPO"}
    path = "/2.3.0/receiver/locations/SE/CPO/L1"
    body = passing.ope.speech.location("SE-CPO")
    answer = await passing.ms2.call("PUT", path, to="IT-MSP", headers=headers, body=body)
    assert answer.code == 1000, answer.text
    assert parties_in(passing.msp.last.headers) == ("SE-CPO", "IT-MSP")


async def test_nothing_goes_back_to_where_it_came_from(passing: Passing) -> None:
    headers = {"OCPI-from-country-code": "SE", "OCPI-from-party-id": "CPO"}
    body = passing.ope.speech.location("SE-CPO")
    answer = await passing.ms2.call(
        "PUT", "/2.3.0/receiver/locations/SE/CPO/L1", to="SE-BEH", headers=headers, body=body
    )
    assert answer.outcome == (200, 4001)
    assert passing.ms2.asked == []


async def test_a_request_that_comes_round_by_another_platform_is_refused(passing: Passing) -> None:
    headers = {"OCPI-from-country-code": "ES", "OCPI-from-party-id": "OPE"}
    body = ocpi_bodies.location("ES-OPE")
    answer = await passing.ms2.call(
        "PUT", "/2.3.0/receiver/locations/ES/OPE/L1", to="IT-MSP", headers=headers, body=body
    )
    assert answer.outcome == (200, 2001)
    assert passing.msp.asked == []

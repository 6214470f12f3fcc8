"""Limits of a charge at a partner's, from the command line: what is sent, and what is shown of both answers."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from roaming.cli.commands import app
from tests.kit.answering_partner import AnsweringPartner, answering_partner
from tests.kit.command_settings import set_settings
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.wait import until

ACTIVE = {
    "start_date_time": "2026-11-28T20:00:00Z",
    "charging_profile": {
        "charging_rate_unit": "A",
        "charging_profile_period": [{"start_period": 0, "limit": 16}, {"start_period": 900, "limit": 10.5}],
    },
}


@pytest.fixture
async def hub(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    set_settings(monkeypatch, database_url, tmp_path, PUBLIC_URL="http://hub.test/ocpi")
    async with hub_in_process(database_url, tmp_path) as running:
        yield running


@pytest.fixture
async def partner(hub: HubInProcess) -> AsyncIterator[AnsweringPartner]:
    """FR-CPO, with the session S1 of a driver of DE-HME."""
    async with answering_partner(hub, "cpo", "FR-CPO", "CPO") as listening:
        listening.answers["chargingprofiles/S1"] = {"result": "ACCEPTED", "timeout": 30}
        path = f"{hub.speech.receiver('sessions')}/FR/CPO/S1"
        assert (await hub.call("cpo", "PUT", path, body=hub.speech.session())).code == 1000
        yield listening


async def roaming(*words: str) -> Result:
    """Runs a command; in a thread, since it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["charging-profile", *words])


async def said_later(hub: HubInProcess, partner: AnsweringPartner, method: str, body: dict[str, Any]) -> None:
    """The station's word, as soon as the partner was asked."""
    (request,) = await until(lambda: partner.of(method), seconds=30)  # type: ignore[misc]
    url = request.body["response_url"] if request.body else request.query["response_url"]
    assert (await hub.call("cpo", "POST", url, body=body)).outcome == (200, 1000)


async def test_a_charge_is_limited(hub: HubInProcess, partner: AnsweringPartner) -> None:
    words = ("set", "s1", "--limit", "900:10.5", "--limit", "0:16", "--unit", "a", "--duration", "3600", "--json")
    result, _ = await asyncio.gather(roaming(*words), said_later(hub, partner, "PUT", {"result": "ACCEPTED"}))
    assert result.exit_code == 0, result.output
    (request,) = partner.of("PUT", "/receiver/chargingprofiles/S1")
    assert request.body["charging_profile"] == ACTIVE["charging_profile"] | {"duration": 3600}
    assert (request.headers["ocpi-from-party-id"], request.headers["ocpi-to-party-id"]) == ("HME", "CPO")
    told = json.loads(result.stdout)
    assert (told["said at once"], told["said by the station"], told["CPO"]) == ("ACCEPTED", "ACCEPTED", "FR-CPO")


async def test_which_limits_hold(hub: HubInProcess, partner: AnsweringPartner) -> None:
    body = {"result": "ACCEPTED", "profile": ACTIVE}
    result, _ = await asyncio.gather(roaming("get", "S1", "--duration", "1800"), said_later(hub, partner, "GET", body))
    assert result.exit_code == 0, result.output
    assert partner.of("GET")[0].query["duration"] == "1800"
    assert "from 0 s: 16 A; from 900 s: 10.5 A" in result.stdout


async def test_limits_are_taken_back_and_a_refusal_shows(hub: HubInProcess, partner: AnsweringPartner) -> None:
    result, _ = await asyncio.gather(
        roaming("clear", "S1", "--party", "FR-CPO"), said_later(hub, partner, "DELETE", {"result": "REJECTED"})
    )
    assert result.exit_code == 1, result.output
    assert "REJECTED" in result.stdout
    partner.answers["chargingprofiles/S1"] = {"result": "TOO_OFTEN", "timeout": 30}
    again = await roaming("clear", "S1")
    assert again.exit_code == 1
    assert "TOO_OFTEN" in again.stdout, "no result is waited for"


async def test_a_station_that_says_nothing(hub: HubInProcess, partner: AnsweringPartner) -> None:
    result = await roaming("clear", "S1", "--wait", "0")
    assert result.exit_code == 1
    assert "nothing within 0 s" in result.stdout


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("clear", "NONE"), "roaming session list"),
        (("clear", "OURS-AAA"), "at a station of yours"),
        (("set", "S1", "--limit", "16"), "SECONDS:LIMIT"),
        (("set", "S1", "--limit", "0:NaN"), "SECONDS:LIMIT"),
        (("set", "S1", "--limit", "5:16"), "start_period"),
        (("set", "S1", "--limit", "0:-1"), "limit: not below 0"),
        (("set", "S1", "--limit", "0:16", "--unit", "kW"), "W or A"),
        (("set", "S1", "--limit", "0:16", "--start", "soon"), "soon"),
    ],
)
async def test_what_cannot_be_asked_is_said(hub: HubInProcess, words: tuple[str, ...], hint: str) -> None:
    await hub.host_objects()
    result = await roaming(*words)
    assert result.exit_code == 1
    assert hint in result.stderr

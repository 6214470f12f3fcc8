"""``roaming command``: a hosted eMSP asks at a partner's station, and the command ends with what the station said."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from roaming.cli.commands import app
from tests.kit.answering_partner import AnsweringPartner, answering_partner
from tests.kit.hub_in_process import PUBLIC_URL, HubInProcess, hub_in_process
from tests.kit.wait import until

TO = ("--cpo", "fr*cpo")


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    for name, value in {
        "DATABASE_URL": sqlite_url,
        "ROAMING_DATA_DIR": str(tmp_path),
        "ROAMING_SECRET": "5e" * 32,
        "ROAMING_PUBLIC_URL": PUBLIC_URL,
        "ROAMING_IS_HTTP_ALLOWED": "true",
        "ROAMING_ALLOWED_NETWORKS": "127.0.0.0/8",
    }.items():
        monkeypatch.setenv(name, value)
    async with hub_in_process(sqlite_url, tmp_path) as running:
        await running.host_objects()
        yield running


@pytest.fixture
async def partner(hub: HubInProcess) -> AsyncIterator[AnsweringPartner]:
    """FR-CPO, with the session S1 of DE-HME's driver; takes each command."""
    async with answering_partner(hub, "cpo", "FR-CPO", "CPO") as listening:
        for name in ("START_SESSION", "STOP_SESSION", "UNLOCK_CONNECTOR", "RESERVE_NOW", "CANCEL_RESERVATION"):
            listening.answers[f"commands/{name}"] = {"result": "ACCEPTED", "timeout": 30}
        path = f"{hub.speech.receiver('sessions')}/FR/CPO/S1"
        assert (await hub.call("cpo", "PUT", path, body=hub.speech.session())).code == 1000
        yield listening


async def roaming(*words: str) -> Result:
    """Runs a command; in a thread, since it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, words)


async def asked(hub: HubInProcess, partner: AnsweringPartner, result: str, *words: str) -> tuple[Result, Any]:
    """The command's end and what the partner was sent, when the station answers ``result``."""
    task = asyncio.create_task(roaming("command", *words, *TO, "--json"))
    await until(lambda: bool(partner.of("POST")) or task.done(), seconds=30)
    assert partner.of("POST"), task.result().output
    (taken,) = partner.of("POST")
    answer = await hub.call("cpo", "POST", taken.body["response_url"], body={"result": result})
    assert answer.code == 1000, answer.text
    return await task, taken


PLACE = ("LOC1", "--evse", "E1")
TOKEN = ("--token", "home1")


@pytest.mark.parametrize(
    ("words", "name", "sent"),
    [
        (("start", *PLACE, *TOKEN), "START_SESSION", {"location_id": "LOC1", "evse_uid": "E1"}),
        (("stop", "s1"), "STOP_SESSION", {"session_id": "S1"}),
        (("unlock", *PLACE), "UNLOCK_CONNECTOR", {"evse_uid": "E1", "connector_id": "1"}),
        (("reserve", *PLACE, *TOKEN, "--reservation", "7"), "RESERVE_NOW", {"reservation_id": "7"}),
        (("cancel", "7"), "CANCEL_RESERVATION", {"reservation_id": "7"}),
    ],
)
async def test_the_station_does_it(
    hub: HubInProcess, partner: AnsweringPartner, words: tuple[str, ...], name: str, sent: dict[str, str]
) -> None:
    done, taken = await asked(hub, partner, "ACCEPTED", *words)
    assert done.exit_code == 0, done.output
    assert taken.path.endswith(f"/commands/{name}")
    assert taken.body.items() >= sent.items()
    assert (taken.headers["ocpi-from-party-id"], taken.headers["ocpi-to-party-id"]) == ("HME", "CPO")
    told = json.loads(done.stdout)
    assert (told["response"], told["result"], told["from"]) == ("ACCEPTED", "ACCEPTED", "DE-HME")
    (listed,) = json.loads((await roaming("command", "list", "--json")).stdout)
    assert (listed["id"], listed["command"], listed["result"]) == (told["id"], name, "ACCEPTED")


async def test_a_station_that_will_not_is_a_failure(hub: HubInProcess, partner: AnsweringPartner) -> None:
    done, _ = await asked(hub, partner, "EVSE_OCCUPIED", "start", *PLACE, *TOKEN)
    assert (done.exit_code, json.loads(done.stdout)["result"]) == (1, "EVSE_OCCUPIED")


async def test_a_result_that_does_not_come_says_where_it_will_be(hub: HubInProcess, partner: AnsweringPartner) -> None:
    late = await roaming("command", "stop", "S1", *TO, "--wait", "0.01")
    assert late.exit_code == 1
    assert "cpo answered: ACCEPTED" in late.stderr
    assert "roaming command list" in late.stdout
    partner.answers["commands/STOP_SESSION"] = {"result": "REJECTED", "timeout": 30}
    refused = await roaming("command", "stop", "S1", *TO)
    assert (refused.exit_code, "REJECTED" in refused.stdout) == (1, True)
    assert (await roaming("command", "cancel", "7", *TO, "--wait", "0")).exit_code == 0, "taken, and nobody waited"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("stop", "NONE", *TO), "roaming session list --partner cpo"),
        (("start", "LOC1", *TO, "--token", "NONE"), "DE-HME has no RFID token NONE: see `roaming token list`"),
        (("cancel", "7", "--cpo", "NL-HUB"), "NL-HUB is hosted here"),
        (("cancel", "7", "--cpo", "FR-NIL"), "roaming partner list"),
        (("cancel", "7", *TO, "--emsp", "DE-NIL"), "--emsp: DE-NIL is no eMSP hosted here"),
        (("cancel", "7", "--cpo", "nonsense"), "such as NL-TNM"),
    ],
)
async def test_what_cannot_be_asked_says_where_to_look(
    hub: HubInProcess, partner: AnsweringPartner, words: tuple[str, ...], hint: str
) -> None:
    result = await roaming("command", *words)
    assert result.exit_code == 1
    assert hint in result.stderr
    assert not partner.of("POST")


async def test_of_two_emsps_one_must_be_named(hub: HubInProcess, partner: AnsweringPartner) -> None:
    added = await roaming("party", "add", "DE-TWO", "--role", "EMSP", "--name", "Two", "--no-tell")
    assert added.exit_code == 0, added.output
    result = await roaming("command", "cancel", "7", *TO)
    assert (result.exit_code, "--emsp: say which of DE-HME, DE-TWO asks" in result.stderr) == (1, True)

from typing import Any

import pytest

from contracts.messages import CommandRequested, TokenOwner
from tests.kit import ocpi_bodies, outbox
from tests.kit.hub_in_process import RECEIVER, SENDER, HubInProcess

COMMANDS = f"{RECEIVER}/commands"
BODIES = {
    "START_SESSION": ocpi_bodies.start_session(),
    "RESERVE_NOW": ocpi_bodies.reserve_now(),
    "STOP_SESSION": ocpi_bodies.stop_session(),
    "UNLOCK_CONNECTOR": ocpi_bodies.unlock_connector(),
    "CANCEL_RESERVATION": ocpi_bodies.cancel_reservation(),
}


async def send(hub: HubInProcess, name: str, body: dict[str, Any], partner: str = "aaa") -> Any:
    return await hub.call(partner, "POST", f"{COMMANDS}/{name}", body=body)


@pytest.mark.parametrize("name", BODIES)
async def test_a_hosted_station_that_is_away_rejects(hub: HubInProcess, name: str) -> None:
    answer = await send(hub, name, BODIES[name])
    if answer.code == 1000:
        assert answer.data["result"] in ("REJECTED", "UNKNOWN_SESSION", "NOT_SUPPORTED"), answer.text
        assert answer.data["timeout"] > 0
        assert answer.data["message"]
    else:
        assert answer.code in (2001, 2003), answer.text


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize(
    "url",
    [
        "http://elsewhere.example/x",
        "ftp://127.0.0.1/x",
        "http://10.0.0.1:9/x",
        "http://169.254.169.254/latest/meta-data",
        "http://user:password@127.0.0.1:9/x",
        "http://2130706433:9/x",
        "not a url",
        "",
    ],
)
async def test_a_response_url_that_we_would_not_call_is_refused(hub: HubInProcess, name: str, url: str) -> None:
    answer = await send(hub, name, BODIES[name] | {"response_url": url})
    assert answer.outcome == (200, 2001)
    assert answer.message.startswith("response_url")


@pytest.mark.parametrize("name", BODIES)
async def test_response_url_is_required(hub: HubInProcess, name: str) -> None:
    body = {field: value for field, value in BODIES[name].items() if field != "response_url"}
    answer = await send(hub, name, body)
    assert answer.outcome == (200, 2001)
    assert answer.message.startswith("response_url")


async def test_unknown_places(hub: HubInProcess) -> None:
    assert (await send(hub, "START_SESSION", ocpi_bodies.start_session(location_id="NONE"))).code == 2003
    assert (await send(hub, "START_SESSION", ocpi_bodies.start_session(evse_uid="NONE"))).code == 2003
    assert (await send(hub, "UNLOCK_CONNECTOR", ocpi_bodies.unlock_connector(location_id="NONE"))).code == 2003


async def test_a_token_of_another_emsp_starts_nothing(hub: HubInProcess) -> None:
    for emsp in ("DE-BBB", "DE-HME", "XX-YYY"):
        answer = await send(hub, "START_SESSION", ocpi_bodies.start_session(emsp))
        assert answer.outcome == (200, 2001)
        assert answer.message.startswith("token")


async def test_a_session_of_another_emsp_is_as_unknown_as_none(hub: HubInProcess) -> None:
    of_another = await send(hub, "STOP_SESSION", ocpi_bodies.stop_session(session_id="OURS-BBB"))
    of_nobody = await send(hub, "STOP_SESSION", ocpi_bodies.stop_session(session_id="NONE"))
    assert of_another.data == of_nobody.data
    assert of_another.code == of_nobody.code


async def test_there_is_no_such_command(hub: HubInProcess) -> None:
    assert (await send(hub, "SELF_DESTRUCT", BODIES["STOP_SESSION"])).outcome == (404, 2000)


async def test_a_result_of_a_command_that_we_did_not_send(hub: HubInProcess) -> None:
    answer = await hub.call("cpo", "POST", f"{SENDER}/commands/START_SESSION/none", body={"result": "ACCEPTED"})
    assert answer.http_status == 404


async def test_a_remote_start_tells_the_adapter_whose_token_it_is(hub: HubInProcess) -> None:
    await hub.host_station("CS-1", "OURS")
    answer = await send(hub, "START_SESSION", BODIES["START_SESSION"])
    assert answer.data["result"] == "ACCEPTED", answer.text
    ((_, asked),) = await outbox.waiting(hub.services.database, CommandRequested)
    token = BODIES["START_SESSION"]["token"]
    assert asked.token_uid == token["uid"]
    assert asked.token_owner == TokenOwner(
        country_code="DE", party_id="AAA", token_type="RFID", contract_id=token["contract_id"]
    )

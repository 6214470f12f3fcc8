from tests.kit.hub_in_process import RECEIVER, SENDER, HubInProcess
from tests.kit.ocpi_bodies import token

TOKEN1 = f"{RECEIVER}/tokens/DE/AAA/TOKEN1"
HOME1 = f"{SENDER}/tokens/HOME1/authorize"
LATER = "2026-11-23T11:00:00Z"


async def test_what_is_put_is_got_and_patched(hub: HubInProcess) -> None:
    assert (await hub.call("aaa", "PUT", TOKEN1, body=token())).outcome == (201, 1000)
    assert (await hub.call("aaa", "PUT", TOKEN1, body=token())).outcome == (200, 1000)
    assert (await hub.call("aaa", "GET", TOKEN1)).data == token()
    change = {"valid": False, "last_updated": LATER}
    assert (await hub.call("aaa", "PATCH", TOKEN1, body=change)).outcome == (200, 1000)
    assert (await hub.call("aaa", "GET", TOKEN1)).data == token(valid=False, last_updated=LATER)


async def test_a_type_makes_another_token(hub: HubInProcess) -> None:
    await hub.call("aaa", "PUT", TOKEN1, body=token())
    app = token(type="APP_USER", contract_id="DE-AAA-C00000002")
    assert (await hub.call("aaa", "PUT", f"{TOKEN1}?type=APP_USER", body=app)).outcome == (201, 1000)
    assert (await hub.call("aaa", "GET", f"{TOKEN1}?type=APP_USER")).data == app
    assert (await hub.call("aaa", "GET", TOKEN1)).data == token()
    answer = await hub.call("aaa", "PUT", f"{TOKEN1}?type=RFID", body=app)
    assert answer.outcome == (200, 2001)
    assert answer.message.startswith("type:")


async def test_a_patch_needs_a_token_and_last_updated(hub: HubInProcess) -> None:
    assert (await hub.call("aaa", "PATCH", TOKEN1, body={"last_updated": LATER})).outcome == (404, 2000)
    await hub.call("aaa", "PUT", TOKEN1, body=token())
    answer = await hub.call("aaa", "PATCH", TOKEN1, body={"valid": False})
    assert answer.outcome == (200, 2001)
    assert answer.message.startswith("last_updated")
    answer = await hub.call("aaa", "PATCH", TOKEN1, body={"uid": "OTHER", "last_updated": LATER})
    assert answer.outcome == (200, 2001)


async def test_a_partner_cpo_asks_about_a_hosted_driver(hub: HubInProcess) -> None:
    answer = await hub.call("cpo", "POST", HOME1, body={"location_id": "L1", "evse_uids": ["E1"]})
    assert answer.outcome == (200, 1000)
    assert answer.data["allowed"] == "ALLOWED"
    assert answer.data["token"]["uid"] == "HOME1"
    assert answer.data["location"]["location_id"] == "L1"
    assert answer.data["authorization_reference"]
    assert (await hub.call("cpo", "POST", HOME1)).data["allowed"] == "ALLOWED", "a body is optional"


async def test_our_list_is_for_cpos(hub: HubInProcess) -> None:
    assert [entry["uid"] for entry in (await hub.call("cpo", "GET", f"{SENDER}/tokens")).data] == ["HOME1"]
    answer = await hub.call("aaa", "GET", f"{SENDER}/tokens")
    assert (answer.data, answer.headers["x-total-count"]) == ([], "0")

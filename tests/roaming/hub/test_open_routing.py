"""Requests that name no receiver."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import Answer
from tests.kit.passing import Neighbour, Passing, parties_in, passing_hub
from tests.kit.scripted_partner import enveloped, http_answer

HUB_ITSELF = "NL-HUX"


@pytest.fixture
async def equal(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Passing]:
    async with passing_hub(sqlite_url, tmp_path, ope="2.2.1", op2="2.2.1", msp="2.2.1", ms2="2.2.1") as passing:
        yield passing


def info(party: str, allowed: str = "ALLOWED") -> dict[str, Any]:
    return {"allowed": allowed, "token": ocpi_bodies.token(party, uid="U1"), "authorization_reference": "REF"}


async def ask(passing: Passing, uid: str = "U1", to: str | None = None) -> Answer:
    path = f"/2.2.1/sender/tokens/{uid}/authorize?type=RFID"
    return await passing.ope.call("POST", path, to=to, body={"location_id": "L1", "evse_uids": ["E1"]})


@pytest.mark.parametrize("to", [None, HUB_ITSELF])
async def test_a_known_token_is_asked_of_its_emsp_alone(equal: Passing, to: str | None) -> None:
    stored = await equal.msp.push("PUT", "tokens", "U1", body=ocpi_bodies.token("IT-MSP", uid="U1"))
    assert stored.code == 1000
    equal.msp.says_data(info("IT-MSP", "BLOCKED"))
    answer = await ask(equal, to=to)
    assert answer.data["allowed"] == "BLOCKED"
    assert equal.msp.last.target == "/2.2.1/sender/tokens/U1/authorize?type=RFID"
    assert equal.msp.last_body == {"location_id": "L1", "evse_uids": ["E1"]}
    assert parties_in(equal.msp.last.headers) == ("ES-OPE", "IT-MSP")
    assert parties_in(answer.headers) == ("IT-MSP", "ES-OPE")
    assert equal.ms2.asked == []


async def test_an_unknown_token_is_asked_of_all_and_the_first_that_allows_it_wins(equal: Passing) -> None:
    equal.msp.delay = 30
    equal.ms2.says_data(info("IT-MS2"))
    answer = await ask(equal)
    assert answer.data["allowed"] == "ALLOWED"
    assert parties_in(answer.headers) == ("IT-MS2", "ES-OPE")
    assert len(equal.msp.asked) == 1


async def test_who_knows_the_token_goes_before_who_does_not(equal: Passing) -> None:
    equal.msp.says_code(2004, status="404 Not Found")
    equal.ms2.says_data(info("IT-MS2", "NO_CREDIT"))
    assert (await ask(equal)).data["allowed"] == "NO_CREDIT"


async def test_a_token_that_nobody_knows_is_unknown(equal: Passing) -> None:
    for each in (equal.msp, equal.ms2):
        each.says_code(2004, status="404 Not Found")
    assert (await ask(equal)).outcome == (404, 2004)


async def test_made_up_tokens_are_asked_about_only_so_often(sqlite_url: str, tmp_path: Path) -> None:
    names = dict.fromkeys(("ope", "msp", "ms2"), "2.2.1")
    async with passing_hub(sqlite_url, tmp_path, unknown_tokens_per_minute=3, **names) as passing:
        known = ocpi_bodies.token("IT-MSP", uid="KNOWN")
        assert (await passing.msp.push("PUT", "tokens", "KNOWN", body=known)).code == 1000
        for each in (passing.msp, passing.ms2):
            each.says_code(2004, status="404 Not Found")
        for number in range(3):
            assert (await ask(passing, uid=f"U{number}")).outcome == (404, 2004)
        refused = await ask(passing, uid="U3")
        assert refused.outcome == (429, 2000)
        assert refused.message == "more than 3 tokens that are not known here of ES-OPE in a minute: wait 20 s"
        assert len(passing.ms2.asked) == 3
        passing.msp.says_data(info("IT-MSP"))
        assert (await ask(passing, uid="KNOWN")).data["allowed"] == "ALLOWED"


async def test_silence_of_all_is_a_timeout(sqlite_url: str, tmp_path: Path) -> None:
    async with passing_hub(sqlite_url, tmp_path, ope="2.2.1", msp="2.2.1", ms2="2.2.1") as passing:
        object.__setattr__(passing.hub.services, "authorization_timeout", 0.1)
        passing.msp.delay = passing.ms2.delay = 5
        # A hosted eMSP has answered by then: it does not know the token
        assert (await ask(passing)).outcome == (404, 2004)


async def test_a_hosted_token_is_answered_here(equal: Passing) -> None:
    await equal.hub.host_objects()
    answer = await equal.hub.call("cpo", "POST", "/2.2.1/sender/tokens/HOME1/authorize", body={"location_id": "L1"})
    assert answer.data["allowed"] == "ALLOWED"
    assert equal.msp.asked == equal.ms2.asked == []


async def test_nobody_is_asked_without_an_agreement(sqlite_url: str, tmp_path: Path) -> None:
    async with passing_hub(
        sqlite_url, tmp_path, ope="2.2.1", msp="2.2.1", ms2="2.2.1", agreed=(("ope", "ms2"),)
    ) as passing:
        passing.ms2.says_code(2004, status="404 Not Found")
        assert (await ask(passing)).outcome == (404, 2004)
        assert passing.msp.asked == []
        assert len(passing.ms2.asked) == 1


@pytest.mark.parametrize("emsp", ["msp", "ms2"])
async def test_sessions_and_cdrs_find_the_owner_of_the_token(equal: Passing, emsp: str) -> None:
    owner: Neighbour = equal.of[emsp]
    other = equal.of["ms2" if emsp == "msp" else "msp"]
    session = ocpi_bodies.session("ES-OPE", owner.party)
    change = {"kwh": 2, "last_updated": ocpi_bodies.NOW}
    answers = [
        await equal.ope.push("PUT", "sessions", "S1", body=session),
        await equal.ope.push("PATCH", "sessions", "S1", body=change),
        await equal.ope.call("POST", "/2.2.1/receiver/cdrs", body=ocpi_bodies.cdr("ES-OPE", owner.party)),
    ]
    assert [answer.code for answer in answers] == [1000, 1000, 1000]
    assert [request.method for request in owner.asked] == ["PUT", "PATCH", "POST"]
    assert parties_in(answers[0].headers) == (owner.party, "ES-OPE")
    assert other.asked == []


async def test_sessions_and_cdrs_are_never_broadcast(equal: Passing) -> None:
    session = ocpi_bodies.session("ES-OPE", "IT-MSP")
    assert (await equal.ope.push("PUT", "sessions", "S1", to=HUB_ITSELF, body=session)).outcome == (200, 2001)
    assert equal.msp.asked == []


async def test_a_session_of_a_hosted_driver_stays_here(equal: Passing) -> None:
    answer = await equal.hub.call("cpo", "PUT", "/2.2.1/receiver/sessions/FR/CPO/S1", body=ocpi_bodies.session())
    assert answer.code == 1000
    assert equal.msp.asked == []


async def command(emsp: Neighbour, name: str, to: str | None = None, **body: Any) -> Answer:
    body["response_url"] = f"{emsp.door.url}/r"
    return await emsp.call("POST", f"/2.2.1/receiver/commands/{name}", to=to, body=body)


@pytest.mark.parametrize("to", [None, HUB_ITSELF])
async def test_commands_find_the_station_by_its_location(equal: Passing, to: str | None) -> None:
    for cpo, id in ((equal.ope, "L1"), (equal.op2, "L2")):
        await cpo.push("PUT", "locations", id, body=ocpi_bodies.location(cpo.party, id=id))
        cpo.says_data({"result": "ACCEPTED", "timeout": 5})
    token = ocpi_bodies.token("IT-MSP")
    answers = [
        await command(equal.msp, "START_SESSION", to, token=token, location_id="L2"),
        await command(
            equal.msp,
            "RESERVE_NOW",
            to,
            token=token,
            location_id="l2",
            reservation_id="R1",
            expiry_date=ocpi_bodies.NOW,
        ),
        await command(equal.msp, "UNLOCK_CONNECTOR", to, location_id="L2", evse_uid="E1", connector_id="1"),
        await command(equal.msp, "CANCEL_RESERVATION", to, reservation_id="R1"),
    ]
    assert [answer.data["result"] for answer in answers] == ["ACCEPTED"] * 4
    assert equal.ope.asked == []
    assert len(equal.op2.asked) == 4
    assert parties_in(answers[0].headers) == ("ES-OP2", "IT-MSP")


async def test_a_location_that_two_have_is_unknown(equal: Passing) -> None:
    for cpo in (equal.ope, equal.op2):
        await cpo.push("PUT", "locations", "L1", body=ocpi_bodies.location(cpo.party))
    token = ocpi_bodies.token("IT-MSP")
    assert (await command(equal.msp, "START_SESSION", token=token, location_id="L1")).outcome == (200, 2003)
    assert (await command(equal.msp, "START_SESSION", token=token, location_id="L9")).outcome == (200, 2003)


async def test_a_session_is_stopped_where_it_runs_by_its_own_emsp_only(equal: Passing) -> None:
    await equal.op2.push("PUT", "sessions", "S1", body=ocpi_bodies.session("ES-OP2", "IT-MSP"))
    equal.op2.says_data({"result": "ACCEPTED", "timeout": 5})
    assert (await command(equal.msp, "STOP_SESSION", session_id="s1")).data["result"] == "ACCEPTED"
    seen = len(equal.op2.asked)
    assert (await command(equal.ms2, "STOP_SESSION", session_id="S1")).data["result"] == "UNKNOWN_SESSION"
    assert len(equal.op2.asked) == seen
    equal.op2.says = lambda _: http_answer(enveloped("ACCEPTED"))
    path = "/2.2.1/sender/sessions/S1/charging_preferences"
    assert (await equal.msp.call("PUT", path, body={"profile_type": "FAST"})).data == "ACCEPTED"
    profile = {"charging_rate_unit": "A", "charging_profile_period": [{"start_period": 0, "limit": 16}]}
    changed = {"start_date_time": ocpi_bodies.NOW, "charging_profile": profile}
    equal.msp.says = lambda _: http_answer(enveloped(None))
    told = await equal.op2.call("PUT", "/2.2.1/sender/chargingprofiles/S1", body=changed)
    assert (told.code, equal.msp.last_body) == (1000, changed), told.text
    kept = "SELECT * FROM hub_whereabouts WHERE kind IN ('SESSION', 'CDR')"
    where = await equal.hub.services.database.reader.fetch(kept)
    named = changed | {"id": "C1"}
    assert (await equal.op2.call("PUT", "/2.2.1/sender/chargingprofiles/S1", to=equal.msp, body=named)).code == 1000
    assert await equal.hub.services.database.reader.fetch(kept) == where, "neither is it forgotten, nor taken for a CDR"
    seen = len(equal.msp.asked)
    strange = await equal.ope.call("PUT", "/2.2.1/sender/chargingprofiles/S1", body=changed)
    assert (strange.http_status, len(equal.msp.asked), equal.ms2.asked) == (404, seen, [])


async def test_a_2_1_1_operator_is_understood_without_headers(sqlite_url: str, tmp_path: Path) -> None:
    async with passing_hub(sqlite_url, tmp_path, ope="2.1.1", op2="2.2.1", msp="2.3.0", ms2="2.2.1") as passing:
        passing.msp.says_data(info("IT-MSP"))
        passing.ms2.says_code(2004, status="404 Not Found")
        path = "/2.1.1/tokens/U1/authorize"
        allowed = await passing.ope.call("POST", path, body={"location_id": "L1", "evse_uids": ["E1"]})
        assert allowed.data["allowed"] == "ALLOWED"
        assert "token" not in allowed.data
        assert parties_in(passing.msp.last.headers) == ("ES-OPE", "IT-MSP")

        session = passing.ope.speech.session("ES-OPE", "IT-MSP")
        assert (await passing.ope.push("PUT", "sessions", "S1", body=session)).code == 1000
        assert passing.msp.last_body["cdr_token"]["uid"] == "U1"
        passing.msp.says_data({"allowed": "ALLOWED"})  # without the token, which it owes
        known = await passing.ope.call("POST", path, body={"location_id": "L1"})
        assert (known.code, known.data["allowed"]) == (1000, "ALLOWED"), known.text
        app = ocpi_bodies.token("IT-MSP", uid="U1", type="APP_USER", contract_id="IT-MSP-CAPP")
        assert (await passing.msp.call("PUT", "/2.3.0/receiver/tokens/IT/MSP/U1?type=APP_USER", body=app)).code == 1000
        for kind, contract in (("APP_USER", "IT-MSP-CAPP"), ("RFID", "IT-MSP-C00000001")):
            passing.msp.says_data({"allowed": "ALLOWED"})
            told = await passing.op2.call("POST", f"/2.2.1/sender/tokens/U1/authorize?type={kind}")
            assert (told.data["token"]["type"], told.data["token"]["contract_id"]) == (kind, contract), told.text
        passing.msp.says_data({"allowed": 7})
        wrong = await passing.ope.call("POST", path, body={"location_id": "L1"})
        assert "IT-MSP answers with what is no OCPI 2.3.0: allowed" in wrong.text
        unknown = await passing.ope.call("POST", path.replace("U1", "U2"), body={"location_id": "L1"})
        assert unknown.http_status in (200, 404)

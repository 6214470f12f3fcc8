"""What an eMSP asks about a session or reservation at another partner follows the rules of the place where that is, and
of the driver whose it is."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from roaming.hub import whereabouts
from roaming.model.identifiers import PartyId
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import Answer
from tests.kit.passing import Neighbour, Passing, passing_hub
from tests.kit.ruling import a_rule, rule

COMMANDS = "/2.2.1/receiver/commands"
REFUSED = (200, 4001)
OPE, MSP = PartyId("ES", "OPE"), PartyId("IT", "MSP")


@pytest.fixture
async def passing(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Passing]:
    async with passing_hub(sqlite_url, tmp_path, ope="2.2.1", msp="2.2.1", ms2="2.2.1") as running:
        running.ope.says_data({"result": "ACCEPTED", "timeout": 5})
        yield running


@pytest.fixture
async def on_both(database_url: str, tmp_path: Path) -> AsyncIterator[Passing]:
    async with passing_hub(database_url, tmp_path, ope="2.2.1", msp="2.2.1", ms2="2.2.1") as running:
        running.ope.says_data({"result": "ACCEPTED", "timeout": 5})
        yield running


async def closed(
    passing: Passing, location_id: str, evse_uid: str = "", command: str = "", kind: str = "commands"
) -> None:
    """No commands there, or no drivers (``tokens``), and nowhere else a rule."""
    there = a_rule("deny", kind, "ES-OPE", location_id, evse_uid, command=command)
    await rule(passing.hub.services.database, [there])


async def push_session(passing: Passing, *, is_stored: bool = False, **changes: Any) -> None:
    body = ocpi_bodies.session("ES-OPE", "IT-MSP", **changes)
    to = None if is_stored else passing.msp
    assert (await passing.ope.push("PUT", "sessions", body["id"], to=to, body=body)).code == 1000


async def command(passing: Passing, name: str, body: Any, who: Neighbour | None = None) -> Answer:
    who = who or passing.msp
    body = body | {"response_url": f"{who.door.url}/results/1"}
    return await who.call("POST", f"{COMMANDS}/{name}", to=passing.ope, body=body)


async def stop(passing: Passing, session_id: str = "S1", who: Neighbour | None = None) -> Answer:
    return await command(passing, "STOP_SESSION", ocpi_bodies.stop_session(session_id=session_id), who)


@pytest.mark.parametrize("is_stored", [False, True])
async def test_a_stop_follows_the_rules_of_its_sessions_place(on_both: Passing, is_stored: bool) -> None:
    await push_session(on_both, is_stored=is_stored)
    for place in (("L1", ""), ("L1", "E1"), ("l1", "e1")):
        await closed(on_both, *place)
        assert (await stop(on_both)).outcome == REFUSED, place
    for place in (("L2", ""), ("L1", "E2"), ("L1", "E1", "UNLOCK_CONNECTOR"), ("L1", "E1", "", "tokens")):
        await closed(on_both, *place)
        assert (await stop(on_both)).data["result"] == "ACCEPTED", place


async def test_a_session_that_moves_takes_its_place_with_it(passing: Passing) -> None:
    await push_session(passing, location_id="L2")
    await closed(passing, "L1")
    assert (await stop(passing)).code == 1000
    change = {"kwh": 2, "last_updated": ocpi_bodies.NOW}
    assert (await passing.ope.push("PATCH", "sessions", "S1", to=passing.msp, body=change)).code == 1000
    assert (await stop(passing)).code == 1000
    await push_session(passing)
    assert (await stop(passing)).outcome == REFUSED


async def test_a_session_of_which_nobody_told_follows_the_rules_of_its_cpo(passing: Passing) -> None:
    await closed(passing, "L1")
    assert (await stop(passing, "S9")).data["result"] == "ACCEPTED"
    await closed(passing, "")
    assert (await stop(passing, "S9")).outcome == REFUSED


@pytest.mark.parametrize("session_id", ["\0", "ß" * 36])
async def test_an_odd_id_is_a_session_of_which_nobody_told(on_both: Passing, session_id: str) -> None:
    await closed(on_both, "L1")
    assert (await stop(on_both, session_id)).outcome == (200, 1000)


async def test_a_place_is_opened_again_by_a_rule_of_its_own(passing: Passing) -> None:
    await push_session(passing)
    everywhere, there = a_rule("deny", "commands", "ES-OPE"), a_rule("allow", "commands", "ES-OPE", "L1")
    await rule(passing.hub.services.database, [everywhere, there])
    assert (await stop(passing)).data["result"] == "ACCEPTED"


async def test_a_cancellation_follows_the_rules_of_its_reservations_place(on_both: Passing) -> None:
    reserve = ocpi_bodies.reserve_now("IT-MSP", location_id="L1", evse_uid="E1")
    assert (await command(on_both, "RESERVE_NOW", reserve)).data["result"] == "ACCEPTED"
    for place, outcome in ((("L1", "E1"), REFUSED), (("L1", ""), REFUSED), (("L2", ""), (200, 1000))):
        for kind, told in (("commands", outcome), ("tokens", (200, 1000))):
            await closed(on_both, *place, kind=kind)
            answer = await command(on_both, "CANCEL_RESERVATION", ocpi_bodies.cancel_reservation())
            assert answer.outcome == told, (place, kind)


@pytest.mark.parametrize("unknown", [{"evse_uids": ["E2"]}, {"booking_option": {"evse_uid": "E2"}}])
async def test_an_unknown_field_names_no_other_evse(passing: Passing, unknown: dict[str, Any]) -> None:
    await closed(passing, "L1", "E1")
    for uid, code in (("E1", 4001), ("E2", 1000)):
        body = ocpi_bodies.start_session("IT-MSP", location_id="L1", evse_uid=uid)
        assert (await command(passing, "START_SESSION", body | unknown)).code == code, uid
    assert [request.method for request in passing.ope.asked] == ["POST"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_charging_profile_follows_the_rules_of_its_sessions_place(passing: Passing, method: str) -> None:
    url = f"{passing.msp.door.url}/r"
    profile = {"charging_rate_unit": "A", "charging_profile_period": [{"start_period": 0, "limit": 16}]}
    body = {"charging_profile": profile, "response_url": url} if method == "PUT" else None
    query = "" if method == "PUT" else f"?duration=60&response_url={quote(url, safe='')}"
    path = f"/2.2.1/receiver/chargingprofiles/S1{query}"
    await push_session(passing)
    for place, outcome in ((("L1", "E1"), REFUSED), (("L2", ""), (200, 1000))):
        for kind, name in (("commands", "CHARGING_PROFILE"), ("tokens", "")):
            await closed(passing, *place, name, kind)
            assert (await passing.msp.call(method, path, to=passing.ope, body=body)).outcome == outcome, (place, kind)


async def test_preferences_follow_the_rules_of_their_sessions_place_and_driver(passing: Passing) -> None:
    passing.ope.says_data("ACCEPTED")
    await push_session(passing)
    path = "/2.2.1/sender/sessions/S1/charging_preferences"
    for place, outcome in ((("L1", "E1"), REFUSED), (("L2", ""), (200, 1000))):
        for kind, name in (("commands", "CHARGING_PROFILE"), ("tokens", "")):
            await closed(passing, *place, name, kind)
            answer = await passing.msp.call("PUT", path, to=passing.ope, body={"profile_type": "FAST"})
            assert answer.outcome == outcome, (place, kind)


@pytest.mark.parametrize("is_ruled", [True, False])
async def test_what_a_command_is_about_must_be_said_as_what_it_is(passing: Passing, is_ruled: bool) -> None:
    if is_ruled:
        await closed(passing, "L1")
    for name, field, values in (
        ("START_SESSION", "location_id", (["L1"], {"id": "L1"}, 1, True, None, "")),
        ("START_SESSION", "evse_uid", (["E1"], 1)),
        ("RESERVE_NOW", "location_id", (["L1"], None)),
        ("UNLOCK_CONNECTOR", "location_id", (["L1"], None)),
        ("STOP_SESSION", "session_id", (["S1"], 1, None)),
        ("CANCEL_RESERVATION", "reservation_id", (["R1"], True, 1.5, None)),
    ):
        whole: dict[str, Any] = {"token": ocpi_bodies.token("IT-MSP"), "location_id": "L2", "session_id": "S1"}
        for value in values:
            answer = await command(passing, name, whole | {field: value})
            assert answer.outcome == (200, 2001), (name, field, value)
            assert answer.message.startswith(f"{field}: "), answer.message
        without = {key: value for key, value in whole.items() if key != field}
        if field != "evse_uid":
            assert (await command(passing, name, without)).message == f"{field}: required"
    assert passing.ope.asked == []


async def test_where_a_driver_stands_must_be_said_as_what_it_is(passing: Passing) -> None:
    await closed(passing, "L1", kind="tokens")
    path = "/2.2.1/sender/tokens/CARD/authorize"
    for where, field in (
        ({"location_id": ["L1"]}, "location_id"),
        ({"location_id": "L1", "evse_uids": "E"}, "evse_uids"),
    ):
        for to in (passing.msp, None):
            answer = await passing.ope.call("POST", path, to=to, body=where)
            assert (answer.code, answer.message.split(":")[0]) == (2001, field), answer.text
    assert passing.msp.asked == []


async def test_anothers_session_is_like_none(passing: Passing) -> None:
    await push_session(passing)
    of_another = await stop(passing, who=passing.ms2)
    assert of_another.outcome == (404, 2000)
    assert [entry.method for entry in passing.ope.asked] == []
    assert (await stop(passing)).data["result"] == "ACCEPTED"


@pytest.mark.parametrize(("cpo", "emsp"), [("2.1.1", "2.2.1"), ("2.2.1", "2.1.1"), ("2.1.1", "2.1.1")])
async def test_where_it_is_is_learnt_in_every_version(sqlite_url: str, tmp_path: Path, cpo: str, emsp: str) -> None:
    async with passing_hub(sqlite_url, tmp_path, ope=cpo, msp=emsp) as passing:
        ope, msp, reader = passing.ope, passing.msp, passing.hub.services.database.reader
        ope.says_data({"result": "ACCEPTED"} | ({"timeout": 5} if cpo != "2.1.1" else {}))
        assert (await ope.push("PUT", "locations", "L1", body=ope.speech.location("ES-OPE"))).code == 1000
        assert (await msp.push("PUT", "tokens", "TOKEN1", body=msp.speech.token("IT-MSP"))).code == 1000
        session = ope.speech.session("ES-OPE", "IT-MSP")
        to = msp if cpo != "2.1.1" else None
        assert (await ope.push("PUT", "sessions", "S1", to=to, body=session)).code == 1000
        here = whereabouts.Place(location_id="L1", evse_uid="E1")
        assert await whereabouts.place_of_session(reader, OPE, "S1") == here
        number: Any = 17 if emsp == "2.1.1" else "17"  # 2.1.1 knows no others
        reserve = msp.speech.reserve_now("IT-MSP", location_id="L1", evse_uid="E1", reservation_id=number)
        reserve["response_url"] = f"{msp.door.url}/results/1"
        answer = await msp.call("POST", f"{msp.speech.receiver('commands')}/RESERVE_NOW", body=reserve)
        assert answer.code == 1000, answer.text
        assert await whereabouts.place_of_reservation(reader, MSP, OPE, "17") == here

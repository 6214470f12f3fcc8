"""Requests aimed at one other party, through a real hub between scripted partners."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from roaming.hub import forward
from roaming.model.identifiers import PartyId
from roaming.partners import registry
from roaming.partners.presence import note_presence
from tests.kit import ocpi_bodies
from tests.kit.passing import Passing, parties_in, passing_hub
from tests.kit.scripted_partner import enveloped, http_answer


@pytest.fixture
async def equal(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Passing]:
    async with passing_hub(sqlite_url, tmp_path, ope="2.2.1", msp="2.2.1", ms2="2.2.1") as passing:
        yield passing


async def put_location(passing: Passing, **changes: Any) -> Any:
    body = passing.ope.speech.location("ES-OPE", **changes)
    return await passing.ope.push("PUT", "locations", body["id"], to=passing.msp, body=body)


async def test_a_request_keeps_its_parties_and_its_chain_and_gets_an_id_of_its_own(equal: Passing) -> None:
    path = "/2.2.1/receiver/locations/ES/OPE/a%2Fb"
    body = json.dumps(ocpi_bodies.location("ES-OPE", id="a/b", x_unknown=[1.10, None]), indent=3).encode()
    ids = {"X-Request-ID": "of-the-cpo", "X-Correlation-ID": "the-chain"}
    equal.msp.says = lambda _: http_answer(enveloped({"x": 1.50}), status="201 Created")

    answer = await equal.ope.call("PUT", path, to=equal.msp, content=body, headers=ids)

    sent = equal.msp.last
    assert (sent.method, sent.target) == ("PUT", "/2.2.1/receiver/locations/ES/OPE/a%2Fb")
    assert sent.body == body
    assert parties_in(sent.headers) == ("ES-OPE", "IT-MSP")
    assert sent.headers["x-correlation-id"] == "the-chain"
    assert sent.headers["x-request-id"] != "of-the-cpo"
    assert sent.headers["authorization"] == "Token dGhlaXItdG9rZW4="
    assert (answer.http_status, answer.text) == (201, enveloped({"x": 1.50}).decode())
    assert parties_in(answer.headers) == ("IT-MSP", "ES-OPE")
    assert (answer.headers["x-request-id"], answer.headers["x-correlation-id"]) == ("of-the-cpo", "the-chain")


async def test_what_the_hub_stores_is_not_touched_by_what_it_passes_on(equal: Passing) -> None:
    assert (await put_location(equal)).code == 1000
    rows = await equal.hub.services.database.reader.fetch("SELECT key FROM locations WHERE source = 'ope'")
    assert rows == []


@pytest.mark.parametrize(
    ("code", "status"), [(2001, "200 OK"), (3000, "200 OK"), (2003, "404 Not Found"), (4001, "200 OK")]
)
async def test_refusals_of_the_far_side_pass_unchanged(equal: Passing, code: int, status: str) -> None:
    equal.msp.says_code(code, status=status)
    answer = await put_location(equal)
    assert answer.outcome == (int(status[:3]), code)
    assert answer.text == enveloped(None, status_code=code).decode()


@pytest.mark.parametrize(
    "said",
    [
        http_answer(enveloped(None, status_code=2000), status="401 Unauthorized"),
        http_answer(enveloped(None, status_code=3000), status="500 Internal Server Error"),
        http_answer(b"<html>busy</html>", status="502 Bad Gateway"),
        http_answer(b"<html>hello</html>"),
        http_answer(b"", status="302 Found", Location="http://127.0.0.1:9/"),
        b"nonsense\r\n\r\n",
    ],
)
async def test_a_partner_that_does_not_speak_ocpi_is_a_connection_problem(equal: Passing, said: bytes) -> None:
    equal.msp.says = lambda _: said
    answer = await put_location(equal)
    assert answer.outcome == (200, 4003), answer.text
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("status", ["400 Bad Request", "422 Unprocessable Entity"])
async def test_what_a_partner_finds_wrong_without_an_envelope_is_the_senders_to_mend(
    equal: Passing, status: str
) -> None:
    equal.msp.says = lambda _: http_answer(b'{"detail":[{"msg":"field required"}]}', status=status)
    answer = await put_location(equal)
    assert answer.outcome == (200, 2001)
    assert answer.message.startswith(f"IT-MSP answers HTTP {status[:3]}")


async def test_silence_is_a_timeout(equal: Passing, monkeypatch: pytest.MonkeyPatch) -> None:
    # The connection is made before time is short: one that could not be made is a connection problem
    assert (await put_location(equal)).outcome == (200, 1000)
    monkeypatch.setattr(forward.Forwarder.exchange, "__kwdefaults__", {"timeout": 0.1})
    monkeypatch.setattr(forward.Forwarder.forward, "__kwdefaults__", {"timeout": 0.1})
    equal.msp.delay = 5
    assert (await put_location(equal)).outcome == (200, 4002)


async def test_nobody_at_home_is_a_connection_problem(equal: Passing) -> None:
    equal.msp.door._server.close()
    await equal.msp.door._server.wait_closed()
    assert (await put_location(equal)).outcome == (200, 4003)


async def test_nothing_is_sent_to_an_offline_party(equal: Passing) -> None:
    async with equal.hub.services.database.work() as work:
        await note_presence(work, "msp", is_offline=True)
    assert (await put_location(equal)).outcome == (200, 4003)
    assert equal.msp.asked == []


async def test_unknown_parties_and_those_without_agreement_read_the_same(equal: Passing) -> None:
    body = ocpi_bodies.location("ES-OPE")
    unknown = await equal.ope.push("PUT", "locations", "L1", to="XX-YYY", body=body)
    strange = await equal.ope.push("PUT", "locations", "L1", to="DE-AAA", body=body)
    itself = await equal.ope.push("PUT", "locations", "L1", to="ES-OPE", body=body)
    assert unknown.outcome == strange.outcome == itself.outcome == (200, 4001)
    assert unknown.message.replace("XX-YYY", "") == strange.message.replace("DE-AAA", "")


async def test_a_party_whose_platform_has_yet_to_register_is_not_connected(equal: Passing) -> None:
    await equal.hub.add_planned("later", "SE-LAT")
    async with equal.hub.services.database.work() as work:
        await registry.agree(work, cpo=PartyId("ES", "OPE"), emsp=PartyId("SE", "LAT"))
    answer = await equal.ope.push("PUT", "locations", "L1", to="SE-LAT", body=ocpi_bodies.location("ES-OPE"))
    assert answer.outcome == (200, 4003)


async def test_a_module_that_the_receiver_lacks_is_a_hub_error(equal: Passing) -> None:
    async with equal.hub.services.database.work() as work:
        await work.connection.execute(text("UPDATE partners SET endpoints = '[]' WHERE id = 'msp'"))
        await registry.touch(work)
    answer = await put_location(equal)
    assert answer.outcome == (200, 4000)
    assert "locations" in answer.message


@pytest.mark.parametrize("path", ["/versions", "/2.2.1", "/2.2.1/credentials", "/2.2.1/hubclientinfo"])
async def test_configuration_modules_are_never_routed(equal: Passing, path: str) -> None:
    answer = await equal.ope.call("GET", path, to=equal.msp)
    assert answer.code == 1000
    assert equal.msp.asked == []
    assert "ocpi-from-party-id" not in answer.headers


async def test_nobody_pushes_for_a_party_that_is_not_its_own(equal: Passing) -> None:
    foreign = ocpi_bodies.location("ES-OP2")
    in_path = await equal.ope.call("PUT", "/2.2.1/receiver/locations/ES/OP2/L1", to=equal.msp, body=foreign)
    in_body = await equal.ope.call("PUT", "/2.2.1/receiver/locations/ES/OPE/L1", to=equal.msp, body=foreign)
    id_in_body = await put_location(equal, evses=[])
    other_id = await equal.ope.push("PUT", "locations", "L2", to=equal.msp, body=ocpi_bodies.location("ES-OPE"))
    cdr = await equal.ope.call("POST", "/2.2.1/receiver/cdrs", to=equal.msp, body=ocpi_bodies.cdr("ES-OP2", "IT-MSP"))
    as_other = await equal.ope.call(
        "PUT",
        "/2.2.1/receiver/locations/ES/OPE/L1",
        to=equal.msp,
        body=ocpi_bodies.location("ES-OPE"),
        headers={"OCPI-from-country-code": "ES", "OCPI-from-party-id": "OP2"},
    )
    for answer in (in_path, in_body, other_id, cdr, as_other):
        assert answer.outcome == (200, 2001), answer.text
    assert id_in_body.code == 1000
    assert len(equal.msp.asked) == 1


async def test_sessions_and_cdrs_go_to_the_owner_of_the_token_only(equal: Passing) -> None:
    session = ocpi_bodies.session("ES-OPE", "IT-MSP")
    wrong = await equal.ope.push("PUT", "sessions", "S1", to=equal.ms2, body=session)
    wrong_cdr = await equal.ope.call(
        "POST", "/2.2.1/receiver/cdrs", to=equal.ms2, body=ocpi_bodies.cdr("ES-OPE", "IT-MSP")
    )
    assert (wrong.outcome, wrong_cdr.outcome) == ((200, 2001), (200, 2001))

    change = {"kwh": 2, "last_updated": ocpi_bodies.NOW}
    early = await equal.ope.push("PATCH", "sessions", "S1", to=equal.ms2, body=change)
    assert early.outcome == (404, 2000)

    assert (await equal.ope.push("PUT", "sessions", "S1", to=equal.msp, body=session)).code == 1000
    other = await equal.ope.push("PATCH", "sessions", "S1", to=equal.ms2, body=change)
    assert other.outcome == (200, 2001)
    moved = ocpi_bodies.session("ES-OPE", "IT-MS2")
    assert (await equal.ope.push("PUT", "sessions", "S1", to=equal.ms2, body=moved)).outcome == (200, 2001)
    assert equal.ms2.asked == []
    assert (await equal.ope.push("PATCH", "sessions", "S1", to=equal.msp, body=change)).code == 1000


async def test_a_list_that_shows_other_drivers_is_passed_without_them(equal: Passing) -> None:
    mine, foreign = ocpi_bodies.session("ES-OPE", "IT-MSP"), ocpi_bodies.session("ES-OPE", "IT-MS2", id="S2")
    equal.ope.says_data([mine, foreign], X_Total_Count="2")
    answer = await equal.msp.call("GET", "/2.2.1/sender/sessions?date_from=2026-01-01T00:00:00Z", to=equal.ope)
    assert [session["id"] for session in answer.data] == ["S1"]
    assert "MS2" not in answer.text
    assert equal.ope.last.target == "/2.2.1/sender/sessions?date_from=2026-01-01T00:00:00Z"
    assert answer.headers["x-total-count"] == "2"


async def test_without_from_the_only_party_of_the_caller_speaks(equal: Passing) -> None:
    headers = {"OCPI-to-country-code": "IT", "OCPI-to-party-id": "MSP"}
    body = ocpi_bodies.location("ES-OPE")
    answer = await equal.hub.call("ope", "PUT", "/2.2.1/receiver/locations/ES/OPE/L1", body=body, headers=headers)
    assert answer.code == 1000
    assert parties_in(equal.msp.last.headers) == ("ES-OPE", "IT-MSP")


async def test_what_passes_is_in_the_journal_on_both_sides(equal: Passing) -> None:
    await put_location(equal)
    entries = await equal.hub.journal("module = 'locations'")
    assert sorted((partner, method) for partner, _, method, *_ in entries) == [("msp", "PUT"), ("ope", "PUT")]

"""The life of a request, whatever the module."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kit.fuzzing import Sent, ask
from tests.kit.hub_in_process import RECEIVER, SENDER, HubInProcess, hub_in_process
from tests.kit.ocpi_bodies import location, token


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(sqlite_url, tmp_path) as running:
        yield running


async def test_the_answer_goes_back_to_who_asked(hub: HubInProcess) -> None:
    headers = {
        "OCPI-from-country-code": "DE",
        "OCPI-from-party-id": "AAA",
        "OCPI-to-country-code": "NL",
        "OCPI-to-party-id": "HUB",
        "X-Request-ID": "request-1",
        "X-Correlation-ID": "chain-1",
    }
    answer = await hub.call("aaa", "GET", f"{SENDER}/locations", headers=headers)
    assert (answer.headers["OCPI-from-country-code"], answer.headers["OCPI-from-party-id"]) == ("NL", "HUB")
    assert (answer.headers["OCPI-to-country-code"], answer.headers["OCPI-to-party-id"]) == ("DE", "AAA")
    assert (answer.headers["X-Request-ID"], answer.headers["X-Correlation-ID"]) == ("request-1", "chain-1")


async def test_a_refusal_carries_the_same_headers(hub: HubInProcess) -> None:
    answer = await hub.call("aaa", "GET", f"{SENDER}/locations?limit=x", headers={"X-Request-ID": "request-2"})
    assert (answer.code, answer.headers["X-Request-ID"]) == (2001, "request-2")


async def test_an_address_with_a_slash_at_its_end_is_the_same(hub: HubInProcess) -> None:
    path = f"{RECEIVER}/locations/FR/CPO/L1"
    assert (await hub.call("cpo", "PUT", f"{path}/", body=location())).outcome == (201, 1000)
    assert (await hub.call("cpo", "GET", path)).code == 1000


@pytest.mark.parametrize("path", ["", "/", "/nowhere", "/2.2.1/nowhere", "/3.0", "/2.2.1/sender", "/versions/x"])
async def test_no_such_address_is_an_envelope(hub: HubInProcess, path: str) -> None:
    for method in ("GET", "PUT", "POST", "PATCH", "DELETE"):
        assert (await hub.call("aaa", method, path)).outcome == (404, 2000), method


async def test_the_wrong_method_is_told_the_right_ones(hub: HubInProcess) -> None:
    answer = await hub.call("aaa", "DELETE", f"{SENDER}/locations")
    assert (answer.outcome, answer.headers["allow"]) == ((405, 2000), "GET")


async def test_a_token_is_taken_with_and_without_base64(hub: HubInProcess) -> None:
    raw = {"Authorization": f"Token {hub.tokens['aaa']}"}
    assert (await hub.call(None, "GET", "/versions", headers=raw)).http_status == 200
    assert (await hub.call("aaa", "GET", "/versions")).http_status == 200


async def test_guessing_is_slowed_down(hub: HubInProcess) -> None:
    answers = [await hub.call(None, "GET", "/versions", token=f"guess-{n}") for n in range(12)]
    assert [answer.outcome for answer in answers] == [(401, 2000)] * 10 + [(429, 2000)] * 2
    wait = int(answers[-1].headers["retry-after"])
    assert 55 <= wait <= 60
    assert f"wait {wait} s" in answers[-1].message
    assert answers[-1].body["timestamp"]
    await hub.services.journal.flush()
    noted = await hub.services.database.reader.fetch("SELECT COUNT(*) FROM journal WHERE http_status = 429")
    assert noted[0][0] == 0, "whoever guesses would fill the journal"
    assert (await hub.call("aaa", "GET", "/versions")).http_status == 200, "a partner at the same address goes on"


async def test_an_address_that_is_no_text_is_named(hub: HubInProcess) -> None:
    answer = await hub.call("aaa", "GET", "/2.2.1/sender/locations/%D2R")
    assert answer.outcome[1] == 2001


@pytest.mark.parametrize(("length", "http_status"), [("\u00b2", 201), ("9" * 5000, 413), ("-1", 201), ("", 201)])
async def test_a_length_that_is_no_number_is_not_believed(hub: HubInProcess, length: str, http_status: int) -> None:
    """The server below counts for itself; what it hands on is text."""
    path, body = "/ocpi/2.2.1/receiver/tokens/DE/AAA/TOKEN1", json.dumps(token()).encode()
    lying = ((b"content-length", length.encode("latin-1")),)
    sent = Sent(partner="aaa", method="PUT", path=path.encode(), headers=lying, body=body)
    got = await ask(hub.app, sent, b"Token " + hub.tokens["aaa"].encode())
    assert (got.http_status, json.loads(got.body)["status_code"]) == (http_status, 1000 if http_status == 201 else 2000)


async def test_no_token_is_ever_answered_or_written_down(hub: HubInProcess) -> None:
    answer = await hub.call(None, "GET", "/versions", token="a-guess-of-mine")
    assert "a-guess-of-mine" not in answer.text
    await hub.call("aaa", "GET", "/2.2.1/credentials")
    assert hub.tokens["aaa"] not in str(await hub.journal())


async def test_what_was_tolerated_stands_in_the_journal(hub: HubInProcess) -> None:
    body = token(whitelist="SOMETIMES", group_id="")
    assert (await hub.call("aaa", "PUT", f"{RECEIVER}/tokens/DE/AAA/TOKEN1", body=body)).outcome == (201, 1000)
    await hub.services.journal.flush()
    rows = await hub.services.database.reader.fetch("SELECT note FROM journal WHERE method = 'PUT'")
    [(note,)] = rows
    assert note == "tolerated group_id: EMPTY taken as absent; tolerated whitelist: UNKNOWN_VALUE 'SOMETIMES'"

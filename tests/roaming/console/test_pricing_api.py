"""Prices, tariffs and checks over HTTP: what commands do, with the same numbers, for those whom it is about."""

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from roaming.console import checks_api
from roaming.model.identifiers import PartyId
from roaming.partners.operators import add_operator
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import RECEIVER, HubInProcess, hub_in_process
from tests.roaming.rating.test_signed_data import END, START, public, signed

OWN = "an-operators-token-of-43-characters-at-least"
TOKENS = {party: f"a-token-of-{party}-of-43-characters-at-least-and" for party in ("NL-HUB", "DE-AAA", "DE-HME")}
NIGHT = {
    "id": "T1",
    "currency": "EUR",
    "elements": [
        {
            "price_components": [{"type": "ENERGY", "price": 0.30, "vat": 20, "step_size": 1000}],
            "restrictions": {"start_time": "22:00", "end_time": "06:00"},
        },
        {"price_components": [{"type": "ENERGY", "price": 0.50, "vat": 20, "step_size": 1000}]},
    ],
}
CHARGE = {
    "start_date_time": "2026-11-23T21:30:00Z",
    "end_date_time": "2026-11-23T22:30:00Z",
    "charging_periods": [
        {"start_date_time": "2026-11-23T21:30:00Z", "dimensions": [{"type": "ENERGY", "volume": 1.4}]},
    ],
}
OURS = "/api/tariffs/NL-HUB/OURS"


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(sqlite_url, tmp_path) as running:
        await running.host_objects()
        async with running.services.database.work() as work:
            await add_operator(work, "anna", running.services.secrets.digest(OWN))
            for party, token in TOKENS.items():
                digest = running.services.secrets.digest(token)
                await add_operator(work, party, digest, party=PartyId.parse(party))
        yield running


async def call(hub: HubInProcess, method: str, path: str, body: Any = None, *, by: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {TOKENS[by] if by else OWN}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(hub.app), trust_env=False) as client:
        return await client.request(method, f"http://hub.test{path}", json=body, headers=headers)


def table(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.headers["content-type"].startswith("text/csv"), answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_why_a_cdr_costs_what_it_costs(hub: HubInProcess) -> None:
    path = "/api/cdrs/NL-HUB/OURS-AAA/explanation"
    for by in ("", "NL-HUB", "DE-AAA"):
        found = (await call(hub, "GET", path, by=by)).json()
        assert (found["billed"], found["reckoned"]) == ("0.45", "0.5000")
    assert found["verdict"].startswith("-0.05"), "raised to min_price"
    assert [line["part"] for line in found["lines"]] == ["ENERGY", "LIMIT"]
    assert found["lines"][-1]["running_before_taxes"] == found["reckoned"]
    assert [row["before_taxes"] for row in table(await call(hub, "GET", f"{path}?format=csv"))] == ["0.4500", "0.0500"]
    assert (await call(hub, "GET", path, by="DE-HME")).status_code == 404, "it is not theirs"


async def test_any_charge_by_any_tariff(hub: HubInProcess) -> None:
    wish = {"tariff": NIGHT, "charge": CHARGE, "time_zone": "Europe/Amsterdam"}
    rated = (await call(hub, "POST", "/api/rate", wish, by="DE-AAA")).json()
    # 22:30 in Amsterdam: 1.4 kWh in steps of 1 kWh at 0.30
    assert rated["priced"]["total_cost"] == {"excl_vat": "0.6000", "incl_vat": "0.7200"}
    (line,) = rated["lines"]
    assert (line["quantity"], line["step_added"], line["price"], line["element"]) == ("1.4", "0.600", "0.3", 0)
    by_utc = (await call(hub, "POST", "/api/rate", wish | {"readings": {"clock": "UTC"}})).json()
    assert by_utc["priced"]["total_cost"]["excl_vat"] == "1.0000"
    assert any("outlasts its price" in note for note in by_utc["notes"])
    assert [row["step_added"] for row in table(await call(hub, "POST", "/api/rate?format=csv", wish))] == ["0.600"]
    for bend, field, said in (
        ({"tariff": []}, "tariff", "a list of tariffs"),
        ({"tariff": [NIGHT, NIGHT]}, "tariff", "twice"),
        ({"charge": 7}, "charge", "object"),
        ({"charge": {}}, "", "start_date_time is missing"),
        ({"charge": {"power_kw": 11, "start_date_time": "2026-11-23T21:30:00Z"}}, "", "end_date_time is missing"),
        ({"charge": CHARGE | {"currency": "SEK"}}, "", "the charge is in SEK"),
        ({"time_zone": ""}, "", "time_zone"),
        ({"version": "9"}, "", "version"),
        ({"readings": {"clock": "MOON"}}, "", "LOCATION, UTC"),
    ):
        refused = await call(hub, "POST", "/api/rate", wish | bend)
        assert (refused.status_code, refused.json().get("field", "")) == (400, field), (bend, refused.text)
        assert said in refused.json()["error"], (bend, refused.text)


async def test_signed_meter_data_is_verified(hub: HubInProcess) -> None:
    cdr = {"total_energy": 10.25, "signed_data": msgspec.to_builtins(signed(START, END))}

    async def verified(document: Any, **more: str) -> dict[str, Any]:
        answer = await call(hub, "POST", "/api/verify", {"document": document, **more}, by="DE-AAA")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    whole = await verified(cdr)
    assert (whole["is_right"], whole["energy"], whole["signed_kwh"], whole["billed_kwh"]) == (
        True,
        "EQUAL",
        "10.25",
        "10.25",
    )
    assert [each["verdict"] for each in whole["records"]] == ["VALID"] * 3
    assert (await verified(cdr, kwh="11"))["energy"] == "DIFFERENT"
    assert not (await verified(START))["is_right"], "nobody knows its key"
    assert (await verified(START, public_key=public()))["is_right"]
    several = [{"id": "one", "record": START, "public_key": public()}, {"record": START}]
    rows = table(await call(hub, "POST", "/api/verify?format=csv", {"document": several}))
    assert [(row["id"], row["verdict"]) for row in rows] == [("one", "VALID"), ("1", "NO_KEY")]
    for bend, field, said in (
        ({"document": 7}, "document", "signed_data is missing"),
        ({"document": [7]}, "document", "[0]: give objects with record"),
        ({"document": [{"record": START, "public_key": 7}]}, "document", "[0].public_key"),
        ({"document": several * 501}, "document", "in parts"),
        ({"document": cdr, "kwh": "1e999999999"}, "kwh", "no amount"),
        ({"document": {"signed_data": cdr["signed_data"]}}, "kwh", "no total_energy"),
        ({}, "document", "missing"),
    ):
        refused = await call(hub, "POST", "/api/verify", bend)
        assert (refused.status_code, refused.json()["field"]) == (400, field), (bend, refused.text)
        assert said in refused.json()["error"], refused.text
        assert "--" not in refused.json()["error"], "words of the command line"


async def test_tariffs_are_looked_at(hub: HubInProcess) -> None:
    dead = NIGHT | {"elements": [*NIGHT["elements"], NIGHT["elements"][0]], "currency": "EUT"}  # type: ignore[misc]
    linted = (await call(hub, "POST", "/api/tariff-lint", {"tariff": dead}, by="NL-HUB")).json()
    assert (linted["is_usable"], [each["code"] for each in linted["findings"]][:2]) == (
        False,
        ["CURRENCY", "UNREACHABLE"],
    )
    assert (await call(hub, "GET", f"{OURS}/lint", by="NL-HUB")).json()["is_usable"]
    seen = await call(hub, "GET", f"{OURS}/preview?kwh=10&start=2026-11-23T18:00", by="NL-HUB")
    assert seen.json()["preview"]["total_before_taxes"] == "3.0000"
    assert "10 kWh, Mon 23 November 2026 18:00" in seen.json()["text"]
    lines = table(await call(hub, "GET", f"{OURS}/preview?kwh=10&start=2026-11-23T18:00&format=csv"))
    assert [row["amount"] for row in lines] == ["3.6000"]
    history = (await call(hub, "GET", f"{OURS}/history")).json()["versions"]
    assert [(each["version"], each["source"], each["changed"]) for each in history] == [(1, "here", "new")]
    for path, status, field in (
        ("/api/tariffs/NL-HUB/NONE/lint", 404, ""),
        ("/api/tariffs/NL-HUB/NONE/history", 404, ""),
        ("/api/tariffs/NOBODY/OURS/lint", 400, "cpo"),
        (f"{OURS}/preview?kwh=much", 400, "kwh"),
        (f"{OURS}/preview?kwh=-1", 400, ""),
        (f"{OURS}/preview?start=noon", 400, "start"),
        (f"{OURS}/preview?start=9999-12-31T00:00", 400, "start"),
        (f"{OURS}/preview?start=0001-01-01T00:00&time_zone=Asia/Tokyo", 400, "start"),
        (f"{OURS}/preview?time_zone=Mars/Base&start=2026-11-23T18:00", 400, ""),
    ):
        answer = await call(hub, "GET", path)
        assert (answer.status_code, answer.json().get("field", "")) == (status, field), (path, answer.text)
    for path in (f"{OURS}/lint", f"{OURS}/preview", f"{OURS}/history"):
        assert (await call(hub, "GET", path, by="DE-AAA")).status_code == 403, path


async def test_rules_are_tried_set_and_forgotten(hub: HubInProcess) -> None:
    token = ocpi_bodies.cdr_token("DE-HME", "HOME1")
    right = ocpi_bodies.cdr(cdr_token=token, total_cost={"excl_vat": 0.5, "incl_vat": 0.6})
    assert (await hub.call("cpo", "POST", f"{RECEIVER}/cdrs", body=right)).code == 1000
    wish = {"month": "2026-11", "partner": "cpo"}
    tried = (await call(hub, "POST", "/api/cdr-checks", wish | {"tries": ["currencies=SEK"]}, by="DE-HME")).json()
    assert "CURRENCY" in {each["kind"] for each in tried["findings"]}
    await call(hub, "POST", "/api/cdr-checks", wish | {"dry_run": True})
    assert await hub.services.database.reader.fetch("SELECT 1 FROM cdr_verdicts") == [], "what is tried is not kept"
    await call(hub, "POST", "/api/cdr-checks", wish)
    tried = (await call(hub, "POST", "/api/cdr-checks", wish | {"tries": ["LOCATION=dispute"]})).json()
    assert {(each["outcome"], each["stored_outcome"]) for each in tried["findings"]} == {("DISPUTE", "HOLD")}

    put = await call(hub, "PUT", "/api/check-rules/cpo", {"rules": ["late_days=3", "LATE=dispute"]})
    mine = {each["rule"]: (each["value"], each["is_default"]) for each in put.json()["rules"]}
    assert (mine["late_days"], mine["LATE"], mine["PRICE"]) == (("3", False), ("DISPUTE", False), ("DISPUTE", True))
    listed = table(await call(hub, "GET", "/api/check-rules?format=csv"))
    assert {row["partner"] for row in listed} == {"all", "cpo"}
    assert (await call(hub, "DELETE", "/api/check-rules/cpo")).status_code == 200
    assert (await call(hub, "DELETE", "/api/check-rules/cpo")).status_code == 404
    assert (await call(hub, "PUT", "/api/check-rules/all", {"rules": ["late=1"]})).status_code == 400
    assert (await call(hub, "PUT", "/api/check-rules/nobody", {"rules": []})).json()["field"] == "partner"
    assert (await call(hub, "POST", "/api/cdr-checks", wish | {"tries": ["LATE"]})).status_code == 400
    for method, path in (
        ("GET", "/api/check-rules"),
        ("PUT", "/api/check-rules/cpo"),
        ("DELETE", "/api/check-rules/cpo"),
    ):
        assert (await call(hub, method, path, {"rules": []}, by="NL-HUB")).status_code == 403


async def test_a_cdr_is_issued_anew_as_a_body_says(hub: HubInProcess) -> None:
    token = ocpi_bodies.cdr_token("DE-AAA", "CARD-AAA")
    right = ocpi_bodies.cdr("NL-HUB", id="X", cdr_token=token, total_cost={"excl_vat": 0.4, "incl_vat": 0.48})
    right["cdr_location"] |= {"id": "OURS", "evse_uid": "OURS-1"}
    path = "/api/cdrs/NL-HUB/OURS-AAA/credit"
    wish = {"reason": "wrong tariff", "replacement": right}
    refused = await call(hub, "POST", path, wish | {"replacement": {"id": "X"}}, by="NL-HUB")
    assert (refused.status_code, "replacement: " in refused.json()["error"]) == (409, True), refused.text
    done = await call(hub, "POST", path, wish, by="NL-HUB")
    assert (done.status_code, done.json()["replacement_id"]) == (201, "OURS-AAA-2"), done.text
    found = (await call(hub, "GET", "/api/cdrs?month=2026-11&party=DE-AAA")).json()["cdrs"]
    assert sorted((each["cdr_id"], each["net"]) for each in found) == [
        ("OURS-AAA", "0.45"),
        ("OURS-AAA-2", "0.4"),
        ("OURS-AAA-C", "-0.45"),
    ]
    assert (await call(hub, "POST", path, wish, by="DE-AAA")).status_code == 403


async def test_partners_are_asked_for_so_many_copies_and_no_more(
    hub: HubInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks_api, "MOST_COPIES", 0)
    answer = await call(hub, "POST", "/api/cdr-copies", {"month": "2026-11", "partner": "aaa"})
    assert (answer.status_code, answer.json()["field"], "name `cpo`" in answer.json()["error"]) == (400, "month", True)


async def test_copies_of_ours_and_what_goes_out_again(hub: HubInProcess) -> None:
    wish = {"month": "2026-11", "partner": "aaa"}
    copies = (await call(hub, "POST", "/api/cdr-copies", wish, by="NL-HUB")).json()["copies"]
    assert [(each["cdr_id"], each["copy"], each["sent_again"]) for each in copies] == [("OURS-AAA", "UNKNOWN", False)]
    sent = table(await call(hub, "POST", "/api/cdr-resends?format=csv", wish, by="NL-HUB"))
    assert [(row["cdr_id"], row["state"]) for row in sent] == [("OURS-AAA", "SENT")]
    assert (await call(hub, "POST", "/api/cdr-resends", wish)).json()["cdrs"] == [], "it waits already"
    pages, address = [], "/api/cdr-resends?limit=1"
    while address:
        answer = await call(hub, "POST", address, {"month": "2026-11"})
        pages.append([each["cdr_id"] for each in answer.json()["cdrs"]])
        link = answer.headers.get("link", "")
        address = link[1 : link.index(">")] if link else ""
        assert (answer.json()["percent"] == 100) is not bool(address)
    assert pages == [[], ["OURS-BBB"], []]
    assert (await call(hub, "POST", "/api/cdr-copies", wish, by="DE-AAA")).json() == {"copies": []}
    assert (await call(hub, "POST", "/api/cdr-copies", wish | {"cpo": "NL-HUB"}, by="DE-AAA")).status_code == 403


async def test_terms_and_what_was_done_to_a_statement(hub: HubInProcess) -> None:
    terms = "/api/settlement-terms/NL-HUB/DE-AAA"
    assert (await call(hub, "PUT", terms, {"fees": ["percent 2 emsp>cpo"]})).status_code == 200
    assert (await call(hub, "DELETE", terms, by="NL-HUB")).status_code == 403
    assert [(await call(hub, "DELETE", terms)).status_code for _ in range(2)] == [204, 404]
    statement = "/api/statements/NL-HUB/DE-AAA/2026-07"
    await call(hub, "POST", f"{statement}/close")
    await call(hub, "POST", f"{statement}/reopen", {"reason": "a CDR came by post"})
    events = (await call(hub, "GET", f"{statement}/history", by="DE-AAA")).json()["events"]
    assert [(each["what"], each["reason"]) for each in events] == [("CLOSED", ""), ("REOPENED", "a CDR came by post")]
    assert (await call(hub, "GET", f"{statement}/history", by="DE-HME")).status_code == 403

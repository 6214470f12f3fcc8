"""CDRs, disputes, statements and invoices over HTTP: the verbs of commands; parties see and do only what is theirs."""

import csv
import io
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from roaming.billing.evidence import sealed
from roaming.console.billing_api import ENTRIES
from roaming.model.identifiers import PartyId
from roaming.model.version import Version
from roaming.modules.cdrs import repository as cdrs
from roaming.modules.cdrs.service import CODECS
from roaming.ocpi.codec import dump_json
from roaming.partners.operators import add_operator
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.roaming.billing.charges import TOKEN as CARD
from tests.roaming.billing.test_statement import a_bill, changed
from tests.roaming.cli.test_settling import keep

OWN = "an-operators-token-of-43-characters-at-least"
TOKENS = {party: f"a-token-of-{party}-of-43-characters-at-least-and" for party in ("FR-CPO", "DE-HME", "DE-OTH")}
JULY = "/api/statements/FR-CPO/DE-HME/2026-07"


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(sqlite_url, tmp_path) as running:
        async with running.services.database.work() as work:
            digest = running.services.secrets.digest
            await add_operator(work, "anna", digest(OWN))
            for party, token in TOKENS.items():
                await add_operator(work, party, digest(token), party=PartyId.parse(party))
        for number in (1, 2, 3):
            await keep(running, a_bill(number, Decimal(10)))
        other = changed(a_bill(4, Decimal(5)), id="OTHER", cdr_token=changed(CARD, party_id="OTH"))
        await keep(running, other)
        yield running


async def call(hub: HubInProcess, method: str, path: str, body: Any = None, *, by: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {TOKENS[by] if by else OWN}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(hub.app), trust_env=False) as client:
        return await client.request(method, f"http://hub.test{path}", json=body, headers=headers)


async def test_a_month_from_check_to_invoice(hub: HubInProcess) -> None:
    checked = (await call(hub, "POST", "/api/cdr-checks", {"month": "2026-07"})).json()
    assert checked["checked"] == 4
    assert {finding["cdr_id"] for finding in checked["findings"]} >= {"C1", "C2", "C3"}
    part = (await call(hub, "POST", "/api/cdr-checks?limit=3", {"month": "2026-07"})).json()
    rest = httpx.QueryParams(after=part["next"])
    last = (await call(hub, "POST", f"/api/cdr-checks?limit=3&{rest}", {"month": "2026-07"})).json()
    assert (part["checked"], last["checked"], last["percent"], last["next"]) == (3, 1, 100, "")
    assert part["findings"] + last["findings"] == checked["findings"]
    first = (await call(hub, "GET", "/api/cdrs?month=2026-07&limit=3")).json()
    assert "+" not in first["next"]
    after = httpx.QueryParams(after=first["next"])
    second = (await call(hub, "GET", f"/api/cdrs?month=2026-07&limit=3&{after}")).json()
    assert [each["cdr_id"] for each in [*first["cdrs"], *second["cdrs"]]] == ["C1", "C2", "C3", "OTHER"]
    assert (first["cdrs"][0]["net"], second["next"]) == ("10", "")

    accepted = await call(hub, "POST", "/api/cdrs/FR-CPO/C3/accept", {"note": "by telephone"}, by="DE-HME")
    assert accepted.status_code == 200, accepted.text
    opened = await call(hub, "POST", "/api/cdrs/FR-CPO/C1/dispute", {"reason": "too dear"}, by="DE-HME")
    assert (opened.status_code, opened.json()["state"], opened.json()["raised_by"]) == (201, "OPEN", "DE-HME")
    dispute = f"/api/disputes/{opened.json()['id']}"
    again = await call(hub, "POST", "/api/cdrs/FR-CPO/C1/dispute", {"reason": "x"})
    assert (again.status_code, again.json()["id"]) == (200, opened.json()["id"])
    file = (await call(hub, "GET", dispute, by="FR-CPO")).json()
    assert (await call(hub, "POST", "/api/disputes", file)).status_code == 200
    withdrawn = await call(hub, "POST", f"{dispute}/close", {"outcome": "withdrawn"}, by="DE-HME")
    assert withdrawn.json()["state"] == "WITHDRAWN"
    assert (await call(hub, "POST", f"{dispute}/close", {"outcome": "refused"})).status_code == 409

    parties = {"FR-CPO": "FR12345678901", "DE-HME": "DE123456789"}
    for party, vat_id in parties.items():
        body = {"name": party, "country": party[:2], "vat_id": vat_id}
        assert (await call(hub, "PUT", f"/api/billing-parties/{party}", body, by=party)).status_code == 200
    terms = {"fees": ["session 0.10 EUR cpo>emsp"], "untaxed": "ae"}
    answer = await call(hub, "PUT", "/api/settlement-terms/FR-CPO/DE-HME", terms)
    assert answer.json()["fees"] == ["session 0.10 EUR cpo>emsp"]
    assert (await call(hub, "POST", f"{JULY}/invoices", {})).status_code == 409
    closed = await call(hub, "POST", f"{JULY}/close?pay_held=true")
    assert (closed.status_code, closed.json()["balances"][0]["payable"]) == (201, "35.70")
    assert (await call(hub, "POST", f"{JULY}/close?pay_held=true")).status_code == 200
    issued = await call(hub, "POST", f"{JULY}/invoices", {"issued_on": "2026-08-02"})
    numbers = [each["number"] for each in issued.json()["invoices"]]
    assert (issued.status_code, len(numbers)) == (201, 2)
    assert (await call(hub, "POST", f"{JULY}/invoices", {})).status_code == 200
    xml = await call(hub, "GET", f"/api/invoices/{numbers[0]}?form=cii", by="DE-HME")
    assert (xml.headers["content-type"], xml.content[:5]) == ("application/xml", b"<?xml")
    pdf = await call(hub, "GET", f"{JULY}?format=pdf", by="FR-CPO")
    assert (pdf.headers["content-type"], pdf.content[:4]) == ("application/pdf", b"%PDF")
    reopened = await call(hub, "POST", f"{JULY}/reopen", {"reason": "a CDR came by post"})
    assert reopened.json()["state"] == "REOPENED"
    first = (await call(hub, "GET", f"{JULY}?version=1", by="DE-HME")).json()
    assert (first["state"], first["number"]) == ("REOPENED", "DE-HME_FR-CPO_2026-07")
    now = (await call(hub, "GET", JULY)).json()
    assert (now["version"], now["number"]) == (2, "DE-HME_FR-CPO_2026-07-V2")
    assert [(await call(hub, "GET", f"{JULY}?version={each}")).status_code for each in ("2", "x")] == [404, 400]


async def test_rates_of_exchange(hub: HubInProcess) -> None:
    terms = {"settle_in": "SEK", "rate_day": "month"}
    answer = await call(hub, "PUT", "/api/settlement-terms/FR-CPO/DE-HME", terms)
    assert (answer.json()["settle_in"], answer.json()["rates"]) == ("SEK", "ECB")
    missing = await call(hub, "GET", JULY)
    assert (missing.status_code, "no rate of SEK for 2026-07-31" in missing.json()["error"]) == (409, True)
    given = {"rates": [{"currency": "SEK", "rate": "11.2", "day": "2026-07-30"}]}
    assert (await call(hub, "POST", "/api/exchange-rates", given, by="FR-CPO")).status_code == 403
    assert (await call(hub, "POST", "/api/exchange-rates", {})).status_code == 400
    assert (await call(hub, "POST", "/api/exchange-rates", given)).json() == {"rates": 1, "new": 1}
    text = {"csv": "Date,SEK\n2026-07-30,11.2\n2026-07-29,11.3\n"}
    assert (await call(hub, "POST", "/api/exchange-rates", text)).json() == {"rates": 2, "new": 1}
    known = await call(hub, "GET", "/api/exchange-rates?month=2026-07&currency=sek", by="DE-HME")
    assert [(rate["day"], rate["rate"]) for rate in known.json()["rates"]] == [
        ("2026-07-29", "11.3"),
        ("2026-07-30", "11.2"),
    ]
    statement = (await call(hub, "GET", JULY, by="DE-HME")).json()["statement"]
    assert statement["balances"][0]["payable"] == "403.20"
    assert statement["lines"][0]["conversion"]["rates"][0]["day"] == "2026-07-30"


async def test_a_partners_list_and_the_books(hub: HubInProcess) -> None:
    theirs = "id;currency;net\nC1;EUR;10\nC2;EUR;9,5\nC9;EUR;1\n"
    for by in ("", "DE-HME"):
        found = (await sent(hub, f"{JULY}/reconciliation", theirs, by=by)).json()
        assert (
            found["is_clean"],
            [(each["cdr_id"], each["result"], each["difference"]) for each in found["cdrs"]],
        ) == (
            False,
            [("C2", "DIFFERS", "-0.5"), ("C3", "MISSING_THERE", "-10"), ("C9", "MISSING_HERE", "1")],
        )
    assert [(each["result"], each["cdrs"]) for each in found["sums"]] == [
        ("DIFFERS", 1),
        ("MATCHED", 1),
        ("MISSING_HERE", 1),
        ("MISSING_THERE", 1),
    ]
    answer = await sent(hub, f"{JULY}/reconciliation?all=true&tolerance=0.5&format=csv", theirs)
    assert [row["result"] for row in csv.DictReader(io.StringIO(answer.text))] == [
        *("MATCHED", "MATCHED", "MISSING_THERE", "MISSING_HERE")
    ]
    own = (await call(hub, "GET", JULY)).json()["statement"]
    assert (await sent(hub, f"{JULY}/reconciliation", json.dumps(own))).json()["is_clean"]
    assert (await sent(hub, f"{JULY}/reconciliation", theirs, by="DE-OTH")).status_code == 403
    for text, query, hint in (("a;b\n", "", "no column for the CDR"), (theirs, "?tolerance=some", "tolerance")):
        refused = await sent(hub, f"{JULY}/reconciliation{query}", text)
        assert (refused.status_code, hint in refused.json()["error"]) == (400, True)

    assert (await call(hub, "POST", "/api/ledger", {"month": "2026-07"}, by="FR-CPO")).status_code == 403
    posted = await call(hub, "POST", "/api/ledger", {"month": "2026-07"})
    assert (posted.status_code, posted.json()["new"]) == (201, 24)
    assert (await call(hub, "POST", "/api/ledger", {"month": "2026-07"})).status_code == 200
    balances = (await call(hub, "GET", "/api/ledger/DE-HME", by="DE-HME")).json()["balances"]
    assert {(each["account"], each["debit"], each["credit"]) for each in balances} == {
        *(("charging costs", "30", "0"), ("input tax 20", "6", "0"), ("payable", "0", "36"))
    }
    assert (await call(hub, "GET", "/api/ledger/FR-CPO", by="DE-HME")).status_code == 403
    pages, after = [], "0"
    while after:
        page = (await call(hub, "GET", f"/api/ledger/FR-CPO/entries?limit=5&after={after}", by="FR-CPO")).json()
        pages, after = [*pages, *page["entries"]], page["next"]
    assert len(pages) == 12
    assert sum(Decimal(each["debit"]) for each in pages) == sum(Decimal(each["credit"]) for each in pages) == 42
    whole = (await call(hub, "GET", "/api/ledger/FR-CPO/entries?format=csv")).text
    assert len(list(csv.DictReader(io.StringIO(whole)))) == 12


async def sent(hub: HubInProcess, path: str, text: str, *, by: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {TOKENS[by] if by else OWN}", "Content-Type": "text/csv"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(hub.app), trust_env=False) as client:
        return await client.request("POST", f"http://hub.test{path}", content=text.encode(), headers=headers)


async def test_parties_see_and_do_only_what_is_theirs(hub: HubInProcess) -> None:
    for party, count in (("FR-CPO", 4), ("DE-HME", 3), ("DE-OTH", 1)):
        assert len((await call(hub, "GET", "/api/cdrs?month=2026-07", by=party)).json()["cdrs"]) == count
    assert (await call(hub, "POST", "/api/cdr-checks", {"month": "2026-07"}, by="DE-OTH")).json()["checked"] == 1
    opened = await call(hub, "POST", "/api/cdrs/FR-CPO/C1/dispute", {"reason": "too dear"}, by="DE-HME")
    await call(hub, "POST", f"{JULY}/close?pay_held=true")
    number = opened.json()["id"]
    for by, method, path, body, status in (
        ("DE-OTH", "GET", "/api/cdrs?month=2026-07&party=DE-HME", None, 403),
        ("DE-OTH", "POST", "/api/cdrs/FR-CPO/C2/dispute", {"reason": "x"}, 404),
        ("FR-CPO", "POST", "/api/cdrs/FR-CPO/C2/dispute", {"reason": "x"}, 403),
        ("FR-CPO", "POST", "/api/cdrs/FR-CPO/C2/accept", {}, 403),
        ("DE-HME", "POST", "/api/cdrs/FR-CPO/C2/credit", {"reason": "x"}, 403),
        ("DE-OTH", "GET", f"/api/disputes/{number}", None, 404),
        ("DE-HME", "POST", f"/api/disputes/{number}/close", {"outcome": "refused"}, 403),
        ("FR-CPO", "POST", f"/api/disputes/{number}/close", {"outcome": "withdrawn"}, 403),
        ("DE-OTH", "GET", JULY, None, 403),
        ("DE-HME", "POST", f"{JULY}/close", None, 403),
        ("DE-HME", "POST", f"{JULY}/reopen", {"reason": "x"}, 403),
        ("DE-HME", "POST", f"{JULY}/invoices", {}, 403),
        ("DE-HME", "PUT", "/api/settlement-terms/FR-CPO/DE-HME", {}, 403),
        ("DE-HME", "PUT", "/api/billing-parties/FR-CPO", {"name": "x", "country": "FR"}, 403),
        ("DE-OTH", "GET", "/api/invoices/2026-07-FR-CPO-DE-HME-EUR", None, 404),
    ):
        answer = await call(hub, method, path, body, by=by)
        assert answer.status_code == status, (by, method, path, answer.text)
        assert "C1" not in answer.text
    file = (await call(hub, "GET", f"/api/disputes/{number}", by="FR-CPO")).json()
    for amount in ("1E+3000000", "1E-3000000", "NaN"):
        forged = file | {"dispute": file["dispute"] | {"at_stake": amount}}
        answer = await call(hub, "POST", "/api/disputes", forged, by="FR-CPO")
        assert (answer.status_code, "at_stake" in answer.text) == (409, True)
    cdr = file["evidence"]["cdr"]
    cdr["cdr_token"]["party_id"] = "OTH"
    forged = file | {"evidence": sealed(file["evidence"]), "dispute": file["dispute"] | {"raised_by": "DE-OTH"}}
    answer = await call(hub, "POST", "/api/disputes", forged, by="FR-CPO")
    assert (answer.status_code, "cdr_token" in answer.text) == (409, True)
    assert (await call(hub, "GET", "/api/disputes", by="DE-OTH")).json() == {"disputes": []}
    assert (await call(hub, "GET", "/api/statements", by="DE-OTH")).json() == {"statements": []}
    assert len((await call(hub, "GET", "/api/statements", by="FR-CPO")).json()["statements"]) == 1


async def test_what_comes_in_place_of_a_cdr_is_of_the_same_charge(hub: HubInProcess) -> None:
    ours = changed(a_bill(7, Decimal(10)), id="OURS")
    async with hub.services.database.work() as work:
        assert await cdrs.insert(work.connection, ours, source="", now=work.now)
    body: dict[str, Any] = json.loads(dump_json(CODECS[Version.V2_3_0].encode(ours).body))
    token, place = body["cdr_token"], body["cdr_location"]
    for field, change in (
        ("cdr_token.party_id", {"cdr_token": token | {"party_id": "OTH"}}),
        ("cdr_token.uid", {"cdr_token": token | {"uid": "STRANGER"}}),
        ("cdr_token.contract_id", {"cdr_token": token | {"contract_id": "DE-HME-C00000009"}}),
        ("currency", {"currency": "KWD"}),
        ("cdr_location.id", {"cdr_location": place | {"id": "L9"}}),
        ("total_cost", {"total_cost": {"before_taxes": -1}}),
        ("total_cost", {"total_cost": {"before_taxes": 9_000_000_000_001}}),
        ("total_energy", {"total_energy": 9_000_000_000_001}),
    ):
        wish = {"reason": "x", "replacement": body | change}
        answer = await call(hub, "POST", "/api/cdrs/FR-CPO/OURS/credit", wish, by="FR-CPO")
        assert (answer.status_code, f" {field}:" in f" {answer.json()['error']}") == (409, True), (field, answer.text)
    wish = {"reason": "x", "replacement": body | {"total_cost": {"before_taxes": 9}}}
    answer = await call(hub, "POST", "/api/cdrs/FR-CPO/OURS/credit", wish, by="FR-CPO")
    assert (answer.status_code, answer.json()["replacement_id"]) == (201, "OURS-2")
    kept = await cdrs.with_ids(hub.services.database.reader, ["FR/CPO/ours-2"])
    new = kept["FR/CPO/ours-2"].cdr
    assert (new.cdr_token, new.currency, new.total_cost.before_taxes) == (ours.cdr_token, "EUR", 9)


async def test_lists_have_a_twin_for_spreadsheets(hub: HubInProcess) -> None:
    await call(hub, "POST", "/api/cdrs/FR-CPO/C1/dispute", {"reason": "=1+1"})
    await call(hub, "POST", f"{JULY}/close?pay_held=true")
    for path in ("/api/cdrs?month=2026-07&", "/api/disputes?", "/api/statements?", "/api/invoices?"):
        whole = (await call(hub, "GET", path)).json()
        (rows,) = [value for value in whole.values() if isinstance(value, list)]
        answer = await call(hub, "GET", f"{path}format=csv")
        assert answer.headers["content-type"].startswith("text/csv")
        assert len(list(csv.DictReader(io.StringIO(answer.text)))) == len(rows), path
    assert "'=1+1" in (await call(hub, "GET", "/api/disputes?format=csv")).text


MISTAKES: list[tuple[str, str, Any, str]] = [
    ("GET", "/api/cdrs?month=July", None, "month"),
    ("GET", "/api/cdrs?month=2026-07&state=odd", None, "state"),
    ("GET", "/api/cdrs?month=2026-07&after=x", None, "after"),
    ("GET", "/api/cdrs?month=2026-07&after=2026-07-01T00:00:00+00:00%20fr/cpo/c1", None, "after"),
    ("GET", "/api/cdrs?month=2026-07&after=0001-01-01T00:00:00%2B14:00%20fr/cpo/c1", None, "after"),
    ("GET", "/api/cdrs?month=2026-07&limit=0", None, "limit"),
    ("GET", "/api/cdrs?party=nobody", None, "party"),
    ("POST", "/api/cdr-checks", {"month": "2026-07", "partner": "nobody"}, "partner"),
    ("POST", "/api/cdr-checks", {"month": 7}, "month"),
    ("POST", "/api/cdrs/FRANCE/C1/accept", {}, "cpo"),
    ("POST", "/api/cdrs/FR-CPO/C1/dispute", {"days": 0}, "days"),
    ("POST", "/api/disputes", [], ""),
    ("GET", "/api/statements/FR-CPO/FR-CPO/2026-07", None, "other"),
    ("GET", f"{JULY}?format=doc", None, "format"),
    ("POST", f"{JULY}/reopen", {}, "reason"),
    ("POST", f"{JULY}/invoices", {"issued_on": "soon"}, "issued_on"),
    ("PUT", "/api/settlement-terms/FR-CPO/DE-HME", {"fees": ["two"]}, ""),
    ("PUT", "/api/billing-parties/FR-CPO", {"name": "x", "country": "FRA"}, ""),
]


async def test_mistakes_are_named(hub: HubInProcess) -> None:
    for method, path, body, field in MISTAKES:
        answer = await call(hub, method, path, body)
        assert answer.status_code == 400, (path, answer.text)
        assert answer.json().get("field", "") == field, (path, answer.text)
        assert answer.json()["error"]


async def test_the_document_names_every_operation(hub: HubInProcess) -> None:
    document = (await call(hub, "GET", "/api/billing.json")).json()
    found = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert found == {(entry.method, entry.path) for entry in ENTRIES}
    assert "securitySchemes" in json.dumps(document)

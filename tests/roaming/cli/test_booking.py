"""Bookings and payment terminals from the command line."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from roaming.cli.commands import app
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.partners import registry
from tests.kit.answering_partner import answering_partner
from tests.kit.command_settings import set_settings
from tests.kit.hub_in_process import HubInProcess, hub_in_process

GOLDEN = Path(__file__).parents[2] / "golden"
SENDER, RECEIVER = "/2.3.0/sender", "/2.3.0/receiver"


@pytest.fixture
async def hub(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    set_settings(monkeypatch, database_url, tmp_path)
    async with hub_in_process(database_url, tmp_path, version="2.3.0") as running:
        yield running


def golden(case: str, party: str, **values: Any) -> dict[str, Any]:
    module, _, name = case.rpartition("/")
    text = (GOLDEN / module / "2.3.0" / f"{name}.json").read_text().replace("2026-12-01T", "2096-12-01T")
    found: dict[str, Any] = json.loads(text)["wire"]
    return found | {"country_code": party[:2], "party_id": party[3:]} | values


async def roaming(*words: str) -> Result:
    """Runs a command; in a thread, since it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, words)


async def read(*words: str) -> Any:
    result = await roaming(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def file_of(folder: Path, body: Any) -> str:
    path = folder / "file.json"
    path.write_text(json.dumps(body))
    return str(path)


async def test_a_place_is_offered_and_a_request_decided(hub: HubInProcess, tmp_path: Path) -> None:
    place = golden("bookings/place_for_trucks", "NL-HUB")
    del place["last_updated"]
    rows = await read("booking", "offer", file_of(tmp_path, [place]))
    assert [(row["object"], row["state"]) for row in rows] == [("BL1", "ok")]
    (shown,) = await read("booking", "places")
    assert (shown["party"], shown["id"], shown["location"], shown["timeslots"]) == ("NL-HUB", "BL1", "OURS", 1)
    assert shown["last updated"] > "2026"
    assert shown["bookable"] == "yes"
    del place["booking_terms"]
    await read("booking", "offer", file_of(tmp_path, [place | {"id": "BARE"}]))
    bookable = {each["id"]: each["bookable"] for each in await read("booking", "places")}
    assert bookable == {"BL1": "yes", "BARE": "no: give it booking_terms"}
    asked = await hub.call("aaa", "POST", f"{SENDER}/bookings", body=golden("bookings/request", "DE-AAA"))
    assert asked.code == 1000, asked.text
    (listed,) = csv.DictReader(io.StringIO((await roaming("booking", "list", "--csv")).stdout))
    assert (listed["status"], listed["waiting"], listed["for"], listed["request"]) == ("PENDING", "1", "DE-AAA", "R1")
    decided = await read("booking", "decide", listed["id"], "--accept")
    assert (decided["status"], decided["eMSP"]) == ("RESERVED", "DE-AAA")
    seen = await read("booking", "show", "r1")
    assert seen == decided
    assert seen["requests"][0].startswith("ACCEPTED")
    again = await roaming("booking", "decide", listed["id"], "--decline")
    assert again.exit_code == 1
    assert "no request of such a booking that waits" in again.output
    assert "no booking NONE" in (await roaming("booking", "show", "NONE")).output


async def test_a_hosted_emsp_asks_a_partner(hub: HubInProcess, tmp_path: Path) -> None:
    wish = golden("bookings/request", "DE-HME")
    async with answering_partner(hub, "cpo", "FR-CPO", "CPO") as partner:
        partner.answers["sender/bookings"] = golden("bookings/reserved", "FR-CPO", id="B7")
        words = ("booking", "ask", file_of(tmp_path, wish), "--from", "DE-HME", "--to")
        told = await read(*words, "FR-CPO")
        assert (told["id"], told["told by"], told["status"]) == ("B7", "cpo", "RESERVED")
        (asked,) = partner.of("POST", "/sender/bookings")
        assert asked.body == wish
    assert (await read("booking", "list", "--partner", "cpo"))[0]["id"] == "B7"
    assert "cpo decides" in (await roaming("booking", "decide", "B7", "--accept")).output
    for party, named in (("NL-HUB", "no connected CPO"), ("IT-NIL", "no connected CPO"), ("nobody", "no party")):
        result = await roaming(*words, party)
        assert result.exit_code == 1
        assert named in result.output


async def test_a_hosted_cpo_asks_a_ptp(hub: HubInProcess) -> None:
    pair = ("--from", "NL-HUB", "--to", "AT-PAY")
    async with answering_partner(hub, "pay", "AT-PAY", Role.OTHER) as partner:
        async with hub.services.database.work() as work:
            await registry.agree(work, cpo=PartyId("NL", "HUB"), emsp=PartyId("AT", "PAY"))
        await read("payment", "activate", *pair, "--reference", "SN 7", "--location", "OURS")
        await read("payment", "assign", "T1", *pair, "--evse", "OURS-1", "--evse", "OURS-2")
        await read("payment", "deactivate", "T1", *pair)
        assert [(taken.method, taken.path.rpartition("/payments/")[2]) for taken in partner.taken] == [
            ("POST", "terminals/activate"),
            ("PATCH", "terminals/T1"),
            ("POST", "terminals/T1/deactivate"),
        ]
        assert (partner.taken[0].body["reference"], partner.taken[0].body["party_id"]) == ("SN 7", "HUB")
        assert partner.taken[1].body["evse_uids"] == ["OURS-1", "OURS-2"]
    body = {"terminal_id": "T1", "city": "Wien", "location_ids": ["OURS"], "last_updated": "2026-11-23T10:00:00Z"}
    told = await hub.call("pay", "POST", f"{RECEIVER}/payments/terminals", body=body)
    assert told.code == 1000, told.text
    captured = json.loads((GOLDEN / "payments" / "2.3.0" / "confirmation.json").read_text())["wire"]
    path = f"{RECEIVER}/payments/financial-advice-confirmations"
    assert (await hub.call("pay", "POST", path, body=captured)).code == 1000
    (terminal,) = await read("payment", "terminals")
    assert [terminal[name] for name in ("party", "id", "for", "locations")] == ["AT-PAY", "T1", "NL-HUB", "OURS"]
    (confirmation,) = await read("payment", "confirmations")
    assert [confirmation[name] for name in ("charge", "capture")] == [
        captured["authorization_reference"],
        captured["capture_status_code"],
    ]
    assert "no connected PTP" in (await roaming("payment", "deactivate", "T1", *pair[:3], "DE-AAA")).output
    assert "say what the terminal is for" in (await roaming("payment", "assign", "T1", *pair)).output


async def test_terminals_of_a_hosted_provider_are_published(hub: HubInProcess, tmp_path: Path) -> None:
    words = ("party", "add", "AT-OWN", "--name", "Own", "--no-tell", "--role")
    assert "OTHER for a provider of payment terminals" in (await roaming(*words, "PTP")).output
    assert "FR-CPO (cpo)" in (await read(*words, "other"))["agreements"]
    terminal = {"terminal_id": "T1", "customer_reference": "C1", "location_ids": ["L1"]}
    file = file_of(tmp_path, [terminal, terminal | {"terminal_id": 5}, terminal | {"terminal_id": "T2"}])
    pair = ("--from", "AT-OWN", "--to", "FR-CPO")
    done = await roaming("payment", "publish", file, *pair, "--dry-run", "--json")
    assert [row["state"] for row in json.loads(done.stdout)] == ["ok", "error", "ok"]
    listed = f"{SENDER}/payments/terminals"
    assert (await hub.call("cpo", "GET", listed)).data == []
    done = await roaming("payment", "publish", file, *pair, "--json")
    assert done.exit_code != 0
    rows = json.loads(done.stdout)
    assert [(row["object"], row["state"]) for row in rows] == [("T1", "ok"), ("5", "error"), ("T2", "ok")]
    assert rows[1]["error"].startswith("terminal_id: ")
    seen = (await hub.call("cpo", "GET", listed)).data
    assert [{**each, "last_updated": ""} for each in seen] == [
        terminal | {"terminal_id": id, "last_updated": ""} for id in ("T1", "T2")
    ]
    assert (await hub.call("riv", "GET", listed)).data == []
    captured = json.loads((GOLDEN / "payments" / "2.3.0" / "confirmation.json").read_text())["wire"]
    assert (await read("payment", "publish", file_of(tmp_path, captured), *pair, "--confirmations"))[0]["state"] == "ok"
    (confirmation,) = (await hub.call("cpo", "GET", f"{SENDER}/payments/financial-advice-confirmations")).data
    assert confirmation["id"] == captured["id"]
    for wrong, said in (("DE-AAA", "no PTP hosted here"), ("AT-OWN", "no connected CPO")):
        refused = await roaming("payment", "publish", file, "--from", wrong, "--to", "ES-RIV")
        assert said in refused.output, refused.output

"""Disputes, corrections and partners' copies from the command line, on both sides of a CDR."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from typer.testing import CliRunner, Result

from contracts.messages import CdrAccepted
from roaming.billing import disputes
from roaming.cli.commands import app
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.ocpi.outgoing import DELIVERIES
from roaming.partners.registry import choose_readings
from roaming.store.bulk import append
from tests.kit import ocpi_bodies
from tests.kit.command_settings import set_settings
from tests.kit.hub_in_process import HOSTED_CPO, RECEIVER, HubInProcess, hub_in_process
from tests.kit.outbox import waiting
from tests.kit.scripted_partner import Received, ScriptedPartner, enveloped, http_answer

MONTH = ("--month", "2026-11")


@pytest.fixture
async def hub(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    set_settings(monkeypatch, database_url, tmp_path)
    async with hub_in_process(database_url, tmp_path) as running:
        await running.host_objects()
        yield running


async def roaming(*words: str) -> Result:
    """Runs a command; in a thread, since it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, words)


async def rows(*words: str) -> Any:
    result = await roaming(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def give(hub: HubInProcess, **changes: Any) -> None:
    token = ocpi_bodies.cdr_token("DE-HME", "HOME1")
    answer = await hub.call("cpo", "POST", f"{RECEIVER}/cdrs", body=ocpi_bodies.cdr(cdr_token=token, **changes))
    assert answer.outcome == (201, 1000), answer.text
    await hub.services.journal.flush()


def read(file: str | Path) -> Any:
    return json.loads(Path(file).read_text())


def write(file: Path, body: Any) -> None:
    file.write_text(json.dumps(body))


async def states(**wanted: str) -> dict[str, str]:
    options = [part for name, value in wanted.items() for part in (f"--{name}", value)]
    return {row["CDR"]: row["state"] for row in await rows("cdr", "states", *MONTH, *options)}


async def test_a_partners_cdr_is_disputed_once_and_closed_by_its_credit(hub: HubInProcess, tmp_path: Path) -> None:
    await give(hub, total_cost={"excl_vat": 7, "incl_vat": 8.4})
    (disputed,) = await rows("cdr", "dispute", "--found", *MONTH, "--out", str(tmp_path / "out"))
    assert (disputed["CDR"], disputed["at stake"], disputed["state"], disputed["new"]) == ("C1", "6.50", "OPEN", True)
    assert "says 7 EUR" in disputed["reason"]
    told = read(disputed["file"])
    assert told["evidence"]["cdr"]["total_cost"]["before_taxes"] == 7
    assert told["evidence"]["explanation"][-1]["reason"] == "raised to min_price"
    assert [frame["method"] for frame in told["evidence"]["frames"]] == ["POST"]
    assert "token-c-of" not in json.dumps(told)
    (again,) = await rows("cdr", "dispute", "C1", "--party", "FR-CPO", "--reason", "still")
    assert (again["dispute"], again["new"]) == (disputed["dispute"], False)
    assert await states(party="DE-HME") == {"C1": "DISPUTED"}

    credit = {"id": "C1-C", "credit": True, "credit_reference_id": "C1", "total_cost": {"excl_vat": -7}}
    await give(hub, **credit)
    (closed,) = await rows("dispute", "list", "--party", "FR-CPO")
    told_of_it = ("CREDITED", "taken back by FR/CPO/c1-c")
    assert (closed["state"], closed["resolution"]) == told_of_it
    assert await states(party="DE-HME") == {"C1": "CREDITED", "C1-C": "ACKNOWLEDGED"}
    over = await roaming("dispute", "close", disputed["dispute"], "refused", "--note", "it is right")
    assert "is CREDITED already" in over.stderr
    kept = "SELECT state, resolution FROM disputes"
    assert [tuple(row) for row in await hub.services.database.reader.fetch(kept)] == [("OPEN", "")], "who looks"
    await rows("cdr", "check", *MONTH)
    assert [tuple(row) for row in await hub.services.database.reader.fetch(kept)] == [told_of_it]
    assert await rows("cdr", "dispute", "--found", *MONTH) == [], "what was credited is not disputed again"
    refused = await roaming("cdr", "dispute", "C1", "--party", "FR-CPO", "--reason", "once more")
    assert "C1 was taken back by C1-C" in refused.stderr


async def test_what_is_taken_back_twice_is_disputed_at_the_second_credit(hub: HubInProcess) -> None:
    await give(hub, total_cost={"excl_vat": 7, "incl_vat": 8.4})
    credit = {"credit": True, "credit_reference_id": "C1", "total_cost": {"excl_vat": -7}}
    await give(hub, id="C1-C", **credit)
    await give(hub, id="C1-D", **credit, last_updated="2026-11-24T12:00:00Z")
    right = await roaming("cdr", "dispute", "C1-C", "--party", "FR-CPO", "--reason", "x")
    assert "C1-C is a credit that the check finds right" in right.stderr
    (disputed,) = await rows("cdr", "dispute", "--found", *MONTH)
    assert (disputed["CDR"], disputed["state"], disputed["at stake"]) == ("C1-D", "OPEN", "7.00")
    assert "was taken back before, by C1-C" in disputed["reason"]
    assert await states(party="DE-HME") == {"C1": "CREDITED", "C1-C": "ACKNOWLEDGED", "C1-D": "DISPUTED"}
    assert await rows("cdr", "dispute", "--found", *MONTH) == [disputed | {"new": False}]
    await rows("dispute", "close", disputed["dispute"], "withdrawn", "--note", "billed anew")
    assert await rows("cdr", "dispute", "--found", *MONTH) == []
    (again,) = await rows("cdr", "dispute", "C1-D", "--party", "FR-CPO", "--reason", "it was not")
    assert again["new"] is True, "a person may"


async def test_a_credit_of_another_amount_takes_nothing_back(hub: HubInProcess) -> None:
    """The CDR stays disputed, its credit is disputed itself, and neither is paid."""
    await give(hub, total_cost={"excl_vat": 7, "incl_vat": 8.4})
    (original,) = await rows("cdr", "dispute", "--found", *MONTH)
    await give(hub, id="C1-C", credit=True, credit_reference_id="C1", total_cost={"excl_vat": -1})
    await rows("cdr", "check", *MONTH)
    assert await states(party="DE-HME") == {"C1": "DISPUTED", "C1-C": "HELD"}
    found = {row["CDR"]: row for row in await rows("cdr", "dispute", "--found", *MONTH)}
    assert found["C1"] == original | {"new": False}
    assert (found["C1-C"]["new"], found["C1-C"]["at stake"]) == (True, "1.00")
    assert "is -1 EUR, the CDR that it takes back 7 EUR" in found["C1-C"]["reason"]
    listed = await rows("dispute", "list")
    assert {row["CDR"]: (row["state"], row["resolution"]) for row in listed} == dict.fromkeys(
        ("C1", "C1-C"), ("OPEN", "")
    )
    right = {"credit": True, "credit_reference_id": "C1", "total_cost": {"excl_vat": -7}}
    await give(hub, id="C1-D", **right, last_updated="2026-11-24T12:00:00Z")
    await rows("cdr", "check", *MONTH)
    assert await states(party="DE-HME") == {"C1": "CREDITED", "C1-C": "DISPUTED", "C1-D": "ACKNOWLEDGED"}


async def test_the_doctor_says_what_waits_for_a_person(hub: HubInProcess) -> None:
    async def waits() -> list[str]:
        result = await roaming("doctor", "--json")
        found = {row["check"]: row["detail"] for row in json.loads(result.stdout)}
        return [found["CDRs that the check holds"], found["disputes past their date"]]

    await give(hub, total_cost={"excl_vat": 7, "incl_vat": 8.4})
    await rows("cdr", "check", *MONTH)
    assert await waits() == ["1", "0"]
    await rows("cdr", "dispute", "--found", *MONTH)
    assert await waits() == ["0", "0"]
    async with hub.services.database.work() as work:
        await work.connection.execute(update(disputes.DISPUTES).values(due_at=work.now - timedelta(days=1)))
    assert await waits() == ["0", "1"]


async def test_what_was_withdrawn_is_paid_and_not_disputed_again(hub: HubInProcess, tmp_path: Path) -> None:
    await give(hub, total_cost={"excl_vat": 7, "incl_vat": 8.4})
    found = ("cdr", "dispute", "--found", *MONTH, "--out", str(tmp_path))
    (disputed,) = await rows(*found)
    closed = await rows("dispute", "close", disputed["dispute"], "withdrawn", "--note", "a new price")
    assert closed["state"] == "WITHDRAWN"
    assert await states(party="DE-HME") == {"C1": "ACKNOWLEDGED"}
    assert await rows(*found) == []
    (told,) = [message for _, message in await waiting(hub.services.database, CdrAccepted)]
    assert (told.cdr_id, told.is_by_hand, told.note) == ("C1", True, "a new price")
    (taken,) = await rows("dispute", "import", disputed["file"])
    assert (taken["dispute"], taken["state"], taken["new"]) == (disputed["dispute"], "WITHDRAWN", False)
    by_name = await rows("cdr", "dispute", "C1", "--party", "FR-CPO", "--reason", "it was not")
    assert (by_name[0]["new"], by_name[0]["state"]) == (True, "OPEN"), "a person may"


async def test_what_was_refused_is_left_to_whoever_is_to_pay(hub: HubInProcess) -> None:
    await give(hub, total_cost={"excl_vat": 7, "incl_vat": 8.4})
    (disputed,) = await rows("cdr", "dispute", "--found", *MONTH)
    await rows("dispute", "close", disputed["dispute"], "refused", "--note", "it is right")
    assert await states(party="DE-HME") == {"C1": "HELD"}
    assert await waiting(hub.services.database, CdrAccepted) == []
    assert await rows("cdr", "dispute", "--found", *MONTH) == []
    await rows("cdr", "accept", "C1", "--party", "FR-CPO", "--note", "so be it")
    assert await states(party="DE-HME") == {"C1": "ACKNOWLEDGED"}


async def test_the_other_side_takes_the_file_and_answers_with_a_credit_and_a_new_one(
    hub: HubInProcess, tmp_path: Path
) -> None:
    (first,) = await rows("cdr", "dispute", "OURS-AAA", "--reason", "too dear", "--out", str(tmp_path))
    file = Path(first["file"])
    body = read(file)
    closed = await rows("dispute", "close", first["dispute"], "withdrawn", "--note", "by telephone")
    assert closed["state"] == "WITHDRAWN"
    body["dispute"]["opened_at"] = "2026-12-01T00:00:00Z"  # as if it were another one
    write(file, body)
    (taken,) = await rows("dispute", "import", str(file))
    assert (taken["CDR"], taken["raised by"], taken["new"]) == ("OURS-AAA", "DE-AAA", True)
    assert (await rows("dispute", "import", str(file)))[0]["new"] is False
    body["evidence"]["cdr"]["total_energy"] = "1"
    write(file, body)
    refused = await roaming("dispute", "import", str(file))
    assert "changed after it was written" in refused.stderr

    credit = ("cdr", "credit", "OURS-AAA", "--party", "NL-HUB", "--reason", "wrong tariff", "--replace")
    done = await rows(*credit)
    # Monday 09:00 UTC, 1.5 kWh at 0.30, raised to the minimum of 0.50
    assert (done["id"], done["before taxes"], done["replacement"], done["new"]) == (
        "OURS-AAA-C",
        "-0.45",
        "OURS-AAA-2",
        True,
    )
    assert done["new before taxes"] == "0.5000"
    assert (await rows(*credit))["new"] is False
    by_id = {row["dispute"]: row["state"] for row in await rows("dispute", "list")}
    assert sorted(by_id.values()) == ["CREDITED", "WITHDRAWN"]
    sent = (await hub.call("aaa", "GET", "/2.2.1/sender/cdrs")).data
    assert [each["id"] for each in sent] == ["OURS-AAA", "OURS-AAA-C", "OURS-AAA-2"]
    assert "credit" not in sent[-1]
    assert "in place of CDR OURS-AAA" in sent[-1]["remark"]
    told = await hub.services.database.reader.fetch("SELECT object_key FROM outgoing WHERE module = 'cdrs' ORDER BY id")
    assert [row[0] for row in told] == ["NL/HUB/ours-aaa-c", "NL/HUB/ours-aaa-2"]
    assert len((await hub.call("bbb", "GET", "/2.2.1/sender/cdrs")).data) == 1, "nobody else sees them"


async def test_a_cdr_is_priced_anew_as_its_parties_read_tariffs(hub: HubInProcess) -> None:
    async with hub.services.database.work() as work:
        assert await choose_readings(work, cpo=HOSTED_CPO, emsp=PartyId("DE", "AAA"), readings={"decimals": 0})
    done = await rows("cdr", "credit", "OURS-AAA", "--party", "NL-HUB", "--reason", "wrong tariff", "--replace")
    assert done["new before taxes"] == "1", "and not 0.5000"


async def test_copies_are_compared_and_what_is_lacking_goes_out_again(hub: HubInProcess) -> None:
    copies: dict[str, Any] = {}

    async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
        copy = copies.get(request.target.rsplit("/", 1)[-1].upper())
        status = "200 OK" if copy else "404 Not Found"
        writer.write(http_answer(enveloped(copy, status_code=1000 if copy else 2003), status=status))

    async with ScriptedPartner(answer) as partner:
        await hub.connect("ccc", "DE-CCC", Role.EMSP, url=partner.url)
        for name in ("SAME", "OTHER", "LOST"):
            await hub.host_charge("DE-CCC", name)
        copies |= {each["id"]: each for each in (await hub.call("ccc", "GET", "/2.2.1/sender/cdrs")).data}
        copies["OTHER"]["total_energy"] = 9
        del copies["LOST"]
        compare = ("cdr", "compare", *MONTH, "--partner", "ccc", "--mend")
        compared = {row["CDR"]: row for row in await rows(*compare)}
        assert {name: (row["copy"], row["sent again"]) for name, row in compared.items()} == {
            "SAME": ("SAME", False),
            "OTHER": ("DIFFERS", False),
            "LOST": ("MISSING", True),
        }
        assert compared["OTHER"]["differs in"] == "total_energy"
        assert not any(row["sent again"] for row in await rows(*compare)), "it waits already"
    assert await states(partner="ccc") == {"SAME": "HELD", "OTHER": "HELD", "LOST": "DRAFT"}


async def test_what_was_refused_is_sent_again_in_bulk(hub: HubInProcess) -> None:
    now = hub.services.clock.now()
    row = {
        "coalesce_key": "x",
        "partner_id": "aaa",
        "module": "cdrs",
        "object_key": "NL/HUB/ours-aaa",
        "owner": "NL-HUB",
        "order_key": "x",
        "detail": "",
        "state": "REFUSED",
        "revision": 1,
        "attempts": 1,
        "is_in_doubt": False,
        "is_full": False,
        "created_at": now,
        "due_at": now,
        "last_error": "2001: no",
        "remote_url": "",
    }
    async with hub.services.database.work() as work:
        await append(work.connection, DELIVERIES, [row])
    assert await states(state="rejected") == {"OURS-AAA": "REJECTED"}
    assert [each["CDR"] for each in await rows("cdr", "resend", *MONTH, "--partner", "aaa")] == ["OURS-AAA"]
    assert await states(state="sent") == {"OURS-AAA": "SENT"}
    assert await rows("cdr", "resend", *MONTH, "--partner", "aaa") == []


MISTAKES = (
    (("cdr", "dispute"), "--found"),
    (("cdr", "dispute", "OURS-AAA", "--found"), "--found"),
    (("cdr", "dispute", "OURS-AAA"), "give --reason"),
    (("cdr", "dispute", "NONE", "--reason", "x"), "roaming cdr list"),
    (("cdr", "credit", "NONE", "--party", "NL-HUB", "--reason", "x"), "has issued no CDR NONE"),
    (("cdr", "states", "--state", "LOST"), "DRAFT, HELD"),
    (("dispute", "show", "none"), "roaming dispute list"),
    (("dispute", "list", "--state", "LOST"), "OPEN"),
)


async def test_what_cannot_be_done_is_said(hub: HubInProcess) -> None:
    for words, hint in MISTAKES:
        result = await roaming(*words)
        assert (result.exit_code, hint in result.stderr) == (1, True), (words, result.output)

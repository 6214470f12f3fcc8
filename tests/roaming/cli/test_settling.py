"""A month between two parties from the command line: shown, reconciled, closed, locked, reopened, exported, booked."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import openpyxl
import pypdf
import pytest
from lxml import html
from sqlalchemy import text
from typer.testing import CliRunner, Result

from contracts.messages import Due, Message, StatementClosed
from roaming.app import open_services
from roaming.billing import settling
from roaming.billing.checks.amounts import shown
from roaming.billing.settling import NotClosable
from roaming.billing.statement import pair_of
from roaming.cli.commands import app
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId
from roaming.modules.cdrs import repository as cdrs
from roaming.modules.cdrs.crediting import credit_of
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.outbox import waiting
from tests.roaming.billing.charges import TOKEN, a_cdr
from tests.roaming.billing.test_statement import a_bill

MONTH = ("FR-CPO", "DE-HME", "--month", "2026-07")


@pytest.fixture
async def hub(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    for name, value in {"DATA_DIR": str(tmp_path), "SECRET": "5e" * 32}.items():
        monkeypatch.setenv(f"ROAMING_{name}", value)
    async with hub_in_process(database_url, tmp_path) as running:
        for cdr in (a_bill(1, Decimal("10.00125")), a_bill(2, Decimal(8)), a_bill(3, Decimal(7), currency="SEK")):
            await keep(running, cdr)
        other = msgspec.structs.replace(a_cdr(id="OTHER"), cdr_token=msgspec.structs.replace(TOKEN, party_id="OTH"))
        await keep(running, other)
        yield running


async def keep(hub: HubInProcess, cdr: CDR) -> None:
    async with hub.services.database.work() as work:
        assert await cdrs.insert(work.connection, cdr, source="cpo", now=work.now)


async def roaming(*words: str) -> Result:
    """Runs a command; in a thread, since it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, words)


async def rows(*words: str, code: int = 0) -> Any:
    result = await roaming(*words, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


async def lines(*words: str) -> dict[str, str]:
    return {row["id"]: row["status"] for row in await rows("settle", "show", *words, "--lines")}


async def test_a_month_is_closed_locked_and_reopened_for_a_reason(hub: HubInProcess) -> None:
    await rows("settle", "terms", "set", "FR-CPO", "DE-HME", "--fee", "percent 10 cpo>emsp")
    await rows("cdr", "dispute", "C2", "--reason", "too dear")
    assert await lines(*MONTH) == {"C1": "COUNTED", "C2": "DISPUTED", "C3": "COUNTED"}, "and nothing of others"
    closed = await rows("settle", "close", "--pay-held", *MONTH)
    # 10.00125 and 20 % tax, less a fee of 10 %
    assert closed["payable"] == ["DE-HME owes FR-CPO 11.00 EUR", "DE-HME owes FR-CPO 7.70 SEK"]
    assert (await rows("settle", "close", "--pay-held", *MONTH)) | {"new": True} == closed, (
        "closing twice changes nothing"
    )
    await keep(hub, a_bill(4, Decimal(3)))
    await keep(hub, credit_of(a_bill(2, Decimal(8)), reason="yes"))
    assert await lines(*MONTH) == {"C1": "COUNTED", "C2": "DISPUTED", "C3": "COUNTED"}, "what is closed stays"
    august = ("FR-CPO", "DE-HME", "--month", "2026-08")
    assert await lines(*august) == {"C2": "COUNTED", "C2-C": "COUNTED", "C4": "COUNTED"}, "it goes to the next one"
    states = {
        row["CDR"]: row["state"] for row in await rows("cdr", "states", "--month", "2026-07", "--party", "DE-HME")
    }
    assert states == {"C1": "SETTLED", "C2": "CREDITED", "C2-C": "ACKNOWLEDGED", "C3": "SETTLED", "C4": "ACKNOWLEDGED"}

    august_closed = await rows("settle", "close", "--pay-held", *august)
    assert august_closed["payable"] == ["DE-HME owes FR-CPO 3.30 EUR"]
    refused = await roaming("settle", "reopen", *MONTH, "--reason", "x")
    assert "reopen it first" in refused.stderr
    before = await rows("settle", "ledger", "--party", "FR-CPO")
    await rows("settle", "reopen", *august, "--reason", "a CDR came by post")
    await rows("settle", "close", "--pay-held", *august)
    assert await rows("settle", "ledger", "--party", "FR-CPO") == before, "what was reversed is written again"
    history = await rows("settle", "history", *august)
    assert [(row["what"], row["reason"]) for row in history] == [
        ("CLOSED", ""),
        ("REOPENED", "a CDR came by post"),
        ("CLOSED", ""),
    ]
    assert [row["month"] for row in await rows("settle", "list", "--party", "DE-HME")] == ["2026-07", "2026-08"]
    assert await rows("settle", "list", "--party", "DE-OTH") == []
    await check_told(hub)
    await check_versions(hub, august)


async def check_versions(hub: HubInProcess, month: Sequence[str]) -> None:
    """What is closed again has a number of its own, and what it took the place of is still there."""
    await rows("settle", "reopen", *month, "--reason", "another one came")
    await keep(hub, a_bill(5, Decimal(1)))
    before = {"C2": "COUNTED", "C2-C": "COUNTED", "C4": "COUNTED"}
    (*_, last) = await rows("settle", "show", *month)
    assert last["row"].startswith("REOPENED DE-HME_FR-CPO_2026-08-V3, ")
    assert (await rows("settle", "close", "--pay-held", *month))["number"] == "DE-HME_FR-CPO_2026-08-V3"
    for version, found in (("1", before), ("2", before), ("3", {**before, "C5": "COUNTED"})):
        assert await lines(*month, "--version", version) == found
    (*_, last) = await rows("settle", "show", *month, "--version", "2")
    assert last["row"].startswith("REOPENED DE-HME_FR-CPO_2026-08-V2, ")
    assert "never closed, or not kept" in (await roaming("settle", "show", *month, "--version", "4")).stderr
    numbers = [row["number"] for row in await rows("settle", "list", "--party", "DE-HME")]
    assert numbers == ["DE-HME_FR-CPO_2026-07", "DE-HME_FR-CPO_2026-08-V3"]


async def test_what_the_check_holds_is_not_paid_unseen(hub: HubInProcess) -> None:
    refused = await roaming("settle", "close", *MONTH)
    assert (refused.exit_code, "the check holds C1, C2, C3" in refused.stderr, "--pay-held" in refused.stderr) == (
        *(1, True),
        True,
    ), "nobody had checked them so far"
    assert await rows("settle", "history", *MONTH) == []
    await rows("cdr", "accept", "C1", "--note", "by telephone")
    await rows("cdr", "dispute", "C2", "--reason", "too dear")
    await keep(hub, credit_of(a_bill(3, Decimal(7), currency="SEK"), reason="yes"))
    closed = await rows("settle", "close", *MONTH)
    assert closed["payable"] == ["DE-HME owes FR-CPO 12.00 EUR", "DE-HME owes FR-CPO 0.00 SEK"]


async def test_terms_of_a_month_stay_when_others_begin_later(hub: HubInProcess) -> None:
    terms = ("settle", "terms", "set", "FR-CPO", "DE-HME")
    await rows(*terms, "--fee", "percent 10 cpo>emsp")
    for since in ("2026-09", "2026-08"):  # the later one goes: it is as these say from then on
        done = await rows(*terms, "--fee", "percent 50 cpo>emsp", "--from", since)
        assert done["since"] == since
    listed = await rows("settle", "terms", "list")
    assert [(row["since"], row["fee"]) for row in listed] == [
        ("2026-08", "percent 50 cpo>emsp"),
        ("", "percent 10 cpo>emsp"),
    ]
    closed = await rows("settle", "close", "--pay-held", *MONTH)
    # 18.00125 and 20 % tax, less a fee of 10 %
    assert closed["payable"] == ["DE-HME owes FR-CPO 19.80 EUR", "DE-HME owes FR-CPO 7.70 SEK"]
    await keep(hub, a_bill(4, Decimal(3)))
    late = await rows("settle", "close", "--pay-held", "FR-CPO", "DE-HME", "--month", "2026-08")
    assert late["payable"] == ["DE-HME owes FR-CPO 2.10 EUR"], "3.6 less 50 % of 3"
    await rows(*terms, "--fee", "percent 1 cpo>emsp")
    assert [row["since"] for row in await rows("settle", "terms", "list")] == [""], "in place of all earlier ones"


async def check_told(hub: HubInProcess) -> None:
    """ERP systems hear of it on the bus and as events, each once, and only those that it is about."""
    events = await hub.services.database.reader.fetch("SELECT kind, parties, body FROM events ORDER BY seq")
    assert [row[0] for row in events] == [
        "cdr.disputed",
        "statement.closed",
        "dispute.closed",
        "statement.closed",
        "statement.reopened",
        "statement.closed",
    ]
    assert {row[1] for row in events} == {" DE-HME FR-CPO "}
    waits = await waiting(hub.services.database, Message)
    on_bus = [message for subject, message in waits if subject == "DE-HME/FR-CPO"]
    for (_, _, body), message in zip(events, on_bus, strict=True):
        assert msgspec.json.decode(body, type=type(message)) == message
    closed = [message for message in on_bus if isinstance(message, StatementClosed)]
    assert [(message.month, message.closing, message.disputed) for message in closed] == [
        ("2026-07", 1, 1),
        ("2026-08", 1, 0),
        ("2026-08", 2, 0),
    ]
    assert closed[0].due[1] == Due(debtor="DE-HME", creditor="FR-CPO", currency="SEK", payable=Decimal("7.70"))


async def test_what_is_settled_in_another_currency(hub: HubInProcess, tmp_path: Path) -> None:
    file = tmp_path / "eurofxref-hist.csv"
    write(file, "Date,USD,SEK,\n2026-07-03,1.0815,11.237,\n2026-07-02,1.0790,11.24,\n")
    await rows("settle", "terms", "set", "FR-CPO", "DE-HME", "--settle-in", "eur")
    for words in (("show", *MONTH), ("close", "--pay-held", *MONTH)):
        missing = await roaming("settle", *words)
        assert "ECB has no rate of SEK for 2026-07-06" in missing.stderr, missing.output
        assert "roaming settle rates import FILE --source ECB" in missing.stderr
    done = await rows("settle", "rates", "import", str(file))
    assert (done["rates"], done["new"], done["currencies"], done["last"]) == (4, 4, "SEK USD", "2026-07-03")
    assert (await rows("settle", "rates", "import", str(file)))["new"] == 0
    listed = await rows("settle", "rates", "list", "--currency", "sek", "--month", "2026-07")
    assert [row["rate"] for row in listed] == ["11.24", "11.237"]

    (line,) = [row for row in await rows("settle", "show", *MONTH, "--lines") if row["id"] == "C3"]
    assert (line["currency"], line["after taxes"], line["billed currency"], line["billed after taxes"]) == (
        *("EUR", "0.7475", "SEK"),  # 7 / 11.237 and 1.4 / 11.237
        "8.4",
    )
    assert (line["rate"], line["rate date"], line["rate source"]) == ("1 EUR = 11.237 SEK", "2026-07-03", "ECB")
    closed = await rows("settle", "close", "--pay-held", *MONTH)
    assert closed["payable"] == ["DE-HME owes FR-CPO 22.35 EUR"]
    words = ("SEK", "10", "--day", "2026-07-03")
    assert "--replace" in (await roaming("settle", "rates", "set", *words)).stderr
    assert "quotes against EUR" in (await roaming("settle", "rates", "set", *words, "--base", "CHF")).stderr
    await rows("settle", "rates", "set", *words, "--replace")
    assert (await rows("settle", "close", "--pay-held", *MONTH))["digest"] == closed["digest"], "its rates are frozen"
    balances = await rows("settle", "ledger", "--party", "FR-CPO", "--month", "2026-07")
    found = {(row["account"], row["currency"]): (row["debit"], row["credit"]) for row in balances}
    assert (found["exchange", "SEK"], found["exchange", "EUR"]) == (("8.4", "0"), ("0", "0.7475"))
    await keep_out_list(tmp_path)
    await rows("settle", "reopen", *MONTH, "--reason", "a rate was wrong")
    assert (await rows("settle", "close", "--pay-held", *MONTH))["payable"] == ["DE-HME owes FR-CPO 22.44 EUR"]


async def keep_out_list(folder: Path) -> None:
    """A list of CDRs as they were billed is set beside what was converted, in every form."""
    for form in ("json", "csv"):
        await rows("settle", "show", *MONTH, "--out", str(folder / f"own.{form}"))
        clean = await rows("settle", "reconcile", *MONTH[:2], str(folder / f"own.{form}"), *MONTH[2:])
        assert [(row["result"], row["currency"]) for row in clean] == [("MATCHED", "EUR"), ("MATCHED", "SEK")]
    write(folder / "theirs.csv", "id,currency,net\nC1,EUR,10.00125\nC2,EUR,8\nC3,SEK,7\n")
    await rows("settle", "reconcile", *MONTH[:2], str(folder / "theirs.csv"), *MONTH[2:])


async def test_of_two_who_close_at_once_one_does(hub: HubInProcess) -> None:
    pair = pair_of(PartyId("FR", "CPO"), PartyId("DE", "HME"))
    async with open_services(hub.settings) as other:
        closing = [settling.close(services, pair, "2026-07", is_held_paid=True) for services in (hub.services, other)]
        done = await asyncio.gather(*closing, return_exceptions=True)
    assert sum(isinstance(each, tuple) and each[1] for each in done) == 1, done
    assert all(isinstance(each, tuple | NotClosable) for each in done), done
    entries = await rows("settle", "ledger", "--party", "FR-CPO", "--entries")
    assert sum(row["posting"].startswith("due/") for row in entries) == len(
        {row["account"] + row["currency"] for row in entries if row["posting"].startswith("due/")}
    )
    assert len(await rows("settle", "history", *MONTH)) == 1


async def test_the_ledger_is_the_cdrs_and_cannot_be_changed(hub: HubInProcess) -> None:
    await rows("settle", "close", "--pay-held", *MONTH)
    balances = await rows("settle", "ledger", "--party", "FR-CPO", "--month", "2026-07")
    found = {(row["account"], row["with"], row["currency"]): (row["debit"], row["credit"]) for row in balances}
    assert found["charging revenue", "DE-HME", "EUR"] == ("0", "18.00125")
    assert found["output tax 20", "DE-HME", "EUR"] == ("0", "3.60025")
    assert found["due by statement", "DE-HME", "EUR"] == ("21.6", "0")
    assert found["rounding", "DE-HME", "EUR"] == ("0.0015", "0")
    assert ("receivable", "DE-OTH", "EUR") in found, "not settled, but issued"
    assert {row["with"] for row in await rows("settle", "ledger", "--party", "DE-HME")} == {"FR-CPO"}
    entries = await rows("settle", "ledger", "--party", "FR-CPO", "--month", "2026-07", "--entries")
    assert len({(row["posting"], row["account"]) for row in entries}) == len(entries), "nothing is written twice"
    for change in (
        "UPDATE ledger_entries SET debit = '0'",
        "DELETE FROM ledger_entries",
        "DELETE FROM statement_events",
    ):
        with pytest.raises(Exception, match="rows are never changed"):
            async with hub.services.database.work() as work:
                await work.connection.execute(text(change))


async def test_every_form_is_read_by_a_program_that_is_not_ours(hub: HubInProcess, tmp_path: Path) -> None:
    """CSV, JSON and Parquet by DuckDB, XLSX by openpyxl, HTML by lxml, PDF by pypdf: all see the same rows and sums."""
    await keep(hub, msgspec.structs.replace(a_bill(5, Decimal(1)), id="=1+1"))
    files = {ending: tmp_path / f"july{ending}" for ending in (".csv", ".json", ".html", ".pdf", ".xlsx", ".parquet")}
    for file in files.values():
        await rows("settle", "show", *MONTH, "--out", str(file))
    shown_rows = await rows("settle", "show", *MONTH, "--lines")
    expected = sorted((row["id"], Decimal(row["before taxes"]), Decimal(row["after taxes"])) for row in shown_rows)
    assert sum(net for _, net, _ in expected) == Decimal("26.00125")

    asked = {
        ".csv": """SELECT ltrim(id, ''''), "before taxes"::DECIMAL(18, 5), "after taxes"::DECIMAL(18, 5) FROM '{}'""",
        ".json": "SELECT line.cdr_id, line.net::DECIMAL(18, 5), line.gross::DECIMAL(18, 5)"
        " FROM (SELECT unnest(lines) AS line FROM '{}')",
        ".parquet": """SELECT id, "before taxes", "after taxes" FROM '{}'""",
    }
    with duckdb.connect() as base:
        for ending, sql in asked.items():
            assert sorted(base.execute(sql.format(files[ending])).fetchall()) == expected, ending
        kinds = base.execute(f"DESCRIBE SELECT * FROM '{files['.parquet']}'").fetchall()
    kind_of = {row[0]: row[1] for row in kinds}
    assert (kind_of["after taxes"], kind_of["ended"]) == ("DECIMAL(38,5)", "TIMESTAMP WITH TIME ZONE")
    assert "'=1+1" in files[".csv"].read_text()

    check_xlsx(files[".xlsx"], expected)
    tables = html.fromstring(files[".html"].read_bytes()).iter("table")
    (cdrs_table,) = [table for table in tables if table.findtext("caption") == "CDRs"]
    names, *cells = [[cell.text for cell in row] for row in cdrs_table.iter("tr")]
    in_html = [dict(zip(names, row, strict=True)) for row in cells]
    assert sorted((row["id"], Decimal(row["before taxes"]), Decimal(row["after taxes"])) for row in in_html) == expected
    printed = "".join(page.extract_text() for page in pypdf.PdfReader(files[".pdf"]).pages)
    assert all(shown(net) in printed for _, net, _ in expected)


def check_xlsx(file: Path, expected: list[tuple[str, Decimal, Decimal]]) -> None:
    """Amounts are numbers, times are times, text is text."""
    book = openpyxl.load_workbook(file)
    assert book.sheetnames == ["CDRs", "Charging", "Taxes", "Fees", "Payable", "Statement"]
    header, *cells = [list(row) for row in book["CDRs"].iter_rows()]
    found = [dict(zip([cell.value for cell in header], row, strict=True)) for row in cells]
    amounts = [
        (row["id"].value, Decimal(str(row["before taxes"].value)), Decimal(str(row["after taxes"].value)))
        for row in found
    ]
    assert sorted(amounts) == expected
    assert all(isinstance(row["ended"].value, datetime) for row in found)
    assert {(row["id"].data_type, row["before taxes"].data_type) for row in found} == {("s", "n")}, "no formula"


async def test_a_partners_list_is_set_beside_ours(hub: HubInProcess, tmp_path: Path) -> None:
    file = tmp_path / "theirs.csv"
    write(file, "id;currency;net\nC1;EUR;10,00125\nC2;EUR;9\nC9;EUR;1\n")
    found = await rows("settle", "reconcile", *MONTH[:2], str(file), *MONTH[2:], code=1)
    results = {row["CDR"]: (row["result"], row["difference"]) for row in found if row["CDR"] != "SUM"}
    assert results == {"C2": ("DIFFERS", "1"), "C3": ("MISSING_THERE", "-7"), "C9": ("MISSING_HERE", "1")}
    await rows("settle", "show", *MONTH, "--out", str(tmp_path / "own.json"))
    clean = await rows("settle", "reconcile", *MONTH[:2], str(tmp_path / "own.json"), *MONTH[2:])
    assert {row["result"] for row in clean} == {"MATCHED"}


def write(file: Path, content: str) -> None:
    file.write_text(content)


async def test_what_cannot_be_done_is_said(hub: HubInProcess, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    write(bad, "a;b\n1;2\n")
    this_month = f"{hub.services.clock.now():%Y-%m}"
    for words, hint in (
        (("settle", "show", "FR-CPO", "FR-CPO", "--month", "2026-07"), "no statement with itself"),
        (("settle", "show", *MONTH[:3], "July"), "2026-10"),
        (("settle", "show", *MONTH, "--out", "july.doc"), ".xlsx"),
        (("settle", "close", *MONTH[:3], this_month), "is not over yet"),
        (("settle", "close", "FR-CPQ", "DE-HME", "--month", "2026-07"), "nobody knows FR-CPQ"),
        (("settle", "reopen", *MONTH, "--reason", "x"), "is not closed"),
        (("settle", "reopen", *MONTH, "--reason", " "), "for a reason"),
        (("settle", "terms", "set", "FR-CPO", "DE-HME", "--fee", "two"), "is no fee"),
        (("settle", "terms", "set", "FR-CPO", "DE-HME", "--from", "soon"), "write it as 2026-10"),
        (("settle", "terms", "remove", "FR-CPO", "DE-HME"), "have no terms"),
        (("settle", "reconcile", *MONTH[:2], str(bad), *MONTH[2:]), "no column for the CDR"),
    ):
        result = await roaming(*words)
        assert (result.exit_code, hint in result.stderr) == (1, True), (words, result.output)

"""Invoices of a closed month from the command line: issued once, valid, taken back when the month was reopened."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from contracts.messages import InvoiceIssued
from roaming.modules.cdrs.crediting import credit_of
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.outbox import waiting
from tests.roaming.billing.test_statement import a_bill
from tests.roaming.cli.test_settling import MONTH, keep, roaming, rows

AUGUST = ("FR-CPO", "DE-HME", "--month", "2026-08")


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    for name, value in {"DATA_DIR": str(tmp_path), "SECRET": "5e" * 32}.items():
        monkeypatch.setenv(f"ROAMING_{name}", value)
    async with hub_in_process(sqlite_url, tmp_path) as running:
        for cdr in (a_bill(1, Decimal("10.00125")), a_bill(2, Decimal(8)), a_bill(3, Decimal(7), currency="SEK")):
            await keep(running, cdr)
        yield running


async def test_a_month_is_invoiced_once_and_taken_back(hub: HubInProcess, tmp_path: Path) -> None:
    early = await roaming("settle", "invoice", *MONTH)
    assert "is not closed" in early.stderr
    await rows("settle", "close", "--pay-held", *MONTH)
    nobody = await roaming("settle", "invoice", *MONTH)
    assert "settle party set FR-CPO" in nobody.stderr
    for party, country, vat_id in (("FR-CPO", "FR", "FR12345678901"), ("DE-HME", "DE", "DE123456789")):
        await rows("settle", "party", "set", party, "--name", f"{party} Ltd", "--country", country, "--vat-id", vat_id)
    assert [row["vat_id"] for row in await rows("settle", "party", "list")] == ["DE123456789", "FR12345678901"]

    out = ("--out", str(tmp_path / "out"), "--form", "cii", "--form", "ubl", "--date", "2026-08-02")
    issued = await rows("settle", "invoice", *MONTH, *out)
    assert [(row["number"], row["payable"], row["due"]) for row in issued] == [
        ("2026-07-FR-CPO-DE-HME-EUR", "21.60", "2026-09-01"),
        ("2026-07-FR-CPO-DE-HME-SEK", "8.40", "2026-09-01"),
    ]
    files = [file for row in issued for file in row["files"].split()]
    assert len(files) == 4
    assert all("21.60" in read(file) for file in files[:2])
    again = await rows("settle", "invoice", *MONTH)
    assert [(row["number"], row["new"], row["issued"]) for row in again] == [
        (row["number"], False, "2026-08-02") for row in issued
    ]

    await keep(hub, credit_of(a_bill(1, Decimal("10.00125")), reason="x"))
    await rows("settle", "close", "--pay-held", *AUGUST)
    (credit,) = await rows("settle", "invoice", *AUGUST)
    assert (credit["kind"], credit["about"], credit["payable"]) == ("CREDIT_NOTE", issued[0]["number"], "12.00")

    await rows("settle", "reopen", *AUGUST, "--reason", "x")
    await rows("settle", "reopen", *MONTH, "--reason", "x")
    assert "is not closed" in (await roaming("settle", "invoice", *MONTH)).stderr
    await rows("settle", "close", "--pay-held", *MONTH)
    anew = await rows("settle", "invoice", *MONTH)
    assert [(row["number"].removeprefix("2026-07-FR-CPO-DE-HME-"), row["kind"], row["new"]) for row in anew] == [
        ("EUR", "INVOICE", False),
        ("SEK", "INVOICE", False),
        ("EUR-X", "CREDIT_NOTE", True),
        ("SEK-X", "CREDIT_NOTE", True),
        ("EUR-2", "INVOICE", True),
        ("EUR-C-2", "CREDIT_NOTE", True),
        ("SEK-2", "INVOICE", True),
    ]
    assert len(await rows("settle", "invoices", "--party", "DE-HME")) == 8
    told = [message.number for _, message in await waiting(hub.services.database, InvoiceIssued)]
    assert sorted(told) == sorted({row["number"] for row in [*anew, credit]}), "each once"
    assert await rows("settle", "invoices", "--party", "DE-OTH") == []
    with pytest.raises(Exception, match="rows are never changed"):
        async with hub.services.database.work() as work:
            await work.connection.execute(text("DELETE FROM invoices"))


def read(file: str) -> str:
    return Path(file).read_text()


async def test_what_cannot_be_done_is_said(hub: HubInProcess) -> None:
    for words, hint in (
        (("settle", "invoice", *MONTH, "--form", "doc"), "form: doc"),
        (("settle", "invoice", *MONTH, "--date", "today"), "2026-11-02"),
        (("settle", "party", "set", "FR-CPO", "--name", "x", "--country", "F"), "country"),
        (("settle", "party", "remove", "FR-CPO"), "nothing is known"),
        (("settle", "terms", "set", "FR-CPO", "DE-HME", "--untaxed", "x"), "reverse charge"),
    ):
        result = await roaming(*words)
        assert (result.exit_code, hint in result.stderr) == (1, True), (words, result.output)

"""A month between two hubs: CDRs with faults of every kind arrive, are found, disputed, taken back, issued anew and
settled by commands alone; both sides close with the same statement."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from roaming.app import open_services
from roaming.billing.checks import Kind
from roaming.cli.commands import app
from roaming.settings import Settings
from tests.e2e.billed_month import (
    ACCEPT,
    CPOS,
    CREDIT,
    EMSPS,
    FAULTS,
    OPEN,
    REPLACE,
    Charge,
    month_of_charges,
    plant_surroundings,
    send_cdrs,
)
from tests.e2e.hub import SECRET, Hub
from tests.kit.wait import until

PATIENCE = 60.0
HUB_PARTY = "NL-XHB"
pytestmark = [pytest.mark.slow, pytest.mark.postgresql, pytest.mark.timeout(240)]


@pytest.fixture
def hubs(tmp_path: Path, fresh_postgresql: str) -> Iterator[tuple[Hub, Hub]]:
    """That of the CPOs on SQLite, that of the eMSPs on PostgreSQL."""
    near = Hub("embedded", tmp_path / "near", settings={"ROAMING_HUB_PARTY": "NL-XNE"})
    far = Hub("postgresql", tmp_path / "far", database_url=fresh_postgresql, settings={"ROAMING_HUB_PARTY": "NL-XFA"})
    try:
        for hub, role, parties in ((near, "CPO", CPOS), (far, "EMSP", EMSPS)):
            hub.start()
            for party in parties:
                roaming(hub, "party", "add", party, "--role", role, "--name", party)
        yield near, far
    finally:
        near.stop()
        far.stop()


def roaming(hub: Hub, *words: str, code: int = 0) -> Any:
    """Runs a command on the hub's database, beside the running hub."""
    result = CliRunner().invoke(app, [*words, "--json"], env=hub.environment())
    assert result.exit_code == code, (words, result.output, result.exception)
    return json.loads(result.stdout)


async def told(hub: Hub, *words: str, code: int = 0) -> Any:
    return await asyncio.to_thread(roaming, hub, *words, code=code)


def settings_of(hub: Hub) -> Settings:
    return Settings(database_url=hub.database_url, secret=SECRET, data_dir=hub.folder)


async def count(hub: Hub, table: str) -> int:
    async with open_services(settings_of(hub)) as services:
        return int((await services.database.reader.fetch(f"SELECT COUNT(*) FROM {table}"))[0][0])


def last_month() -> datetime:
    first = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first - timedelta(days=1)).replace(day=1)


async def test_a_month_is_found_disputed_corrected_and_settled(hubs: tuple[Hub, Hub], tmp_path: Path) -> None:
    near, far = hubs
    first = last_month()
    charges = month_of_charges(first)
    await connect(near, far, charges, tmp_path)
    late = (datetime.now(UTC) - first.replace(day=10)).days
    await told(far, "cdr", "rules", "set", "near", f"late_days={late}", "SIGNATURE_UNKNOWN=hold")
    async with open_services(settings_of(near)) as services, services.database.work() as work:
        await send_cdrs(work, charges)
    sent = len(charges) + sum(charge.planted.id != charge.right.id for charge in charges)
    await arrived(near, far, sent)

    month = f"{first:%Y-%m}"
    await check_findings(far, month, charges)
    files = await dispute(far, month, charges, tmp_path / "disputes")
    taken = await told(near, "dispute", "import", *files)
    assert {row["new"] for row in taken} == {True}
    corrected = await correct(near, charges)
    await arrived(near, far, sent + corrected)
    await check_again(far, month, charges)
    await settle(near, far, month, charges, tmp_path)


async def connect(near: Hub, far: Hub, charges: Sequence[Charge], folder: Path) -> None:
    """The hubs meet; the eMSPs have cards; the one hub pulls what the other knew before."""
    async with open_services(settings_of(near)) as services, services.database.work() as work:
        await plant_surroundings(work, list(charges))
    cards = {charge.card: charge for charge in charges}
    tokens = [
        {
            "country_code": charge.token.country_code,
            "party_id": charge.token.party_id,
            "uid": charge.token.uid,
            "type": "RFID",
            "contract_id": charge.token.contract_id,
            "issuer": "x",
            "valid": charge.fault != "token blocked",
            "whitelist": "ALLOWED",
            **({"default_profile_type": "CHEAP"} if charge.fault == "another profile" else {}),
            "last_updated": "2026-01-01T00:00:00Z",
        }
        for charge in cards.values()
    ]
    file = folder / "tokens.json"
    await asyncio.to_thread(file.write_text, json.dumps(tokens))
    await told(far, "token", "import", str(file))
    token = (await told(far, "partner", "add", "near"))["TOKEN_A"]
    await told(near, "partner", "add", "far", "--url", far.versions_url, "--token", token)

    for module in ("locations", "tariffs", "sessions"):
        (pulled,) = await told(far, "partner", "sync", "near", "--module", module)
        assert (pulled["state"], pulled["refused"]) == ("DONE", 0), pulled
    assert await count(far, "sessions") == sum(charge.fault != "session missing" for charge in charges)


async def arrived(near: Hub, far: Hub, number: int) -> None:
    async def all_of_them() -> bool:
        return await count(far, "cdrs") == number and not await count(near, "deliveries WHERE state = 'PENDING'")

    await until(all_of_them, seconds=PATIENCE, every=0.2)


async def check_findings(far: Hub, month: str, charges: Sequence[Charge]) -> None:
    """Each fault is found as what it is, and nothing in CDRs that are right."""
    future = [charge.planted.id for charge in charges if charge.fault == "future"]
    rows = await told(far, "cdr", "check", "--month", month) + await told(far, "cdr", "check", *future)
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["CDR"], set()).add(row["kind"])
    by_id = {charge.planted.id: charge for charge in charges if charge.fault}
    assert found.keys() == by_id.keys(), (found, by_id)
    for cdr_id, kinds in found.items():
        fault = FAULTS[by_id[cdr_id].fault]
        assert fault.kinds <= kinds, (by_id[cdr_id].fault, kinds)
        if fault.reading:
            assert fault.reading in {row["reading"] for row in rows if row["CDR"] == cdr_id}
    assert set.union(*found.values()) == set(Kind)


async def dispute(far: Hub, month: str, charges: Sequence[Charge], folder: Path) -> list[str]:
    """Some is accepted by a person; of the rest, what the check disputes at once, and what it holds by a person's
    word."""
    out = ("--out", str(folder))
    for charge in charges:
        if charge.fault and FAULTS[charge.fault].end == ACCEPT:
            await told(far, "cdr", "accept", charge.planted.id, "--note", "agreed by telephone")
    rows = await told(far, "cdr", "dispute", "--found", "--month", month, *out)
    disputed = {row["CDR"] for row in rows}
    for charge in charges:
        if charge.fault and FAULTS[charge.fault].end != ACCEPT and charge.planted.id not in disputed:
            rows += await told(far, "cdr", "dispute", charge.planted.id, "--reason", charge.fault, *out)
    ends = {charge.planted.id: FAULTS[charge.fault].end for charge in charges if charge.fault}
    assert {row["CDR"] for row in rows} == {cdr_id for cdr_id, end in ends.items() if end != ACCEPT}
    assert len(await told(far, "dispute", "list", "--state", "open")) == len(rows)
    return [row["file"] for row in rows]


async def correct(near: Hub, charges: Sequence[Charge]) -> int:
    """The CPOs take back what was wrong; returns how many CDRs that gave."""
    issued = 0
    for charge in charges:
        end = FAULTS[charge.fault].end if charge.fault else ""
        if end not in (REPLACE, CREDIT):
            continue
        words = ("cdr", "credit", charge.planted.id, "--party", charge.cpo, "--reason", charge.fault)
        done = await told(near, *words, *(("--replace",) if end == REPLACE else ()))
        assert done["new"], done
        issued += 1 + (end == REPLACE)
    return issued


async def check_again(far: Hub, month: str, charges: Sequence[Charge]) -> None:
    """Only what was left as it is, is still found; all that was taken back is closed."""
    rows = await told(far, "cdr", "check", "--month", month)
    left = {charge.planted.id for charge in charges if charge.fault and FAULTS[charge.fault].end in (ACCEPT, OPEN)}
    living = {row["CDR"]: row["state"] for row in await told(far, "cdr", "states", "--month", month)}
    assert {row["CDR"] for row in rows if living[row["CDR"]] != "CREDITED"} == left
    disputed = [cdr_id for cdr_id, state in living.items() if state == "DISPUTED"]
    assert disputed == [charge.planted.id for charge in charges if charge.fault == "overlap"]
    assert [row["CDR"] for row in await told(far, "dispute", "list", "--state", "open")] == disputed


async def invoice(near: Hub, far: Hub, month: str, closed: Sequence[dict[str, Any]], cpo: str, emsp: str) -> None:
    """Both sides' invoices are valid (issuing checks them), the same, and come to what is payable."""
    issued = []
    for hub in (near, far):
        for party in (cpo, emsp, HUB_PARTY):
            country = party[:2]
            words = ("--name", f"{party} Ltd", "--country", country, "--vat-id", f"{country}123456789")
            await told(hub, "settle", "party", "set", party, *words)
        rows = await told(hub, "settle", "invoice", cpo, emsp, "--month", month, "--date", "2026-11-02")
        own = ("number", "about", "new")  # each hub counts the documents of sellers that it hosts
        issued.append([{name: value for name, value in row.items() if name not in own} for row in rows])
    assert issued[0] == issued[1]
    for text in closed[0]["payable"]:
        debtor, _, creditor, amount, currency = text.split()
        owed = Decimal(0)
        for row in issued[0]:
            if {row["seller"], row["buyer"]} == {debtor, creditor} and row["currency"] == currency:
                turned = (row["seller"] == debtor) != (row["kind"] == "CREDIT_NOTE")
                owed += -Decimal(row["payable"]) if turned else Decimal(row["payable"])
        assert owed == Decimal(amount), (text, issued[0])


FEES = (
    *("--fee", "percent 2 emsp>hub vat 21", "--fee", "session 0.10 EUR cpo>emsp", "--hub", HUB_PARTY),
    *("--untaxed", "ae"),
)


async def settle(near: Hub, far: Hub, month: str, charges: Sequence[Charge], folder: Path) -> None:
    """Both sides close every pair with the same digest, at what was right to the cent."""
    for cpo in CPOS:
        for emsp in EMSPS:
            closed = []
            for hub, (one, other) in ((near, (cpo, emsp)), (far, (emsp, cpo))):
                await told(hub, "settle", "terms", "set", cpo, emsp, *FEES)
                file = folder / f"{hub.folder.name}-{cpo}-{emsp}.json"
                await told(hub, "settle", "show", one, other, "--month", month, "--out", str(file))
                closed.append(await told(hub, "settle", "close", one, other, "--month", month))
            assert closed[0] == closed[1]
            assert sorted(closed[0]["payable"]) == sorted(payable(charges, cpo, emsp))
            theirs = str(folder / f"far-{cpo}-{emsp}.json")
            rows = await told(near, "settle", "reconcile", cpo, emsp, theirs, "--month", month)
            assert {row["result"] for row in rows} == {"MATCHED"}
            if (cpo, emsp) == (CPOS[0], EMSPS[0]):
                await invoice(near, far, month, closed, cpo, emsp)
    for hub in (near, far):
        states = await told(hub, "cdr", "states", "--month", month)
        assert {row["state"] for row in states} == {"SETTLED", "CREDITED", "DISPUTED"}
        for cpo in CPOS:
            due = await told(hub, "settle", "ledger", "--party", cpo)
            assert any(row["account"] == "due by statement" for row in due)
    books = [await told(hub, "settle", "ledger", "--party", party) for party in (*CPOS, *EMSPS) for hub in (near, far)]
    assert books[::2] == books[1::2]


def payable(charges: Sequence[Charge], cpo: str, emsp: str) -> list[str]:
    """By hand, from what should have been billed."""
    net: dict[str, Decimal] = {"USD": Decimal(0)} if has_dollars(charges, cpo, emsp) else {}
    sessions = 0
    gross = dict(net)
    for charge in charges:
        if (charge.cpo, charge.emsp) != (cpo, emsp) or (charge.fault and FAULTS[charge.fault].end == OPEN):
            continue
        bills = [charge.right, charge.planted] if charge.fault == "credit of nothing" else [charge.right]
        for bill in bills:
            cost, currency = bill.total_cost, bill.currency
            net[currency] = net.get(currency, Decimal(0)) + cost.before_taxes
            whole = cost.before_taxes + sum((tax.amount for tax in cost.taxes or ()), Decimal(0))
            gross[currency] = gross.get(currency, Decimal(0)) + whole
            if currency == "EUR":
                sessions += -1 if bill.credit else 1
    lines = []
    for currency, amount in gross.items():
        less = sessions * Decimal("0.10") if currency == "EUR" else Decimal(0)
        lines.append(owed(emsp, cpo, amount - less, currency))
        lines.append(owed(emsp, HUB_PARTY, net[currency] * Decimal("0.02") * Decimal("1.21"), currency))
    return lines


def has_dollars(charges: Sequence[Charge], cpo: str, emsp: str) -> bool:
    return any((charge.cpo, charge.emsp, charge.fault) == (cpo, emsp, "currency") for charge in charges)


def owed(debtor: str, creditor: str, amount: Decimal, currency: str) -> str:
    if amount == 0:
        debtor, creditor = sorted((debtor, creditor))
    elif amount < 0:
        debtor, creditor = creditor, debtor
    return f"{debtor} owes {creditor} {abs(amount).quantize(Decimal('0.01'), ROUND_HALF_UP)} {currency}"

"""``roaming tariff lint`` and ``preview`` of files and of stored tariffs."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from roaming.cli.commands import app
from roaming.model.identifiers import PartyId
from roaming.modules.tariffs import service
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import HOSTED_CPO, RECEIVER, HubInProcess, decoded, hub_in_process

ELEMENT = {"price_components": [{"type": "ENERGY", "price": 0.25, "vat": 20, "step_size": 1}]}
TARIFF: dict[str, Any] = {"id": "T1", "currency": "EUR", "country_code": "NL", "party_id": "TST", "elements": [ELEMENT]}


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    """Commands work on its database."""
    for name, value in {"DATABASE_URL": sqlite_url, "SECRET": "5e" * 32, "DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(f"ROAMING_{name}", value)
    async with hub_in_process(sqlite_url, tmp_path) as running:
        body = ocpi_bodies.tariff(HOSTED_CPO, id="STORED", elements=[ELEMENT], min_price=None)
        async with running.services.database.work() as work:
            await service.publish(work, decoded(service.CODECS, body))
        yield running


def roaming(*words: str) -> Result:
    return CliRunner().invoke(app, ["tariff", *words])


def file(folder: Path, body: Any) -> str:
    (folder / "tariff.json").write_text(json.dumps(body))
    return str(folder / "tariff.json")


def test_lint_of_a_file(tmp_path: Path) -> None:
    good = roaming("lint", file(tmp_path, TARIFF))
    assert (good.exit_code, good.stdout) == (0, "nothing found\n")
    doubtful = roaming("lint", file(tmp_path, {**TARIFF, "elements": [ELEMENT, ELEMENT]}), "--json")
    assert doubtful.exit_code == 0
    assert [row["code"] for row in json.loads(doubtful.stdout)] == ["UNREACHABLE"]
    wrong = roaming("lint", file(tmp_path, {**TARIFF, "currency": "EURO"}), "--json")
    assert wrong.exit_code == 1
    assert [(row["state"], row["where"]) for row in json.loads(wrong.stdout)] == [("error", "currency")]
    assert (
        "missing required field `elements`" in roaming("lint", file(tmp_path, {"id": "T1", "currency": "EUR"})).output
    )


def test_preview_of_a_file(tmp_path: Path) -> None:
    words = ("preview", file(tmp_path, TARIFF), "--kwh", "10", "--power", "10", "--start", "2026-01-12T18:00")
    text = roaming(*words, "--time-zone", "Europe/Amsterdam").stdout
    assert text.startswith("10 kWh, Mon 12 January 2026 18:00 to 19:00 (Europe/Amsterdam)")
    found = json.loads(roaming(*words, "--json").stdout)
    assert (found["total_before_taxes"], found["total_with_taxes"], found["currency"]) == (2.5, 3, "EUR")
    assert [(line["what"], line["amount"]) for line in found["lines"]] == [("Energy", 3)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kwh", "much"), "--kwh: much is no number"),
        (("--kwh", "-1"), "kwh: -1 is negative"),
        (("--start", "noon"), "--start: noon is no time"),
        (("--time-zone", "Mars/Base"), "no IANA time zone"),
        (("--reading", "step_time=NEVER"), "NEVER is none of"),
    ],
)
def test_a_preview_of_what_cannot_be_is_refused(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    result = roaming("preview", file(tmp_path, TARIFF), *words)
    assert result.exit_code == 1
    assert said in result.stderr


async def test_a_stored_tariff(hub: HubInProcess) -> None:
    def said(*words: str) -> Any:
        return json.loads(roaming(*words, "--json").stdout)

    assert await asyncio.to_thread(said, "lint", "stored") == []
    found = await asyncio.to_thread(said, "preview", "stored", "--kwh", "10", "--party", "NL-HUB")
    assert found["total_before_taxes"] == 2.5
    missing = await asyncio.to_thread(roaming, "lint", "NOTHING")
    assert "no such file, and no such tariff" in missing.stderr


async def test_versions_of_a_tariff(hub: HubInProcess) -> None:
    def said(*words: str) -> Any:
        return json.loads(roaming("history", *words, "--json").stdout)

    async def publish(price: float) -> None:
        element = {"price_components": [{**ELEMENT["price_components"][0], "price": price}]}
        body = ocpi_bodies.tariff(HOSTED_CPO, id="STORED", elements=[element], min_price=None)
        async with hub.services.database.work() as work:
            await service.publish(work, decoded(service.CODECS, body))

    for price in (0.25, 0.3, 0.3):
        await publish(price)
    async with hub.services.database.work() as work:
        await service.withdraw(work, PartyId.parse(HOSTED_CPO), "STORED", source="")
    await publish(0.4)
    rows = await asyncio.to_thread(said, "stored")
    assert [(row["version"], row["from"], row["changed"]) for row in rows] == [
        (1, "here", "new"),
        (2, "here", "elements[0].price_components[0].price 0.25 -> 0.3"),
        (3, "here", "withdrawn"),
        (4, "here", "new"),
    ]
    assert [row["since"] for row in rows] == sorted(row["since"] for row in rows)
    shown = await asyncio.to_thread(roaming, "history", "STORED", "--party", "NL-HUB", "--show", "1")
    assert json.loads(shown.stdout)["elements"][0]["price_components"][0]["price"] == 0.25
    for words, complaint in (
        (("STORED", "--show", "3"), "was withdrawn"),
        (("STORED", "--show", "9"), "there are 4 versions"),
        (("NONE",), "was ever stored here"),
        (("STORED", "--party", "DE-AAA"), "was ever stored here"),
    ):
        assert complaint in (await asyncio.to_thread(roaming, "history", *words)).stderr


async def test_versions_of_a_partners_tariff(hub: HubInProcess) -> None:
    for price in (0.25, 0.5):
        element = {"price_components": [{**ELEMENT["price_components"][0], "price": price}]}
        body = ocpi_bodies.tariff("FR-CPO", id="THEIRS", elements=[element], min_price=None)
        answer = await hub.call("cpo", "PUT", f"{RECEIVER}/tariffs/FR/CPO/THEIRS", body=body)
        assert answer.http_status in (200, 201), answer
    rows = json.loads((await asyncio.to_thread(roaming, "history", "THEIRS", "--json")).stdout)
    assert [row["from"] for row in rows] == ["cpo", "cpo"]
    assert rows[1]["changed"].startswith("elements[0].price_components[0].price 0.25 -> 0.5")


async def test_a_tariff_of_the_prices_of_a_day(hub: HubInProcess, tmp_path: Path) -> None:
    """From a file to a preview, by pipe; and stored, as `tariff import` would from what it prints."""
    prices = tmp_path / "day.csv"
    prices.write_text("start,price\n" + "".join(f"2026-01-12T{hour:02}:00,{100 + hour}\n" for hour in range(24)))
    words = ("from-prices", str(prices), "--party", HOSTED_CPO, "--id", "SPOT", "--time-zone", "Europe/Amsterdam")
    spot = (*words, "--per", "MWh", "--markup", "0.1", "--vat", "20")
    printed = await asyncio.to_thread(roaming, *spot)
    assert printed.exit_code == 0, printed.stderr
    assert "24 prices from 2026-01-12 00:00 to 2026-01-13 00:00" in printed.stderr
    asked = ["preview", "-", "--kwh", "20", "--power", "10", "--start", "2026-01-12T18:00", "--json"]
    words_of_preview = ["tariff", *asked, "--time-zone", "Europe/Amsterdam"]
    shown = await asyncio.to_thread(CliRunner().invoke, app, words_of_preview, input=printed.stdout)
    assert json.loads(shown.stdout)["total_before_taxes"] == 10 * (0.218 + 0.219)

    published = await asyncio.to_thread(roaming, *spot, "--publish", "--out", str(tmp_path / "spot.json"))
    assert published.exit_code == 0, published.stderr
    again = await asyncio.to_thread(roaming, "import", str(tmp_path / "spot.json"), "--json")
    assert [row["state"] for row in json.loads(again.stdout)] == ["ok"]
    stored = await asyncio.to_thread(roaming, "preview", "spot", "--kwh", "10", "--start", "2026-01-12T19:00", "--json")
    assert json.loads(stored.stdout)["total_before_taxes"] == 10 * 0.219
    whole = json.loads((await asyncio.to_thread(roaming, *spot, "--json")).stdout)
    assert (whole["tariff"]["id"], len(whole["notes"]), whole["findings"]) == ("SPOT", 2, [])
    for more, said in (
        (("--per", "GWh"), "neither kWh nor MWh"),
        (("--markup", "much"), "--markup: much is no number"),
        (("--repeated", "never"), "NEVER is none of MEAN"),
        (("--currency", "EURO"), "CURRENCY currency: 'EURO'"),
        (("--party", "NL-OTH", "--publish"), "NL-OTH is not hosted here"),
    ):
        refused = await asyncio.to_thread(roaming, *words, *more)
        assert (refused.exit_code, said in refused.stderr) == (1, True), refused.stderr

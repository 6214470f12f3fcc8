"""``roaming tariff lint`` and ``preview`` of files and of stored tariffs."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from roaming.cli.commands import app
from roaming.modules.tariffs import service
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import HOSTED_CPO, HubInProcess, decoded, hub_in_process

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

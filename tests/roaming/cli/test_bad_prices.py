"""Bad input that is about money, through every door that takes it: what is wrong is named, and nothing is lost. A
tariff is refused and the one before it stays; a CDR that can be read is a claim, taken and held or disputed."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from roaming.cli.commands import app
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import RECEIVER, HubInProcess, hub_in_process

SIXTY = "0." + "1234567890" * 6
RAW = {"@SIXTY": SIXTY, "@NAN": "NaN", "@HUGE": "1e400"}
"""What no JSON writer of ours would write."""
T1 = f"{RECEIVER}/tariffs/FR/CPO/T1"


def raw(body: Any) -> str:
    text = json.dumps(body)
    for mark, number in RAW.items():
        text = text.replace(f'"{mark}"', number)
    return text


def element(**over: Any) -> list[dict[str, Any]]:
    return [{"price_components": [{"type": "ENERGY", "price": 1, "step_size": 1} | over]}]


PRICE = "elements[0].price_components[0]"
TARIFFS: list[tuple[str, Mapping[str, Any], str, str]] = [
    # what is wrong, how the tariff is bent, what partners and importers are told, what `roaming rate` says
    ("no elements", {"elements": []}, "elements: one at least", "elements is empty"),
    ("elements are no list", {"elements": "none"}, "elements: expected a list", "tariff.elements: expected `array`"),
    ("a price in words", {"elements": element(price="cheap")}, f"{PRICE}.price: ", f"tariff.{PRICE}.price: "),
    ("no price", {"elements": [{"price_components": [{"type": "TIME"}]}]}, f"{PRICE}.price: required", "field `price`"),
    ("a step back", {"elements": element(step_size=-1)}, f"{PRICE}.step_size: ", f"{PRICE}.step_size: -1 is negative"),
    ("no price at all", {"elements": element(price="@NAN")}, "JSON is malformed", "malformed"),
    ("a price beyond all", {"elements": element(price="@HUGE")}, "an exponent beyond 20", "cannot be kept exact"),
    ("60 digits", {"elements": element(price="@SIXTY")}, "more than 32 digits", ""),
    (
        "no time of day",
        {"elements": [{**element()[0], "restrictions": {"start_time": "25:00"}}]},
        "elements[0].restrictions.start_time: ",
        "elements[0].restrictions.start_time",
    ),
]
PERIOD = ocpi_bodies.cdr()["charging_periods"][0]


def period(type: str, volume: Any) -> list[dict[str, Any]]:
    return [{**PERIOD, "dimensions": [{"type": type, "volume": volume}]}]


CHARGES: list[tuple[str, Mapping[str, Any], str, str]] = [
    # what is wrong, how the CDR is bent, the finding or the refusal, what `roaming rate` says
    ("negative hours", {"charging_periods": period("TIME", -1)}, "negative", "charging_periods[0].TIME: -1 hours are"),
    ("end before start", {"end_date_time": "2020-01-01T00:00:00Z"}, "before", "lies before start_date_time"),
    ("another currency", {"currency": "SEK"}, "is in SEK, its tariff in EUR", "the charge is in SEK, tariff T1 in EUR"),
    ("a tariff without prices", {"tariffs": [ocpi_bodies.tariff(elements=[])]}, "T1 without any price", ""),
    ("60 digits", {"charging_periods": period("ENERGY", "@SIXTY")}, "more than 32 digits", ""),
    ("no number", {"charging_periods": period("ENERGY", "@NAN")}, "JSON is malformed", "malformed"),
    ("beyond all", {"charging_periods": period("ENERGY", "@HUGE")}, "an exponent beyond 20", "cannot be kept exact"),
    ("a million periods", {"charging_periods": "@MANY"}, "more than 1048576 bytes", "are more than 100,000; put"),
]


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    for name, value in {"DATABASE_URL": sqlite_url, "SECRET": "5e" * 32, "DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(f"ROAMING_{name}", value)
    async with hub_in_process(sqlite_url, tmp_path) as running:
        await running.host_objects()
        yield running


async def roaming(*words: str) -> Result:
    """Runs a command; in a thread, since it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, words)


def cdr_text(bend: Mapping[str, Any], *, many: int = 0, **over: Any) -> str:
    token = ocpi_bodies.cdr_token("DE-HME", "HOME1")
    text = raw(ocpi_bodies.cdr(cdr_token=token, **over) | dict(bend))
    small = '{"start_date_time":"2026-11-23T09:00:00Z","dimensions":[]}'
    return text.replace('"@MANY"', "[" + ",".join([small] * many) + "]")


async def test_bad_tariffs_are_named_and_the_one_before_stays(hub: HubInProcess, tmp_path: Path) -> None:
    good = ocpi_bodies.tariff()
    assert (await hub.call("cpo", "PUT", T1, body=good)).outcome == (201, 1000)
    file = tmp_path / "tariff.json"
    for what, bend, told, _ in TARIFFS:
        answer = await hub.call("cpo", "PUT", T1, content=raw(good | bend).encode())
        assert answer.code in (2000, 2001), what
        assert told in answer.message, (what, answer.message)
        assert (await hub.call("cpo", "GET", T1)).data == good, what
        file.write_text(raw([ocpi_bodies.tariff("NL-HUB", id="NEW") | bend]))
        result = await roaming("tariff", "import", str(file))
        assert (result.exit_code, told in " ".join(result.output.split())) == (1, True), (what, result.output)
    rows = await hub.services.database.reader.fetch("SELECT COUNT(*) FROM tariffs WHERE object_id = 'NEW'")
    assert rows[0][0] == 0


async def test_bad_cdrs_are_named_and_what_can_be_read_is_kept(hub: HubInProcess) -> None:
    for number, (what, bend, told, _) in enumerate(CHARGES):
        text = cdr_text(bend, id=f"C{number}", many=1_000_000)
        answer = await hub.call("cpo", "POST", f"{RECEIVER}/cdrs", content=text.encode())
        if answer.code != 1000:
            assert told in answer.message, (what, answer.message)
            continue
        kept = await hub.call("cpo", "GET", f"{RECEIVER}/cdrs/FR/CPO/C{number}")
        # What has no prices no version can say again: it stays in the store, where the check finds it
        said_again = {name: value for name, value in bend.items() if name != "tariffs"}
        assert {name: kept.data[name] for name in said_again} == said_again, what
        result = await roaming("cdr", "check", f"C{number}", "--json")
        assert told in result.stdout, (what, result.stdout)
        assert {row["outcome"] for row in json.loads(result.stdout)} & {"HOLD", "DISPUTE"}, (what, result.stdout)


def test_rate_names_what_is_wrong_and_keeps_every_digit(tmp_path: Path) -> None:
    tariff, charge = tmp_path / "tariff.json", tmp_path / "charge.json"
    good = ocpi_bodies.tariff(elements=element(), min_price=None)
    rows = [(what, good | dict(bend), {}, said) for what, bend, _, said in TARIFFS]
    rows += [(what, good, bend, said) for what, bend, _, said in CHARGES]
    for what, body, bend, said in rows:
        tariff.write_text(raw(body))
        charge.write_text(cdr_text(bend, many=100_001))
        words = ["rate", str(tariff), str(charge), "--time-zone", "Europe/Paris", "--reading", "decimals=12"]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == (1 if said else 0), (what, result.output[:2000])
        assert not said or (said in result.stderr and not result.stdout), (what, result.stderr)
        if what == "60 digits":
            times = "1.5" if not bend else "1"
            expected = {"1.5": "0.185185183519", "1": "0.123456789012"}[times]
            assert expected in result.stdout, (what, result.stdout)

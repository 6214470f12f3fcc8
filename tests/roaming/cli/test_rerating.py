"""``roaming cdr rerate``: what a month would cost by another tariff or reading, resumed where it was broken off."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from roaming.billing.rerating import SLICES, Outcome, Slice, Wishes
from roaming.cli import rerating
from roaming.cli.commands import app
from roaming.model.identifiers import PartyId
from roaming.model.tariff import TariffElement
from roaming.modules.cdrs import repository
from roaming.partners.registry import agree, choose_readings
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.roaming.billing.charges import END, START, a_cdr, a_tariff, component

PLAIN = a_tariff(TariffElement(price_components=(component("ENERGY", "0.377"),)))
CDR = a_cdr(PLAIN)
MONTH = f"{END:%Y-%m}"
COUNT = 30


async def keep_month(running: HubInProcess) -> None:
    """CDRs of three days of a month, one of which holds no tariff, and one that was credited."""
    async with running.services.database.work() as work:
        for number in range(COUNT):
            later = timedelta(hours=2 * number)
            one = a_cdr(PLAIN, id=f"C{number}")
            one = msgspec.structs.replace(
                one,
                start_date_time=one.start_date_time + later,
                end_date_time=one.end_date_time + later,
                charging_periods=tuple(
                    msgspec.structs.replace(each, start_date_time=each.start_date_time + later)
                    for each in one.charging_periods
                ),
                tariffs=() if number == 3 else one.tariffs,
                session_id=None,
            )
            if number == 5:
                cost = msgspec.structs.replace(one.total_cost, before_taxes=-one.total_cost.before_taxes, taxes=None)
                one = msgspec.structs.replace(one, credit=True, credit_reference_id="C4", total_cost=cost)
            assert await repository.insert(work.connection, one, source="cpo", now=work.now)


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    """With CDRs of three days of a month, one of which holds no tariff, and one that was credited."""
    for name, value in {"SECRET": "5e" * 32, "DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(f"ROAMING_{name}", value)
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    async with hub_in_process(sqlite_url, tmp_path) as running:
        await keep_month(running)
        yield running


def rerate(*words: str) -> Result:
    return CliRunner().invoke(app, ["cdr", "rerate", "--month", MONTH, *words])


async def rows(*words: str) -> list[dict[str, Any]]:
    result = await asyncio.to_thread(rerate, *words, "--processes", "1", "--json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


async def test_by_their_own_tariffs_nothing_changes(hub: HubInProcess) -> None:
    (row,) = await rows()
    assert (row["CDRs"], row["changed"], row["not priced"]) == (COUNT, 0, 1)
    assert Decimal(row["stated"]) == Decimal(row["rerated"]) == (COUNT - 3) * CDR.total_cost.before_taxes
    (example,) = await rows("--examples")
    assert example["what"] == "holds no tariff"


async def test_by_another_version_of_the_tariff(hub: HubInProcess, tmp_path: Path) -> None:
    dearer = msgspec.to_builtins(PLAIN, builtin_types=(Decimal,))
    for element in dearer["elements"]:
        for each in element["price_components"]:
            each["price"] *= 2
    file = tmp_path / "dearer.json"
    file.write_bytes(msgspec.json.Encoder(decimal_format="number").encode(dearer))
    (row,) = await rows("--tariff", str(file))
    # The one that holds no tariff is priced by it as well, and costs now what it said.
    assert (row["changed"], row["not priced"]) == (COUNT, 0)
    whole = (COUNT - 2) * CDR.total_cost.before_taxes
    assert (Decimal(row["stated"]), Decimal(row["rerated"])) == (whole, 2 * whole)


async def test_under_another_reading_and_that_of_the_agreement(hub: HubInProcess) -> None:
    (row,) = await rows("--reading", "decimals=0")
    assert Decimal(row["rerated"]) == (COUNT - 3) * round(CDR.total_cost.before_taxes)
    cpo = PartyId.of(CDR.country_code, CDR.party_id)
    emsp = PartyId.of(CDR.cdr_token.country_code, CDR.cdr_token.party_id)
    async with hub.services.database.work() as work:
        await agree(work, cpo=cpo, emsp=emsp)
        assert await choose_readings(work, cpo=cpo, emsp=emsp, readings={"decimals": 0})
    (agreed,) = await rows("--anew")
    assert agreed["rerated"] == row["rerated"]


async def test_a_run_that_was_broken_off_goes_on(hub: HubInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    real, worked = rerating._run, []

    def breaking(
        wishes: Wishes, parts: Sequence[Slice], left: Sequence[int], processes: int
    ) -> Iterator[tuple[list[int], Outcome]]:
        for count, found in enumerate(real(wishes, parts, left, processes)):
            worked.append(found[0])
            yield found
            if count == 9 and len(left) == SLICES:
                raise KeyboardInterrupt

    monkeypatch.setattr(rerating, "_run", breaking)
    broken = await asyncio.to_thread(rerate, "--processes", "1", "--json")
    assert broken.exit_code != 0
    (row,) = await rows()
    assert row["CDRs"] == COUNT
    assert sorted(number for numbers in worked for number in numbers) == list(range(SLICES))


async def test_two_processes_find_the_same(hub: HubInProcess) -> None:
    result = await asyncio.to_thread(rerate, "--processes", "2", "--json")
    assert json.loads(result.stdout) == await rows("--anew")


def test_what_cannot_be_asked_for() -> None:
    for words, said in (
        (("--month", "2026-13"), "is no month"),
        (("--reading", "decimals=99"), "decimals: 99"),
        (("--tariff", "nowhere.json"), "nowhere.json"),
    ):
        result = rerate(*words)
        assert result.exit_code == 1
        assert said in result.output + str(result.exception)


def test_the_month_is_whole() -> None:
    parts = rerating.slices_of(rerating.wishes_of(MONTH, None, []))
    assert parts[0].since <= START < END < parts[-1].until
    assert len(parts) == SLICES

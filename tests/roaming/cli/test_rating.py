"""``roaming rate``: a tariff and a CDR or Session in, the priced document and the explanation out."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from roaming.cli.commands import app

ELEMENT = {
    "price_components": [
        {"type": "ENERGY", "price": 0.25, "vat": 10, "step_size": 1},
        {"type": "PARKING_TIME", "price": 2, "vat": 20, "step_size": 900},
    ]
}
TARIFF: dict[str, Any] = {"id": "T1", "currency": "EUR", "elements": [ELEMENT]}
PERIODS = [
    {
        "start_date_time": "2026-01-12T09:00:00Z",
        "dimensions": [{"type": "ENERGY", "volume": 20}, {"type": "TIME", "volume": 1}],
    },
    {"start_date_time": "2026-01-12T10:00:00Z", "dimensions": [{"type": "PARKING_TIME", "volume": 0.6667}]},
]
CDR: dict[str, Any] = {
    "id": "C1",
    "currency": "EUR",
    "start_date_time": "2026-01-12T09:00:00Z",
    "end_date_time": "2026-01-12T10:40:00Z",
    "charging_periods": PERIODS,
    "total_cost": {"excl_vat": 1},
}


def roaming(folder: Path, tariff: Any, charge: Any, *more: str) -> Result:
    for name, body in (("tariff.json", tariff), ("charge.json", charge)):
        (folder / name).write_text(body if isinstance(body, str) else json.dumps(body))
    return CliRunner().invoke(app, ["rate", str(folder / "tariff.json"), str(folder / "charge.json"), *more])


def rated(folder: Path, tariff: Any, charge: Any, *more: str) -> dict[str, Any]:
    result = roaming(folder, tariff, charge, *more, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout, parse_float=Decimal, parse_int=Decimal)
    return found


def refusal(folder: Path, tariff: Any, charge: Any, *more: str) -> str:
    result = roaming(folder, tariff, charge, *more)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    return result.stderr


def test_a_priced_cdr_and_why(tmp_path: Path) -> None:
    found = rated(tmp_path, TARIFF, CDR)
    priced = found["priced"]
    assert priced["id"] == "C1"
    assert priced["total_cost"] == {"excl_vat": Decimal("6.5"), "incl_vat": Decimal("7.3")}
    assert priced["total_parking_cost"] == {"excl_vat": Decimal("1.5"), "incl_vat": Decimal("1.8")}
    assert (priced["total_energy"], priced["total_time"], priced["total_parking_time"]) == (
        20,
        Decimal("1.6667"),
        Decimal("0.6667"),
    )
    assert priced["tariffs"][0]["id"] == "T1"
    parking = found["explanation"][-1]
    assert (parking["quantity"], parking["step_added"], parking["running_after_taxes"]) == (2400, 300, Decimal("7.3"))
    assert sum(row["before_taxes"] for row in found["explanation"]) == priced["total_cost"]["excl_vat"]


def test_as_text_with_totals(tmp_path: Path) -> None:
    result = roaming(tmp_path, TARIFF, CDR)
    assert "step_size 900 adds 300" in result.stdout
    assert "total_cost              6.5000 EUR, with taxes 7.3000" in result.stdout


def test_each_version_gets_its_own_fields(tmp_path: Path) -> None:
    newest = rated(tmp_path, {**TARIFF, "tax_included": "NO"}, CDR)["priced"]["total_cost"]
    assert newest["before_taxes"] == Decimal("6.5")
    assert [tax["percentage"] for tax in newest["taxes"]] == [10, 20]
    oldest = {name: value for name, value in CDR.items() if name != "end_date_time"}
    priced = rated(tmp_path, TARIFF, {**oldest, "stop_date_time": CDR["end_date_time"]})["priced"]
    assert priced["total_cost"] == Decimal("6.5")
    assert "end_date_time" not in priced
    assert "total_fixed_cost" not in priced


def test_a_session_without_periods_is_one_charge(tmp_path: Path) -> None:
    session = {"start_date_time": CDR["start_date_time"], "end_date_time": CDR["end_date_time"], "kwh": 12}
    found = rated(tmp_path, TARIFF, session)
    assert found["priced"]["total_cost"]["excl_vat"] == 3
    assert len(found["priced"]["charging_periods"]) == 1


def test_a_session_of_constant_power_is_cut_into_periods(tmp_path: Path) -> None:
    session = {
        "start_date_time": CDR["start_date_time"],
        "end_date_time": CDR["end_date_time"],
        "power_kw": 20,
        "requested_kwh": 20,
    }
    found = rated(tmp_path, TARIFF, session)["priced"]
    assert found["charging_periods"] == [
        {**one, "tariff_id": "T1"} for one in json.loads(json.dumps(PERIODS), parse_float=Decimal)
    ]
    assert found["total_cost"]["incl_vat"] == Decimal("7.3")


def test_a_reading_is_chosen(tmp_path: Path) -> None:
    exact = rated(tmp_path, TARIFF, CDR, "--reading", "decimals=0", "--reading", "rounding=HALF_EVEN")
    assert exact["priced"]["total_cost"]["excl_vat"] == 6
    assert "step_time: NEVER is none of PARKING_FIRST, LAST_ACTIVE" in refusal(
        tmp_path, TARIFF, CDR, "--reading", "step_time=NEVER"
    )
    assert "no reading has this name" in refusal(tmp_path, TARIFF, CDR, "--reading", "colour=red")


def test_local_times_need_a_zone(tmp_path: Path) -> None:
    night = {**TARIFF, "elements": [{**ELEMENT, "restrictions": {"start_time": "22:00", "end_time": "10:30"}}]}
    assert "--time-zone" in refusal(tmp_path, night, CDR)
    assert rated(tmp_path, night, CDR, "--time-zone", "Europe/Amsterdam")["priced"]["total_cost"]["excl_vat"] == 5
    assert "is no IANA time zone" in refusal(tmp_path, night, CDR, "--time-zone", "Europe/Atlantis")


def test_a_period_that_outlasts_its_price_is_said(tmp_path: Path) -> None:
    later = {**ELEMENT, "restrictions": {"start_time": "09:30"}}
    found = rated(tmp_path, {**TARIFF, "elements": [later]}, CDR, "--time-zone", "UTC")
    (span,) = found["spans"]
    assert (span["dimension"], span["at_stake"]) == ("ENERGY", Decimal("2.5"))
    text = roaming(tmp_path, {**TARIFF, "elements": [later]}, CDR, "--time-zone", "UTC").stdout
    assert "note: charging_periods[0] outlasts its price of ENERGY" in text


@pytest.mark.parametrize(
    ("tariff", "charge", "said"),
    [
        ("[", CDR, "give a JSON object"),
        ([TARIFF, TARIFF], CDR, "holds tariff t1 twice"),
        ([], CDR, "holds a list"),
        ({"id": "T1", "currency": "EUR"}, CDR, "tariff: object missing required field `elements`"),
        (
            {**TARIFF, "elements": [{"price_components": [{"type": "TIME"}]}]},
            CDR,
            "required field `price`",
        ),
        ({**TARIFF, "elements": []}, CDR, "elements is empty"),
        ({**TARIFF, "currency": "SEK"}, CDR, "currency: the charge is in EUR, tariff T1 in SEK"),
        (
            TARIFF,
            {**CDR, "end_date_time": "2026-01-12T08:00:00Z"},
            "end_date_time 2026-01-12 08:00:00+00:00 lies before",
        ),
        (TARIFF, {**CDR, "start_date_time": "yesterday"}, "start_date_time: invalid RFC3339"),
        (
            TARIFF,
            {**CDR, "start_date_time": "2026-01-12T09:00:00"},
            "start_date_time: 2026-01-12 09:00:00 has no time zone",
        ),
        (TARIFF, {"id": "C1"}, "start_date_time is missing"),
        (
            TARIFF,
            {**CDR, "charging_periods": [{**PERIODS[0], "dimensions": [{"type": "TIME", "volume": -1}]}]},
            "charging_periods[0].TIME: -1 hours are negative",
        ),
        (TARIFF, {"power_kw": "-3", "start_date_time": "2026-01-12T09:00:00Z"}, "end_date_time is missing"),
    ],
)
def test_bad_input_is_named(tmp_path: Path, tariff: Any, charge: Any, said: str) -> None:
    assert said in refusal(tmp_path, tariff, charge)


def test_sixty_digits_are_kept_exact(tmp_path: Path) -> None:
    digits = "0." + "3" * 60
    charge = json.dumps(CDR).replace("20}", f"{digits}}}", 1)
    found = rated(tmp_path, TARIFF, charge)["priced"]
    assert found["total_energy"] == Decimal(digits)


def test_cases_on_standard_input() -> None:
    case = {"id": 7, "kind": "price_cdr", "time_zone": "UTC", "tariff": TARIFF, "cdr": CDR}
    result = CliRunner().invoke(app, ["rate", "--cases"], input=json.dumps(case) + "\n{\n")
    first, second = result.stdout.splitlines()
    assert json.loads(first)["total_cost"] == {"excl_vat": "6.5000", "incl_vat": "7.3000"}
    assert "error" in json.loads(second)


def test_several_tariffs_price_the_periods_that_name_them(tmp_path: Path) -> None:
    """A list of them, or the CDR that holds them."""
    parking = {"id": "P", "currency": "EUR", "elements": [{"price_components": [ELEMENT["price_components"][1]]}]}
    periods = [each | {"tariff_id": id} for each, id in zip(PERIODS, ("t1", "P"), strict=True)]
    cdr = CDR | {"charging_periods": periods, "tariffs": [TARIFF, parking]}
    for tariffs in ([TARIFF, parking], cdr):
        found = rated(tmp_path, tariffs, cdr)
        assert found["priced"]["total_cost"] == {"excl_vat": Decimal("6.5"), "incl_vat": Decimal("7.3")}
        assert [row["tariff"] for row in found["explanation"]] == ["T1", "T1", "P"]
        assert [each["id"] for each in found["priced"]["tariffs"]] == ["T1", "P"]
    assert "no period names one" in refusal(tmp_path, [TARIFF, parking], {"start": "x", "power_kw": 1})

"""The reader of pricing cases, and every shared case where the file with them lies beside the repository."""

import importlib.util
import json
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from roaming.rating.cases import answers

SHARED = Path(__file__).resolve().parents[4] / "shared" / "pricing"
CASES: list[dict[str, Any]] = (
    json.loads((SHARED / "cases.json").read_text()) if (SHARED / "cases.json").exists() else []
)


def ask(case: dict[str, Any]) -> dict[str, Any]:
    (line,) = answers([json.dumps(case)])
    result: dict[str, Any] = json.loads(line)
    return result


def comparer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compare", SHARED / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not CASES, reason="no shared pricing cases beside the repository")
@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_shared_case(case: dict[str, Any]) -> None:
    inner = ("expect", "note", "source", "agreement", "licence_note")
    got = ask({name: value for name, value in case.items() if name not in inner})
    assert comparer().check(case, got) == []


TARIFF = {
    "id": "T1",
    "currency": "EUR",
    "elements": [
        {"price_components": [{"type": "ENERGY", "price": 0.1, "step_size": 1, "vat": 20}]},
        {"price_components": [{"type": "PARKING_TIME", "price": 6, "step_size": 1}]},
    ],
    "min_price": {"excl_vat": 0.5},
}


def test_a_session_of_constant_power() -> None:
    session = {
        "start_date_time": "2026-01-12T09:00:00Z",
        "end_date_time": "2026-01-12T11:00:00Z",
        "power_kw": 10,
        "requested_kwh": 10,
    }
    case = {"id": 1, "kind": "price_session", "time_zone": "UTC", "tariff": TARIFF, "session": session}
    got = ask(case)
    assert got["total_energy_cost"] == {"excl_vat": "1.0000", "incl_vat": "1.2000"}
    assert got["total_cost"] == {"excl_vat": "7.0000", "incl_vat": "7.2000"}
    assert Decimal(got["charging_seconds"]) == Decimal(got["parking_seconds"]) == 3600


def test_a_cdr_of_2_1_1_has_no_taxes() -> None:
    cdr = {
        "start_date_time": "2026-01-12T09:00:00",
        "stop_date_time": "2026-01-12T10:00:00Z",
        "charging_periods": [
            {"start_date_time": "2026-01-12T09:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 10}]}
        ],
    }
    elements = [{"price_components": [{"type": "ENERGY", "price": 0.1, "step_size": 1}]}]
    plain = {"id": "T1", "currency": "EUR", "elements": elements}
    cdr["start_date_time"] = "2026-01-12T09:00:00Z"
    case = {"id": 2, "kind": "price_cdr", "ocpi_version": "2.1.1", "time_zone": "UTC", "tariff": plain, "cdr": cdr}
    assert ask(case)["total_cost"] == {"excl_vat": "1.0000", "incl_vat": None}


def test_a_credit_is_negative_in_its_total_alone() -> None:
    cdr = {
        "start_date_time": "2026-01-12T09:00:00Z",
        "end_date_time": "2026-01-12T10:00:00Z",
        "credit": True,
        "charging_periods": [
            {"start_date_time": "2026-01-12T09:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 10}]}
        ],
    }
    got = ask({"id": 3, "kind": "price_cdr", "time_zone": "UTC", "tariff": TARIFF, "cdr": cdr})
    assert got["total_cost"] == {"excl_vat": "-1.0000", "incl_vat": "-1.2000"}
    assert got["total_energy_cost"] == {"excl_vat": "1.0000", "incl_vat": "1.2000"}


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("{", "DecodeError"),
        ('{"id": 4, "kind": "price_cdr"}', "KeyError"),
        ('{"id": 4, "kind": "price_cdr", "time_zone": "UTC", "tariff": {"id": 1}}', "MalformedDocument"),
    ],
)
def test_a_case_that_cannot_be_read_answers_with_an_error(line: str, error: str) -> None:
    (answer,) = answers([line, "\n"])
    assert json.loads(answer)["error"].startswith(error)

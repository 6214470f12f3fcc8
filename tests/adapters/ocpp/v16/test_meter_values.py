"""Meter values in the contract's units."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from adapters.ocpp.v16.meter_values import last_register, to_samples
from contracts.messages import MeterValue, SignedReading
from contracts.vocabulary import Measurand, ReadingContext

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
AT = "2026-11-23T11:00:00Z"


def values(*sampled: dict[str, Any]) -> tuple[MeterValue, ...]:
    (sample,) = to_samples([{"timestamp": AT, "sampledValue": list(sampled)}], received_at=NOW)
    return sample.values


def test_absent_fields_mean_an_import_register_in_wh() -> None:
    assert values({"value": "1234"}) == (MeterValue(measurand=Measurand.ENERGY_REGISTER, value=Decimal(1234)),)


@pytest.mark.parametrize(
    ("sampled", "expected"),
    [
        ({"value": "1.234", "unit": "kWh"}, "1234"),
        ({"value": "12", "unit": "kWh"}, "12000"),
        ({"value": "0.1", "unit": "kwh"}, "100"),
        ({"value": "7.4", "unit": "kW", "measurand": "Power.Active.Import"}, "7400"),
        ({"value": "1,5", "unit": "kWh"}, "1500"),
        ({"value": " 15 "}, "15"),
        ({"value": "300", "unit": "K", "measurand": "Temperature"}, "26.85"),
        ({"value": "77", "unit": "Fahrenheit", "measurand": "Temperature"}, "25.00"),
        ({"value": "25", "unit": "Celcius", "measurand": "Temperature"}, "25"),
        ({"value": "55", "unit": "Percent", "measurand": "SoC"}, "55"),
        ({"value": "16", "measurand": "Current.Import", "unit": "A"}, "16"),
    ],
)
def test_units(sampled: dict[str, Any], expected: str) -> None:
    (value,) = values(sampled)
    assert value.value == Decimal(expected)
    assert "E" not in str(value.value)


@pytest.mark.parametrize("text", ["", "n/a", "NaN", "1e999", "Infinity", "1e13", "-"])
def test_numbers_that_are_none_are_left_out(text: str) -> None:
    assert to_samples([{"timestamp": AT, "sampledValue": [{"value": text}]}], received_at=NOW) == ()


def test_what_the_contract_has_no_word_for_is_left_out() -> None:
    assert len(values({"value": "1"}, {"value": "50", "measurand": "Frequency"})) == 1


def test_a_single_phased_register_is_the_total() -> None:
    (value,) = values({"value": "5", "phase": "L1"})
    assert value.phase is None


def test_three_phases_have_a_sum() -> None:
    found = values(*({"value": str(n), "phase": f"L{n}-N"} for n in (1, 2, 3)))
    assert [(value.phase, value.value) for value in found] == [
        ("L1", 1),
        ("L2", 2),
        ("L3", 3),
        (None, 6),
    ]


def test_two_phases_and_a_total_stay_as_they_are() -> None:
    assert len(values({"value": "5"}, {"value": "2", "phase": "L1"}, {"value": "3", "phase": "L2"})) == 3
    assert [value.phase for value in values({"value": "2", "phase": "L1"}, {"value": "3", "phase": "L2"})] == [
        "L1",
        "L2",
    ]


def test_contexts_are_samples_of_their_own_and_times_are_sorted() -> None:
    samples = to_samples(
        [
            {"timestamp": "2026-11-23T11:05:00Z", "sampledValue": [{"value": "7"}]},
            {
                "timestamp": AT,
                "sampledValue": [
                    {"value": "5", "context": "Transaction.Begin"},
                    {"value": "6"},
                    {"value": "9", "context": "Odd"},
                ],
            },
        ],
        received_at=NOW,
    )
    contexts = [sample.context for sample in samples]
    assert contexts == [
        ReadingContext.BEGIN,
        ReadingContext.PERIODIC,
        ReadingContext.OTHER,
        ReadingContext.PERIODIC,
    ]
    assert last_register(samples) == 7


def test_signed_data_is_left_as_it_is() -> None:
    text = "OCMF|" + "x" * 5000
    (sample,) = to_samples(
        [{"timestamp": AT, "sampledValue": [{"value": text, "format": "SignedData"}]}], received_at=NOW
    )
    assert sample.signed == (SignedReading(data=text),)
    assert sample.values == ()


@pytest.mark.parametrize("field", ["signedMeterData", "signedMeterValue"])
def test_signed_data_comes_out_of_the_json_around_it(field: str) -> None:
    """OCA application note Signed Meter Values in OCPP, section 3.2.1."""
    said = {field: "T0NNRnw=\u00e9", "signingMethod": "", "encodingMethod": "OCMF", "publicKey": "b2Nh"}
    value = {"value": json.dumps(said), "format": "SignedData", "context": "Transaction.End"}
    (sample,) = to_samples([{"timestamp": AT, "sampledValue": [value]}], received_at=NOW)
    assert sample.context is ReadingContext.END
    assert sample.signed == (SignedReading(data="T0NNRnw=\u00e9", encoding_method="OCMF", public_key="b2Nh"),)


@pytest.mark.parametrize(
    "text",
    ["{", '{"a": 1}', '{"signedMeterData": 7}', '{"signedMeterData": ""}', "[]", "", '{"a":' + "[" * 100_000],
    ids=lambda text: text[:30],
)
def test_what_holds_no_signed_data_stays_as_it_is(text: str) -> None:
    (sample,) = to_samples(
        [{"timestamp": AT, "sampledValue": [{"value": text, "format": "SignedData"}]}], received_at=NOW
    )
    assert sample.signed == (SignedReading(data=text),)


def test_places() -> None:
    outlet, inlet = values({"value": "1", "location": "Outlet"}, {"value": "2", "location": "Inlet"})
    assert (outlet.location, inlet.location) == (None, "Inlet")

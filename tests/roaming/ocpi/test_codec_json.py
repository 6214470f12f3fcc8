"""Numbers keep every digit both ways; hostile JSON is refused before anything reads it."""

import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roaming.model.canonical import from_document, to_document
from roaming.model.money import Price, TaxAmount
from roaming.ocpi.codec import MalformedJson, dump_json, parse_json
from roaming.ocpi.exact_json import has_repeated_keys


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"0.10", Decimal("0.10")),
        (b"-1.5e3", Decimal("-1.5E+3")),
        (b"1e-20", Decimal("1E-20")),
        (b"0.1234567890123456789012345678901", Decimal("0.1234567890123456789012345678901")),
        (b"9223372036854775807", 2**63 - 1),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        ('[true, null, "漢"]'.encode(), [True, None, "漢"]),
        (b'"\\ud83d\\ude00"', "😀"),
    ],
)
def test_json_is_read_exactly(data: bytes, value: Any) -> None:
    parsed = parse_json(data)
    assert parsed == value
    assert str(parsed) == str(value)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"[1, 2] 3", "trailing"),
        (b"[01]", "number"),
        (b"[NaN]", "invalid"),
        (b"[Infinity]", "invalid"),
        (b"[1e21]", "exponent"),
        (b"[1e-999999999999999999]", "exponent"),
        (b"[1e" + b"9" * 5000 + b"]", "exponent"),
        (b"[0." + b"1" * 33 + b"]", "digits"),
        (b"[9223372036854775808]", "64 bits"),
        (b"[" + b"9" * 5000 + b"]", "out of range"),
        (b"[" * 65 + b"]" * 65, "64 levels"),
        (b"[" * 100_000, "64 levels"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "64 levels"),
        (b'"\xff"', "utf-8"),
        (b'["\\ud800"]', "truncated"),
        (b"\xef\xbb\xbf{}", "malformed"),
    ],
)
def test_what_is_no_json_for_us_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(MalformedJson, match=why):
        parse_json(data)


def test_64_levels_are_fine() -> None:
    assert parse_json(b"[" * 64 + b"1" + b"]" * 64)


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (Decimal("4.00"), b"4.00"),
        (Decimal("1E+3"), b"1000"),
        (Decimal("1E-9"), b"0.000000001"),
        (Decimal("-0.0000005"), b"-0.0000005"),
        ({"a": (Decimal("1E+1"), "NE-1", True, None)}, b'{"a":[10,"NE-1",true,null]}'),
        ({"EVSE-1": "1E-7", "a": Decimal("-12E+2")}, b'{"EVSE-1":"1E-7","a":-1200}'),
    ],
)
def test_numbers_are_written_plainly(value: Any, data: bytes) -> None:
    assert dump_json(value) == data


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("-Infinity"), [Decimal("sNaN")]])
def test_what_is_no_number_is_not_written(value: Any) -> None:
    with pytest.raises(ValueError, match="no JSON number"):
        dump_json(value)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(codec="utf-8"))
    | st.decimals(-(10**9), 10**9, places=6)
)


@given(
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    )
)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert parse_json(dump_json(value)) == value


def test_the_stored_document_is_exact_unknown_fields_included() -> None:
    price = Price(
        before_taxes=Decimal("0.12345678901234567890123"),
        taxes=(TaxAmount(name="VAT", amount=Decimal("1E-7")),),
        extra={"x": [Decimal("0.12345678901234567890123"), {"y": Decimal("4.00")}]},
    )
    stored = from_document(Price, to_document(price))
    assert stored == price
    assert str(stored) == str(price)


def test_a_string_of_quotes_is_looked_through_once() -> None:
    """A mebibyte of escaped quotes: looked for from each of them, its end would take an hour."""
    text = '{"a":"' + '\\"' * 500_000 + '","b" :[{"a":1,"a":2}]}'
    began = time.thread_time()
    assert has_repeated_keys(text, parse_json(text.encode()))
    assert not has_repeated_keys(text.replace(',"a":2', ""), {"a": "", "b": [{"a": 1}]})
    assert time.thread_time() - began < 1.0

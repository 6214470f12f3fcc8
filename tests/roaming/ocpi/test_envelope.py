import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roaming.ocpi import errors
from roaming.ocpi.envelope import failure, read_envelope, success, success_list
from tests.roaming.ocpi.test_errors import TABLE

NOW = datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=UTC)


def test_success_around_data() -> None:
    expected = {
        "data": {"id": "LOC1"},
        "status_code": 1000,
        "status_message": "Success",
        "timestamp": "2026-11-23T10:00:00Z",
    }
    assert json.loads(success(b'{"id": "LOC1"}', NOW)) == expected
    assert json.loads(success('{"id": "LOC1"}', NOW)) == expected


def test_success_without_data_has_no_data_field() -> None:
    assert "data" not in json.loads(success(None, NOW))


def test_data_that_is_null_on_purpose_stays() -> None:
    assert json.loads(success("null", NOW))["data"] is None


def test_list_joins_the_texts_as_they_are() -> None:
    body = success_list(['{"price":0.10}', '{"name":"Café"}'], NOW)
    assert body.startswith('{"data":[{"price":0.10},{"name":"Café"}],'.encode())
    assert json.loads(body)["status_code"] == 1000
    assert json.loads(success_list([], NOW))["data"] == []


@pytest.mark.parametrize(("kind", "_http_status", "status_code"), TABLE)
def test_every_error_has_an_envelope(kind: type[errors.OcpiError], _http_status: int, status_code: int) -> None:
    message = 'tariff_id "x" \u2028 is unknown \ud800'
    assert json.loads(failure(kind(message), NOW)) == {
        "status_code": status_code,
        "status_message": message,
        "timestamp": "2026-11-23T10:00:00Z",
    }


def test_2_1_1_is_sent_codes_it_has() -> None:
    assert json.loads(failure(errors.UnknownToken("no"), NOW, version="2.1.1"))["status_code"] == 2000
    assert json.loads(failure(errors.ForwardTimeout("no"), NOW, version="2.1.1"))["status_code"] == 3000
    assert json.loads(failure(errors.ForwardTimeout("no"), NOW, version="2.2.1"))["status_code"] == 4002


def test_our_own_envelopes_are_read_without_a_finding() -> None:
    read = read_envelope(200, success('{"cost": 8.310}', NOW))
    assert (read.status_code, read.status_message, read.findings) == (1000, "Success", ())
    assert read.timestamp == NOW.replace(microsecond=0)
    assert read.data == {"cost": Decimal("8.310")}
    assert str(read.data["cost"]) == "8.310"


@pytest.mark.parametrize("http_status", [200, 201, 400, 404, 500])
def test_an_error_envelope_counts_on_any_http_status(http_status: int) -> None:
    read = read_envelope(http_status, failure(errors.UnknownLocation("LOC9"), NOW))
    assert (read.status_code, read.status_message) == (2003, "LOC9")


@pytest.mark.parametrize(
    ("http_status", "body", "status_code", "findings"),
    [
        (200, b"", None, ("empty_body",)),
        (204, b" \r\n", None, ("empty_body",)),
        (200, b"<html>Welcome</html>", None, ("not_json",)),
        (502, b"Bad Gateway", None, ("not_json",)),
        (200, b"\xff\xfe\x00", None, ("not_json",)),
        (200, b'{"status_code":1000', None, ("not_json",)),
        (200, b"[" * 100_000, None, ("not_json",)),
        (200, b'{"status_code":1000,"data":1e999999999}', None, ("not_json",)),
        (200, b'{"status_code":1000,"data":NaN}', None, ("not_json",)),
        (200, b"[]", None, ("no_envelope",)),
        (422, b'{"detail":[]}', None, ("no_envelope",)),
        (200, b'{"status_code":"1000","timestamp":"2026-11-23T10:00:00"}', 1000, ("status_code_is_text",)),
        (200, b'{"status_code":200,"timestamp":"2026-11-23T10:00:00Z"}', None, ("status_code_is_http",)),
        (200, b'{"status_code":5000,"timestamp":"2026-11-23T10:00:00Z"}', None, ("status_code_out_of_range",)),
        (200, b'{"status_code":true,"timestamp":"2026-11-23T10:00:00Z"}', None, ("status_code_out_of_range",)),
        (200, b'{"status_code":null,"timestamp":"2026-11-23T10:00:00Z"}', None, ("status_code_out_of_range",)),
        (200, b'{"status_code":1000}', 1000, ("timestamp_missing",)),
        (200, b'{"status_code":1000,"timestamp":"yesterday"}', 1000, ("timestamp_unreadable",)),
        (200, b'{"status_code":1000,"timestamp":"0001-01-01T00:00:00+14:00"}', 1000, ("timestamp_unreadable",)),
        (404, b'{"status_code":1000,"timestamp":"2026-11-23T10:00:00Z"}', None, ("success_on_http_error",)),
        (200, b'\xef\xbb\xbf{"status_code":1000,"timestamp":"2026-11-23T10:00:00Z"}', 1000, ("byte_order_mark",)),
    ],
)
def test_liberties_are_taken_and_named(
    http_status: int, body: bytes, status_code: int | None, findings: tuple[str, ...]
) -> None:
    read = read_envelope(http_status, body)
    assert (read.status_code, read.findings) == (status_code, findings)


def test_json_without_an_envelope_is_handed_on() -> None:
    assert read_envelope(200, b'[{"id": 1}]').data == [{"id": 1}]


def test_a_message_is_bounded_and_must_be_text() -> None:
    long = json.dumps({"status_code": 2000, "status_message": "x" * 10_000}).encode()
    assert len(read_envelope(200, long).status_message or "") == 500
    assert read_envelope(200, b'{"status_code":2000,"status_message":{"a":1}}').status_message is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(http_status=st.integers(100, 599), body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_reading_never_raises(http_status: int, body: bytes) -> None:
    read_envelope(http_status, body)


@given(
    http_status=st.integers(100, 599),
    envelope=st.fixed_dictionaries({"status_code": JSON, "status_message": JSON, "timestamp": JSON, "data": JSON}),
)
def test_reading_never_raises_on_odd_envelopes(http_status: int, envelope: dict[str, object]) -> None:
    read = read_envelope(http_status, json.dumps(envelope).encode())
    assert read.status_code is None or 1000 <= read.status_code <= 4999

"""What each kind of value takes, tolerates with a finding, and refuses with a text that helps."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from roaming.model.location import Status
from roaming.model.version import Version
from roaming.ocpi.codec import DecodeError, EncodeError, FindingCode, Loss
from roaming.ocpi.kinds import (
    CLOCK_TIME,
    COUNT,
    FLAG,
    ID_36,
    LINK,
    LOCAL_DATE,
    NUMBER,
    TIMESTAMP,
    URL,
    WHOLE,
    Choice,
    Degrees,
    Kind,
    Secret,
    Text,
    Whole,
)
from roaming.ocpi.translation import Reading, Writing

STATUS = Choice.of(Status)
OPEN_STATUS = Choice.of(Status, is_open=True)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def read(kind: Kind, value: Any, version: Version = Version.V2_2_1) -> tuple[Any, list[FindingCode]]:
    reading = Reading(version)
    decoded = kind.decode(value, reading, "evses[0].", "field")
    assert all(finding.path == "evses[0].field" for finding in reading.findings)
    return decoded, [finding.code for finding in reading.findings]


def write(kind: Kind, value: Any, version: Version = Version.V2_2_1) -> tuple[Any, list[Loss]]:
    writing = Writing(version)
    return kind.encode(value, writing, "evses[0].", "field"), writing.losses


@pytest.mark.parametrize(
    ("kind", "wire", "value"),
    [
        (Text(5), "žluťo", "žluťo"),
        (Text(5), "", ""),
        (ID_36, "NL*TNM*E 1", "NL*TNM*E 1"),
        (URL, "HTTPS://user@partner.example:8443/ocpi?x=1", "HTTPS://user@partner.example:8443/ocpi?x=1"),
        (FLAG, False, False),
        (WHOLE, -7, -7),
        (NUMBER, 3, Decimal(3)),
        (NUMBER, Decimal("0.10"), Decimal("0.10")),
        (NUMBER, 0.1, Decimal("0.1")),
        (TIMESTAMP, "2026-01-31T12:00:00Z", NOON),
        (TIMESTAMP, "2026-01-31T12:00:00", NOON),
        (TIMESTAMP, "2026-01-31T12:00:00.000Z", NOON),
        (TIMESTAMP, "2026-01-31T14:00:00+02:00", NOON),
        (TIMESTAMP, "2026-01-31T06:30:00.0-0530", NOON),
        (TIMESTAMP, "2026-01-31 12:00:00z", NOON),
        (TIMESTAMP, "2026-01-31T12:00:00.123456789Z", NOON.replace(microsecond=123456)),
        (TIMESTAMP, "1970-1-1T0:0:0Z", datetime(1970, 1, 1, tzinfo=UTC)),
        (TIMESTAMP, "2026-01-31T11:59:60Z", NOON),
        (CLOCK_TIME, "23:59", "23:59"),
        (LOCAL_DATE, "2028-02-29", "2028-02-29"),
        (Degrees(90), "-51.0475991", "-51.0475991"),
        (STATUS, "CHARGING", "CHARGING"),
        (Secret(), "!~" * 32, "!~" * 32),
    ],
)
def test_values_that_are_right(kind: Kind, wire: Any, value: Any) -> None:
    assert read(kind, wire) == (value, [])


@pytest.mark.parametrize(
    ("kind", "wire", "value", "finding"),
    [
        (Text(5), "abcdef", "abcdef", FindingCode.TOO_LONG),
        (Text(99), "left,\nthen right", "left,\nthen right", FindingCode.ODD_FORMAT),
        (URL, "https://a.example/" + "x" * 250, "https://a.example/" + "x" * 250, FindingCode.TOO_LONG),
        (LINK, "www.example.com", "www.example.com", FindingCode.ODD_FORMAT),
        (LINK, "example.com:8080/a", "example.com:8080/a", FindingCode.ODD_FORMAT),
        (WHOLE, "230", 230, FindingCode.NUMBER_AS_TEXT),
        (WHOLE, Decimal("230.0"), 230, FindingCode.ODD_FORMAT),
        (Whole(5), 123456, 123456, FindingCode.OUT_OF_RANGE),
        (NUMBER, "2.00", Decimal("2.00"), FindingCode.NUMBER_AS_TEXT),
        (CLOCK_TIME, "8:30", "08:30", FindingCode.ODD_FORMAT),
        (CLOCK_TIME, "08:30:15", "08:30", FindingCode.ODD_FORMAT),
        (CLOCK_TIME, "24:00", "00:00", FindingCode.ODD_FORMAT),
        (Degrees(90), Decimal("51.047599"), "51.047599", FindingCode.TEXT_AS_NUMBER),
        (Degrees(90), "51.0", "51.0", FindingCode.ODD_FORMAT),
        (STATUS, "BROKEN", "BROKEN", FindingCode.UNKNOWN_VALUE),
        (STATUS.also(IN_USE="CHARGING"), "IN_USE", "CHARGING", FindingCode.REPLACED_VALUE),
    ],
)
def test_values_that_are_tolerated(kind: Kind, wire: Any, value: Any, finding: FindingCode) -> None:
    assert read(kind, wire) == (value, [finding])


def test_an_open_list_is_open_since_2_3_0_only() -> None:
    assert read(OPEN_STATUS, "BROKEN", Version.V2_3_0) == ("BROKEN", [])
    assert read(OPEN_STATUS, "BROKEN", Version.V2_2_1) == ("BROKEN", [FindingCode.UNKNOWN_VALUE])
    assert read(STATUS, "BROKEN", Version.V2_3_0) == ("BROKEN", [FindingCode.UNKNOWN_VALUE])


@pytest.mark.parametrize(
    ("kind", "wire", "reason"),
    [
        (Text(5), 12, "expected text, got a number"),
        (Text(5), {"text": "x"}, "expected text, got an object"),
        (Text(5), "a\x00b", "holds control characters"),
        (ID_36, "", "is empty"),
        (ID_36, "x" * 37, "longer than 36 characters"),
        (ID_36, "café", "holds characters other than printable ASCII"),
        (ID_36, "a\tb", "holds characters other than printable ASCII"),
        (ID_36, 1012, "expected text, got a number"),
        (URL, "www.example.com", "expected an absolute http or https address"),
        (URL, "ftp://example.com", "expected an absolute http or https address"),
        (URL, "https://", "expected an absolute http or https address"),
        (URL, "https://a b", "expected an absolute http or https address"),
        (URL, "https://a.example/\r\nHost: b", "holds control characters"),
        (LINK, "javascript:alert(1)", "expected an absolute http or https address"),
        (LINK, "data:text/html,x", "expected an absolute http or https address"),
        (FLAG, "true", "expected true or false, got text"),
        (FLAG, 1, "expected true or false, got 1"),
        (WHOLE, True, "expected int, got True"),
        (WHOLE, "abc", "expected int, got 'abc'"),
        (WHOLE, Decimal("230.5"), "expected int, got 230.5"),
        (COUNT, -1, "expected int of 0 or more, got '-1'"),
        (Whole(lowest=1, highest=7), 8, "expected int from 1 to 7, got '8'"),
        (NUMBER, True, "expected number, got True"),
        (NUMBER, "NaN", "expected number, got 'NaN'"),
        (NUMBER, "1e999", "a number has an exponent beyond 20"),
        (NUMBER, float("inf"), "expected number, got float"),
        (TIMESTAMP, "2026-01-31", "expected a time such as 2026-01-31T12:00:00Z, got '2026-01-31'"),
        (TIMESTAMP, "2026-02-30T12:00:00Z", "expected a time such as 2026-01-31T12:00:00Z, got '2026-02-30T12:00:00Z'"),
        (TIMESTAMP, "0001-01-01T00:00:00+14:00", "expected a time such as"),
        (TIMESTAMP, 1769860800, "expected a time as text, got 1769860800"),
        (CLOCK_TIME, "25:00", "expected a local time such as 08:30, got '25:00'"),
        (CLOCK_TIME, "24:01", "expected a local time such as 08:30, got '24:01'"),
        (LOCAL_DATE, "2026-02-30", "expected a date such as 2026-01-31, got '2026-02-30'"),
        (LOCAL_DATE, "2026-1-31", "expected a date such as 2026-01-31, got '2026-1-31'"),
        (Degrees(90), "north", "expected degrees such as 51.047599, got 'north'"),
        (Degrees(90), "91.000000", "expected degrees such as 51.047599, got '91.000000'"),
        (Degrees(90), True, "expected degrees such as 51.047599, got True"),
        (STATUS, 5, "expected text, got a number"),
        (STATUS, "", "is empty"),
        (STATUS, "a\nb", "is no word of a list"),
        (Secret(), "with space", "expected text of 1 to 64 printable ASCII characters without spaces"),
        (Secret(), 5, "expected text of 1 to 64 printable ASCII characters without spaces"),
    ],
)
def test_values_that_are_refused(kind: Kind, wire: Any, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        read(kind, wire)
    assert caught.value.path == "evses[0].field"
    assert caught.value.reason.startswith(reason)
    assert str(caught.value) == f"evses[0].field: {caught.value.reason}"


def test_an_error_shows_no_text_that_may_be_secret() -> None:
    for kind in (ID_36, Text(5), Secret(), FLAG):
        with pytest.raises(DecodeError) as caught:
            read(kind, "hunter2\x00" * 10)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "version", "wire"),
    [
        (NOON, Version.V2_2_1, "2026-01-31T12:00:00Z"),
        (NOON.replace(microsecond=120_999), Version.V2_2_1, "2026-01-31T12:00:00.120Z"),
        (NOON.replace(microsecond=120_999), Version.V2_1_1, "2026-01-31T12:00:00Z"),
        (NOON.replace(microsecond=999), Version.V2_3_0, "2026-01-31T12:00:00Z"),
        (NOON.astimezone(timezone(timedelta(hours=5, minutes=30))), Version.V2_3_0, "2026-01-31T12:00:00Z"),
    ],
)
def test_times_go_out_in_utc(value: datetime, version: Version, wire: str) -> None:
    assert write(TIMESTAMP, value, version) == (wire, [])


def test_a_time_without_zone_does_not_go_out() -> None:
    with pytest.raises(EncodeError, match=r"evses\[0\]\.field: a time without zone"):
        write(TIMESTAMP, NOON.replace(tzinfo=None))


def test_degrees_have_the_decimals_of_the_version() -> None:
    of_2_1_1 = Degrees(90, fewest=6, most=6)
    assert write(of_2_1_1, "51.04759") == ("51.047590", [])
    assert write(of_2_1_1, "51.0475990") == ("51.047599", [])
    assert write(of_2_1_1, "-51.0475996") == (
        "-51.047600",
        [Loss("evses[0].field", "rounded to 6 decimals")],
    )
    assert write(Degrees(90), "51") == ("51.00000", [])


def test_a_text_that_is_too_long_goes_out_whole_and_declared() -> None:
    assert write(Text(3), "abcd") == (
        "abcd",
        [Loss("evses[0].field", "longer than the 3 characters of this version, sent whole")],
    )


def test_an_id_that_is_too_long_does_not_go_out() -> None:
    with pytest.raises(EncodeError, match="longer than the 36 characters"):
        write(ID_36, "x" * 37)


def test_words_of_other_versions_are_replaced_or_held() -> None:
    older = STATUS.lacking("PLANNED", BLOCKED="INOPERATIVE")
    assert write(older, "BLOCKED", Version.V2_1_1) == (
        "INOPERATIVE",
        [Loss("evses[0].field", "BLOCKED does not exist in 2.1.1, sent as INOPERATIVE")],
    )
    with pytest.raises(EncodeError, match=r"PLANNED does not exist in 2\.1\.1"):
        write(older, "PLANNED", Version.V2_1_1)
    assert write(older, "INVENTED", Version.V2_1_1) == ("INVENTED", [])
    assert write(older.also(["PLANNED"]), "PLANNED") == ("PLANNED", [])

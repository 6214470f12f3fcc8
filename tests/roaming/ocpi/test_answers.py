from datetime import UTC, datetime

import pytest

from roaming.ocpi.answers import Outcome, Trouble, judge, read_retry_after
from roaming.ocpi.envelope import read_envelope
from tests.kit.scripted_partner import enveloped

NOW = datetime(2026, 11, 23, 10, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("http_status", "code", "outcome"),
    [
        (200, 1000, Outcome.DELIVERED),
        (201, 1000, Outcome.DELIVERED),
        (200, 1900, Outcome.DELIVERED),
        (200, 2000, Outcome.REFUSED),
        (200, 2001, Outcome.REFUSED),
        (404, 2004, Outcome.REFUSED),
        (500, 2001, Outcome.REFUSED),
        (200, 3000, Outcome.FAILED),
        (200, 3001, Outcome.FAILED),
        (503, 3000, Outcome.FAILED),
        (200, 4001, Outcome.FAILED),
        (404, 1000, Outcome.REFUSED),
        (500, 1000, Outcome.FAILED),
        (429, 2000, Outcome.FAILED),
        (200, 200, Outcome.DELIVERED),
        (200, 5000, Outcome.UNKNOWN),
        (200, 400, Outcome.UNKNOWN),
        (500, 5000, Outcome.FAILED),
    ],
)
def test_an_envelope_decides(http_status: int, code: int, outcome: Outcome) -> None:
    assert judge(http_status, read_envelope(http_status, enveloped(None, status_code=code))).outcome is outcome


@pytest.mark.parametrize(
    ("http_status", "body", "outcome", "trouble"),
    [
        (200, b"", Outcome.DELIVERED, None),
        (204, b"", Outcome.DELIVERED, None),
        (200, b"[]", Outcome.DELIVERED, None),
        (200, b"<html>", Outcome.UNKNOWN, Trouble.NOT_JSON),
        (301, b"", Outcome.FAILED, Trouble.REDIRECT),
        (307, enveloped([]), Outcome.FAILED, Trouble.REDIRECT),
        (400, b"", Outcome.REFUSED, Trouble.HTTP_STATUS),
        (401, b'{"detail":"no"}', Outcome.FAILED, Trouble.CREDENTIALS),
        (401, enveloped(None, status_code=2000), Outcome.FAILED, Trouble.CREDENTIALS),
        (403, b"", Outcome.FAILED, Trouble.CREDENTIALS),
        (404, b"<html>", Outcome.REFUSED, Trouble.HTTP_STATUS),
        (408, b"", Outcome.FAILED, Trouble.HTTP_STATUS),
        (413, b"", Outcome.REFUSED, Trouble.HTTP_STATUS),
        (422, b'{"detail":[]}', Outcome.REFUSED, Trouble.HTTP_STATUS),
        (429, b"", Outcome.FAILED, Trouble.HTTP_STATUS),
        (500, b"oops", Outcome.FAILED, Trouble.HTTP_STATUS),
        (502, b"<html>", Outcome.UNKNOWN, Trouble.HTTP_STATUS),
        (503, b"", Outcome.FAILED, Trouble.HTTP_STATUS),
        (504, b"", Outcome.UNKNOWN, Trouble.HTTP_STATUS),
    ],
)
def test_without_an_envelope_the_http_status_decides(
    http_status: int, body: bytes, outcome: Outcome, trouble: Trouble | None
) -> None:
    judgement = judge(http_status, read_envelope(http_status, body))
    assert (judgement.outcome, judgement.trouble) == (outcome, trouble)


def test_the_partners_words_are_told_to_people() -> None:
    envelope = read_envelope(200, enveloped(None, status_code=2001, status_message="evse_uid is unknown"))
    assert judge(200, envelope).error == "OCPI status 2001: evse_uid is unknown"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("999999999", 86_400.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("9" * 5000, None),
        ("Mon, 23 Nov 2026 10:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 10:00:30", 30.0),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 0.0),
        ("Mon, 23 Nov 9999 23:59:59 -2300", 86_400.0),
        ("Fri, 99 Zzz 2026 10:00:00 GMT", None),
    ],
)
def test_retry_after_as_number_or_date(value: str | None, seconds: float | None) -> None:
    assert read_retry_after(value, NOW) == seconds

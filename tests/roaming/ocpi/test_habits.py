"""What an answer and a page show of a partner's dialect."""

from typing import Any

import pytest

from roaming.ocpi.answers import Answer, Outcome
from roaming.ocpi.fetching import FetchLimits, read_page_of_partner, reason_to_stop
from roaming.ocpi.habits import habits_of_answer, habits_of_page, token_habit

URL = "https://cpo.example/ocpi/locations"


def answer(status: int = 200, data: Any = None, headers: dict[str, str] | None = None, *findings: str) -> Answer:
    outcome = Outcome.DELIVERED if status < 300 else Outcome.FAILED
    return Answer(outcome=outcome, http_status=status, data=data, headers=headers or {}, findings=findings)


def of_answer(method: str, told: Answer) -> dict[str, str]:
    return {habit.name: habit.value for habit in habits_of_answer(method, URL, "locations", told)}


def of_page(items: list[Any], **headers: str) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    page = read_page_of_partner(URL, answer(200, items, named))
    return {habit.name: habit.value for habit in habits_of_page(page, "locations")}


@pytest.mark.parametrize(
    ("method", "told", "habits"),
    [
        ("PATCH", answer(405), {"patch": "no"}),
        ("PATCH", answer(501), {"patch": "no"}),
        ("PATCH", answer(404), {}),
        ("PUT", answer(405), {}),
        ("GET", answer(307, None, {"location": "/ocpi/locations/"}), {"trailing_slash": "yes"}),
        ("GET", answer(301, None, {"location": URL + "/?limit=2"}), {"trailing_slash": "yes"}),
        ("GET", answer(302, None, {"location": "https://cpo.example/login"}), {}),
        ("GET", answer(302, None, {"location": "http://[broken"}), {}),
        ("GET", answer(200, [], None, "status_code_is_http"), {"status_codes": "http"}),
        ("GET", answer(422, None, None, "success_on_http_error"), {"status_codes": "http"}),
        ("GET", answer(200, [], None, "timestamp_missing"), {}),
    ],
)
def test_an_answer_shows(method: str, told: Answer, habits: dict[str, str]) -> None:
    assert of_answer(method, told) == habits


@pytest.mark.parametrize(
    ("items", "headers", "habits"),
    [
        ([{"id": "1"}], {}, {"paging_headers": "missing"}),
        ([], {}, {}),
        ([{"id": "1"}], {"x_total_count": "1"}, {}),
        ([{"id": "1"}], {"x_limit": "50"}, {}),
        ([{"id": "1"}], {"link": '<?offset=1>; rel="next"'}, {}),
        ([{"id": "1"}], {"link": "<https://elsewhere.example/?offset=1>; rel=next"}, {"page_links": "mend"}),
        ([{"id": "1", "name": None}], {"x_limit": "1"}, {"null_fields": "sent"}),
        ([{"id": "1", "country_code": "nl"}], {"x_limit": "1"}, {"id_case": "lower"}),
        ([{"id": "1", "last_updated": "2026-11-23T10:00:00"}], {"x_limit": "1"}, {"time_zone": "UTC"}),
        ([{"id": "1", "last_updated": "2026-11-23T10:00:00+01:00"}], {"x_limit": "1"}, {}),
        (["no object"], {"x_limit": "1"}, {}),
    ],
)
def test_a_page_shows(items: list[Any], headers: dict[str, str], habits: dict[str, str]) -> None:
    assert of_page(items, **headers) == habits


def test_reasons_name_neither_addresses_of_cards_nor_tokens() -> None:
    told = answer(405)
    (habit,) = habits_of_answer("PATCH", "https://emsp.example/tokens/DE/EMS/04A1B2C3", "tokens", told)
    assert habit.why == "PATCH tokens: HTTP 405"
    assert (
        token_habit("GET", "versions", "base64", "raw", 200).why == "GET versions: HTTP 401 to base64, HTTP 200 to raw"
    )


@pytest.mark.parametrize(
    ("page_links", "next_url", "stopped"),
    [
        ("refuse", "https://elsewhere.example/l?offset=1", "FOREIGN_LINK"),
        ("mend", "https://cpo.example/l?offset=1", None),
        ("follow:elsewhere.example", "https://elsewhere.example/l?offset=1", None),
        ("follow:another.example", "https://elsewhere.example/l?offset=1", "FOREIGN_LINK"),
    ],
)
def test_a_link_to_another_host(page_links: str, next_url: str, stopped: str | None) -> None:
    told = answer(200, [{}], {"link": "<https://elsewhere.example/l?offset=1>; rel=next"})
    page = read_page_of_partner(URL, told, page_links)
    assert page.next_url == next_url
    assert reason_to_stop(page, {URL}, 0, FetchLimits(), float("inf")) == stopped


def test_an_allowed_host_is_not_followed_out_of_tls() -> None:
    told = answer(200, [{}], {"link": "<http://elsewhere.example/l?offset=1>; rel=next"})
    page = read_page_of_partner(URL, told, "follow:elsewhere.example")
    assert reason_to_stop(page, {URL}, 0, FetchLimits(), float("inf")) == "DOWNGRADE"

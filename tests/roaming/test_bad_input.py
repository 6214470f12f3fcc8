"""Bad input on every door: a few thousand bent requests, each answered with an envelope and the right status, none
with an error of ours, and what was refused stands in the journal."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.kit import ocpi_bodies as bodies
from tests.kit.hub_in_process import RECEIVER, SENDER, HubInProcess, hub_in_process

LATER = "2026-11-23T12:00:00Z"
Door = tuple[str, str, str, dict[str, Any]]
"""Partner, method, path, valid body."""


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(sqlite_url, tmp_path) as running:
        await running.host_objects()
        for partner, method, path, body in doors():
            if method == "PUT":
                await running.call(partner, method, path, body=body)
        yield running


def doors() -> list[Door]:
    """Everything that takes a body, but for credentials."""
    cpo, l1 = "cpo", f"{RECEIVER}/locations/FR/CPO/L1"
    s1, t1 = f"{RECEIVER}/sessions/FR/CPO/S1", f"{RECEIVER}/tokens/DE/AAA/TOKEN1"
    commands = f"{RECEIVER}/commands"
    patches: list[Door] = [
        (cpo, "PATCH", l1, bodies.location(last_updated=LATER)),
        (cpo, "PATCH", f"{l1}/E1", bodies.evse(last_updated=LATER)),
        (cpo, "PATCH", f"{l1}/E1/1", bodies.connector(last_updated=LATER)),
        (cpo, "PATCH", s1, bodies.session(last_updated=LATER)),
        ("aaa", "PATCH", t1, bodies.token(last_updated=LATER)),
    ]
    return [
        (cpo, "PUT", l1, bodies.location()),
        (cpo, "PUT", f"{l1}/E1", bodies.evse()),
        (cpo, "PUT", f"{l1}/E1/1", bodies.connector()),
        (cpo, "PUT", f"{RECEIVER}/tariffs/FR/CPO/T1", bodies.tariff()),
        (cpo, "PUT", s1, bodies.session()),
        ("aaa", "PUT", t1, bodies.token()),
        *patches,
        (cpo, "POST", f"{RECEIVER}/cdrs", bodies.cdr()),
        (cpo, "POST", f"{SENDER}/tokens/HOME1/authorize", {"location_id": "L1", "evse_uids": ["E1"]}),
        ("aaa", "POST", f"{commands}/START_SESSION", bodies.start_session()),
        ("aaa", "POST", f"{commands}/RESERVE_NOW", bodies.reserve_now()),
        ("aaa", "POST", f"{commands}/STOP_SESSION", bodies.stop_session()),
        ("aaa", "POST", f"{commands}/UNLOCK_CONNECTOR", bodies.unlock_connector()),
        ("aaa", "POST", f"{commands}/CANCEL_RESERVATION", bodies.cancel_reservation()),
    ]


WRONG: list[Any] = [
    None,
    True,
    0,
    -1,
    10**18,
    1.5,
    "",
    " ",
    "x" * 5000,
    "\u0000",
    "\u202eevil\ud7ff",
    "😀" * 40,
    "2026-13-45T99:99:99Z",
    "NOT_YET_INVENTED",
    [],
    [None],
    [[[]]],
    {},
    {"": None},
    {"x": {"y": [1]}},
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, entry in value.items():
            yield from places(entry, (*path, name))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from places(entry, (*path, index))


def bent(body: dict[str, Any], place: tuple[Any, ...], wrong: Any) -> dict[str, Any]:
    """A copy with ``wrong`` in that place."""
    copy = deepcopy(body)
    inner: Any = copy
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = wrong
    return copy


def check_envelope(answer: Any, request: object) -> None:
    """Whatever it says, it says it as OCPI does, and it is no failure of ours."""
    assert answer.http_status < 500, (request, answer.text)
    body = answer.body
    assert 1000 <= body["status_code"] < 3000, (request, answer.text)
    assert body["timestamp"].endswith("Z"), (request, answer.text)
    assert "x-request-id" in answer.headers, request
    if body["status_code"] != 1000:
        assert body["status_message"], request
        assert "Traceback" not in answer.text


async def test_a_wrong_value_in_any_place(hub: HubInProcess) -> None:
    random, seen = Random(20261123), Counter[int]()
    for partner, method, path, body in doors():
        for place in places(body):
            for wrong in random.sample(WRONG, 6):
                sent = bent(body, place, wrong)
                answer = await hub.call(partner, method, path, body=sent)
                check_envelope(answer, (method, path, place, wrong))
                seen[answer.code] += 1
    assert sum(seen.values()) > 1500, seen
    assert seen[2001] > 500, seen
    for partner, path in (
        ("cpo", "locations/FR/CPO/L1"),
        ("cpo", "sessions/FR/CPO/S1"),
        ("aaa", "tokens/DE/AAA/TOKEN1"),
    ):
        assert (await hub.call(partner, "GET", f"{RECEIVER}/{path}")).code == 1000, "what was kept can be read again"
    for partner, module in (("aaa", "locations"), ("aaa", "tariffs"), ("aaa", "cdrs"), ("cpo", "tokens")):
        assert (await hub.call(partner, "GET", f"{SENDER}/{module}")).code == 1000


REQUIRED_AND_WRONG = [
    ("locations/FR/CPO/L1", bodies.location(), ("coordinates", "latitude"), {"a": 1}, "coordinates.latitude"),
    ("locations/FR/CPO/L1", bodies.location(), ("publish",), "yes", "publish"),
    ("locations/FR/CPO/L1", bodies.location(), ("evses", 0, "connectors", 0, "max_voltage"), "lots", "max_voltage"),
    ("locations/FR/CPO/L1/E1", bodies.evse(), ("connectors",), 5, "connectors"),
    ("locations/FR/CPO/L1/E1/1", bodies.connector(), ("last_updated",), "yesterday", "last_updated"),
    ("tariffs/FR/CPO/T1", bodies.tariff(), ("elements", 0, "price_components", 0, "price"), "cheap", "price"),
    ("sessions/FR/CPO/S1", bodies.session(), ("kwh",), "much", "kwh"),
    ("sessions/FR/CPO/S1", bodies.session(), ("cdr_token",), "TOKEN1", "cdr_token"),
]


@pytest.mark.parametrize(("path", "body", "place", "wrong", "field"), REQUIRED_AND_WRONG)
async def test_the_answer_names_the_field(
    hub: HubInProcess, path: str, body: dict[str, Any], place: tuple[Any, ...], wrong: Any, field: str
) -> None:
    answer = await hub.call("cpo", "PUT", f"{RECEIVER}/{path}", body=bent(body, place, wrong))
    assert answer.outcome == (200, 2001)
    assert field in answer.message.split(":")[0]


async def test_every_required_field_is_missed_by_name(hub: HubInProcess) -> None:
    optional = Counter[str]()
    for partner, method, path, body in doors():
        if method == "PATCH":
            continue
        for field in body:
            answer = await hub.call(partner, method, path, body={n: v for n, v in body.items() if n != field})
            check_envelope(answer, (method, path, field))
            if answer.code == 2001 and "required" in answer.message:
                assert field in answer.message, (path, field, answer.message)
            else:
                optional[field] += 1
    assert not set(optional) & {"country_code", "party_id", "id", "last_updated", "response_url", "cdr_token", "kwh"}


NO_JSON = [
    b"",
    b" ",
    b"{",
    b"nil",
    b'{"a":}',
    b"\xff\xfe\x00",
    b'{"name":"\xff"}',
    b'\xef\xbb\xbf{"a":1}',
    b'{"a":NaN}',
    b'{"a":Infinity}',
    b'{"a":1e999999999}',
    b'{"a":' + b"9" * 400 + b"}",
    b"[" * 100_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b'{"a":1}{"b":2}',
    b'{"a":"\\ud800"}',
]
NO_OBJECT = [b"1", b"null", b"[]", b'"text"', b"true", b"[{}]"]


async def test_bodies_that_are_no_json_or_no_object(hub: HubInProcess) -> None:
    for partner, method, path, _ in doors():
        for content in NO_JSON + NO_OBJECT:
            is_optional = path.endswith("/authorize") and not content.strip()
            answer = await hub.call(partner, method, path, content=content, headers={"Content-Type": "text/plain"})
            check_envelope(answer, (method, path, content[:40]))
            if not is_optional:
                assert answer.code in (2000, 2001), (method, path, content[:40], answer.text)
                assert answer.http_status in ((400, 413) if answer.code == 2000 else (200,))


async def test_a_body_of_two_megabytes_is_413(hub: HubInProcess) -> None:
    for partner, method, path, _ in doors():
        answer = await hub.call(partner, method, path, content=b'{"name":"' + b"x" * 2 * 1024 * 1024 + b'"}')
        assert answer.outcome == (413, 2000), (method, path)
        for part in (b"{},", b"[],"):  # little to send, much to read
            answer = await hub.call(partner, method, path, content=b'{"evses":[' + part * 60_000 + b"{}]}")
            assert answer.outcome == (413, 2000), (method, path)
            assert "50000 objects and lists" in answer.message


QUERIES = [
    "limit=0",
    "limit=-1",
    "limit=abc",
    "limit=" + "9" * 30,
    "offset=-1",
    "offset=1.5",
    "offset=" + "9" * 30,
    "date_from=yesterday",
    "date_from=2026-13-01T00:00:00Z",
    "date_to=0000-00-00",
    "cursor=xxx",
    "cursor=" + "A" * 4000,
    "cursor=W10",
    "cursor=%00",
]


async def test_bad_paging_parameters_are_named(hub: HubInProcess) -> None:
    for partner, module in (
        ("aaa", "locations"),
        ("aaa", "tariffs"),
        ("aaa", "cdrs"),
        ("aaa", "sessions"),
        ("cpo", "tokens"),
    ):
        since = "&date_from=2020-01-01T00:00:00Z" if module == "sessions" else ""
        for query in QUERIES:
            name = query.split("=")[0]
            path = f"{SENDER}/{module}?{query}{since if name != 'date_from' else ''}"
            answer = await hub.call(partner, "GET", path)
            check_envelope(answer, path)
            assert (answer.outcome, name in answer.message) == ((200, 2001), True), (path, answer.text)
        for query in ("limit=99999", "offset=999999999999999", "limit=", "x=1&x=2", "date_from=2020-01-01T00:00:00"):
            since = "" if query.startswith("date_from") else since
            assert (await hub.call(partner, "GET", f"{SENDER}/{module}?{query}{since}")).code == 1000, (module, query)


PAIRS = [
    ({"OCPI-from-country-code": "DE"}, 2001, "OCPI-from-party-id"),
    ({"OCPI-to-party-id": "HUB"}, 2001, "OCPI-to-country-code"),
    ({"OCPI-from-country-code": "DEU", "OCPI-from-party-id": "AAA"}, 2001, "OCPI-from-country-code"),
    ({"OCPI-from-country-code": "DE", "OCPI-from-party-id": "A/A"}, 2001, "OCPI-from-party-id"),
    ({"OCPI-from-country-code": "DE", "OCPI-from-party-id": "BBB"}, 2001, "OCPI-from"),
    ({"OCPI-to-country-code": "XX", "OCPI-to-party-id": "YYY"}, 4001, "OCPI-to"),
]


@pytest.mark.parametrize(("headers", "code", "named"), PAIRS)
async def test_bad_routing_headers_are_named(hub: HubInProcess, headers: dict[str, str], code: int, named: str) -> None:
    answer = await hub.call("aaa", "GET", f"{SENDER}/locations", headers=headers)
    assert answer.code == code
    assert named in answer.message


PATHS = [
    "%00",
    "%0a%0d",
    "%ff",
    "%",
    "%2",
    "%zz",
    "..",
    "%2e%2e",
    "%2F..%2F",
    "a%2Fb",
    "%252F",
    "x" * 300,
    "'; DROP TABLE locations; --",
    "%F0%9F%98%80",
    "*",
    "{}",
    "?",
]


async def test_tricks_in_addresses(hub: HubInProcess) -> None:
    bases = ["locations/FR/CPO/", "locations/FR/CPO/L1/", "tariffs/FR/CPO/", "sessions/FR/CPO/", "cdrs/FR/CPO/"]
    for base in [*bases, "tokens/DE/AAA/", "locations/FR/", "locations/", "", "commands/"]:
        partner = "aaa" if base.startswith(("tokens", "commands")) else "cpo"
        for trick in PATHS:
            for method in ("GET", "PUT", "PATCH", "DELETE", "POST"):
                path = f"{RECEIVER}/{base}{trick}"
                answer = await hub.call(partner, method, path, body={} if method in ("PUT", "PATCH", "POST") else None)
                assert answer.http_status < 500, (method, path, answer.text)
                assert answer.code != 1000 or method == "GET", (method, path)


async def test_unknown_fields_and_words_are_kept(hub: HubInProcess) -> None:
    for path, body in (
        ("tariffs/FR/CPO/T1", bodies.tariff(x_new={"a": [1]}, type="MOON_PHASE", last_updated=LATER)),
        ("sessions/FR/CPO/S1", bodies.session(x_new=[1.5], status="DREAMING", last_updated=LATER)),
    ):
        assert (await hub.call("cpo", "PUT", f"{RECEIVER}/{path}", body=body)).code == 1000
        assert (await hub.call("cpo", "GET", f"{RECEIVER}/{path}")).data == body
    odd = bodies.token(x_new="y", whitelist="MAYBE", last_updated=LATER)
    assert (await hub.call("aaa", "PUT", f"{RECEIVER}/tokens/DE/AAA/TOKEN1", body=odd)).code == 1000
    assert (await hub.call("aaa", "GET", f"{RECEIVER}/tokens/DE/AAA/TOKEN1")).data == odd


async def test_refused_input_is_in_the_journal_without_secrets(hub: HubInProcess) -> None:
    wrong = bodies.location(publish="perhaps", name="find me")
    await hub.call("cpo", "PUT", f"{RECEIVER}/locations/FR/CPO/L1", body=wrong)
    await hub.call("aaa", "PUT", "/2.2.1/credentials", body={"token": "very-secret-1", "url": 5, "roles": []})
    await hub.call("aaa", "PUT", "/2.2.1/credentials", content=b'{"token": "very-secret-2", "url": ')
    rows = await hub.journal("ocpi_status <> 1000")
    assert json.loads(rows[0][6]) == wrong
    assert "publish" in rows[0][7]
    text = json.dumps(rows)
    assert [row[1] for row in rows] == ["locations", "credentials", "credentials"]
    assert "very-secret" not in text
    for token in hub.tokens.values():
        assert token not in text


async def test_credentials_of_any_shape(hub: HubInProcess) -> None:
    body = bodies.credentials(url="http://127.0.0.1:9/versions")
    for place in places(body):
        for wrong in WRONG:
            answer = await hub.call("aaa", "PUT", "/2.2.1/credentials", body=bent(body, place, wrong))
            assert answer.http_status < 500, (place, wrong, answer.text)
            assert answer.code in (2001, 3001), (place, wrong, answer.text)
    assert (await hub.call("aaa", "GET", "/versions")).code == 1000, "the old registration is still good"

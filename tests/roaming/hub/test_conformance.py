"""The check of a platform: what it says of a good one, and by which field it names each fault. It only reads."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from roaming.app import find_modules
from roaming.hub.conformance.probing import Prober
from roaming.hub.conformance.report import Report, Verdict
from roaming.hub.conformance.suite import Wishes, check_platform
from roaming.model.identifiers import PartyId
from roaming.ocpi.addresses import AddressPolicy
from roaming.ocpi.client import OcpiClient
from tests.kit import ocpi_bodies
from tests.kit.platform import TOKEN, Fault, Platform, Reply, cpo_objects
from tests.kit.scripted_partner import ScriptedPartner

POLICY = AddressPolicy.of("127.0.0.0/8", is_http_allowed=True)
MODULES = find_modules()


class Clock:
    def now(self) -> datetime:
        return datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


async def check(platform: Platform, *, token: str = TOKEN, told: list[str] | None = None) -> Report:
    """A check of ``platform`` as a stranger makes it, for the eMSP DE-HME."""
    lines: list[str] = told if told is not None else []
    async with ScriptedPartner(platform) as partner, OcpiClient(POLICY) as client:
        url = f"{partner.url}/versions"
        prober = Prober(
            client=client,
            clock=Clock(),
            report=Report(url=url, at=Clock().now()),
            key="stranger",
            token=token,
            from_party=PartyId("DE", "HME"),
        )
        report = await check_platform(prober, url, MODULES, Wishes(), lines.append)
    assert {request.method for request in platform.asked} == {"GET"}, "nothing is ever written there"
    assert all(not request.body for request in platform.asked)
    return report


def bad(report: Report, verdict: Verdict | None = None) -> dict[str, list[str]]:
    """What is not as it should be: details by module and check."""
    return {
        f"{check.module}: {check.name}": check.lines()
        for check in report.checks
        if check.verdict is not Verdict.PASS and (verdict is None or check.verdict is verdict)
    }


async def test_a_platform_without_faults_passes() -> None:
    platform, told = Platform(cpo_objects()), list[str]()
    report = await check(platform, told=told)
    assert bad(report) == {}
    assert report.version == "2.2.1"
    assert {check.module for check in report.checks} == {
        "versions",
        "version details",
        "credentials",
        "locations",
        "tariffs",
        "sessions",
        "cdrs",
        "tokens",
        "commands",
    }
    names = {check.name for check in report.checks if check.module == "locations"}
    assert names >= {
        "list",
        "next page",
        "links",
        "limit",
        "paging headers",
        "complete",
        "date_from",
        "date_to",
        "wrong parameter",
        "fields",
        "owner",
        "single object",
        "single evse",
        "single connector",
        "unknown object",
        "envelope",
        "request ids",
        "routing headers",
        "content type",
    }
    assert any(line.startswith("locations: ") and "0 fail" in line for line in told), "progress is told"
    headers = next(request.headers for request in platform.asked if request.target.startswith("/sender/locations"))
    assert (headers["ocpi-from-party-id"], headers["ocpi-to-party-id"]) == ("HME", "CPO")


def on(kind: str, change: Callable[[Reply], None], module: str = "") -> Fault:
    """A fault in answers of one kind (and module)."""

    def fault(reply: Reply) -> None:
        if reply.kind == kind and module in ("", reply.module):
            change(reply)

    return fault


def header(name: str, value: str | None) -> Callable[[Reply], None]:
    def change(reply: Reply) -> None:
        reply.headers.pop(name, None)
        if value is not None:
            reply.headers[name] = value

    return change


def every(change: Callable[[dict[str, Any]], Any]) -> Callable[[Reply], None]:
    """Each object of a list is bent."""

    def bend(reply: Reply) -> None:
        reply.data = [change(dict(item)) for item in reply.data]

    return bend


def bodies(change: Callable[[dict[str, Any]], Any]) -> Callable[[Reply], None]:
    def bend(reply: Reply) -> None:
        reply.envelope = change

    return bend


def evse_without_uid(item: dict[str, Any]) -> dict[str, Any]:
    evses = [{name: value for name, value in evse.items() if name != "uid"} for evse in item["evses"]]
    return item | {"evses": evses}


def ignore(parameter: str) -> Fault:
    """The whole list, whatever the filter says."""

    def change(reply: Reply) -> None:
        if f"{parameter}=" in reply.request.target:
            reply.data = cpo_objects()["locations"]

    return on("list", change, "locations")


async def outcome_of(*faults: Fault) -> dict[str, list[str]]:
    return bad(await check(Platform({"locations": cpo_objects()["locations"]}, receivers=(), faults=faults)))


MODULES_MISSING = "version details: modules"


@pytest.mark.parametrize(
    ("fault", "name", "detail"),
    [
        (on("list", header("X-Total-Count", None)), "locations: paging headers", "X-Total-Count: missing"),
        (on("list", header("X-Limit", "many")), "locations: paging headers", "X-Limit: no number"),
        (on("list", header("X-Total-Count", "7")), "locations: complete", "3 objects came, X-Total-Count says 7"),
        (
            on("list", header("Link", "<http://elsewhere.example/?offset=2>; rel=next")),
            "locations: links",
            "Link: FOREIGN_LINK, http://elsewhere.example/?offset=2",
        ),
        (
            on("list", every(lambda item: item | {"evses": "none"})),
            "locations: fields",
            "evses: expected a list",
        ),
        (on("list", every(evse_without_uid)), "locations: fields", "evses[].uid: required"),
        (
            on("list", every(lambda item: item | {"coordinates": {"latitude": 45.7, "longitude": "4.835659"}})),
            "locations: fields",
            "coordinates.latitude: TEXT_AS_NUMBER",
        ),
        (on("list", every(lambda item: item | {"name": None})), "locations: fields", "name: NULL"),
        (
            on("list", every(lambda item: item | {"party_id": "XYZ"})),
            "locations: owner",
            "country_code, party_id: FR-XYZ is not in its credentials",
        ),
        (
            on("list", every(lambda item: item | {"last_updated": "2027-01-01T00:00:00Z"})),
            "locations: last_updated",
            "last_updated: in the future",
        ),
        (ignore("date_to"), "locations: date_to", "date_to long ago: 3 objects came, expected none"),
        (ignore("date_from"), "locations: date_from", "date_from in the future: 3 objects came, expected none"),
        (
            on("refused", lambda reply: reply.__dict__.update(code=1000, data=[]), "locations"),
            "locations: wrong parameter",
            "to limit=none: HTTP 200, OCPI 1000: told, expected OCPI 2001",
        ),
        (
            on("refused", lambda reply: reply.__dict__.update(status="500 Oops", code=3000), "locations"),
            "locations: wrong parameter",
            "to limit=none: HTTP 500, OCPI 3000",
        ),
        (
            on("object", lambda reply: reply.__dict__.update(data=[reply.data])),
            "locations: single object",
            "data: a list, expected one object",
        ),
        (
            on("missing", lambda reply: reply.__dict__.update(status="200 OK", code=2003)),
            "locations: unknown object",
            "HTTP 200, OCPI 2003: told, expected HTTP 404",
        ),
        (
            on("missing", lambda reply: reply.__dict__.update(status="500 Oops", code=3000)),
            "locations: unknown object",
            "HTTP 500, OCPI 3000",
        ),
        (
            on("list", bodies(lambda body: body["data"])),
            "locations: envelope",
            "there is no envelope",
        ),
        (
            on("list", bodies(lambda body: body | {"status_code": 200})),
            "locations: envelope",
            "status_code: an HTTP status",
        ),
        (on("list", bodies(lambda body: body | {"status_code": "1000"})), "locations: envelope", "status_code: text"),
        (
            on("list", bodies(lambda body: body | {"timestamp": "yesterday"})),
            "locations: envelope",
            "timestamp: expected a time",
        ),
        (on("list", header("x-request-id", None)), "locations: request ids", "X-Request-ID: not echoed"),
        (on("list", header("x-correlation-id", "other")), "locations: request ids", "X-Correlation-ID: another one"),
        (on("list", header("OCPI-from-party-id", None)), "locations: routing headers", "missing: OCPI-from-party-id"),
        (on("list", header("Content-Type", "text/html")), "locations: content type", "Content-Type: text/html"),
        (
            on("credentials", lambda reply: reply.data.pop("url")),
            "credentials: fields",
            "url: required",
        ),
        (
            on("details", lambda reply: reply.data["endpoints"].append(reply.data["endpoints"][0])),
            "version details: endpoints",
            "credentials SENDER: listed twice",
        ),
        (
            on("details", lambda reply: reply.data["endpoints"][1].update(role="BOTH")),
            "version details: endpoints",
            "endpoints[1].role: BOTH",
        ),
        (
            on("details", lambda reply: reply.data.update(version="2.3.0")),
            "version details: version",
            "version: 2.3.0, expected 2.2.1",
        ),
    ],
)
async def test_a_fault_is_named_by_module_and_field(fault: Fault, name: str, detail: str) -> None:
    found = await outcome_of(fault)
    assert name in found, found
    assert any(line.startswith(detail) for line in found[name]), found[name]


async def test_addresses_over_another_scheme_are_a_fault_and_are_asked_all_the_same() -> None:
    def secured(reply: Reply) -> None:
        for endpoint in reply.data["endpoints"]:
            endpoint["url"] = endpoint["url"].replace("http://", "https://")

    found = await outcome_of(on("details", secured))
    assert found["version details: addresses"][0] == "endpoints[0].url: https, answered over http"
    assert "locations: list" not in found


async def test_a_raw_token_is_found_out_and_shown() -> None:
    report = await check(Platform(cpo_objects(1), form="raw"))
    found = bad(report)
    assert found == {
        "dialect: token_encoding": ["GET versions: HTTP 401 to base64, HTTP 200 to raw: token_encoding=raw"]
    }


async def test_a_platform_that_takes_any_token_fails() -> None:
    platform = Platform(cpo_objects(1), form="any")
    found = bad(await check(platform), Verdict.FAIL)
    assert list(found) == [f"{module}: unknown token" for module in ("versions", *platform.objects)]


async def test_a_platform_that_does_not_know_us_is_asked_for_nothing_more() -> None:
    platform = Platform(cpo_objects(1))
    found = bad(await check(platform, token="another"))
    assert list(found) == ["versions: GET versions"]
    assert {request.target for request in platform.asked} == {"/versions"}


@pytest.mark.parametrize(
    ("versions", "verdict", "version"),
    [(("2.1", "2.2"), Verdict.WARN, "2.2.1"), (("2.0", "3.0"), Verdict.FAIL, ""), ((), Verdict.FAIL, "")],
)
async def test_the_best_common_version_is_checked(versions: tuple[str, ...], verdict: Verdict, version: str) -> None:
    report = await check(Platform(cpo_objects(1), versions=versions))
    if versions:
        assert next(c.verdict for c in report.checks if c.name == "common version") is verdict
    assert report.version == version


async def test_what_a_role_needs_and_is_not_offered_is_named() -> None:
    report = await check(Platform({"tokens": [ocpi_bodies.token("DE-EMP")]}, receivers=("locations",), role="EMSP"))
    assert bad(report) == {MODULES_MISSING: ["EMSP without sessions RECEIVER", "EMSP without cdrs RECEIVER"]}


async def test_nobody_there_is_a_result_too() -> None:
    async with OcpiClient(POLICY) as client:
        prober = Prober(client=client, clock=Clock(), report=Report(url="", at=Clock().now()), key="x", token=TOKEN)
        report = await check_platform(prober, "http://127.0.0.1:9/versions", MODULES, Wishes(), lambda _line: None)
    assert report.verdict is Verdict.FAIL
    assert list(bad(report)) == ["versions: GET versions"]


async def test_a_long_list_is_left_after_some_pages() -> None:
    platform = Platform({"tariffs": cpo_objects(30)["tariffs"]}, receivers=())
    report = await check(platform)
    (complete,) = [found for found in report.checks if found.name == "complete"]
    assert complete.verdict is Verdict.PASS
    assert complete.lines() == ["10 of 30 objects in 5 pages, the rest was left"]

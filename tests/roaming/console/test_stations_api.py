"""Stations over HTTP: for holders of an operator's token; mistakes are named, and nothing is asked twice."""

import csv
import inspect
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.messages import OperationRequested, StationBooted, StationConnected
from contracts.messages.operation import ChangeAvailability, Reset
from roaming.console.hearing import LARGEST_BODY
from roaming.console.stations_api import ROUTES
from roaming.console.stations_openapi import APIS
from roaming.console.stations_query import QUERIES
from roaming.modules.locations.binding import COLUMNS
from roaming.operations.orders import KINDS
from roaming.partners.operators import add_operator
from roaming.stations import presence
from roaming.stations.bindings import admit
from roaming.stations.passwords import LENGTH
from tests.kit.admitting import admitted, received
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.outbox import waiting

TOKEN = "an-operators-token-of-43-characters-at-least"


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(sqlite_url, tmp_path) as running:
        async with running.services.database.work() as work:
            await add_operator(work, "anna", running.services.secrets.digest(TOKEN))
        await admitted(running.services.database, "CS-1", "CS-2")
        yield running


async def call(
    hub: HubInProcess, method: str, path: str, body: Any = None, *, token: str = TOKEN, **rest: Any
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} | rest.pop("headers", {})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(hub.app), trust_env=False) as client:
        return await client.request(method, f"http://hub.test{path}", json=body, headers=headers, **rest)


async def labelled(hub: HubInProcess) -> None:
    answer = await call(hub, "POST", "/api/labels", {"stations": ["CS-1"], "set_group": "depot", "add_tags": ["fast"]})
    assert answer.json()["stations"][0]["group"] == "depot", answer.text


@pytest.mark.parametrize(("path", "method"), [(path, method) for path, method, _ in ROUTES])
async def test_nobody_else_is_answered(hub: HubInProcess, path: str, method: str) -> None:
    for token in (hub.tokens["aaa"], "", "wrong"):
        answer = await call(hub, method, path.replace("{station_id}", "CS-1").replace("{id}", "x"), {}, token=token)
        assert answer.status_code == 401
        assert "CS-1" not in answer.text


async def test_a_group_is_asked_and_each_request_recorded(hub: HubInProcess) -> None:
    await labelled(hub)
    body = {"group": "depot", "kind": "CHANGE_AVAILABILITY", "is_operative": False, "why": "ticket 7", "seconds": 5}
    answer = await call(hub, "POST", "/api/operations", body)
    assert answer.status_code == 202, answer.text
    (made,) = answer.json()["operations"]
    assert (made["who"], made["why"], made["state"]) == ("api:anna", "ticket 7", "REQUESTED")
    assert made["request"] == {"kind": "CHANGE_AVAILABILITY", "is_operative": False, "connector_id": None}
    ((_, sent),) = await waiting(hub.services.database, OperationRequested)
    assert (sent.station_id, sent.operation) == ("CS-1", ChangeAvailability(is_operative=False))
    one = await call(hub, "GET", f"/api/operations/{made['id']}")
    assert one.json() == made
    listed = await call(hub, "GET", f"/api/operations?batch={made['batch_id']}&station=CS-1&limit=1")
    assert listed.json()["operations"] == [made]
    assert (await call(hub, "GET", "/api/operations?station=CS-2")).json()["operations"] == []


async def test_a_dry_run_asks_nobody(hub: HubInProcess) -> None:
    await labelled(hub)
    answer = await call(hub, "POST", "/api/operations", {"tags": ["fast"], "kind": "RESET", "dry_run": True})
    assert (answer.status_code, [row["station"] for row in answer.json()["stations"]]) == (200, ["CS-1"])
    assert not await waiting(hub.services.database, OperationRequested)


async def test_the_same_key_asks_once(hub: HubInProcess) -> None:
    key = {"headers": {"Idempotency-Key": "7"}}
    answers = [await call(hub, "POST", "/api/stations/CS-1/operations", {"kind": "RESET"}, **key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    ((_, sent),) = await waiting(hub.services.database, OperationRequested)
    assert sent.operation == Reset()
    other = await call(hub, "POST", "/api/stations/CS-1/operations", {"kind": "CLEAR_CACHE"}, **key)
    assert (other.status_code, "Idempotency-Key" in other.json()["error"]) == (409, True)


@pytest.mark.parametrize(
    ("body", "http_status", "complaint"),
    [
        ({"kind": "RESET"}, 404, "say which stations"),
        ({"kind": "RESET", "stations": ["CS-9"]}, 404, "no station CS-9"),
        ({"kind": "DANCE", "stations": ["CS-1"]}, 400, "kind: one of"),
        ({"kind": "RESET", "stations": "CS-1"}, 400, "stations: a list"),
        ({"kind": "RESET", "stations": [1]}, 400, "stations: a text"),
        ({"kind": "RESET", "stations": ["CS\0"]}, 400, "stations: a text"),
        ({"kind": "RESET", "stations": ["CS-1"], "seconds": 0}, 400, "seconds: more than 0"),
        ({"kind": "RESET", "stations": ["CS-1"], "seconds": "5"}, 400, "seconds: a number"),
        ({"kind": "RESET", "stations": ["CS-1"], "dry_run": 1}, 400, "dry_run: true or false"),
        ({"kind": "RESET", "stations": ["CS-1"], "why": "x" * 600}, 400, "why: a text"),
        ([], 400, "a JSON object"),
    ],
)
async def test_a_mistake_is_named(hub: HubInProcess, body: Any, http_status: int, complaint: str) -> None:
    answer = await call(hub, "POST", "/api/operations", body)
    assert (answer.status_code, complaint in answer.json()["error"]) == (http_status, True), answer.text
    assert not await waiting(hub.services.database, OperationRequested)


def test_what_is_read_of_a_query_is_told() -> None:
    read = re.compile(r'query(?:_params)?(?:\.get(?:list)?\(|\[)"(\w+)"')
    for api, _ in APIS:
        for path, _, work in api.ROUTES:
            source, told = inspect.getsource(work), [each.name for each in QUERIES.get(work, ())]
            assert len(set(told)) == len(told), path
            assert set(read.findall(source)) <= set(told), path
            assert "limit_of(" not in source or "limit" in told, path
            assert "key_of(connection" not in source or "network" in told, path


async def test_which_station_is_not_there_is_said_in_words_of_http(hub: HubInProcess) -> None:
    async with hub.services.database.work() as work:
        for network in ("one", "two"):
            await admit(work, network=network, station_id="TWICE", key_digest=None)
    for method, path, body, field in (
        ("GET", "/api/stations?station=CS-9", None, "station"),
        ("GET", "/api/stations?station=TWICE", None, "network"),
        ("GET", "/api/local-lists?station=CS-9", None, "station"),
        ("GET", "/api/certificates?station=CS-9", None, "station"),
        ("GET", "/api/stations/CS-9", None, "station_id"),
        ("GET", "/api/stations/TWICE/health", None, "network"),
        ("POST", "/api/operations", {"kind": "RESET", "stations": ["CS-9"]}, "stations"),
        ("POST", "/api/operations", {"kind": "RESET", "tags": ["none"]}, "tags"),
        ("POST", "/api/stations/CS-9/operations", {"kind": "RESET"}, "station_id"),
        ("POST", "/api/labels", {"set_group": "x"}, "stations"),
        ("POST", "/api/waves", {"file_id": "x", "groups": ["none"]}, "groups"),
    ):
        answer = await call(hub, method, path, body)
        told = answer.json()
        assert (answer.status_code, told["field"]) == (404, field), (path, told)
        assert "GET /api/stations lists them" in told["error"]
        assert "roaming station" not in told["error"]
    assert "one, two" in (await call(hub, "GET", "/api/stations?station=TWICE")).json()["error"]


@pytest.mark.parametrize("content", [b"{", b'{"a": NaN}', b"[" * 100_000, b"x" * (LARGEST_BODY + 1), b"\xff"])
async def test_what_is_no_json_is_refused(hub: HubInProcess, content: bytes) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(hub.app), trust_env=False) as client:
        answer = await client.post("http://hub.test/api/operations", content=content, headers=headers)
    assert answer.status_code == 400


async def test_a_station_is_shown_with_what_was_asked_of_it(hub: HubInProcess) -> None:
    await labelled(hub)
    await call(hub, "POST", "/api/stations/CS-1/operations", {"kind": "RESET"})
    shown = (await call(hub, "GET", "/api/stations/cs-1")).json()
    assert (shown["station"], shown["online"], shown["group"], shown["tags"]) == ("CS-1", True, "depot", ["fast"])
    assert [made["kind"] for made in shown["operations"]] == ["RESET"]
    assert (await call(hub, "GET", "/api/stations/CS-9")).status_code == 404
    listed = (await call(hub, "GET", "/api/stations?group=depot")).json()["stations"]
    assert [row["station"] for row in listed] == ["CS-1"]


async def test_spreadsheets_get_rows_and_no_formulas(hub: HubInProcess) -> None:
    body = {"kind": "RESET", "why": "=HYPERLINK(1)"}
    await call(hub, "POST", "/api/stations/CS-1/operations", body)
    (row,) = csv.DictReader(io.StringIO((await call(hub, "GET", "/api/operations?format=csv")).text))
    assert (row["station"], row["why"]) == ("CS-1", "'=HYPERLINK(1)")
    rows = csv.DictReader(io.StringIO((await call(hub, "GET", "/api/stations?format=csv")).text))
    assert [row["station"] for row in rows] == ["CS-1", "CS-2"]


async def test_who_waits_to_be_bound_is_in_the_inbox(hub: HubInProcess) -> None:
    stranger = StationConnected(
        network="main",
        station_id="NEW",
        instance="adapter",
        epoch=1,
        protocol="ocpp2.1",
        is_admitted=False,
        key_digest="digest",
        remote_address="192.0.2.7",
    )
    booted = StationBooted(network="main", station_id="NEW", vendor="=Maker", model="M")
    async with hub.services.database.work() as work:
        await presence.handle(work, [received(stranger), received(booted)])
    (row,) = (await call(hub, "GET", "/api/inbox")).json()["stations"]
    said = {name: row[name] for name in ("station", "online", "has_password", "remote_address", "protocol", "vendor")}
    assert list(said.values()) == ["NEW", True, True, "192.0.2.7", "ocpp2.1", "=Maker"]
    assert "digest" not in str(row.values())
    (line,) = csv.DictReader(io.StringIO((await call(hub, "GET", "/api/inbox?format=csv")).text))
    assert (line["station"], line["vendor"]) == ("NEW", "'=Maker")
    assert (await call(hub, "GET", "/api/inbox?limit=0")).status_code == 400


async def test_it_is_bound_with_the_words_of_the_command(hub: HubInProcess) -> None:
    place = {"party": "NL-HUB", "location": "YARD", "connectors": 2, "city": "Rotterdam"}
    path, network = "/api/stations/NEW/binding", {"network": "main"}
    dry = await call(hub, "POST", path, place | network | {"dry_run": True})
    assert (dry.status_code, "password" in dry.json()) == (200, False), dry.text
    assert (await call(hub, "GET", "/api/stations/NEW")).status_code == 404
    done = await call(hub, "POST", path, place | network)
    assert (done.status_code, done.json()["EVSEs"], len(done.json()["password"])) == (201, "NEW NEW-2", LENGTH)
    assert done.json()["next"] == "POST the same again with address, latitude, longitude"
    shown = (await call(hub, "GET", "/api/stations/NEW")).json()
    assert [row["evse_uid"] for row in shown["connectors"]] == ["NEW", "NEW-2"]
    wanted = await call(hub, "POST", "/api/stations/new/security-profile", {"profile": 2})
    assert (wanted.json()["wanted"], wanted.json()["demanded"]) == (2, 0)
    for body, complaint in (
        ({"location": "YARD"}, "party: must not"),
        (place | {"party": "XX-YYY"}, "party: XX-YYY is no CPO hosted here"),
        (place | {"tariff": "NONE"}, "tariff: "),
        (place | {"password": "p" * 16, "no_password": True}, "password, no_password: give one"),
    ):
        refused = await call(hub, "POST", path, body)
        assert (refused.status_code, complaint in refused.json()["error"]) == (400, True), refused.text
        assert not re.search(r"--|`?roaming ", refused.text), "of options and commands a program knows nothing"
    for profile in (4, "2", True, None):
        answer = await call(hub, "POST", "/api/stations/NEW/security-profile", {"profile": profile})
        assert (answer.status_code, answer.json()["field"]) == (400, "profile")


async def test_of_thousands_of_stations_a_part_is_shown(hub: HubInProcess) -> None:
    await labelled(hub)
    await admitted(hub.services.database, "CS-3", is_connected=False)

    async def named(query: str) -> list[str]:
        return [row["station"] for row in (await call(hub, "GET", f"/api/stations?{query}")).json()["stations"]]

    assert await named("limit=2") == ["CS-1", "CS-2"]
    assert await named("limit=2&after=CS-2") == ["CS-3"]
    assert await named("online=no") == ["CS-3"]
    (away,) = (await call(hub, "GET", "/api/stations?online=no")).json()["stations"]
    assert {"since", "why_away"} <= away.keys()
    assert await named("online=yes&group=depot") == ["CS-1"]
    assert (await call(hub, "GET", "/api/stations?online=maybe")).json()["field"] == "online"
    assert (await call(hub, "GET", "/api/station-groups")).json()["groups"] == [{"group": "depot", "stations": 1}]
    for path in ("/api/station-groups", "/api/local-lists", "/api/firmware", "/api/logs", "/api/waves"):
        assert (await call(hub, "GET", f"{path}?format=csv")).headers["content-type"].startswith("text/csv")
    async with hub.services.database.work() as work:
        await admit(work, network="other", station_id="CS-1", key_digest=None)
    assert await named("limit=1") == ["CS-1", "CS-1"], "the next page goes on after the name"
    assert await named("limit=1&after=CS-1") == ["CS-2"]
    assert await named("limit=1&after=CS-3") == []


async def test_a_misspelt_field_is_refused(hub: HubInProcess) -> None:
    of_one = (f"stations/CS-1/{what}" for what in ("binding", "revocations", "security-profile"))
    for path in ("labels", "local-lists", "waves", "waves/1/resume", "webhooks", *of_one):
        answer = await call(hub, "POST", f"/api/{path}", {"dry_runn": True})
        assert (answer.status_code, "dry_runn: no such field" in answer.json()["error"]) == (400, True), answer.text


async def test_all_that_can_be_asked_is_described(hub: HubInProcess) -> None:
    described = (await call(hub, "GET", "/api/stations.json")).json()
    said = {(path, method.upper()) for path, each in described["paths"].items() for method in each}
    assert said == {(path, method) for api, _ in APIS for path, method, _ in api.ROUTES}
    schemas = described["components"]["schemas"]
    assert {"url", "events", "secret"} <= schemas["Webhook"]["properties"].keys()
    assert schemas["BindingForm"]["properties"].keys() - {"dry_run"} == {*COLUMNS} - {"station"}
    bodies = {
        path: operation["requestBody"]["content"].get("application/json", {}).get("schema", {})
        for path, methods in described["paths"].items()
        for operation in methods.values()
        if "requestBody" in operation
    }
    assert all("$ref" in schema for path, schema in bodies.items() if path != "/api/firmware"), bodies

    operations = [operation for each in described["paths"].values() for operation in each.values()]
    assert all(operation["summary"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    _, kinds = described["components"]["schemas"]["Order"]["allOf"]
    assert len(kinds["oneOf"]) == len(KINDS)
    wire = described["paths"]["/api/stations/{station_id}/wire"]["get"]["parameters"]
    assert {"station_id", "network", "since", "until", "grep", "way", "limit", "format"} == {
        each["name"] for each in wire
    }


async def test_kinds_and_settings_explain_themselves(hub: HubInProcess) -> None:
    kinds = (await call(hub, "GET", "/api/kinds")).json()["kinds"]
    assert kinds["RESET"]["properties"]["is_immediate"] == {"type": "boolean", "default": False}
    keys = (await call(hub, "GET", "/api/configuration-keys")).json()["keys"]
    assert {"HeartbeatInterval", "AuthorizationKey"} <= {known["key"] for known in keys}


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "0000500099", "x", "٣", "9" * 5000])
async def test_a_limit_is_a_number(hub: HubInProcess, limit: str) -> None:
    assert (await call(hub, "GET", "/api/operations", params={"limit": limit})).status_code == 400

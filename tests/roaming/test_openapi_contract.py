"""The committed OpenAPI documents against a running hub, by schemathesis: what the documents allow, and what they do
not, is answered with a documented status, documented headers and a valid envelope."""

import base64
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from roaming.cli.http_limits import LimitedHttp
from roaming.model.version import Version
from roaming.ocpi.client import OcpiClient
from tests.kit.hub_in_process import HubInProcess
from tests.kit.hub_on_socket import HubOnSocket, hub_on_socket
from tests.openapi import API

Operation = APIOperation[Any, Any, Any, Any]
EXAMPLES = int(os.environ.get("ROAMING_EXAMPLES", "1"))
"""Requests per method of an address that fit its document, and as many that do not; ``make fuzz`` sends more."""
load_all_checks()
CHECKED = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)
REAL = {
    "country_code": "FR",
    "party_id": "CPO",
    "location_id": "OURS",
    "evse_uid": "OURS-1",
    "connector_id": "1",
    "session_id": "OURS-AAA",
    "token_uid": "HOME1",
}
"""Some of what is there: an address of noise only would never get past the first check."""
EMSPS = {"tokens", "commands", "chargingprofiles"}
"""Modules in which the eMSP partner has more to say."""


async def _nowhere(host: str, _port: int) -> Iterable[str]:
    raise OSError(f"no such name: {host}")


async def _prepare(hub: HubInProcess) -> None:
    await hub.host_objects()


@pytest.fixture
def running(sqlite_url: str, tmp_path: Path) -> Iterator[HubOnSocket]:
    with hub_on_socket(
        sqlite_url,
        tmp_path,
        prepare=_prepare,
        call_partners=lambda policy: OcpiClient(policy, resolver=_nowhere),
    ) as started:
        yield started


def _token(running: HubOnSocket, operation: Operation, is_other_side: bool) -> str:
    hub = running.hub
    if "/credentials" in operation.path:
        token = running.run(hub.connect_passing())  # it may leave
    else:
        is_emsp = bool(EMSPS.intersection(operation.path.split("/"))) is not is_other_side
        token = hub.tokens["aaa" if is_emsp else "cpo"]
    return "Token " + base64.b64encode(token.encode()).decode()


def _cases(operation: Operation, number: int) -> Iterator[tuple[Case, bool]]:
    """Requests that fit the document and requests that do not, by turns, and whether each is of the other side."""
    found: list[tuple[Case, bool]] = []
    for mode in GenerationMode:

        @settings(
            max_examples=number,
            database=None,
            derandomize=True,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), is_real=st.booleans(), is_other_side=st.booleans())
        def one(case: Case, is_real: bool, is_other_side: bool) -> None:
            if is_real:
                named = dict(case.path_parameters or {})
                case.path_parameters = named | {name: value for name, value in REAL.items() if name in named}
            found.append((case, is_other_side))

        one()
    yield from found


class _Spoiling(requests.adapters.HTTPAdapter):
    """Changes each request at the last moment: before that, ``requests`` would mend it."""

    def __init__(self, change: Callable[[requests.PreparedRequest], None]) -> None:
        super().__init__()
        self._change = change

    def send(self, request: requests.PreparedRequest, *arguments: Any, **named: Any) -> requests.Response:
        self._change(request)
        return super().send(request, *arguments, **named)


def _head_too_large(prepared: requests.PreparedRequest) -> None:
    prepared.headers["X-Long"] = "a" * 40_000


def _no_http(prepared: requests.PreparedRequest) -> None:
    prepared.headers["Content-Length"] = "+0"


def _never_whole(prepared: requests.PreparedRequest) -> None:
    prepared.body, prepared.headers["Content-Length"] = b"{", "100"


@pytest.mark.parametrize("version", Version)
def test_what_the_server_says_before_all_else_is_documented(
    running: HubOnSocket, monkeypatch: pytest.MonkeyPatch, version: Version
) -> None:
    """On every address and method; what comes too slowly on two, since each has to be waited for."""
    monkeypatch.setattr(LimitedHttp, "receive_seconds", 0.3)
    schema = schemathesis.openapi.from_dict(json.loads((API / f"ocpi-{version}.json").read_text()))
    schema.config.update(base_url=f"{running.url}/ocpi")
    operations = [result.ok() for result in schema.get_all_operations()]
    read = [each for each in operations if each.method.upper() == "PUT" and "credentials" not in each.path]
    ways = [(_head_too_large, 431, operations), (_no_http, 400, operations), (_never_whole, 408, read[:2])]
    for change, status, asked in ways:
        for operation in asked:
            with requests.Session() as session:
                session.trust_env = False
                session.mount("http://", _Spoiling(change))
                named = {name: REAL.get(name, "1") for name in re.findall(r"\{(\w+)\}", operation.path)}
                case = operation.Case(
                    path_parameters=named, headers={"Authorization": _token(running, operation, False)}
                )
                answer = case.call_and_validate(session=session, checks=CHECKED)
            assert answer.status_code == status, (operation.method, operation.path)


@pytest.mark.slow
@pytest.mark.timeout(600 if EXAMPLES <= 2 else 7200)
@pytest.mark.parametrize("version", Version)
def test_every_route_keeps_its_document(running: HubOnSocket, version: Version) -> None:
    schema = schemathesis.openapi.from_dict(json.loads((API / f"ocpi-{version}.json").read_text()))
    schema.config.update(base_url=f"{running.url}/ocpi")
    seen = Counter[tuple[int, int]]()
    with requests.Session() as session:
        session.trust_env = False
        for result in schema.get_all_operations():
            operation = result.ok()
            for case, is_other_side in _cases(operation, EXAMPLES):
                headers = {"Authorization": _token(running, operation, is_other_side)}
                answer = case.call_and_validate(session=session, headers=headers, checks=CHECKED)
                envelope = answer.json()
                assert "unexpected failure" not in envelope.get("status_message", ""), case.as_curl_command()
                seen[answer.status_code, envelope["status_code"]] += 1
    assert {200, 404, 405} <= {status for status, _ in seen}, seen
    assert {1000, 2000, 2001} <= {code for _, code in seen}, seen

"""Spoilt requests on every route of every version: none is answered by a failure of ours or without an envelope.

``make fuzz`` sends 100,000 and says how fast; here a few thousand of the same.
"""

import base64
import json
import os
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from roaming.model.party import Role
from roaming.ocpi.client import OcpiClient
from tests.kit.fuzzing import Bender, Got, Sent, ask, filled
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.routes import Endpoint, documented_bodies, endpoints

COUNT = int(os.environ.get("ROAMING_FUZZ", "2500"))
SEED = int(os.environ.get("ROAMING_SEED", "20261129"))
PASSING = "passing"
"""Whoever changes its registration, or leaves, is replaced by the next: the others stay."""
PARTNERS = ("aaa", "bbb", "cpo", "riv", PASSING, "nobody")
PARTIES = {"aaa": ("DE", "AAA"), "cpo": ("FR", "CPO")}
IDS = {
    "location_id": "OURS",
    "evse_uid": "OURS-1",
    "connector_id": "1",
    "session_id": "OURS-AAA",
    "token_uid": "HOME1",
    "command": "START_SESSION",
}


@pytest.fixture
def answering() -> list[bytes]:
    """Bodies with which the partners answer that the hub calls."""
    return [b"[]"]


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path, answering: list[bytes]) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(
        sqlite_url, tmp_path, call_partners=lambda policy: OcpiClient(policy, transport=lambda: any_partner(answering))
    ) as running:
        await running.host_objects()
        yield running


def whole_requests(all_of_them: Sequence[Endpoint]) -> list[Sent]:
    """Requests as they should be, about what is the caller's and what is the hub's; those that make something first."""
    examples = {endpoint: [_ours(body) for body in documented_bodies(endpoint)] for endpoint in all_of_them}
    made: dict[tuple[str, str], str] = {}  # by version and variable: the id of an object that a PUT makes
    for endpoint, bodies in examples.items():
        if endpoint.route.method == "PUT" and bodies:
            variable = endpoint.path.rpartition("/")[2].strip("{}")
            made[endpoint.version, variable] = _id_of(bodies[0]) or IDS.get(variable, "1")
    found = []
    for endpoint, bodies in examples.items():
        is_own = "{country_code}" in endpoint.path
        ids = IDS | {variable: id for (version, variable), id in made.items() if is_own and version == endpoint.version}
        variable = endpoint.path.rpartition("/")[2].strip("{}")
        for partner in _callers(endpoint):
            country_code, party_id = PARTIES.get(partner, ("FR", "LEA"))
            owner = {"country_code": country_code, "party_id": party_id}
            for body in bodies or [None]:
                if isinstance(body, dict):
                    body = body | {name: value for name, value in owner.items() if name in body}
                    if is_own and _id_of(body):
                        ids = ids | {variable: str(_id_of(body))}
                path = filled("/ocpi" + endpoint.path, ids | owner)
                content = b"" if body is None else json.dumps(body).encode()
                found.append(Sent(partner=partner, method=endpoint.route.method, path=path, body=content))
    return sorted(found, key=lambda sent: (sent.method != "PUT", b"/tokens/" not in sent.path, len(sent.path)))


def _callers(endpoint: Endpoint) -> Sequence[str]:
    if endpoint.module.id == "credentials":
        return (PASSING,)
    if "{country_code}" in endpoint.path and not endpoint.module.is_configuration:
        return ("aaa",) if endpoint.module.sender_role is Role.EMSP else ("cpo",)
    return tuple(PARTIES)


def _ours(body: Any) -> Any:
    """An example with the parties and hosts of this test."""
    text = json.dumps(body).replace("NL-RYN", "DE-AAA").replace("NLRYN", "DEAAA")
    text = re.sub(r'"NL", "party_id": "RYN"', '"DE", "party_id": "AAA"', text)
    return json.loads(re.sub(r"https?://[^/\"]+", "http://127.0.0.1:9", text))


def _id_of(body: Any) -> str | None:
    return body.get("uid") or body.get("id") if isinstance(body, dict) else None


def any_partner(bodies: list[bytes]) -> httpx.MockTransport:
    """What answers when the hub calls a partner: anything."""
    random = Random(SEED)

    def answer(request: httpx.Request) -> httpx.Response:
        match random.randrange(8):
            case 0:
                raise httpx.ConnectError("refused")
            case 1:
                raise httpx.ReadTimeout("silent")
            case 2:
                return httpx.Response(random.choice((200, 404, 500)), content=b"<html>")
            case 3:
                return httpx.Response(200, content=random.choice(bodies))
            case 4:
                version = {"version": "2.2.1", "url": str(request.url)}
                endpoint = {"identifier": "credentials", "role": "SENDER", "url": str(request.url)}
                data: Any = random.choice(([version], {**version, "endpoints": [endpoint]}))
            case _:
                data = json.loads(random.choice(bodies))
        envelope = {"data": data, "status_code": random.choice((1000, 2001, 3000, "x")), "timestamp": "2026-11-23"}
        link = random.choice(("", "<http://127.0.0.1:9/next>; rel=next", "<\\>"))
        return httpx.Response(200, json=envelope, headers={"Link": link, "Location": "http://127.0.0.1:9/c/1"})

    return httpx.MockTransport(answer)


def fault_of(sent: Sent, got: Got) -> str | None:
    """What is wrong with an answer, if anything."""
    if got.http_status >= 500 or got.http_status < 200:
        return f"HTTP {got.http_status}"
    try:
        envelope = json.loads(got.body)
    except ValueError:
        return "no JSON"
    if not isinstance(envelope, dict) or not isinstance(envelope.get("status_code"), int):
        return "no envelope"
    if not 1000 <= envelope["status_code"] < 5000 or not str(envelope.get("timestamp", "")).endswith("Z"):
        return "a bad envelope"
    if envelope["status_code"] != 1000 and not envelope.get("status_message"):
        return "a refusal without a reason"
    if b"unexpected failure" in got.body or b"Traceback" in got.body:
        return "a failure of ours"
    if got.headers.get("content-type") != "application/json" or got.headers["content-length"] != str(len(got.body)):
        return "wrong headers"
    return None


@pytest.mark.timeout(3600)
async def test_no_request_breaks_the_hub(
    hub: HubInProcess, answering: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    whole = whole_requests(list(endpoints(hub.services)))
    answering.extend(sent.body for sent in whole if sent.body)
    seen, faults, slowest = Counter[tuple[int, int]](), [], 0.0
    taken = 0
    began = time.perf_counter()
    bent: Iterator[Sent] = Bender(SEED, whole, PARTNERS).requests(max(COUNT - len(whole), 0))
    for number, sent in enumerate(chain(whole, bent)):
        partner = PASSING if b"/credentials" in sent.path else sent.partner
        if partner == PASSING and PASSING not in hub.tokens:
            hub.tokens[PASSING] = await hub.connect_passing()
        token = hub.tokens.get(partner, "nobody's")
        at = time.perf_counter()
        address = f"192.0.{number // 200 % 250}.{number % 200}"  # else guesses would soon be all that is answered
        got = await ask(hub.app, sent, b"Token " + base64.b64encode(token.encode()), client=address)
        slowest = max(slowest, time.perf_counter() - at)
        if partner == PASSING and got.http_status in (401, 429):
            del hub.tokens[PASSING]
        if fault := fault_of(sent, got):
            faults.append(f"{number}: {fault}: {sent} -> {got.body[:500]!r}")
        else:
            seen[got.http_status, json.loads(got.body)["status_code"]] += 1
            taken += number < len(whole) and got.http_status < 300 and b'"status_code":1000' in got.body
    took = time.perf_counter() - began
    with capsys.disabled():
        if "ROAMING_FUZZ" in os.environ:
            print(f"\n{COUNT} requests in {took:.0f} s: {COUNT / took:.0f}/s, the slowest {slowest * 1000:.0f} ms")
            print(f"seed {SEED}, {len(whole)} whole requests, answers {dict(seen.most_common())}")
    assert faults == [], f"{len(faults)} of {COUNT}, seed {SEED}:\n" + "\n".join(faults[:20])
    assert taken > len(whole) / 3, f"of {len(whole)} whole requests only {taken} were taken"
    assert {1000, 2000, 2001, 2003} <= {code for _, code in seen}, seen
    assert {200, 201, 400, 401, 404, 405} <= {status for status, _ in seen}, seen

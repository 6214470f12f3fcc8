"""Spoilt requests on every route of every version: none is answered by a failure of ours or without an envelope.

``make fuzz`` sends 100,000 and says how fast; here a few thousand of the same.
"""

import base64
import json
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from roaming.model.party import Role
from roaming.ocpi.client import OcpiClient
from tests.kit.fuzzing import Bender, Got, Sent, ask
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.routes import endpoints
from tests.kit.whole_requests import Author, whole_requests

COUNT = int(os.environ.get("ROAMING_FUZZ", "2500"))
SEED = int(os.environ.get("ROAMING_SEED", "20261129"))
PASSING = "passing"
"""Whoever changes its registration, or leaves, is replaced by the next: the others stay."""
PARTNERS = ("aaa", "bbb", "cpo", "riv", PASSING, "nobody")
AUTHORS = (
    Author(partner="aaa", party="DE-AAA", role=Role.EMSP),
    Author(partner="cpo", party="FR-CPO", role=Role.CPO),
)


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
    found = list(endpoints(hub.services))
    whole = [sent for author in AUTHORS for sent in whole_requests(found, author)]
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

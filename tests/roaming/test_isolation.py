"""No partner acts for a party that is not its own, reads another's data, or can tell whether there is any: every route
of every version, asked by an intruder for what is another's.

Made from the routes and the documents' examples: a new route or module is covered without a line here.
"""

import base64
import json
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from roaming.model.party import Role
from roaming.model.version import Version
from tests.kit.fuzzing import Bender, Got, Sent, ask
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.routes import Endpoint, endpoints
from tests.kit.whole_requests import OF_THE_HUB, Author, whole_requests

BENT = int(os.environ.get("ROAMING_FUZZ", "0")) // 10 or 400
"""Spoilt requests of each intruder, in each version, besides the whole ones."""
DRIVERS, PLACES, ABSENT = "DRIVER", "PLACES", "NOBODY"
"""Stands in all that the eMSP gave to the hub; in all that the CPO did; in what there is not."""
CHARGES = ("OURS-BBB", "CARD-BBB")
"""The hub's own sessions and CDRs for a driver of ``bbb``."""
FILTERS = ("", "limit=1", "limit=2&offset=1", "date_to=2099-01-01T00:00:00Z", "country_code=DE&party_id=BBB")
UNCHECKED = {
    "journal": "tells who tried",
    "outbox": "is emptied",
    "outgoing": "is emptied",
    "deliveries": "is emptied",
    "inbox": "holds message ids",
    "partner_presence": "notes who was heard",
    "directory_state": "counts changes",
    "dead_letters": "is empty",
}


@dataclass(frozen=True, eq=False)
class Pair:
    """Whose data is at stake, and who wants it."""

    victim: Author
    intruder: str
    party: str
    secrets: tuple[str, ...]
    """No answer to the intruder holds these, unless it said them itself."""

    @property
    def own_party(self) -> tuple[str, str]:
        country_code, party_id = self.party.split("-")
        return country_code, party_id


EMSPS = Pair(
    Author(
        partner="bbb",
        party="DE-BBB",
        role=Role.EMSP,
        ids=OF_THE_HUB | {"session_id": "OURS-BBB", "command_id": f"{DRIVERS}-1", "request_id": f"{DRIVERS}-1"},
        mark=DRIVERS,
    ),
    "aaa",
    "DE-AAA",
    (f"{DRIVERS}-", f"{DRIVERS} ", "DE-BBB-C", *CHARGES),
)
CPOS = Pair(
    Author(
        partner="cpo",
        party="FR-CPO",
        role=Role.CPO,
        driver_of="DE-BBB",
        ids=OF_THE_HUB | {"session_id": "OURS-BBB", "command_id": f"{PLACES}-1", "request_id": f"{PLACES}-1"},
        mark=PLACES,
    ),
    "riv",
    "FR-RIV",
    (f"{PLACES}-", f"{PLACES} ", *CHARGES),
)


@pytest.fixture(params=Version)
async def hub(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(sqlite_url, tmp_path, version=request.param) as running:
        await running.host_objects()
        yield running


async def say(hub: HubInProcess, sent: Sent) -> Got:
    return await ask(hub.app, sent, b"Token " + base64.b64encode(hub.tokens[sent.partner].encode()))


def is_everybodys(endpoint: Endpoint) -> bool:
    """Versions, credentials and hub client info are the caller's own or for all."""
    return endpoint.module.is_configuration


def attempts(pair: Pair, asked: Sent) -> Iterator[Sent]:
    """The victim's request in the intruder's hand: as it is, as a party of its own, and in the name of the victim."""
    country_code, party_id = (part.encode() for part in pair.victim.party.split("-"))
    own = tuple(part.encode() for part in pair.own_party)
    taken = replace(asked, partner=pair.intruder)
    yield taken
    renamed = asked.path.replace(b"/%s/%s" % (country_code, party_id), b"/%s/%s" % own)
    yield replace(taken, path=renamed, body=_in_own_words(pair, asked.body))
    if b'"party_id"' in asked.body:  # what names no owner is the intruder's own by its address
        yield replace(taken, path=renamed)
    for side in (b"from", b"to"):
        headers = ((b"ocpi-%s-country-code" % side, country_code), (b"ocpi-%s-party-id" % side, party_id))
        yield replace(taken, headers=headers)


def _in_own_words(pair: Pair, body: bytes) -> bytes:
    """Of the victim's body the ids stay: what else comes back was not the intruder's."""
    theirs, mine = pair.victim.party.partition("-")[2], pair.own_party[1]
    for before, after in ((f'"{theirs}"', f'"{mine}"'), (f"-{theirs}-", f"-{mine}-")):
        body = body.replace(before.encode(), after.encode())
    for mark in (DRIVERS, PLACES):
        body = body.replace(f"{mark} ".encode(), b"INTRUDER ")
    return body


def of_nobody(sent: Sent) -> Sent:
    """The same about something that is not there."""
    return replace(sent, path=_of_nobody(sent.path), query=_of_nobody(sent.query), body=_of_nobody(sent.body))


def _of_nobody(text: bytes) -> bytes:
    for word in (word.encode() for word in (DRIVERS, PLACES, *CHARGES)):
        text = text.replace(word, ABSENT.encode() + word[len(ABSENT) :])
    return text


def said(got: Got) -> tuple[int, Any, Any, Any]:
    """What the answer tells, without what it repeats of the request and what is new each time."""
    envelope = json.loads(re.sub(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", b"", _of_nobody(got.body)))
    return got.http_status, envelope["status_code"], envelope.get("status_message"), envelope.get("data")


def check_silent(got: Got, sent: Sent, pair: Pair) -> None:
    """Nothing of the victim but what the intruder said itself."""
    text = got.body.decode() + str(got.headers)
    for word in (sent.path, sent.query, *dict(sent.headers).values()):
        text = text.replace(word.decode("latin-1"), "")
    spoken = f"{sent.path!r}{sent.query!r}{sent.body.decode(errors='replace')}{sent.headers!r}"
    for secret in pair.secrets:
        assert secret not in text or secret in spoken, f"{sent}\n{text}"


async def everything_of_the_victim(hub: HubInProcess) -> Counter[str]:
    """Every row that bears its mark, but for texts that are made when somebody reads."""
    reader, rows = hub.services.database.reader, Counter[str]()
    tables = await reader.fetch("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    for (table,) in tables:
        columns = await reader.fetch(f"SELECT name FROM pragma_table_info('{table}')")
        kept = ", ".join(f'"{name}"' for (name,) in columns if not name.startswith("text_"))
        for row in await reader.fetch(f'SELECT {kept} FROM "{table}"') if table not in UNCHECKED else ():
            text = f"{table}: {tuple(row)}"
            if any(word in text for word in (DRIVERS, PLACES, *CHARGES)):
                rows[text] += 1
    return rows


async def settle(hub: HubInProcess, pairs: tuple[Pair, ...]) -> tuple[list[Endpoint], dict[Pair, list[Sent]]]:
    """The victims' data is sent; returns the routes, and the victims' requests."""
    routes = [found for found in endpoints(hub.services) if found.version == hub.speech.version]
    theirs = [route for route in routes if not is_everybodys(route)]
    requests = {pair: whole_requests(theirs, pair.victim) for pair in pairs}
    taken = 0
    for sent in (sent for pair in pairs for sent in requests[pair] if sent.method in ("PUT", "POST")):
        got = await say(hub, sent)
        taken += json.loads(got.body)["status_code"] == 1000
    assert taken >= 8, "there is little to steal"
    return routes, requests


@pytest.mark.parametrize("pair", [EMSPS, CPOS], ids=["emsp", "cpo"])
async def test_nothing_of_another_partner_is_read_changed_or_found(hub: HubInProcess, pair: Pair) -> None:
    _, requests = await settle(hub, (EMSPS, CPOS))
    before = await everything_of_the_victim(hub)
    assert sum(before.values()) >= 8
    for asked in requests[pair]:
        for attempt in attempts(pair, asked):
            for sent in (attempt, *((replace(attempt, method="DELETE", body=b""),) if asked.method == "GET" else ())):
                there, nowhere = await say(hub, sent), await say(hub, of_nobody(sent))
                check_silent(there, sent, pair)
                assert said(there) == said(nowhere), f"{sent} tells whether it exists"
    after = await everything_of_the_victim(hub)
    assert before - after == Counter(), "changed by somebody else"


@pytest.mark.parametrize("pair", [EMSPS, CPOS], ids=["emsp", "cpo"])
async def test_no_list_shows_or_counts_what_is_anothers(hub: HubInProcess, pair: Pair) -> None:
    routes, _ = await settle(hub, (EMSPS, CPOS))
    lists = [route for route in routes if route.route.gives is not None and route.route.gives.is_list]
    assert {route.module.id for route in lists} >= {"locations", "tariffs", "sessions", "cdrs", "tokens"}
    for route in lists:
        for query in (
            "",
            "limit=1",
            "limit=2&offset=1",
            "date_to=2099-01-01T00:00:00Z",
            "country_code=DE&party_id=BBB",
        ):
            path = f"{route.path}?date_from=2020-01-01T00:00:00Z&{query}"
            pages = await hub.pages(pair.intruder, path)
            for page in pages:
                assert page.code == 1000, (path, page.text)
                found = [secret for secret in pair.secrets if secret in page.text + str(page.headers)]
                assert found == [] or is_everybodys(route), (path, page.text)
            if "offset" not in query:
                assert int(pages[0].headers["x-total-count"]) == sum(len(page.data) for page in pages), path


@pytest.mark.parametrize("pair", [EMSPS, CPOS], ids=["emsp", "cpo"])
async def test_spoilt_requests_gain_nothing_either(hub: HubInProcess, pair: Pair) -> None:
    _, requests = await settle(hub, (EMSPS, CPOS))
    before = await everything_of_the_victim(hub)
    known = [
        replace(sent, partner=pair.intruder, body=_in_own_words(pair, sent.body) if is_own else sent.body)
        for sent in requests[pair]
        for is_own in (True, False)
        if is_own or b'"party_id"' in sent.body
    ]
    for sent in Bender(20261129, known, [pair.intruder]).requests(BENT):
        if b"/credentials" not in sent.path:
            check_silent(await say(hub, sent), sent, pair)
    after = await everything_of_the_victim(hub)
    assert before - after == Counter(), "changed by somebody else"

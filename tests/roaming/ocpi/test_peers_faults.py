"""Every fault that was found in other OCPI software, and what becomes of it here. Peers by the names of their projects.

The peers are stood in for by fakes on real sockets that have the fault and no other; the package extrawest-ocpi itself
is pulled in ``tests/e2e/test_extrawest.py``. The crate ocpi-kit is there in person: what its conformance runner takes
for faults of 2.2.1 is named in ``tests/e2e/test_kit_conformance.py``, and three that its server was found to have are
met in ``tests/e2e/test_kit_through_hub.py``: commands are received elsewhere than its version details say, its 2.2.1
takes the result of a START_SESSION for the command, and the address that it gives a CDR leads nowhere.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.messages import CdrAccepted
from contracts.vocabulary import AuthorizationStatus
from roaming.hub.conformance.report import Verdict
from roaming.hub.pulling import state
from roaming.hub.pulling.puller import Puller
from roaming.hub.pulling.state import Pull
from roaming.model.identifiers import PartyId
from roaming.modules.credentials.service import RegistrationFailed, register, renew
from roaming.ocpi.module import Outgoing
from roaming.ocpi.outgoing import tell
from roaming.ocpi.pulling import PullPace
from roaming.partners import dialects, registry
from roaming.store.documents import object_key
from tests.kit import ocpi_bodies
from tests.kit.answering_partner import delivering
from tests.kit.hub_in_process import HOSTED_CPO, HubInProcess, hub_in_process
from tests.kit.listing_partner import listen_at, stored
from tests.kit.outbox import waiting
from tests.kit.passing import passing_hub
from tests.kit.platform import TOKEN, Fault, Platform, Reply, cpo_objects
from tests.kit.scripted_partner import Received, ScriptedPartner, enveloped, http_answer
from tests.kit.wait import until
from tests.roaming.hub.test_conformance import bad, check
from tests.roaming.modules.tokens.test_asking import ask

FAST = PullPace(requests_per_second=10_000, page_size=2, first_delay=timedelta(0))


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(sqlite_url, tmp_path) as running:
        running.services = replace(running.services, pulling=FAST)
        yield running


async def pulled(hub: HubInProcess, platform: Platform, module: str = "locations") -> Pull:
    """What comes of pulling the platform's list."""
    async with ScriptedPartner(platform) as partner:
        await listen_at(hub, "cpo", partner.url)
        await hub.give_token("cpo", TOKEN)
        puller = Puller(hub.services, hub.services.modules)
        await puller.look_at_directory()
        async with hub.services.database.work() as work:
            await state.ask(work, "cpo", module, "FULL")
        await puller.pull_next("cpo", modules=[module])
    pulls = await state.all_pulls(hub.services.database.reader, "cpo")
    return next(found for found in pulls if found.module == module)


def in_lists(change: Callable[[Reply], None]) -> Fault:
    """A fault in lists only."""
    return lambda reply: change(reply) if reply.kind == "list" else None


def enum_names_in_links(reply: Reply) -> None:
    link = reply.headers.get("Link")
    if link is not None:
        target = link[1:].partition(">")[0].replace("http://", "https://")
        path, _, query = target.partition("?")
        path = path.replace("/sender/", "/ocpi/cpo/VersionNumber.v_2_2_1/ModuleID.") + "/"
        reply.headers["Link"] = f'<{path}?date_from=None&date_to=None&{query}>; rel="next"'


def https_in_links(reply: Reply) -> None:
    if "Link" in reply.headers:
        reply.headers["Link"] = reply.headers["Link"].replace("http://", "https://")


def lower_case(reply: Reply) -> None:
    names = ("country_code", "party_id", "id")
    reply.data = [item | {name: item[name].lower() for name in names} for item in reply.data]


def nulls(reply: Reply) -> None:
    reply.data = [item | dict.fromkeys(("postal_code", "state", "owner", "energy_mix")) for item in reply.data]


def no_request_ids(reply: Reply) -> None:
    for name in ("x-request-id", "x-correlation-id"):
        reply.headers.pop(name, None)


def time_of_process_start(reply: Reply) -> None:
    reply.envelope = lambda body: body | {"timestamp": "2023-04-16 08:00:00.123456"}


def dates_not_of_iso_8601(reply: Reply) -> None:
    reply.data = [item | {"last_updated": "2026-11-23 10:00:00.123456+00:00"} for item in reply.data]


@pytest.mark.parametrize(
    ("peers", "fault"),
    [
        ("exw, tec, elu", enum_names_in_links),
        ("exw, tec, elu", https_in_links),
        ("exw, tec", lower_case),
        ("exw, elu", nulls),
        ("exw", no_request_ids),
        ("tec", time_of_process_start),
        ("tec", dates_not_of_iso_8601),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
async def test_a_list_is_read_in_full_all_the_same(
    hub: HubInProcess, peers: str, fault: Callable[[Reply], None]
) -> None:
    platform = Platform(cpo_objects(5), faults=[in_lists(fault)])
    done = await pulled(hub, platform)
    assert (done.state, done.last_error, done.progress.reasons) == ("DONE", "", {})
    assert (done.progress.objects, done.progress.pages, done.progress.refused) == (5, 3, 0)
    kept = await stored(hub, "locations", "cpo")
    assert len(kept) == 5
    body = next(iter(kept.values()))
    assert body["country_code"] == ("fr" if fault is lower_case else "FR"), "compared without case, kept as it came"
    assert "owner" not in body


class StartedLongAgo(Platform):
    """tec: what is newer than its start is left out of a list, unless date_to says otherwise."""

    def _list(self, request: Received, module: str, here: str, query: Mapping[str, str]) -> Reply:
        return super()._list(request, module, here, {"date_to": "2023-04-16T08:00:00Z", **query})


@pytest.mark.parametrize(("date_to", "count"), [("left-out", 0), ("sent", 2)])
async def test_tec_hides_what_is_newer_than_its_start(hub: HubInProcess, date_to: str, count: int) -> None:
    async with hub.services.database.work() as work:
        await dialects.set_switch(work, "cpo", "date_to", date_to)
    done = await pulled(hub, StartedLongAgo(cpo_objects(2)))
    assert (done.state, done.progress.objects) == ("DONE", count)


async def test_403_instead_of_401_is_a_token_refused_not_an_answer(hub: HubInProcess) -> None:
    def forbidden(reply: Reply) -> None:
        reply.status, reply.code, reply.data = "403 Forbidden", 2000, None

    waits = await pulled(hub, Platform(cpo_objects(1), faults=[forbidden]))
    assert waits.state == "WAITING", "asked again later: nothing is wrong with what we asked"
    assert "does not accept our credentials token" in waits.last_error


async def test_a_list_for_one_object_is_that_object(hub: HubInProcess) -> None:
    """exw: single GETs answer a list; its CDR address has https and names of enums in it. A CDR whose answer was lost
    is found there, and not sent twice."""
    held: list[dict[str, Any]] = []
    asked: list[Received] = []

    async def extrawest(request: Received, writer: asyncio.StreamWriter) -> None:
        asked.append(request)
        if request.method == "GET":
            found = [cdr for cdr in held if request.target.endswith(f"/{cdr['id']}")]
            writer.write(http_answer(enveloped(found) if found else b"{}", status="200 OK" if found else "404 None"))
            return
        held.append(json.loads(request.body))
        if len(held) == 2:
            writer.close()  # taken, and the answer is lost
            return
        address = f"https://{request.headers['host']}/ocpi/emsp/VersionNumber.v_2_2_1/ModuleID.cdrs/{held[-1]['id']}"
        writer.write(http_answer(enveloped([]), Location=address))

    async with ScriptedPartner(extrawest) as partner:
        await hub.connect("exw", "DE-EXW", "EMSP", url=partner.url)
        async with delivering(hub):
            for id in ("C1", "C2"):
                await hub.host_charge("DE-EXW", id)
                async with hub.services.database.work() as work:
                    owner = PartyId("NL", "HUB")
                    await tell(work, [Outgoing(module="cdrs", object_key=object_key(owner, id), owner=owner)])
                await until(lambda id=id: _is_delivered(hub, id), seconds=20)  # type: ignore[misc]
    assert [cdr["id"] for cdr in held] == ["C1", "C2"]
    told = [(subject, told.cdr_id, told.is_ours) for subject, told in await waiting(hub.services.database, CdrAccepted)]
    assert told == [("DE-EXW/NL-HUB", id, True) for id in ("C1", "C2")], "ERP systems hear that both are there, once"
    events = await hub.services.database.reader.fetch("SELECT body FROM events WHERE kind = 'cdr.accepted'")
    assert len(events) == 2
    assert all("VersionNumber" not in request.target for request in asked), "that address leads nowhere"


async def _is_delivered(hub: HubInProcess, id: str) -> bool:
    rows = await hub.services.database.reader.fetch(
        "SELECT state FROM deliveries WHERE partner_id = 'exw' AND module = 'cdrs' AND object_key LIKE $1",
        f"%{id.lower()}",
    )
    return [row[0] for row in rows] == ["DELIVERED"]


@pytest.mark.parametrize("peer", ["exw: credentials twice", "tec: https in discovery", "mock: no receivers"])
async def test_a_platform_is_registered_with_all_the_same(hub: HubInProcess, peer: str) -> None:
    def twice(reply: Reply) -> None:
        if reply.kind == "details":
            entry = reply.data["endpoints"][0]
            reply.data["endpoints"] = [entry | {"role": "RECEIVER"}] * 2 + reply.data["endpoints"][1:]

    def https(reply: Reply) -> None:
        if reply.kind in ("versions", "details"):
            reply.data = json.loads(json.dumps(reply.data).replace("http://", "https://"))

    faults = {"exw": twice, "tec": https, "mock": lambda _reply: None}
    platform = Registering(cpo_objects(1), faults=[faults[peer.partition(":")[0]]], receivers=())
    async with ScriptedPartner(platform) as partner:
        await hub.add_planned("new", "FR-NEW")
        offer = await register(hub.services, "new", versions_url=f"{partner.url}/versions", token_a=TOKEN)
        assert offer.version == "2.2.1"
        known = (await hub.services.directory.current()).partners["new"]
        assert all(endpoint.url.startswith(partner.url) for endpoint in known.endpoints)
        await renew(hub.services, "new")
    assert [request.method for request in platform.asked if request.method != "GET"] == ["POST", "PUT"], (
        "mock takes a second POST and rotates the token: we never send one"
    )


class Registering(Platform):
    """Takes credentials too."""

    refusal: bytes = b""

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        if request.method in ("POST", "PUT"):
            self.asked.append(request)
            body = ocpi_bodies.credentials("FR-NEW", f"http://{request.headers['host']}/versions", token=TOKEN)
            writer.write(self.refusal or http_answer(enveloped(body)))
        else:
            await super().__call__(request, writer)


def extrawest_authorises(request: Received) -> bytes:
    """Only with location references."""
    if not request.body or "location_id" not in json.loads(request.body):
        body = {"detail": [{"loc": ["body"], "msg": "field required", "type": "value_error.missing"}]}
        return http_answer(json.dumps(body).encode(), status="422 Unprocessable Entity")
    return http_answer(enveloped({"allowed": "ALLOWED", "token": ocpi_bodies.token("IT-MSP", uid="TOKEN1")}))


async def test_exw_is_told_where_the_driver_stands(sqlite_url: str, tmp_path: Path) -> None:
    """What our own stations ask always says it. For a partner CPO that leaves it out nothing can be made up: it hears
    what OCPI has for this (2.2.1, tokens, 12.2.2.2: too little information)."""
    async with passing_hub(sqlite_url, tmp_path, ope="2.2.1", msp="2.2.1", agreed=(("ope", "msp"),)) as passing:
        passing.msp.says = extrawest_authorises
        async with passing.hub.services.database.work() as work:
            await registry.agree(work, cpo=PartyId.parse(HOSTED_CPO), emsp=PartyId.parse(passing.msp.party))
        await passing.hub.host_station("CS-1", "OURS")
        assert (await ask(passing.hub)).status is AuthorizationStatus.ACCEPTED
        path, place = "/2.2.1/sender/tokens/TOKEN1/authorize", {"location_id": "L1"}
        for to in (passing.msp, None):
            answer = await passing.ope.call("POST", path, to=to, body=place)
            assert answer.data["allowed"] == "ALLOWED"
            answer = await passing.ope.call("POST", path, to=to)
            assert answer.outcome == (200, 2002)
            assert answer.message == "IT-MSP answers HTTP 422: send LocationReferences as the body"


class AnyTokenAtModules(Platform):
    """tec: versions and credentials are guarded, the modules are not."""

    def reply(self, request: Received) -> Reply:
        if request.target.startswith("/sender/") and "credentials" not in request.target:
            encoded = base64.b64encode(TOKEN.encode()).decode()
            request = replace(request, headers={**request.headers, "authorization": f"Token {encoded}"})
        return super().reply(request)


async def test_tecs_modules_that_take_any_token_are_found_by_the_check() -> None:
    """Nothing of ours is in danger by it; its operator is told."""
    found = bad(await check(AnyTokenAtModules(cpo_objects(1))), Verdict.FAIL)
    assert found == {
        f"{module}: unknown token": ["to an unknown token: HTTP 200, OCPI 1000: told, expected HTTP 401"]
        for module in ("locations", "tariffs", "sessions", "cdrs")
    }


async def test_elu_refuses_business_details_without_a_website_and_that_is_said(hub: HubInProcess) -> None:
    platform = Registering(cpo_objects(1))
    body = {"detail": [{"loc": ["body", "roles", 0, "business_details", "website"], "msg": "Field required"}]}
    platform.refusal = http_answer(json.dumps(body).encode(), status="422 Unprocessable Entity")
    async with ScriptedPartner(platform) as partner:
        await hub.add_planned("new", "FR-NEW")
        with pytest.raises(RegistrationFailed, match=r"POST .*/sender/credentials: HTTP 422"):
            await register(hub.services, "new", versions_url=f"{partner.url}/versions", token_a=TOKEN)
    known = (await hub.services.directory.current()).partners["new"]
    assert known.state == "PLANNED", "nothing has changed"
    exchanges = await hub.journal("partner_id = 'new' AND method = 'POST'")
    assert "website" in exchanges[0][7], "what the partner said stands in the journal"


async def test_elu_wants_nullable_fields_to_be_there(hub: HubInProcess) -> None:
    taken: list[Any] = []

    async def strict(request: Received, writer: asyncio.StreamWriter) -> None:
        body = json.loads(request.body) if request.body else {}
        is_whole = "postal_code" in body and "owner" in body
        taken.append(body)
        writer.write(
            http_answer(enveloped(None)) if is_whole else http_answer(b"{}", status="422 Unprocessable Entity")
        )

    async with ScriptedPartner(strict) as partner:
        await hub.connect("elu", "DE-ELU", "EMSP", url=partner.url)
        async with hub.services.database.work() as work:
            await dialects.set_switch(work, "elu", "null_fields", "sent")
        async with delivering(hub):
            await hub.host_location("OURS")
            await until(lambda: taken)
    assert taken[0]["owner"] is None


async def test_mocks_list_where_one_object_is_due_spoils_that_location_alone(hub: HubInProcess) -> None:
    """Whoever is right about the field: it is named, and the others are stored."""
    objects = cpo_objects(3)
    objects["locations"][1] = objects["locations"][1] | {"operator": [{"name": "CPO"}]}
    done = await pulled(hub, Platform(objects))
    assert (done.state, done.progress.new, done.progress.refused) == ("DONE", 2, 1)
    assert list(done.progress.reasons) == ["operator: expected an object, got list"]


async def test_mock_has_no_receivers_and_is_told_nothing(hub: HubInProcess) -> None:
    platform = Platform({})
    async with ScriptedPartner(platform) as partner:
        await hub.connect("mock", "DE-MCK", "EMSP", url=partner.url)
        await listen_at(hub, "mock", partner.url, ("tokens",))
        async with delivering(hub):
            await hub.host_location("OURS")
            await until(lambda: _settled(hub))
    assert [request for request in platform.asked if request.method == "PUT"] == []


async def _settled(hub: HubInProcess) -> bool:
    """Told to others, and nothing waits or has failed for mock."""
    sql = "SELECT partner_id, state FROM deliveries WHERE module = 'locations'"
    rows = await hub.services.database.reader.fetch(sql)
    mine = {row[1] for row in rows if row[0] == "mock"}
    return bool(rows) and mine <= {"DROPPED"}


@pytest.mark.parametrize(
    ("path", "form", "outcome"),
    [
        ("/versions", "none", (401, 2000)),
        ("/versions", "raw", (200, 1000)),
        ("/2.2.1", "raw", (200, 1000)),
        ("/2.2.1/details", "raw", (404, 2000)),
        ("/details", "raw", (404, 2000)),
    ],
)
async def test_latam_evra_as_a_client(hub: HubInProcess, path: str, form: str, outcome: tuple[int, int]) -> None:
    """No Authorization on versions: refused, as anything else would tell strangers of us. ``{base}/details`` instead of
    discovery: no such address. The token without Base64: taken."""
    token = hub.tokens["aaa"]
    headers = {"Authorization": f"Token {token}"} if form == "raw" else {}
    answer = await hub.call(None, "GET", path, headers=headers)
    assert answer.outcome == outcome
    encoded = {"Authorization": f"Token {base64.b64encode(token.encode()).decode()}"}
    assert (await hub.call(None, "GET", "/versions", headers=encoded)).outcome == (200, 1000)

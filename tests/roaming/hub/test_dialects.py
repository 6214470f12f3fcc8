"""Partners' habits, noticed while traffic goes, and what they change in it. Partners are on real sockets."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from roaming.hub.pulling import state
from roaming.hub.pulling.puller import Puller
from roaming.model.identifiers import PartyId
from roaming.modules.locations import service as location_service
from roaming.ocpi.dialect import Setting, settings_of
from roaming.ocpi.partner_call import ask_partner, call_to
from roaming.ocpi.pulling import PullPace
from roaming.partners import dialects
from tests.kit import ocpi_bodies
from tests.kit.answering_partner import delivering
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.listing_partner import ListingPartner, listen_at, stored
from tests.kit.scripted_partner import Received, ScriptedPartner, enveloped, http_answer
from tests.kit.wait import until

FAST = PullPace(requests_per_second=10_000, page_size=2, first_delay=timedelta(0))
TOKEN = "their-token"
RAW, BASE64 = f"Token {TOKEN}", f"Token {base64.b64encode(TOKEN.encode()).decode()}"


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(database_url, tmp_path) as running:
        running.services = replace(running.services, pulling=FAST)
        yield running


async def dialect(hub: HubInProcess, partner: str = "cpo") -> dict[str, Setting]:
    known = (await hub.services.directory.current()).partners[partner]
    return {setting.name: setting for setting in settings_of(known.dialect, str(known.version))}


async def set_by_hand(hub: HubInProcess, name: str, value: str, partner: str = "cpo") -> None:
    async with hub.services.database.work() as work:
        await dialects.set_switch(work, partner, name, value)


async def pull(hub: HubInProcess, module: str = "locations") -> str:
    """One pull to its end; returns its last error."""
    puller = Puller(hub.services, hub.services.modules)
    await puller.look_at_directory()
    async with hub.services.database.work() as work:
        await state.ask(work, "cpo", module, "FULL")
    await puller.pull_next("cpo", modules=[module])
    pulls = await state.all_pulls(hub.services.database.reader, "cpo")
    return next(found.last_error for found in pulls if found.module == module)


def locations(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [ocpi_bodies.location(id=f"L{n}", **changes) for n in range(1, count + 1)]


@dataclass
class Wary:
    """Takes the token in one form only, and hands on what comes in it."""

    form: str
    inner: Callable[[Received, asyncio.StreamWriter], Any]
    refused: list[str] = field(default_factory=list)

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        if request.headers["authorization"] != self.form:
            self.refused.append(request.target)
            writer.write(http_answer(b"", status="401 Unauthorized"))
        else:
            await self.inner(request, writer)


@pytest.mark.parametrize("module", ["locations", "versions"])
async def test_a_token_refused_in_one_form_goes_in_the_other(hub: HubInProcess, module: str) -> None:
    wary = Wary(RAW, ListingPartner({"locations": locations(3)}))
    async with ScriptedPartner(wary) as partner:
        await listen_at(hub, "cpo", partner.url)
        if module == "locations":
            assert await pull(hub) == ""
            assert list(await stored(hub, "locations", "cpo")) == ["L1", "L2", "L3"]
        else:
            known = (await hub.services.directory.current()).partners["cpo"]
            call = call_to(hub.services, known, "GET", f"{partner.url}/sender/tariffs")
            answer = await ask_partner(hub.services, call, module="versions")
            assert answer.is_delivered
        shown = (await dialect(hub))["token_encoding"]
        assert (shown.value, shown.source) == ("raw", "traffic")
        assert shown.why == f"GET {module}: HTTP 401 to base64, HTTP 200 to raw"
        assert shown.seen_at
        once = len(wary.refused)
        assert await pull(hub) == ""
    assert len(wary.refused) == once == 1, "from then on it goes in that form at once"


async def test_a_form_set_by_hand_stays(hub: HubInProcess) -> None:
    wary = Wary(RAW, ListingPartner({"locations": locations(1)}))
    await set_by_hand(hub, "token_encoding", "base64")
    async with ScriptedPartner(wary) as partner:
        await listen_at(hub, "cpo", partner.url)
        assert "401" in await pull(hub)
    shown = (await dialect(hub))["token_encoding"]
    assert (shown.value, shown.source, shown.seen) == ("base64", "hand", "")


async def test_a_slash_that_a_partner_redirects_to_is_sent_from_then_on(hub: HubInProcess) -> None:
    inner = ListingPartner({"locations": locations(1)})

    async def slashed(request: Received, writer: asyncio.StreamWriter) -> None:
        path = request.target.partition("?")[0]
        if path.endswith("/"):
            await inner(replace(request, target=request.target.replace("/?", "?")), writer)
        else:
            writer.write(http_answer(b"", status="308 Permanent Redirect", Location=f"{path}/"))

    async with ScriptedPartner(slashed) as partner:
        await listen_at(hub, "cpo", partner.url)
        assert "redirects" in await pull(hub)
        assert (await dialect(hub))["trailing_slash"].value == "yes"
        assert await pull(hub) == ""
    assert list(await stored(hub, "locations", "cpo")) == ["L1"]


def headless(objects: list[Any], cap: int) -> Callable[[Received, asyncio.StreamWriter], Any]:
    """A partner that pages by offset, and says nothing of it in headers."""

    async def script(request: Received, writer: asyncio.StreamWriter) -> None:
        query = dict(part.split("=") for part in request.target.partition("?")[2].split("&") if part)
        offset = int(query.get("offset", 0))
        writer.write(http_answer(enveloped(objects[offset : offset + cap])))

    return script


async def test_a_list_without_paging_headers_is_read_to_its_end(hub: HubInProcess) -> None:
    async with ScriptedPartner(headless(locations(5), 2)) as partner:
        await listen_at(hub, "cpo", partner.url)
        assert await pull(hub) == ""
    assert list(await stored(hub, "locations", "cpo")) == ["L1", "L2", "L3", "L4", "L5"]
    shown = (await dialect(hub))["paging_headers"]
    assert (shown.value, shown.source) == ("missing", "traffic")


async def test_a_list_that_knows_no_paging_at_all_is_read_once(hub: HubInProcess) -> None:
    async with ScriptedPartner(ListingPartner({}, plan=[])) as partner:
        whole = http_answer(enveloped(locations(5)))
        partner.script.plan = [whole] * 10  # type: ignore[attr-defined]
        await listen_at(hub, "cpo", partner.url)
        assert await pull(hub) == ""
        assert await pull(hub) == ""
        assert len(partner.requests) <= 4, "the page after the last says so"
    assert len(await stored(hub, "locations", "cpo")) == 5


async def test_headers_said_by_hand_to_be_sent_end_the_list(hub: HubInProcess) -> None:
    await set_by_hand(hub, "paging_headers", "sent")
    async with ScriptedPartner(headless(locations(5), 2)) as partner:
        await listen_at(hub, "cpo", partner.url)
        assert await pull(hub) == ""
    assert len(await stored(hub, "locations", "cpo")) == 2
    shown = (await dialect(hub))["paging_headers"]
    assert (shown.value, shown.source, shown.seen) == ("sent", "hand", "missing")


async def test_a_link_to_a_wrong_host_is_never_followed_there(hub: HubInProcess) -> None:
    link = "<https://backend.internal/sender/locations?offset={next}&limit=2>; rel=next"
    cpo = ListingPartner({"locations": locations(3)}, link=link)
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        assert (await pull(hub)).startswith("FOREIGN_LINK")
        shown = (await dialect(hub))["page_links"]
        assert (shown.value, shown.why) == ("mend", "GET locations: its Link leads to backend.internal")
        assert await pull(hub) == "", "the origin that answered is asked for what the link means"
        assert list(await stored(hub, "locations", "cpo")) == ["L1", "L2", "L3"]
        await set_by_hand(hub, "page_links", "refuse")
        stopped = await pull(hub)
        assert stopped.startswith("FOREIGN_LINK"), "a hand is never overruled"
        assert "`roaming partner dialect cpo`, page_links" in stopped


async def test_a_host_that_a_person_allows_is_followed(hub: HubInProcess) -> None:
    pages = ListingPartner({"locations": locations(3)})
    async with ScriptedPartner(pages) as other:
        link = f"<{other.url}/sender/locations?offset={{next}}&limit=2>; rel=next"
        async with ScriptedPartner(ListingPartner({"locations": locations(3)}, link=link)) as partner:
            await listen_at(hub, "cpo", partner.url)
            await set_by_hand(hub, "page_links", f"follow:127.0.0.1:{other.port}")
            assert await pull(hub) == ""
        assert [request.headers["authorization"] for request in other.requests] == [BASE64]
    assert len(await stored(hub, "locations", "cpo")) == 3


async def test_habits_of_objects_are_shown_and_change_nothing(hub: HubInProcess) -> None:
    items = [
        ocpi_bodies.location(id="L1") | {"country_code": "fr", "party_id": "cpo", "name": None},
        ocpi_bodies.location(id="L2", last_updated="2026-11-23T10:00:00"),
    ]
    async with ScriptedPartner(ListingPartner({"locations": items})) as partner:
        await listen_at(hub, "cpo", partner.url)
        assert await pull(hub) == ""
    kept = await stored(hub, "locations", "cpo")
    assert (kept["L1"]["country_code"], kept["L1"].get("name")) == ("fr", None), "kept as it came"
    assert kept["L2"]["last_updated"].startswith("2026-11-23T10:00:00")
    shown = await dialect(hub)
    seen = {name: (shown[name].seen, shown[name].source) for name in ("id_case", "null_fields", "time_zone")}
    assert seen == {
        "id_case": ("lower", "default"),
        "null_fields": ("sent", "default"),
        "time_zone": ("UTC", "default"),
    }


async def test_times_without_zone_are_read_in_the_partners(hub: HubInProcess) -> None:
    await set_by_hand(hub, "time_zone", "Europe/Paris")
    items = [
        ocpi_bodies.location(id="L1", last_updated="2026-07-01T12:00:00"),
        ocpi_bodies.location(id="L2", last_updated="2026-07-01T12:00:00Z"),
    ]
    async with ScriptedPartner(ListingPartner({"locations": items})) as partner:
        await listen_at(hub, "cpo", partner.url)
        assert await pull(hub) == ""
    pushed = ocpi_bodies.location(id="L3", last_updated="2026-12-01T12:00:00")
    assert (await hub.call("cpo", "PUT", "/2.2.1/receiver/locations/FR/CPO/L3", body=pushed)).code == 1000
    kept = await stored(hub, "locations", "cpo")
    assert {name: body["last_updated"] for name, body in kept.items()} == {
        "L1": "2026-07-01T10:00:00Z",
        "L2": "2026-07-01T12:00:00Z",
        "L3": "2026-12-01T11:00:00Z",
    }


@dataclass
class Receiver:
    """An eMSP that takes PUT, and answers PATCH with a status of a test's choice."""

    status: str = "405 Method Not Allowed"
    taken: list[tuple[str, str, Any]] = field(default_factory=list)

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        if request.method == "GET":
            writer.write(http_answer(enveloped([])))
            return
        self.taken.append((request.method, request.target, json.loads(request.body)))
        is_patch = request.method == "PATCH"
        writer.write(http_answer(b"" if is_patch else enveloped(None), status=self.status if is_patch else "200 OK"))

    def methods(self) -> list[str]:
        return [method for method, _, _ in self.taken]


async def change_status(hub: HubInProcess, status: str) -> None:
    change = location_service.EvseChange(
        party=PartyId("NL", "HUB"), location_id="OURS", evse_uid="OURS-1", status=status, correlation_id="chain"
    )
    async with hub.services.database.work() as work:
        await location_service.change_evses(work, [change])


@pytest.mark.parametrize("status", ["405 Method Not Allowed", "501 Not Implemented"])
async def test_a_partner_without_patch_gets_whole_objects(hub: HubInProcess, status: str) -> None:
    script = Receiver(status)
    async with ScriptedPartner(script) as partner:
        await hub.connect("emp", "DE-EMP", "EMSP", url=partner.url)
        async with delivering(hub):
            await hub.host_location("OURS")
            await until(lambda: script.methods() == ["PUT"])
            await change_status(hub, "CHARGING")
            await until(lambda: script.methods() == ["PUT", "PATCH", "PUT"])
            assert script.taken[-1][2]["evses"][0]["status"] == "CHARGING"
            shown = (await dialect(hub, "emp"))["patch"]
            assert (shown.value, shown.why) == ("no", f"PATCH locations: HTTP {status[:3]}")
            await change_status(hub, "AVAILABLE")
            await until(lambda: len(script.taken) == 4)
    assert script.methods() == ["PUT", "PATCH", "PUT", "PUT"]


async def test_a_partner_gets_nulls_and_lower_case_where_it_wants_them(hub: HubInProcess) -> None:
    script = Receiver()
    async with ScriptedPartner(script) as partner:
        await hub.connect("emp", "DE-EMP", "EMSP", url=partner.url)
        for name, value in {"null_fields": "sent", "id_case": "lower", "trailing_slash": "yes"}.items():
            await set_by_hand(hub, name, value, "emp")
        async with delivering(hub):
            await hub.host_location("OURS")
            await until(lambda: script.taken)
        headers = next(request.headers for request in partner.requests if request.method == "PUT")
    ((_, target, body),) = script.taken
    assert target == "/2.2.1/receiver/locations/nl/hub/ours/"
    assert (headers["ocpi-from-country-code"], headers["ocpi-to-party-id"]) == ("nl", "emp")
    assert body["country_code"] == "NL", "objects are told as they are"
    assert (body["suboperator"], body["images"]) == (None, [])
    (evse,) = body["evses"]
    assert (evse["physical_reference"], evse["parking_restrictions"]) == (None, [])
    assert (evse["connectors"][0]["terms_and_conditions"], evse["status"]) == (None, "AVAILABLE")


@pytest.mark.parametrize("code", [200, 0, 2001])
async def test_a_status_code_that_says_nothing_true_is_set_aside_by_hand(hub: HubInProcess, code: int) -> None:
    answer = json.dumps({"data": locations(1), "status_code": code, "timestamp": "2026-11-23T10:00:00Z"}).encode()
    async with ScriptedPartner(ListingPartner({}, plan=[http_answer(answer, X_Total_Count="1")] * 4)) as partner:
        await listen_at(hub, "cpo", partner.url)
        assert (await pull(hub) == "") == (code == 200)
        shown = (await dialect(hub))["status_codes"]
        assert (shown.value, shown.seen) == ("ocpi", "http" if code != 2001 else "")
        await set_by_hand(hub, "status_codes", "http")
        assert await pull(hub) == ""
    assert list(await stored(hub, "locations", "cpo")) == ["L1"]

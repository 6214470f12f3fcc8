"""The feed: whoever comes back misses nothing, and everybody sees what is theirs, on a real socket."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from roaming.cli.http import http
from roaming.console import feed_api
from roaming.console.api import FOR_PARTIES, ROUTES
from roaming.feed import numbering, reading
from roaming.feed.telling import Event, event_id, tell
from roaming.model.identifiers import PartyId
from roaming.partners.operators import add_operator, remove_operator
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.server_process import free_port

TOKENS = {
    "anna": "an-operators-token-of-43-characters-at-least",
    "bert": "another-token-that-sees-what-is-NL-HUBs-only",
}
HUB, ABC = PartyId("NL", "HUB"), PartyId("DE", "ABC")


@dataclass
class Place:
    """A hub behind its own server."""

    hub: HubInProcess
    client: httpx.AsyncClient

    async def happens(self, *told: tuple[str, str, tuple[PartyId, ...]]) -> None:
        at = datetime(2026, 11, 29, 11, 59, tzinfo=UTC)
        events = [
            Event(id=event_id(id), kind=kind, at=at, parties=parties, data={"station": id})
            for id, kind, parties in told
        ]
        async with self.hub.services.database.work() as work:
            await tell(work, events)
        await numbering.number_once(self.hub.services.database)

    async def follow(
        self, path: str = "/api/feed", *, who: str = "anna", last: str = ""
    ) -> AsyncGenerator[dict[str, str], None]:
        """The messages of the stream; comments are left out."""
        sent = {"Authorization": f"Bearer {TOKENS[who]}"} | ({"Last-Event-ID": last} if last else {})
        async with self.client.stream("GET", path, headers=sent) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream"), await answer.aread()
            message: dict[str, str] = {}
            async for line in answer.aiter_lines():
                name, _, text = line.partition(": ")
                if name:
                    message[name] = text
                elif "data" in message or "retry" in message:
                    yield message
                    message = {}

    async def get(self, path: str, *, who: str = "anna", **rest: Any) -> httpx.Response:
        return await self.client.get(path, headers={"Authorization": f"Bearer {TOKENS[who]}"}, **rest)


@pytest.fixture
async def place(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setattr(reading, "LOOK_EVERY", 0.2)
    port = free_port()
    async with hub_in_process(sqlite_url, tmp_path, port=port) as hub:
        async with hub.services.database.work() as work:
            await add_operator(work, "anna", hub.services.secrets.digest(TOKENS["anna"]))
            await add_operator(work, "bert", hub.services.secrets.digest(TOKENS["bert"]), party=HUB)
        async with (
            http(hub.settings, hub.services, hub.app),
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as client,
        ):
            yield Place(hub, client)


async def test_who_comes_back_misses_nothing(place: Place) -> None:
    async with aclosing(place.follow()) as stream:
        assert "retry" in await anext(stream)
        await place.happens(("CS-1", "station.fault", (HUB,)), ("CS-2", "connector.status", (ABC,)))
        first = await anext(stream)
        assert first["event"] == "station.fault"
        assert json.loads(first["data"]) == {
            "id": event_id("CS-1"),
            "type": "station.fault",
            "timestamp": "2026-11-29T11:59:00Z",
            "parties": ["NL-HUB"],
            "data": {"station": "CS-1"},
        }
    await place.happens(("CS-3", "station.fault", ()))
    async with aclosing(place.follow(last=first["id"])) as stream:
        await anext(stream)
        assert [json.loads((await anext(stream))["data"])["data"]["station"] for _ in range(2)] == ["CS-2", "CS-3"]
    page = (await place.get(f"/api/events?after={first['id']}&limit=1")).json()
    assert [event["data"]["station"] for event in page["events"]] == ["CS-2"]
    page = (await place.get(f"/api/events?after={page['next']}&events=station.*")).json()
    assert ([event["data"]["station"] for event in page["events"]], page["has_more"]) == (["CS-3"], False)
    assert (await place.get("/api/events?format=csv")).text.count("\n") == 4


async def test_a_reader_is_told_that_older_events_are_gone(place: Place) -> None:
    await place.happens(("CS-1", "station.fault", ()), ("CS-2", "station.fault", ()))
    async with place.hub.services.database.work() as work:
        await work.connection.execute(numbering.EVENTS.delete())
    await place.happens(("CS-3", "station.fault", ()))
    async with aclosing(place.follow("/api/feed?after=1")) as stream:
        await anext(stream)
        assert (await anext(stream))["event"] == "feed.gap"
        assert json.loads((await anext(stream))["data"])["data"] == {"station": "CS-3"}


async def test_one_token_keeps_nobody_else_out(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_api, "MOST_OF_ONE", 1)
    bearer = {"Authorization": f"Bearer {TOKENS['bert']}"}
    async with aclosing(place.follow(who="bert")) as stream:
        await anext(stream)
        async with place.client.stream("GET", "/api/feed", headers=bearer) as answer:
            assert (answer.status_code, answer.headers["Retry-After"]) == (429, "30")
        async with aclosing(place.follow()) as other:
            assert "retry" in await anext(other)


async def test_a_party_sees_what_is_its_own(place: Place) -> None:
    await place.happens(
        ("ours", "station.fault", (HUB,)),
        ("theirs", "station.fault", (ABC,)),
        ("nobody's", "station.unknown", ()),
        ("both", "station.fault", (ABC, HUB)),
    )
    async with aclosing(place.follow("/api/feed?after=0", who="bert")) as stream:
        await anext(stream)
        assert [json.loads((await anext(stream))["data"])["data"]["station"] for _ in range(2)] == ["ours", "both"]
    page = (await place.get("/api/events", who="bert")).json()
    assert [event["data"]["station"] for event in page["events"]] == ["ours", "both"]
    refused = await place.get("/api/events?party=DE-ABC", who="bert")
    assert (refused.status_code, "NL-HUB" in refused.text) == (400, True)
    only = (await place.get("/api/events?party=de-abc")).json()
    assert [event["data"]["station"] for event in only["events"]] == ["theirs", "both"]
    everything = (await place.get("/api/events")).json()
    assert len(everything["events"]) == 4
    bearer = {"Authorization": f"Bearer {TOKENS['anna']}"}
    for name, party in (("theirs", "DE-ABC"), ("everybody", "")):
        wanted = {"name": name, "url": "https://noc.example/hook", "party": party}
        assert (await place.client.post("/api/webhooks", json=wanted, headers=bearer)).status_code == 201
    bearer = {"Authorization": f"Bearer {TOKENS['bert']}"}
    wanted = {"name": "mine", "url": "https://noc.example/hook"}
    assert (
        await place.client.post("/api/webhooks", json=wanted | {"party": "DE-ABC"}, headers=bearer)
    ).status_code == 403
    assert (await place.client.post("/api/webhooks", json=wanted, headers=bearer)).status_code == 201
    listed = (await place.get("/api/webhooks", who="bert")).json()["webhooks"]
    assert [(one["name"], one["party"]) for one in listed] == [("mine", "NL-HUB")]
    for name in ("theirs", "everybody"):
        for what in ("test", "on", "secret", "replay"):
            assert (await place.client.post(f"/api/webhooks/{name}/{what}", headers=bearer)).status_code == 404
        assert (await place.client.delete(f"/api/webhooks/{name}", headers=bearer)).status_code == 404
        assert (await place.get(f"/api/webhooks/{name}/notifications", who="bert")).status_code == 404


async def test_the_rest_is_for_the_hubs_own_people(place: Place) -> None:
    bearer = {"Authorization": f"Bearer {TOKENS['bert']}"}
    refused = [(path, method) for path, method, _ in ROUTES if (path, method) not in FOR_PARTIES]
    assert len(refused) > 20
    for path, method in [*refused, ("/api/why", "GET")]:
        answer = await place.client.request(method, path.replace("{", "").replace("}", ""), headers=bearer, json={})
        assert answer.status_code == 403, path


async def test_a_stream_ends_with_its_token(place: Place) -> None:
    async with aclosing(place.follow()) as stream:
        await anext(stream)
        async with place.hub.services.database.work() as work:
            await remove_operator(work, "anna")
        await place.happens(("CS-1", "station.fault", ()))
        async with asyncio.timeout(20):
            assert [message async for message in stream] == []


@pytest.mark.parametrize("query", ["after=x", "after=-1", "events=station.exploded", "after=0&limit=0", "limit=1e9"])
async def test_a_mistake_is_named(place: Place, query: str) -> None:
    answer = await place.get(f"/api/events?{query}")
    assert answer.status_code == 400
    assert query.rpartition("&")[2].partition("=")[0] in answer.text.replace("event is", "events")

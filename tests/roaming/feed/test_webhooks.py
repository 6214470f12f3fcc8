"""Webhooks: each event once to whom it is for, signed, again after trouble, given up in the end, never to an address
that the hub must not call."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from roaming.feed import numbering, subscribers
from roaming.feed.delivering import Deliverer
from roaming.feed.kinds import NoSuchKind
from roaming.feed.subscribers import NameTaken, NoSuchSubscriber, Wanted
from roaming.feed.telling import Event, event_id, tell
from roaming.feed.webhooks import WebhookChannel
from roaming.model.identifiers import PartyId
from roaming.ocpi.addresses import AddressPolicy
from roaming.ocpi.client import OcpiClient
from roaming.ocpi.errors import AddressRefused
from roaming.ocpi.secrets import Secrets
from roaming.store.database import Database
from roaming.store.locks import ProcessLocks
from tests.kit.clock import HeldClock
from tests.kit.scripted_partner import Received, ScriptedPartner, http_answer

HUB, ABC = PartyId("NL", "HUB"), PartyId("DE", "ABC")
PLACE = "127.0.0.77"


@dataclass
class House:
    """Events, subscribers, and one receiver that answers as it is told."""

    database: Database
    clock: HeldClock
    receiver: ScriptedPartner
    channel: WebhookChannel
    secrets: Secrets
    deliverer: Deliverer
    answers: list[bytes] = field(default_factory=list)
    got: list[Received] = field(default_factory=list)

    @property
    def bodies(self) -> list[dict[str, object]]:
        return [json.loads(request.body) for request in self.got]

    async def add(self, name: str, *, path: str = "/hook", party: str = "", kinds: tuple[str, ...] = ()) -> str:
        wanted = Wanted(name=name, channel="WEBHOOK", address=self.receiver.url + path, party=party, kinds=kinds)
        async with self.database.work() as work:
            return await subscribers.add(work, wanted, secrets=self.secrets, check=lambda _: None)

    async def happens(self, *events: Event) -> None:
        async with self.database.work() as work:
            await tell(work, events)
        await numbering.number_once(self.database)

    async def deliver(self, name: str = "noc") -> None:
        await self.deliverer.deliver_once(name, self.channel)

    async def states(self, name: str = "noc") -> list[tuple[str, int]]:
        async with self.database.reading() as connection:
            rows = await subscribers.notifications(connection, name)
        return [(row["state"], row["attempts"]) for row in rows]


def event(id: str, *, kind: str = "station.fault", parties: tuple[PartyId, ...] = (HUB,)) -> Event:
    at = datetime(2026, 11, 29, 11, 59, tzinfo=UTC)
    return Event(id=event_id(id), kind=kind, at=at, parties=parties, data={"station": id})


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    clock = HeldClock(datetime(2026, 11, 29, 12, 0, tzinfo=UTC))
    database = await Database.open(database_url, clock=clock)
    policy = AddressPolicy.of(f"{PLACE}/32", is_http_allowed=True)
    secrets = Secrets(pepper=b"p" * 32, sealing_key=b"s" * 32)

    async def script(request: Received, writer: asyncio.StreamWriter) -> None:
        house.got.append(request)
        writer.write(house.answers.pop(0) if house.answers else http_answer(b"thanks"))

    async with OcpiClient(policy) as client, ScriptedPartner(script, host=PLACE) as receiver:
        channel = WebhookChannel(database, client, secrets, clock)
        deliverer = Deliverer(database, ProcessLocks(), clock, {"WEBHOOK": channel})
        house = House(database, clock, receiver, channel, secrets, deliverer)
        yield house
    await database.close()


def is_signed(request: Received, secret: str) -> bool:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    head = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode()
    right = base64.b64encode(hmac.digest(key, head + request.body, "sha256")).decode()
    return f"v1,{right}" in request.headers["webhook-signature"].split()


async def test_an_event_arrives_once_signed_and_whole(house: House) -> None:
    secret = await house.add("noc", path="/hook?tenant=1")
    await house.happens(event("CS-1"), event("CS-1"))
    await house.happens(event("CS-1"))
    await house.deliver()
    await house.deliver()
    (request,) = house.got
    assert (request.method, request.target, is_signed(request, secret)) == ("POST", "/hook?tenant=1", True)
    assert "authorization" not in request.headers
    assert request.headers["webhook-timestamp"] == str(int(house.clock.at.timestamp()))
    assert json.loads(request.body) == {
        "id": event_id("CS-1"),
        "type": "station.fault",
        "timestamp": "2026-11-29T11:59:00Z",
        "parties": ["NL-HUB"],
        "data": {"station": "CS-1"},
    }
    assert request.headers["webhook-id"] == event_id("CS-1")
    assert await house.states() == [("SENT", 1)]
    async with house.database.work() as work:
        newer = await subscribers.renew_secret(work, "noc", secrets=house.secrets)
    await house.happens(event("CS-2"))
    await house.deliver()
    assert is_signed(house.got[1], secret)
    assert is_signed(house.got[1], newer)
    house.clock.at += timedelta(days=2)
    await house.happens(event("CS-3"))
    await house.deliver()
    assert (is_signed(house.got[2], secret), is_signed(house.got[2], newer)) == (False, True)


async def test_each_subscriber_gets_what_is_for_it(house: House) -> None:
    await house.add("all")
    await house.add("abc", party="DE-ABC")
    await house.add("faults", party="NL-HUB", kinds=("station.fault",))
    await house.add("statuses", kinds=("connector.*",))
    await house.happens(
        event("ours"),
        event("theirs", parties=(ABC,)),
        event("both", parties=(ABC, HUB), kind="connector.status"),
        event("nobody's", parties=(), kind="station.unknown"),
        event("a trial", kind="webhook.test"),
    )
    wanted = {
        "all": {"ours", "theirs", "both", "nobody's"},
        "abc": {"theirs", "both"},
        "faults": {"ours"},
        "statuses": {"both"},
    }
    for name, expected in wanted.items():
        house.got.clear()
        await house.deliver(name)
        assert {body["data"]["station"] for body in house.bodies} == expected, name  # type: ignore[index]


async def test_what_fails_comes_again_and_holds_up_nobody(house: House) -> None:
    await house.add("noc")
    await house.happens(event("CS-1"), event("CS-2"))
    house.answers = [http_answer(b"{}", status="500 Oh"), http_answer(b"")]
    await house.deliver()
    assert await house.states() == [("SENT", 1), ("PENDING", 1)]
    await house.deliver()
    assert len(house.got) == 2
    house.clock.at += timedelta(seconds=7)
    await house.deliver()
    assert [body["data"] for body in house.bodies] == [{"station": id} for id in ("CS-1", "CS-2", "CS-1")]
    assert house.got[0].headers["webhook-id"] == house.got[2].headers["webhook-id"]
    assert await house.states() == [("SENT", 1), ("SENT", 2)]


async def test_what_has_failed_goes_behind_what_is_due_for_longer(house: House) -> None:
    await house.add("noc")
    await house.happens(event("CS-1"))
    house.answers = [http_answer(b"{}", status="500 Oh")]
    await house.deliver()
    house.clock.at += timedelta(seconds=3)
    await house.happens(event("CS-2"), event("CS-3"))
    house.clock.at += timedelta(seconds=5)
    await house.deliver()
    assert [body["data"] for body in house.bodies[1:]] == [{"station": id} for id in ("CS-2", "CS-3", "CS-1")]


async def test_what_never_arrives_is_given_up_and_can_be_sent_again(house: House) -> None:
    await house.add("noc")
    await house.happens(event("CS-1"), event("CS-2"))
    house.answers = [http_answer(b"", status="503 No", Retry_After="60")] * 20
    await house.deliver()
    assert len(house.got) == 1, "who is not there is not tried with the next one"
    house.clock.at += timedelta(seconds=59)
    await house.deliver()
    assert len(house.got) == 1, "who asks to be left alone for a minute is"
    house.clock.at += timedelta(seconds=2)
    await house.deliver()
    assert [body["data"] for body in house.bodies] == [{"station": "CS-1"}, {"station": "CS-2"}]
    async with house.database.reading() as connection:
        found = await subscribers.find(connection, "noc")
    assert (found.last_error, found.failing_since) == ("HTTP 503", datetime(2026, 11, 29, 12, 0, tzinfo=UTC))
    house.clock.at += timedelta(days=3)
    for _ in range(2):
        await house.deliver()
        house.clock.at += timedelta(seconds=61)
    assert await house.states() == [("DEAD", 2), ("DEAD", 2)]
    house.answers.clear()
    async with house.database.work() as work:
        assert await subscribers.replay(work, "noc") == 2
    await house.deliver()
    assert await house.states() == [("SENT", 1), ("SENT", 1)]


async def test_who_wants_no_more_is_switched_off(house: House) -> None:
    await house.add("noc")
    await house.happens(event("CS-1"))
    house.answers = [http_answer(b"", status="410 Gone")]
    await house.deliver()
    await house.happens(event("CS-2"))
    await house.deliver()
    assert (len(house.got), await house.states()) == (1, [("DEAD", 1)])
    async with house.database.work() as work:
        await subscribers.switch(work, "noc", is_on=True)
    await house.happens(event("CS-3"))
    await house.deliver()
    assert house.bodies[-1]["data"] == {"station": "CS-3"}


async def test_nobody_is_led_elsewhere(house: House) -> None:
    """By a redirect, or by an address inside: not when it is added, nor later."""
    await house.add("noc", path="/moved")
    house.answers = [http_answer(b"", status="302 There", Location=f"{house.receiver.url}/inside")]
    await house.happens(event("CS-1"))
    await house.deliver()
    assert [request.target for request in house.got] == ["/moved"]
    client = OcpiClient(AddressPolicy())
    for url in (
        "https://127.0.0.1/",
        "https://169.254.169.254/latest",
        "http://noc.example/",
        "https://a:b@noc.example/",
    ):
        wanted = Wanted(name="inside", channel="WEBHOOK", address=url)
        with pytest.raises(AddressRefused):
            async with house.database.work() as work:
                await subscribers.add(work, wanted, secrets=house.secrets, check=client.check)
    await client.aclose()
    async with house.database.work() as work:
        wanted = Wanted(name="inside", channel="WEBHOOK", address=house.receiver.url.replace(PLACE, "127.0.0.1"))
        await subscribers.add(work, wanted, secrets=house.secrets, check=lambda _: None)
    await house.happens(event("CS-2"))
    await house.deliver("inside")
    assert len(house.got) == 1
    assert await house.states("inside") == [("PENDING", 1)]


async def test_what_is_wrong_is_named(house: House) -> None:
    await house.add("noc", party="NL-HUB")
    for error, values in (
        (NameTaken, {"name": "noc"}),
        (NoSuchKind, {"kinds": ("station.exploded",)}),
        (ValueError, {"name": "a b"}),
        (ValueError, {"party": "nobody"}),
        (ValueError, {"secret": "short"}),
    ):
        wanted = Wanted(**{"name": "other", "channel": "WEBHOOK", "address": "https://noc.example/"} | values)  # type: ignore[arg-type]
        with pytest.raises(error):
            async with house.database.work() as work:
                await subscribers.add(work, wanted, secrets=house.secrets, check=lambda _: None)
    with pytest.raises(NoSuchSubscriber):
        async with house.database.work() as work:
            await subscribers.remove(work, "noc", party="DE-ABC")
    async with house.database.work() as work:
        await subscribers.remove(work, "noc", party="NL-HUB")
    async with house.database.reading() as connection:
        assert await subscribers.listed(connection) == []


async def test_numbers_rise_also_when_all_has_been_removed(house: House) -> None:
    await house.happens(event("1"), event("2"))
    async with house.database.work() as work:
        numbers = [row.number for row in await work.connection.execute(numbering.EVENTS.select())]
        await work.connection.execute(numbering.EVENTS.delete())
    await house.happens(event("3"))
    async with house.database.reading() as connection:
        (last,) = (await connection.execute(numbering.EVENTS.select())).all()
    assert last.number > max(numbers)


async def test_the_worker_delivers_by_itself(house: House) -> None:
    """As the worker runs it: woken by what is committed."""
    await house.add("noc")
    arrived = asyncio.Event()

    async def script(request: Received, writer: asyncio.StreamWriter) -> None:
        house.got.append(request)
        writer.write(http_answer(b""))
        arrived.set()

    house.receiver.script = script
    tasks = [
        asyncio.create_task(numbering.run(house.database, ProcessLocks())),
        asyncio.create_task(house.deliverer.run()),
    ]
    async with house.database.work() as work:
        await tell(work, [event("CS-1")])
    async with asyncio.timeout(20):
        await arrived.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert house.bodies[0]["data"] == {"station": "CS-1"}

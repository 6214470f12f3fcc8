"""Wherever a partner gives a URL: none leads the hub to an address that it must not call. A canary listens there, on
the partner's own port, and counts."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from roaming.hub.judging import remote_address
from roaming.model.identifiers import PartyId
from roaming.modules.cdrs.service import find_copy
from roaming.ocpi.addresses import AddressPolicy
from roaming.ocpi.client import Call, OcpiClient, Timeouts
from roaming.ocpi.fetching import FetchLimits, get_all_pages
from roaming.ocpi.headers import RequestIds
from roaming.ocpi.module import DeliveryJob, Recipient
from roaming.ocpi.outgoing import DELIVERIES
from roaming.partners import registry
from tests.kit import ocpi_bodies as bodies
from tests.kit.hub_in_process import RECEIVER, HubInProcess, hub_in_process
from tests.kit.scripted_partner import Received, enveloped, http_answer
from tests.roaming.ocpi.hostile_addresses import FORBIDDEN, NAMES

PARTNER, INSIDE = "127.0.0.77", "127.0.0.1"
"""The one address that the hub may call, and the one where it must never be seen."""
MODULES = ("locations", "tariffs", "sessions", "cdrs", "tokens", "commands", "chargingprofiles")


@dataclass
class Place:
    """The hub, the partner ``aaa``, and the canary."""

    hub: HubInProcess
    port: int
    canary: list[str] = field(default_factory=list)
    """Who connected where nobody may."""
    says: Callable[[Received], bytes] = lambda _request: http_answer(enveloped([]))
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{PARTNER}:{self.port}"


async def resolver(host: str, _port: int) -> Iterable[str]:
    return NAMES.get(host, [INSIDE])


@pytest.fixture
async def place(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    def careful(_policy: AddressPolicy) -> OcpiClient:
        policy = AddressPolicy.of(f"{PARTNER}/32", is_http_allowed=True)
        return OcpiClient(policy, resolver=resolver, timeouts=Timeouts(connect=2.0))

    async with (
        contextlib.AsyncExitStack() as stack,
        hub_in_process(sqlite_url, tmp_path, call_partners=careful) as hub,
    ):
        found = Place(hub, 0)

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                head = await reader.readuntil(b"\r\n\r\n")
                method, target, _ = head.split(b" ", 2)
                found.asked.append(target.decode())
                said = found.says(Received(method.decode(), target.decode(), {}, b""))
                writer.write(said.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
                await writer.drain()
            writer.close()

        def caught(where: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
            def catch(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                found.canary.append(where)
                writer.close()

            return catch

        server = await stack.enter_async_context(await asyncio.start_server(answer, PARTNER, 0))
        found.port = server.sockets[0].getsockname()[1]
        await stack.enter_async_context(await asyncio.start_server(caught(INSIDE), INSIDE, found.port))
        with contextlib.suppress(OSError):  # a machine without IPv6
            await stack.enter_async_context(await asyncio.start_server(caught("::1"), "::1", found.port))
        await hub.host_objects()
        await hub.connect("own", "DE-OWN", "EMSP", url=found.url, more_modules=("chargingprofiles",))
        async with hub.services.database.work() as work:
            await registry.agree(work, cpo=PartyId.parse("FR-CPO"), emsp=PartyId.parse("DE-OWN"))
        yield found


def forms(place: Place) -> list[str]:
    return [form.replace("{port}", str(place.port)) for form in FORBIDDEN]


Door = Callable[[Place, str], Awaitable[bool]]
"""Gives the hub a URL; returns whether the hub took it."""


async def renew(place: Place) -> bool:
    """The partner sends credentials, and the hub looks at its versions."""
    body = bodies.credentials("DE-OWN", f"{place.url}/versions")
    answer = await place.hub.call("own", "PUT", "/2.2.1/credentials", body=body)
    return answer.code == 1000


async def versions_url(place: Place, url: str) -> bool:
    body = bodies.credentials("DE-OWN", url)
    return (await place.hub.call("own", "PUT", "/2.2.1/credentials", body=body)).code == 1000


async def details_url(place: Place, url: str) -> bool:
    place.says = lambda _request: http_answer(enveloped([{"version": "2.2.1", "url": url}]))
    return await renew(place)


async def endpoint_url(place: Place, url: str) -> bool:
    def says(request: Received) -> bytes:
        if request.target == "/versions":
            return http_answer(enveloped([{"version": "2.2.1", "url": f"{place.url}/2.2.1"}]))
        endpoints = [
            {"identifier": module, "role": role, "url": url if module == "locations" else f"{place.url}/{module}"}
            for module in (*MODULES, "credentials")
            for role in ("SENDER", "RECEIVER")
        ]
        return http_answer(enveloped({"version": "2.2.1", "endpoints": endpoints}))

    place.says = says
    if not await renew(place):
        return False
    directory = await place.hub.services.directory.current()
    kept = {e.url for e in directory.partners["own"].endpoints if e.module == "locations"}
    if not kept:
        return False
    (locations,) = kept
    assert locations == url
    asked = len(place.asked)
    await place.hub.services.client.request(
        Call(partner_key="own", method="GET", url=locations, token_header="Token t", ids=RequestIds.fresh())
    )
    return len(place.asked) > asked


async def redirect(place: Place, url: str) -> bool:
    location = url.encode("ascii", "replace").decode().translate({10: None, 13: None, 0: None})
    place.says = lambda _request: http_answer(enveloped([]), status="307 Temporary Redirect", Location=location)
    return await renew(place)


async def response_url(place: Place, url: str) -> bool:
    body = bodies.start_session("DE-OWN", response_url=url)
    answer = await place.hub.call("own", "POST", f"{RECEIVER}/commands/START_SESSION", body=body)
    return "response_url" not in answer.message


async def response_url_in_the_query(place: Place, url: str) -> bool:
    path = f"{RECEIVER}/chargingprofiles/OURS-AAA?duration=60&response_url={quote(url, safe='')}"
    return (await place.hub.call("own", "GET", path)).code == 1000


async def response_url_written_plainly(place: Place, url: str) -> bool:
    path = f"{RECEIVER}/chargingprofiles/OURS-AAA?duration=60&response_url={quote(url, safe=':/?&@[]')}"
    return (await place.hub.call("own", "DELETE", path)).code == 1000


async def next_page(place: Place, url: str) -> bool:
    link = url.encode("ascii", "replace").decode().translate({10: None, 13: None, 0: None})
    place.says = lambda _request: http_answer(enveloped([]), Link=f'<{link}>; rel="next"')
    call = Call(partner_key="own", method="GET", url=f"{place.url}/l", token_header="Token t", ids=RequestIds.fresh())
    asked = len(place.asked)
    async for _ in get_all_pages(place.hub.services.client, call, FetchLimits(pages=2)):
        pass
    followed = place.asked[asked + 1 :]
    return "/l?offset=1" in followed  # others are places of the partner's own, however oddly they are written


async def cdr_location_of_a_delivery(place: Place, url: str) -> bool:
    """Where a partner says that it keeps a CDR is how the next one is looked up whose answer was lost."""
    location = url.encode("ascii", "replace").decode().translate({10: None, 13: None, 0: None})
    services, sent = place.hub.services, f"{place.url}/2.2.1/receiver/cdrs"
    place.says = lambda _request: http_answer(enveloped(None), Location=f"{location}MORE1")
    call = Call(partner_key="own", method="POST", url=sent, token_header=None, ids=RequestIds.fresh(), body=b"{}")
    told = remote_address(await services.client.request(call))
    async with services.database.work() as work:
        await work.connection.execute(DELIVERIES.delete())
        done = {"id": 1, "partner_id": "own", "module": "cdrs", "object_key": "NL/HUB/more1", "part": "", "detail": ""}
        done |= {"state": "DELIVERED", "remote_url": told, "owner": "NL-HUB", "order_key": "1", "coalesce_key": "1"}
        done |= {
            "to_party": "",
            "from_party": "",
            "correlation_id": "",
            "last_error": "",
            "created_at": work.now,
            "due_at": work.now,
        }
        done |= {"revision": 1, "attempts": 1, "is_in_doubt": False, "is_full": False}
        await work.connection.execute(DELIVERIES.insert().values(**done))
    directory = await services.directory.current()
    recipient = Recipient(partner_id="own", to_party=PartyId.parse("DE-OWN"), from_party=PartyId.parse("NL-HUB"))
    job = DeliveryJob(
        id=2,
        module="cdrs",
        object_key="NL/HUB/ours-aaa",
        owner=PartyId.parse("NL-HUB"),
        part="",
        detail="",
        partner=directory.partners["own"],
        recipient=recipient,
        attempts=0,
        is_full=True,
    )
    place.asked.clear()
    place.says = lambda _request: http_answer(enveloped(None, status_code=2000), status="404 Not Found")
    await find_copy(services, job, sent)
    return "/kept/OURS-AAA" in place.asked  # others are places of the partner's own, however oddly they are written


async def cdr_location_of_what_was_passed_on(place: Place, url: str) -> bool:
    """Whoever sent the CDR through the hub may read it where it is kept, through the hub."""
    location = url.encode("ascii", "replace").decode().translate({10: None, 13: None, 0: None})
    place.says = lambda _request: http_answer(enveloped(None), status="201 Created", Location=location)
    headers = {"OCPI-from-country-code": "FR", "OCPI-from-party-id": "CPO"}
    headers |= {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "OWN"}
    cdr = bodies.cdr(emsp="DE-OWN")
    posted = await place.hub.call("cpo", "POST", f"{RECEIVER}/cdrs", body=cdr, headers=headers)
    assert posted.outcome == (201, 1000), posted.text
    place.asked.clear()
    if "location" in posted.headers:
        await place.hub.call("cpo", "GET", posted.headers["location"], headers=headers)
    return "/kept/C1" in place.asked


async def images_and_terms(place: Place, url: str) -> bool:
    """Never fetched, whatever they say; kept as they are."""
    image = {"url": url, "thumbnail": url, "category": "CHARGER", "type": "jpeg"}
    connector = bodies.connector(terms_and_conditions=url)
    body = bodies.location(
        images=[image],
        operator={"name": "x", "website": url, "logo": image},
        evses=[bodies.evse(connectors=[connector], images=[image])],
    )
    await place.hub.call("cpo", "PUT", f"{RECEIVER}/locations/FR/CPO/L1", body=body)
    return False


DOORS: list[Door] = [
    versions_url,
    details_url,
    endpoint_url,
    redirect,
    response_url,
    response_url_in_the_query,
    response_url_written_plainly,
    next_page,
    cdr_location_of_a_delivery,
    cdr_location_of_what_was_passed_on,
    images_and_terms,
]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
async def test_no_form_of_an_address_reaches_the_canary(place: Place, door: Door) -> None:
    assert len(set(forms(place))) >= 60
    taken = [form for form in forms(place) if await door(place, form)]
    assert place.canary == []
    assert taken == []


async def test_the_doors_work_with_an_honest_address(place: Place) -> None:
    """Else nothing above would be proven."""
    assert await endpoint_url(place, f"{place.url}/locations")
    assert await response_url(place, f"{place.url}/r")
    assert await next_page(place, f"{place.url}/l?offset=1")
    assert "/versions" in place.asked
    assert await cdr_location_of_a_delivery(place, f"{place.url}/kept/")
    assert await cdr_location_of_what_was_passed_on(place, f"{place.url}/kept/C1")
    reader, writer = await asyncio.open_connection(INSIDE, place.port)
    assert await reader.read() == b""
    assert place.canary == [INSIDE]
    writer.close()


async def test_a_name_that_leads_inside_the_second_time(place: Place) -> None:
    """DNS rebinding: the name is looked up at each connection, and what was found is what is connected to."""
    found: list[str] = []

    async def rebinding(host: str, _port: int) -> Iterable[str]:
        found.append(host)
        return [PARTNER if len(found) % 2 else INSIDE]

    place.hub.services.client._resolver = rebinding
    name = f"http://rebinding.example:{place.port}"
    place.says = lambda _request: http_answer(
        enveloped([{"version": "2.2.1", "url": f"{name}/2.2.1"}]), Connection="close"
    )
    body = json.loads(json.dumps(bodies.credentials("DE-OWN", f"{name}/versions")))
    for _ in range(6):
        answer = await place.hub.call("own", "PUT", "/2.2.1/credentials", body=body)
        assert answer.code == 3001, answer.text
    assert len(found) >= 7
    assert place.asked.count("/versions") >= 3
    assert "/2.2.1" not in place.asked
    assert place.canary == []

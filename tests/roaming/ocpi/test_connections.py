"""Which connection a request takes; everything else of them is held by ``test_client``."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from roaming.ocpi.addresses import AddressPolicy
from roaming.ocpi.client import Answer, Call, OcpiClient, Timeouts
from roaming.ocpi.headers import RequestIds
from tests.kit.scripted_partner import Received, ScriptedPartner, always, enveloped, http_answer
from tests.kit.wait import until

LOOPBACK = AddressPolicy.of("127.0.0.0/8", is_http_allowed=True)
OK = http_answer(enveloped([]))
Ask = Callable[..., Awaitable[Answer]]


def asking(client: OcpiClient) -> Ask:
    """Asks of one partner, whatever the address."""

    async def ask(partner: ScriptedPartner, target: str = "/") -> Answer:
        ids = RequestIds("request-1", "correlation-1")
        url = partner.url + target
        return await client.request(Call(partner_key="partner-1", method="GET", url=url, token_header=None, ids=ids))

    return ask


async def test_the_one_used_last_is_used_next() -> None:
    ports: list[int] = []
    all_here = asyncio.Barrier(3)
    is_first_round = True

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        if is_first_round:
            await all_here.wait()
        ports.append(writer.get_extra_info("peername")[1])
        writer.write(OK)

    async with ScriptedPartner(script) as partner, OcpiClient(LOOPBACK) as client:
        ask = asking(client)
        await asyncio.gather(*(ask(partner) for _ in range(3)))
        is_first_round = False
        for _ in range(4):
            assert (await ask(partner)).is_delivered
        assert partner.connections == 3
    assert len(set(ports[:3])) == 3
    assert len(set(ports[3:])) == 1


async def test_one_unused_for_too_long_is_left() -> None:
    timeouts = Timeouts(keep_alive=0.0)
    async with ScriptedPartner(always(OK)) as partner, OcpiClient(LOOPBACK, timeouts=timeouts) as client:
        ask = asking(client)
        for _ in range(3):
            assert (await ask(partner)).is_delivered
        assert partner.connections == 3
        await until(lambda: partner.open_connections == 1)


async def test_one_that_the_partner_closed_is_left() -> None:
    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        writer.close()

    async with ScriptedPartner(script) as partner, OcpiClient(LOOPBACK) as client:
        ask = asking(client)
        for count in (1, 2):
            assert (await ask(partner)).is_delivered
            await until(lambda: partner.open_connections == 0)
            assert partner.connections == count


async def test_addresses_of_one_partner_share_the_limit() -> None:
    async with (
        ScriptedPartner(always(OK)) as one,
        ScriptedPartner(always(OK)) as other,
        OcpiClient(LOOPBACK, max_connections=1) as client,
    ):
        ask = asking(client)
        for here, there in ((one, other), (other, one), (one, other)):
            assert (await ask(here)).is_delivered
            await until(lambda there=there: there.open_connections == 0)  # type: ignore[misc]
            assert here.open_connections == 1


async def test_first_come_first_served() -> None:
    async with ScriptedPartner(always(OK)) as partner, OcpiClient(LOOPBACK, max_connections=1) as client:
        ask = asking(client)
        await asyncio.gather(*(ask(partner, f"/{number}") for number in range(5)))
        assert [request.target for request in partner.requests] == [f"/{number}" for number in range(5)]
        assert partner.connections == 1


@pytest.mark.parametrize(
    "begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[]"]
)
async def test_a_request_that_is_given_up_leaves_its_place_and_no_connection(begun: bytes) -> None:
    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(begun)

    async with ScriptedPartner(script) as partner, OcpiClient(LOOPBACK, max_connections=1) as client:
        ask = asking(client)
        under_way = asyncio.create_task(ask(partner))
        await until(lambda: partner.requests)
        waiting = asyncio.create_task(ask(partner))
        await asyncio.sleep(0)
        for task in (waiting, under_way):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await until(lambda: partner.open_connections == 0)
        partner.script = always(OK)
        assert (await ask(partner)).is_delivered
        assert partner.connections == 2

import asyncio
import json

import httpx
import pytest

from roaming.ocpi.addresses import AddressPolicy
from roaming.ocpi.client import Call, OcpiClient, Outcome
from roaming.ocpi.fetching import FetchedPage, FetchLimits, Stopped, get_all_pages
from roaming.ocpi.headers import RequestIds
from tests.kit.scripted_partner import Received, Script, ScriptedPartner, always, enveloped, http_answer

LOOPBACK = AddressPolicy.of("127.0.0.0/8", is_http_allowed=True)


def paged(total: int, *, size: int = 2, link: str = '<http://{host}/l?offset={next}&limit=2>; rel="next"') -> Script:
    """A list of ``total`` objects in pages of ``size``."""

    async def script(request: Received, writer: asyncio.StreamWriter) -> None:
        offset = int(request.target.partition("offset=")[2].partition("&")[0] or 0)
        items = [{"id": str(number)} for number in range(offset, min(offset + size, total))]
        headers = {"X_Total_Count": str(total)}
        if offset + size < total:
            headers["Link"] = link.replace("{host}", request.headers["host"]).replace("{next}", str(offset + size))
        writer.write(http_answer(enveloped(items), **headers))

    return script


async def fetch(partner: ScriptedPartner, path: str = "/l", limits: FetchLimits | None = None) -> list[FetchedPage]:
    call = Call(
        partner_key="p", method="GET", url=partner.url + path, token_header="Token t", ids=RequestIds("r-1", "c-1")
    )
    async with OcpiClient(LOOPBACK) as client:
        return [page async for page in get_all_pages(client, call, limits or FetchLimits())]


def ids(pages: list[FetchedPage]) -> list[str]:
    return [item["id"] for page in pages for item in page.items]


async def test_all_pages_are_fetched_in_order() -> None:
    async with ScriptedPartner(paged(5)) as partner:
        pages = await fetch(partner)
    assert ids(pages) == ["0", "1", "2", "3", "4"]
    assert [page.total for page in pages] == [5, 5, 5]
    assert [page.stopped for page in pages] == [None, None, None]
    assert [page.next_url is None for page in pages] == [False, False, True]
    assert all(request.headers["authorization"] == "Token t" for request in partner.requests)
    assert {request.headers["x-correlation-id"] for request in partner.requests} == {"c-1"}
    assert len({request.headers["x-request-id"] for request in partner.requests}) == 3


async def test_an_empty_list_is_complete() -> None:
    async with ScriptedPartner(paged(0)) as partner:
        (page,) = await fetch(partner)
    assert (page.items, page.total, page.next_url, page.stopped) == ((), 0, None, None)


@pytest.mark.parametrize("link", ["</l?offset={next}&limit=2>; rel=next", "<?offset={next}>; rel=next"])
async def test_relative_links_and_bare_rel(link: str) -> None:
    async with ScriptedPartner(paged(5, link=link)) as partner:
        assert len(ids(await fetch(partner))) == 5


async def test_the_link_of_py_ocpi_and_its_relatives_is_mended() -> None:
    link = '<https://{host}/VersionNumber.v_2_2_1/ModuleID.locations/?date_from=None&offset={next}&limit=2>; rel="next"'
    async with ScriptedPartner(paged(5, link=link)) as partner:
        pages = await fetch(partner, "/ocpi/cpo/2.2.1/locations?limit=2")
    assert len(ids(pages)) == 5
    assert pages[0].findings == ("link_scheme", "link_path")
    assert partner.requests[1].target == "/ocpi/cpo/2.2.1/locations?offset=2&limit=2"


@pytest.mark.parametrize(
    ("link", "visits"),
    [
        ("<http://{host}/l>; rel=next", 1),
        ("<http://{host}/l?offset=2>; rel=next", 2),
        ("<>; rel=next", 1),
    ],
)
async def test_a_loop_is_seen(link: str, visits: int) -> None:
    async with ScriptedPartner(paged(100, link=link)) as partner:
        pages = await fetch(partner)
    assert len(partner.requests) == visits
    assert [page.stopped for page in pages] == [None] * (visits - 1) + [Stopped.LOOP]


async def test_a_loop_of_two_is_seen() -> None:
    async def script(request: Received, writer: asyncio.StreamWriter) -> None:
        following = "/b" if request.target == "/a" else "/a"
        writer.write(http_answer(enveloped([{"id": request.target}]), Link=f"<{following}>; rel=next"))

    async with ScriptedPartner(script) as partner:
        pages = await fetch(partner, "/a")
    assert ids(pages) == ["/a", "/b"]
    assert pages[-1].stopped is Stopped.LOOP


async def test_endless_pages_are_left() -> None:
    async with ScriptedPartner(paged(10**9)) as partner:
        assert (await fetch(partner, limits=FetchLimits(pages=5)))[-1].stopped is Stopped.TOO_MANY_PAGES
        assert len(partner.requests) == 5
        assert (await fetch(partner, limits=FetchLimits(total_bytes=300)))[-1].stopped is Stopped.TOO_MANY_BYTES
        assert len(await fetch(partner, limits=FetchLimits(seconds=0.0))) == 1


async def test_a_failure_in_the_middle_is_no_end() -> None:
    good = paged(5)

    async def script(request: Received, writer: asyncio.StreamWriter) -> None:
        if "offset=2" in request.target:
            writer.write(http_answer(b"oops", status="500 Internal Server Error"))
        else:
            await good(request, writer)

    async with ScriptedPartner(script) as partner:
        pages = await fetch(partner)
    assert ids(pages) == ["0", "1"]
    assert pages[-1].stopped is Stopped.FAILED
    assert pages[-1].answer.outcome is Outcome.FAILED


@pytest.mark.parametrize("data", [None, {"id": "1"}, "text"])
async def test_what_is_no_list_is_not_an_empty_list(data: object) -> None:
    async with ScriptedPartner(always(http_answer(enveloped(data)))) as partner:
        (page,) = await fetch(partner)
    assert page.stopped is Stopped.NOT_A_LIST
    without = json.dumps({"status_code": 1000, "timestamp": "2026-11-23T10:00:00Z"}).encode()
    async with ScriptedPartner(always(http_answer(without))) as partner:
        (page,) = await fetch(partner)
    assert page.stopped is Stopped.NOT_A_LIST


@pytest.mark.parametrize("target", ["http://169.254.169.254/l", "file:///etc/passwd", "http://10.0.0.1/l"])
async def test_a_link_to_the_inside_is_refused(target: str) -> None:
    async with ScriptedPartner(always(http_answer(enveloped([]), Link=f"<{target}>; rel=next"))) as partner:
        pages = await fetch(partner)
        assert len(partner.requests) == 1
    assert [page.stopped for page in pages] == [Stopped.FOREIGN_LINK]


@pytest.mark.parametrize(
    "target", ["http://localhost:{port}/l", "http://127.0.0.1:1/l", "http://user@127.0.0.2:{port}/l"]
)
async def test_a_link_off_the_origin_is_not_followed(target: str) -> None:
    async def script(request: Received, writer: asyncio.StreamWriter) -> None:
        port = request.headers["host"].partition(":")[2]
        writer.write(http_answer(enveloped([{"id": "1"}]), Link=f"<{target.replace('{port}', port)}>; rel=next"))

    async with ScriptedPartner(script) as partner:
        pages = await fetch(partner)
        assert len(partner.requests) == 1
    assert ids(pages) == ["1"], "what came before the link counts"
    assert pages[-1].stopped is Stopped.FOREIGN_LINK


async def test_a_total_that_falls_is_noted() -> None:
    totals = [5, 4]

    async def script(request: Received, writer: asyncio.StreamWriter) -> None:
        following = {} if "page=2" in request.target else {"Link": "</l?page=2>; rel=next"}
        writer.write(http_answer(enveloped([]), X_Total_Count=str(totals.pop(0)), **following))

    async with ScriptedPartner(script) as partner:
        pages = await fetch(partner)
    assert pages[1].findings == ("total_fell",)


async def test_the_token_does_not_leave_tls() -> None:
    def handle(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=enveloped([]), headers={"Link": "<http://other.example/l>; rel=next"})

    async with OcpiClient(LOOPBACK, transport=lambda: httpx.MockTransport(handle)) as client:
        call = Call(
            partner_key="p", method="GET", url="https://cpo.example/l", token_header="Token t", ids=RequestIds.fresh()
        )
        pages = [page async for page in get_all_pages(client, call)]
    assert [page.stopped for page in pages] == [Stopped.DOWNGRADE]

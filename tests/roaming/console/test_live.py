"""One reader for all pages, none without a page, and every page told of every change."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from roaming.console import live, pages
from roaming.console.live import Live
from roaming.console.state import picture
from roaming.store.errors import StoreUnavailable
from roaming.store.reader import Reader
from tests.kit.hub_in_process import hub_in_process
from tests.kit.server_process import free_port
from tests.kit.wait import until


class Store:
    """What the pages show, and how often it was read."""

    def __init__(self) -> None:
        self.text = "first"
        self.reads = 0
        self.is_away = False

    async def read(self) -> str:
        self.reads += 1
        if self.is_away:
            raise StoreUnavailable("away")
        return self.text


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(live, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(live, "SIGN_OF_LIFE_EVERY", 0.1)
    return Store()


async def test_without_a_page_nothing_is_read(store: Store) -> None:
    shared = Live(store.read)
    await asyncio.sleep(0.1)
    assert store.reads == 0
    page = shared.follow()
    assert await anext(page) == "first"
    await page.aclose()
    before = store.reads
    await asyncio.sleep(0.1)
    assert store.reads == before, "the last page is closed"


async def test_many_pages_share_one_reader_and_all_are_told(store: Store) -> None:
    shared = Live(store.read)
    pages = [shared.follow() for _ in range(50)]
    assert await asyncio.gather(*(anext(page) for page in pages)) == ["first"] * 50
    waiting = asyncio.gather(*(anext(page) for page in pages))
    before = store.reads
    store.text = "second"
    assert await waiting == ["second"] * 50
    assert store.reads - before <= 3
    await pages.pop().aclose()
    store.text = "third"
    assert await anext(pages[0]) == "third", "others left, this one stays"
    for page in pages:
        await page.aclose()


async def test_a_page_that_comes_later_sees_what_is_now(store: Store) -> None:
    shared = Live(store.read)
    early = shared.follow()
    await anext(early)
    late = shared.follow()
    assert await anext(late) == "first"
    await early.aclose()
    await late.aclose()
    store.text = "second"
    again = shared.follow()
    assert await anext(again) == "second", "nothing old is shown after a pause"
    await again.aclose()


async def test_silence_is_broken_by_a_sign_of_life(store: Store) -> None:
    page = Live(store.read).follow()
    assert [await anext(page), await anext(page)] == ["first", ""]
    await page.aclose()


async def test_a_page_lives_through_an_outage(store: Store) -> None:
    store.is_away = True
    page = Live(store.read).follow()
    assert await anext(page) == ""
    store.is_away = False
    assert await anext(page) == "first"
    store.is_away = True
    reads = store.reads
    await until(lambda: store.reads > reads + 2)
    store.text, store.is_away = "second", False
    while not (text := await anext(page)):
        pass
    assert text == "second"
    await page.aclose()


async def test_a_page_that_goes_away_ends_the_reading(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    """Over a real socket, which is closed without a word."""

    async def counted(reader: Reader) -> dict[str, Any]:
        store.reads += 1
        return await picture(reader)

    monkeypatch.setattr(pages, "picture", counted)
    app, port = FastAPI(), free_port()
    async with hub_in_process(sqlite_url, tmp_path) as hub:
        pages.mount_console(app, hub.services, notice="")
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve())
        await until(lambda: server.started)
        streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for reader, writer in streams:
            writer.write(b"GET /console/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200 OK" in await reader.readuntil(b'"totals"')
        for _, writer in streams:
            writer.close()

        async def is_still() -> bool:
            before = store.reads
            await asyncio.sleep(0.2)
            return store.reads == before

        await until(is_still)
        assert store.reads > 0
        server.should_exit = True
        await serving

"""The page of each version says all that its document says, escaped, and takes nothing from outside."""

import json
import re
from collections.abc import AsyncIterator
from html import escape
from pathlib import Path

import httpx
import pytest

from roaming.console import docs
from roaming.console.pages import mount_console
from roaming.model.version import Version
from tests.kit.hub_in_process import hub_in_process
from tests.openapi import API

HERE = "http://127.0.0.1"


@pytest.fixture
async def browser(sqlite_url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody at this machine."""
    async with hub_in_process(sqlite_url, tmp_path) as hub:
        mount_console(hub.app, hub.services, notice="")
        transport = httpx.ASGITransport(hub.app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url=HERE, trust_env=False) as client:
            yield client


@pytest.mark.parametrize("version", Version)
async def test_every_operation_object_and_example_is_there(browser: httpx.AsyncClient, version: Version) -> None:
    document = json.loads((API / f"ocpi-{version}.json").read_text())
    answer = await browser.get(f"/docs/{version}")
    assert answer.status_code == 200
    text = answer.text
    for path, methods in document["paths"].items():
        assert f"<code>{escape(path)}</code>" in text
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in text
            for example in (
                operation.get("requestBody", {})
                .get("content", {})
                .get("application/json", {})
                .get("examples", {})
                .values()
            ):
                assert (
                    escape(json.dumps(example["value"], indent=2, ensure_ascii=False))
                    .replace("&#x27;", "&#39;")
                    .replace("&quot;", "&#34;")
                    in text
                )
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in text
    assert json.loads((await browser.get(f"/docs/ocpi-{version}.json")).text) == document


@pytest.mark.parametrize("version", Version)
async def test_nothing_comes_from_outside(browser: httpx.AsyncClient, version: Version) -> None:
    answer = await browser.get(f"/docs/{version}")
    addresses = re.findall(r'(?:src|href|action)="([^"]*)"', answer.text)
    assert len(addresses) > 50
    assert [address for address in addresses if not re.match(r"#|/(?!/)", address)] == []
    assert "<script" not in answer.text
    assert "style=" not in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    ids = re.findall(r'id="([^"]*)"', answer.text)
    assert len(ids) == len(set(ids))
    assert {address[1:] for address in addresses if address.startswith("#")} <= set(ids)
    for address in {address for address in addresses if address.startswith("/")}:
        assert (await browser.get(address)).status_code == 200, address


async def test_the_newest_version_is_shown_first_and_others_are_not_found(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/docs")).text == docs.page("2.3.0")
    for path in ("/docs/3.0", "/docs/..%2f..%2fpyproject", "/docs/ocpi-9.json", "/docs/asyncapi.json"):
        assert (await browser.get(path)).status_code == 404, path


@pytest.mark.parametrize("path", ["/docs", "/docs/2.2.1", "/docs/ocpi-2.2.1.json"])
async def test_it_is_for_people_at_this_machine(browser: httpx.AsyncClient, path: str) -> None:
    assert (await browser.get(path, headers={"Host": "hub.example"})).status_code == 403
    assert (await browser.get(path, headers={"X-Forwarded-For": "192.0.2.1"})).status_code == 403

"""The demo as its visitor sees it: a real browser on the live page, one driver clicked in and stopped."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, expect

from roaming.monitoring.drawing import COLOURS
from tests.kit.browser import page
from tests.kit.server_process import free_port

__all__ = ["page"]
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``roaming demo`` as a process of its own; its address."""
    port = free_port()
    environment = {
        **os.environ,
        "ROAMING_DATA_DIR": str(tmp_path_factory.mktemp("demo")),
        "ROAMING_PORT": str(port),
        "ROAMING_OCPP_PORT": str(free_port()),
    }
    command = [sys.executable, "-m", "roaming.cli", "demo", "--partner-port", str(free_port()), "--arrivals", "0"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 40
        while True:
            try:
                with urllib.request.urlopen(f"{address}/livez", timeout=1):
                    break
            except OSError:
                assert process.poll() is None, "the demo ended by itself"
                assert time.monotonic() < end, "the demo was not ready in time"
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_a_visitor_sends_a_driver_and_sees_the_cdr_acknowledged(demo: str, page: Page, tmp_path: Path) -> None:
    asked: list[str] = []
    troubles: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)

    page.goto(demo)
    expect(page.locator("#live")).to_have_text("live", timeout=20_000)
    expect(page.locator(".station")).to_have_count(6, timeout=20_000)
    expect(page.locator("#notice")).to_contain_text("demo")

    page.get_by_role("radio", name="Grace").click()
    plug = page.get_by_role("button", name="Plug in at DEMO-004")
    expect(plug).to_be_enabled(timeout=20_000)
    plug.click()
    expect(page.locator("#said")).to_contain_text("Grace charges at DEMO-004", timeout=20_000)
    session = page.locator("#sessions tr", has_text="DEMO-004")
    expect(session).to_contain_text("active", timeout=20_000)
    page.get_by_role("button", name="Stop the session at DEMO-004").click()
    expect(session).to_contain_text("completed", timeout=30_000)
    expect(page.locator("#cdrs tr", has_text="DEMO-004")).to_contain_text("acknowledged", timeout=30_000)
    page.screenshot(path=os.environ.get("ROAMING_SCREENSHOT", str(tmp_path / "page.png")))

    with page.expect_popup() as opened:
        page.get_by_role("link", name="How DEMO-004 was in 90 days").click()
    ribbon = opened.value
    expect(ribbon.locator("h1")).to_contain_text("DEMO-004")
    charge = ribbon.get_by_role("img", name="connector 1").locator(f'rect[fill="{COLOURS["CHARGING"]}"]')
    end = time.monotonic() + 20
    while not charge.count() and time.monotonic() < end:
        ribbon.reload()  # it is written by another consumer than the CDR
    assert charge.count(), "a charge of seconds is to be seen in 90 days"
    assert charge.last.evaluate("mark => getComputedStyle(mark).fill") == "rgb(21, 101, 192)"
    colours = ribbon.locator("svg rect").evaluate_all("found => found.map(one => getComputedStyle(one).fill)")
    assert set(colours) - {"rgb(0, 0, 0)"}, "nothing is drawn, or no colour let through"
    ribbon.close()

    page.get_by_role("radio", name="Mallory").click()
    page.get_by_role("button", name="Plug in at DEMO-005").click()
    expect(page.locator("#said")).to_contain_text("Mallory was refused", timeout=20_000)

    assert troubles == []
    assert [url for url in asked if not url.startswith(demo)] == []

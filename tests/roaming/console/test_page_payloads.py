"""What partners and stations write is shown on the pages as text: in a real browser no word of it runs, and nothing is
fetched from elsewhere. Fifty ways to write a script, in every field that somebody else can fill."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from roaming.console import pages
from roaming.console.pages import mount_console
from tests.kit.browser import page
from tests.kit.hub_in_process import HubInProcess
from tests.kit.hub_on_socket import HubOnSocket, hub_on_socket

__all__ = ["page"]
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(180)]

CALL = "alert(1)"
ELSEWHERE = "http://127.0.0.1:9"
PAYLOADS = [
    f"<script>{CALL}</script>",
    f"<script src={ELSEWHERE}/x.js></script>",
    f"<ScRiPt>{CALL}</sCrIpT>",
    f"<script\x0c>{CALL}</script>",
    f"<script/x>{CALL}</script>",
    f"<<script>{CALL};//<</script>",
    f"<scr<script>ipt>{CALL}</scr</script>ipt>",
    f"<img src=x onerror={CALL}>",
    f"<img src={ELSEWHERE}/i.png>",
    f"<img/src/onerror={CALL}>",
    f'<img src="x` `<script>{CALL}</script>"` `>',
    f"<svg onload={CALL}>",
    f"<svg><script>{CALL}</script></svg>",
    f"<svg><animate onbegin={CALL} attributeName=x dur=1s>",
    f"<svg><a xlink:href=javascript:{CALL}><text y=20>x</text></a></svg>",
    f"<math><mtext></p><style><img src=x onerror={CALL}></style>",
    f"<body onload={CALL}>",
    f"<iframe src=javascript:{CALL}></iframe>",
    f"<iframe srcdoc='<script>{CALL}</script>'></iframe>",
    f"<object data=javascript:{CALL}></object>",
    f"<embed src=javascript:{CALL}>",
    f"<video><source onerror={CALL}></video>",
    f"<audio src=x onerror={CALL}>",
    f"<details open ontoggle={CALL}>",
    f"<input autofocus onfocus={CALL}>",
    f"<select autofocus onfocus={CALL}>",
    f"<marquee onstart={CALL}>",
    f"<a href=javascript:{CALL}>x</a>",
    f"<form action=javascript:{CALL}><input type=submit>",
    f"<isindex action=javascript:{CALL}>",
    f"<meta http-equiv=refresh content='0;url=javascript:{CALL}'>",
    f"<meta http-equiv=refresh content='0;url={ELSEWHERE}/'>",
    f"<base href={ELSEWHERE}/>",
    f"<link rel=stylesheet href={ELSEWHERE}/x.css>",
    f"<style>@import '{ELSEWHERE}/x.css';</style>",
    f"<div style=\"background:url('{ELSEWHERE}/b')\">",
    f"<template><script>{CALL}</script></template>",
    f"<noscript><p title='</noscript><img src=x onerror={CALL}>'>",
    f"<textarea></textarea><script>{CALL}</script>",
    f"<title></title><script>{CALL}</script>",
    f"<!--><script>{CALL}</script>-->",
    f"]]><script>{CALL}</script>",
    f"</td></tr></table><script>{CALL}</script>",
    f'"><script>{CALL}</script>',
    f"'-{CALL}-'",
    f'" onmouseover={CALL} autofocus onfocus={CALL} x="',
    f"javascript:{CALL}",
    f"data:text/html,<script>{CALL}</script>",
    f"&lt;script&gt;{CALL}&lt;/script&gt;",
    f"\\u003cscript\\u003e{CALL}\\u003c/script\\u003e",
    f"${{{CALL}}}",
    f"{{{{constructor.constructor('{CALL}')()}}}}",
    f"data: {CALL}\n\nevent: message\ndata: x",
    f"\u2028{CALL}\u2029<script>{CALL}</script>",
]
SHOWN = {
    "stations": ("station", "make", "evse", "location", "status"),
    "sessions": ("id", "evse", "driver", "currency", "how", "status"),
    "cdrs": ("id", "evse", "owner", "currency", "partner", "state", "error"),
    "partners": ("id", "name", "state"),
}
"""What the picture has of others' words."""


def picture_of(payload: str) -> dict[str, Any]:
    """A picture whose every text is the payload."""
    rows: dict[str, dict[str, Any]] = {name: dict.fromkeys(fields, payload) for name, fields in SHOWN.items()}
    rows["stations"] |= {"is_bound": True, "is_online": True, "connector": 1}
    rows["sessions"] |= {"kwh": "1.5", "cost": "1", "started": "2026-11-23T10:00:00Z", "periods": 1}
    numbers = {"kwh": 1.5, "hours": 1, "cost": 1, "with_taxes": 1, "periods": 1, "attempts": 2}
    rows["cdrs"] |= {**numbers, "acknowledged_at": None}
    totals = {"charging": 1, "acknowledged": 1, "on_their_way": 1, "dead_letters": 0, "cdrs": 1}
    return {name: [row] for name, row in rows.items()} | {"totals": totals}


class Shown:
    """What the page is sent."""

    def __init__(self) -> None:
        self.payload = ""

    async def picture(self, _reader: Any) -> dict[str, Any]:
        return picture_of(self.payload)

    def drivers(self) -> list[dict[str, str]]:
        return [{"uid": self.payload, "name": self.payload, "note": self.payload}]

    async def plug_in(self, _evse: str, _driver: str) -> str:
        return self.payload

    async def stop(self, _session: str) -> str:
        return self.payload


@pytest.fixture
def shown() -> Shown:
    return Shown()


@pytest.fixture
def running(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: Shown) -> Iterator[HubOnSocket]:
    monkeypatch.setattr(pages, "picture", shown.picture)

    async def prepare(hub: HubInProcess) -> None:
        mount_console(hub.app, hub.services, notice=PAYLOADS[0], controls=shown)

    with hub_on_socket(sqlite_url, tmp_path, prepare=prepare) as started:
        yield started


def test_no_word_of_others_runs(running: HubOnSocket, shown: Shown, page: Page) -> None:
    asked: list[str] = []
    ran: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    page.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: ran.append(str(error)))
    assert len(set(PAYLOADS)) >= 50
    tags: set[str] = set()
    linked: set[str] = set()
    for payload in PAYLOADS:
        shown.payload = payload
        page.goto(running.url)
        expect(page.locator("#live")).to_have_text("live", timeout=20_000)
        # What the page before was sent may come once more: its stream is not known to be closed yet
        is_shown = "text => document.querySelector('#partners li')?.textContent === text"
        page.wait_for_function(is_shown, arg=f"{payload} ({payload}): {payload.lower()}", timeout=20_000)
        assert page.locator("#stations b").text_content() == payload
        assert page.locator("#sessions td").first.text_content() == payload
        assert page.locator("#cdrs td").nth(1).text_content() == payload
        assert page.locator("#drivers button").text_content() in {f"{each}: {each}" for each in PAYLOADS}
        page.locator("#drivers button").click()
        tags.update(page.evaluate("[...document.querySelectorAll('main *')].map(each => each.tagName)"))
        linked.update(
            page.evaluate("[...document.querySelectorAll('main a')].map(each => each.origin + each.pathname)")
        )
    own = {"SECTION", "DIV", "B", "SPAN", "H2", "P", "BUTTON", "SMALL", "TABLE", "THEAD", "TBODY", "TR", "TH", "TD"}
    assert tags <= own | {"UL", "LI", "A"}, "an element of others' making"
    assert linked <= {f"{running.url}/console/ribbon"}
    assert ran == []
    assert {url for url in asked if not url.startswith(running.url)} == set()


def test_what_would_run_is_seen(running: HubOnSocket, page: Page) -> None:
    """Else nothing above would be proven."""
    ran: list[str] = []
    page.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
    page.set_content(f"<script>{CALL}</script>")
    assert ran == ["1"]


@pytest.mark.parametrize("path", ["/", "/console/state", "/docs", "/docs/2.2.1"])
def test_pages_forbid_scripts_written_into_them_and_frames(running: HubOnSocket, page: Page, path: str) -> None:
    answer = page.goto(running.url + path)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_another_page_can_click_nothing(running: HubOnSocket, shown: Shown, page: Page) -> None:
    """CSRF: a request without the page's own header, as another origin could send it, does nothing."""
    shown.payload = "done"
    page.goto(running.url)
    script = 'path => fetch(path, {method: \'POST\', body: \'{"evse":"x","driver":"x","session":"x"}\'})'
    for path in ("/console/plug-in", "/console/stop"):
        assert page.evaluate(f"path => ({script})(path).then(answer => answer.status)", path) == 403

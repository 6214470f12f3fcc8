"""A CPO made of the PyPI package extrawest-ocpi, faults and all: registered, pulled in full, checked."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.hub import Hub
from tests.kit import tools
from tests.kit.platform import cpo_objects
from tests.kit.server_process import ServerProcess, free_port
from tests.kit.wait import until

COUNT = 25
TOKEN_A = "a-token-a-handed-over"
PATIENCE = 60.0

pytestmark = [pytest.mark.outside, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """Its pages are so small that every list has several."""
    settings = {"ROAMING_PULL_PAGE_SIZE": "10", "ROAMING_PULL_REQUESTS_PER_SECOND": "1000"}
    running = Hub("embedded", tmp_path, settings=settings)
    try:
        yield running.start()
    finally:
        running.stop()


@asynccontextmanager
async def extrawest(folder: Path) -> AsyncIterator[str]:
    """The versions address of the package's CPO, FR-CPO."""
    python = tools.extrawest_python() or tools.is_missing("the package extrawest-ocpi: run .ci/run once")
    objects = folder / "objects.json"
    await asyncio.to_thread(objects.write_text, json.dumps(cpo_objects(COUNT)))
    port = free_port()
    program = Path(__file__).parent / "outside" / "extrawest_cpo.py"
    process = ServerProcess([python, program, str(port), objects, TOKEN_A], log=folder / "extrawest.log")
    await asyncio.to_thread(process.start, lambda text: "startup complete" in text, seconds=60)
    try:
        yield f"http://127.0.0.1:{port}/ocpi/versions"
    finally:
        await asyncio.to_thread(process.stop)


async def test_a_partner_with_faults_is_pulled_in_full(hub: Hub, tmp_path: Path) -> None:
    async def operator(*words: str) -> Any:
        return await asyncio.to_thread(hub.cli, *words)

    async with extrawest(tmp_path) as url:
        await operator("party", "add", "DE-HME", "--role", "EMSP", "--name", "Home Mobility")
        start = ("--party", "FR-CPO", "--url", url, "--token", TOKEN_A)
        added = await operator("partner", "add", "extrawest", *start)
        assert added == {"partner": "extrawest", "state": "CONNECTED", "version": "2.2.1"}
        await operator("partner", "sync", "extrawest", "--full")
        pulls = {row["module"]: row for row in await operator("sync", "list", "--partner", "extrawest")}
        for module in ("locations", "tariffs", "sessions", "cdrs"):
            row = pulls[module]
            assert (row["state"], row["objects"], row["refused"], row["missing"]) == ("DONE", COUNT, 0, 0), row
            assert row["pages"] == 3, "its links are mended, not guessed"
        assert len(await operator("location", "list", "--partner", "extrawest")) == COUNT
        (dialect,) = [row["dialect"] for row in await operator("partner", "list")]
        assert dialect == "null_fields=sent? id_case=lower?"
        await give_token(operator, tmp_path)
        await check_faults(operator, url)


async def give_token(operator: Any, folder: Path) -> None:
    """What we push arrives: the package takes a token of ours."""
    token = {
        "country_code": "DE",
        "party_id": "HME",
        "uid": "HOME-1",
        "type": "RFID",
        "contract_id": "DE-HME-C00000001",
        "issuer": "Home",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": "2026-11-23T10:00:00Z",
    }
    file = folder / "token.json"
    await asyncio.to_thread(file.write_text, json.dumps([token]))
    await operator("token", "import", str(file))

    async def is_delivered() -> bool:
        rows = await operator("delivery", "list", "--state", "DELIVERED")
        return any(row["module"] == "tokens" and row["partner"] == "extrawest" for row in rows)

    await until(is_delivered, seconds=PATIENCE, every=0.5)


async def check_faults(operator: Any, url: str) -> None:
    """The check names the package's faults, module by module; what it says is kept."""
    with pytest.raises(AssertionError, match="FAIL"):
        await operator("partner", "check", "extrawest")
    report = (await operator("partner", "show", "extrawest"))["check"]
    assert (report["url"], report["version"], report["verdict"]) == (url, "2.2.1", "FAIL")
    found = {(check["module"], check["check"]): check for check in report["checks"]}
    faults = {key: check["details"] for key, check in found.items() if check["verdict"] != "PASS"}
    for module in ("locations", "tariffs", "sessions", "cdrs"):
        links = faults[module, "links"]
        assert any("names of a program" in line for line in links), links
        assert any("another scheme" in line for line in links), links
        assert "X-Request-ID: not echoed" in " ".join(faults[module, "request ids"])
        assert any(": NULL" in line for line in faults[module, "fields"])
        assert found[module, "fields"]["verdict"] == "WARN", faults[module, "fields"]
        assert found[module, "complete"]["verdict"] == "PASS"
    assert faults["locations", "single object"] == ["data: a list, expected one object"]
    assert any("no envelope" in line for line in faults["locations", "envelope"])

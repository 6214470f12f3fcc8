"""The built-in file server: an address is good for one station, once, and for nothing else."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.messages import OperationRequested
from contracts.messages.operation import UpdateFirmware, UploadLog
from roaming.console.files_api import addresses_of
from roaming.operations import files
from roaming.operations.files import LIFETIME, MOST_USES, TICKETS
from roaming.partners.operators import add_operator
from tests.kit.admitting import admitted
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.outbox import waiting

TOKEN = "an-operators-token-of-43-characters-at-least"
CONTENT = b"4.2.1\n" + bytes(range(256)) * 3000


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(sqlite_url, tmp_path, files_url="http://files.test") as running:
        async with running.services.database.work() as work:
            await add_operator(work, "anna", running.services.secrets.digest(TOKEN))
        await admitted(running.services.database, "CS-1", "CS-2")
        yield running


async def call(hub: HubInProcess, method: str, url: str, *, as_operator: bool = False, **rest: Any) -> httpx.Response:
    headers = ({"Authorization": f"Bearer {TOKEN}"} if as_operator else {}) | rest.pop("headers", {})
    url = url if url.startswith("http") else f"http://hub.test{url}"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(hub.app), trust_env=False) as client:
        return await client.request(method, url, headers=headers, **rest)


async def firmware(hub: HubInProcess, **headers: str) -> str:
    answer = await call(hub, "POST", "/api/firmware?name=fw.bin", as_operator=True, content=CONTENT, headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.json()["octets"] == len(CONTENT)
    return str(answer.json()["id"])


async def sent_url(hub: HubInProcess, body: dict[str, Any]) -> str:
    """What a station is told, of a request to CS-1."""
    answer = await call(hub, "POST", "/api/stations/CS-1/operations", as_operator=True, json=body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["operations"][0]["request"]["url"] == body["url"]
    (_, message) = (await waiting(hub.services.database, OperationRequested))[-1]
    assert isinstance(message.operation, UpdateFirmware | UploadLog)
    return message.operation.url


async def test_a_station_fetches_firmware_once(hub: HubInProcess) -> None:
    url = await sent_url(hub, {"kind": "UPDATE_FIRMWARE", "url": f"hub:{await firmware(hub)}"})
    assert url.startswith("http://files.test/files/")
    answer = await call(hub, "GET", url)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-disposition"] == "attachment"
    assert (await call(hub, "GET", url)).status_code == 404


async def test_signed_firmware_brings_its_signature(hub: HubInProcess) -> None:
    file = await firmware(hub, **{"X-Certificate": "-----BEGIN%0A", "X-Signature": "c2ln"})
    await sent_url(hub, {"kind": "UPDATE_FIRMWARE", "url": f"hub:{file}"})
    ((_, message),) = await waiting(hub.services.database, OperationRequested)
    assert isinstance(message.operation, UpdateFirmware)
    assert (message.operation.signing_certificate, message.operation.signature) == ("-----BEGIN\n", "c2ln")


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_station_lays_a_log_down_once(hub: HubInProcess, method: str) -> None:
    url = await sent_url(hub, {"kind": "UPLOAD_LOG", "log": "DIAGNOSTICS", "url": "hub:"})
    named = {"Content-Disposition": 'attachment; filename="../../etc/passwd"'}
    assert (await call(hub, method, url, content=b"log", headers=named)).status_code == 201
    assert (await call(hub, method, url, content=b"again")).status_code == 404
    (log,) = (await call(hub, "GET", "/api/logs", as_operator=True)).json()["files"]
    assert (log["name"], log["station_id"], log["octets"]) == ("....etcpasswd", "CS-1", 3)
    saved = await call(hub, "GET", f"/api/logs/{log['id']}", as_operator=True)
    assert (saved.content, saved.headers["content-type"]) == (b"log", "application/octet-stream")
    assert (await call(hub, "DELETE", f"/api/logs/{log['id']}", as_operator=True)).status_code == 204
    assert not await hub.services.database.reader.fetch("SELECT number FROM file_parts")


async def test_an_address_is_good_for_one_thing(hub: HubInProcess) -> None:
    fetch = await sent_url(hub, {"kind": "UPDATE_FIRMWARE", "url": f"hub:{await firmware(hub)}"})
    lay = await sent_url(hub, {"kind": "UPLOAD_LOG", "log": "SECURITY", "url": "hub:"})
    assert (await call(hub, "PUT", fetch, content=b"x")).status_code == 404
    assert (await call(hub, "GET", lay)).status_code == 404
    assert (await call(hub, "GET", fetch)).status_code == 200
    assert (await call(hub, "PUT", lay, content=b"x")).status_code == 201


async def test_what_broke_off_may_be_tried_again_but_not_for_ever(hub: HubInProcess) -> None:
    url = await sent_url(hub, {"kind": "UPDATE_FIRMWARE", "url": f"hub:{await firmware(hub)}"})
    addresses, text = addresses_of(hub.services), url.rsplit("/", 1)[1]
    for _ in range(MOST_USES):
        assert await addresses.begin(hub.services.database, text, is_fetching=True)
    assert await addresses.begin(hub.services.database, text, is_fetching=True) is None


async def test_an_address_ends_after_a_day(hub: HubInProcess) -> None:
    url = await sent_url(hub, {"kind": "UPDATE_FIRMWARE", "url": f"hub:{await firmware(hub)}"})
    async with hub.services.database.work() as work:
        past = work.now - timedelta(seconds=1)
        await work.connection.execute(TICKETS.update().values(expires_at=past))
    assert (await call(hub, "GET", url)).status_code == 404
    assert timedelta(0) < LIFETIME <= timedelta(days=1)


async def test_addresses_cannot_be_made_up(hub: HubInProcess) -> None:
    url = await sent_url(hub, {"kind": "UPDATE_FIRMWARE", "url": f"hub:{await firmware(hub)}"})
    base, _, text = url.rpartition("/")
    made_up = [
        text[:-1] + ("0" if text[-1] != "0" else "1"),
        "A" + text[1:],
        text.split(".")[0],
        f"{text}.x",
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "x" * 5000,
    ]
    for other in made_up:
        assert (await call(hub, "GET", f"{base}/{other}")).status_code == 404, other
    assert (await call(hub, "GET", url)).status_code == 200


async def test_what_is_too_large_leaves_nothing(hub: HubInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST_LOG", 1_000_000)
    url = await sent_url(hub, {"kind": "UPLOAD_LOG", "log": "SECURITY", "url": "hub:"})

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000

    assert (await call(hub, "PUT", url, content=b"x" * 1_000_001)).status_code == 413
    assert (await call(hub, "PUT", url, content=endless())).status_code == 413
    assert not await hub.services.database.reader.fetch("SELECT id FROM files")
    assert not await hub.services.database.reader.fetch("SELECT number FROM file_parts")
    assert (await call(hub, "PUT", url, content=b"x" * 1_000_000)).status_code == 201


@pytest.mark.parametrize("file", ["nothing", "", "../x"])
async def test_a_file_that_is_not_there_is_a_mistake(hub: HubInProcess, file: str) -> None:
    body = {"kind": "UPDATE_FIRMWARE", "url": f"hub:{file}"}
    answer = await call(hub, "POST", "/api/stations/CS-1/operations", as_operator=True, json=body)
    assert (answer.status_code, "roaming firmware list" in answer.json()["error"]) == (404, True)
    assert not await waiting(hub.services.database, OperationRequested)


async def test_firmware_that_was_removed_is_gone(hub: HubInProcess) -> None:
    file = await firmware(hub)
    url = await sent_url(hub, {"kind": "UPDATE_FIRMWARE", "url": f"hub:{file}"})
    assert (await call(hub, "DELETE", f"/api/firmware/{file}", as_operator=True)).status_code == 204
    assert (await call(hub, "GET", url)).status_code == 404


async def test_a_wave_can_be_tried_without_asking_anybody(hub: HubInProcess) -> None:
    body = {"file_id": await firmware(hub), "stations": ["CS-2", "CS-1"], "dry_run": True}
    answer = await call(hub, "POST", "/api/waves", as_operator=True, json=body)
    assert (answer.status_code, answer.json()["steps"]) == (200, [["CS-1", "CS-2"]])
    assert (await call(hub, "GET", "/api/waves", as_operator=True)).json() == {"waves": []}


@pytest.mark.parametrize("path", ["/api/firmware", "/api/logs", "/api/logs/x", "/api/waves", "/api/waves/x"])
async def test_strangers_see_nothing(hub: HubInProcess, path: str) -> None:
    assert (await call(hub, "GET", path)).status_code == 401

"""``/readyz`` of each process of the service: what it says when something it depends on goes away."""

import asyncio
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from contracts.bus.memory import MemoryBus
from roaming.app import open_services
from roaming.cli.health import service_health, worker_health
from roaming.cli.running import everything
from roaming.settings import Settings
from roaming.worker import Worker
from tests.kit import postgresql
from tests.kit.hub_in_process import hub_in_process
from tests.kit.postgresql import Postgresql
from tests.kit.server_process import free_port
from tests.kit.tools import is_missing


def readyz(port: int, **headers: str) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/readyz", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def modes(folder: Path) -> dict[str, int]:
    """Of every file below ``folder``, by name."""
    return {path.name: path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}


async def test_all_in_one_process_whose_files_are_its_own(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, port=free_port(), ocpp_port=free_port(), has_console=False)
    async with everything(settings):
        status, said = await asyncio.to_thread(readyz, settings.port)
        assert (status, said["status"]) == (200, "ok")
        assert (said["database"], said["bus"], said["adapter"], said["backlog"]) == ("ok", "ok", "ok", 0)
        assert {"service.sessions", "service.cdrs"} <= set(said["lag"])
        assert await asyncio.to_thread(readyz, settings.port, Via="1.1 proxy") == (200, {"status": "ok"})
        assert {"hub.db", "hub.db-wal", "ocpp-state.sqlite"} <= set(modes(tmp_path))
        assert set(modes(tmp_path).values()) == {0o600}, "others may not read these"


@pytest.mark.postgresql
async def test_a_database_that_is_away(tmp_path: Path) -> None:
    if reason := postgresql.missing():
        is_missing(reason)
    with Postgresql() as server:
        settings = Settings(data_dir=tmp_path, database_url=server.url(), secret="5e" * 32)
        async with open_services(settings) as services:
            assert (await service_health(services)).body() == {"status": "ok", "database": "ok"}
            server.kill()
            health = await service_health(services)
            assert (health.http_status, health.body()["status"]) == (503, "not ready")
            assert health.body()["database"].startswith("away: ")


async def test_a_bus_that_is_away_and_a_task_that_ended(sqlite_url: str, tmp_path: Path) -> None:
    async with hub_in_process(sqlite_url, tmp_path) as hub:
        bus = MemoryBus()
        worker = Worker(hub.services, bus)
        await worker.start()
        assert (await worker_health(hub.services, bus, worker)).is_ready
        await bus.close()
        health = await worker_health(hub.services, bus, worker)
        assert (health.is_ready, health.parts["database"], health.parts["bus"]) == (
            False,
            "ok",
            "away, or a reader hangs",
        )
        await worker.stop()
        assert "deliverer" in (await worker_health(hub.services, bus, worker)).parts["ended_tasks"]

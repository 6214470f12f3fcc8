"""How a process of the service is: what its ``/readyz`` says."""

import asyncio
from typing import Any

from contracts.bus.port import Bus
from contracts.probes import Health
from roaming.ocpi.module import Services
from roaming.store.errors import StoreUnavailable
from roaming.worker import Worker

DATABASE_SECONDS = 2.0


async def service_health(services: Services) -> Health:
    """Of a process that answers partners: it needs the database."""
    database = await _database(services)
    return Health(is_ready=database == "ok", parts={"database": database})


async def worker_health(services: Services, bus: Bus, worker: Worker) -> Health:
    """Of a worker: it needs the database and the bus, and its readers and tasks to be at work."""
    database = await _database(services)
    parts: dict[str, Any] = {
        "database": database,
        "bus": "ok" if bus.is_healthy() else "away, or a reader hangs",
        "lag": await bus.lag(),
    }
    if ended := worker.ended_tasks():
        parts |= {"ended_tasks": ended, "next": "start it again; the log says why"}
    if stopped := worker.stopped_readers():
        parts |= {"stopped_readers": stopped, "next": "roaming dead-letter list says why; mend it, then start again"}
    return Health(is_ready=database == "ok" and worker.is_healthy(), parts=parts)


async def _database(services: Services) -> str:
    try:
        async with asyncio.timeout(DATABASE_SECONDS):
            await services.database.reader.fetch("SELECT 1")
    except StoreUnavailable as error:
        return f"away: {error}"
    except TimeoutError:
        return f"away: no answer for {DATABASE_SECONDS:g} s"
    return "ok"

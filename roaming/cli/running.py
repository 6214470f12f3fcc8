"""Composition of processes: which parts run together, how they start, and how they end.

What only some processes need is imported by them: a killed one is to be back at work within three seconds.
"""

import asyncio
import errno
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import ValidationError

from contracts.bus.memory import MemoryBus
from contracts.bus.port import Bus
from contracts.collector import spare_collector
from contracts.probes import Check, Health, serve_probes
from roaming.app import adapter_secret, create_app, open_services, station_pepper
from roaming.cli.database import must_be_current
from roaming.cli.health import service_health, worker_health
from roaming.cli.output import fail, show
from roaming.ocpi.module import Services
from roaming.settings import Settings
from roaming.store.revisions import is_current
from roaming.worker import Worker, kept_days, retell

if TYPE_CHECKING:
    from roaming.console.pages import Controls

logger = structlog.get_logger(__name__)


async def start(*, migrate: bool, as_json: bool) -> None:
    """Everything in one process until SIGINT or SIGTERM."""
    settings = Settings()
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(everything(settings, migrate=migrate))
        show(await addresses(settings, services), as_json=as_json)
        await until_stopped()


async def serve(*, as_json: bool) -> None:
    """HTTP only until SIGINT or SIGTERM."""
    from roaming.cli.http import add_readiness, http

    settings = Settings()
    await must_be_current(settings)
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings))
        app = create_app(services)
        add_readiness(app, partial(service_health, services))
        await stack.enter_async_context(http(settings, services, app))
        journal = asyncio.create_task(services.journal.run())
        show({"versions": f"{services.public_url}/versions"}, as_json=as_json)
        await until_stopped()
        journal.cancel()
        await services.journal.flush()


async def work(*, as_json: bool) -> None:
    """A worker until SIGINT or SIGTERM."""
    settings = Settings()
    await must_be_current(settings)
    if settings.effective_database_url.startswith("sqlite"):
        fail("`roaming work` needs PostgreSQL: SQLite has one writer. Use `roaming start`, or set DATABASE_URL")
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings))
        bus = await stack.enter_async_context(bus_of(settings))
        worker = await stack.enter_async_context(working(services, bus, settings))
        if settings.probe_port:
            await stack.enter_async_context(probes(settings, partial(worker_health, services, bus, worker)))
        show({"worker": settings.instance}, as_json=as_json)
        await until_stopped()


@asynccontextmanager
async def probes(settings: Settings, check: Check) -> AsyncIterator[None]:
    """``/livez`` and ``/readyz`` of a process that has no other HTTP."""
    try:
        server = await serve_probes(settings.probe_host, settings.probe_port, check)
    except OSError as error:
        fail(f"port {settings.probe_port} cannot be used ({error.strerror}): set ROAMING_PROBE_PORT, or 0 for none")
    try:
        yield
    finally:
        server.close()


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a process adds to the common parts."""

    notice: str = ""
    """Shown on the live page."""
    controls: "Controls | None" = None
    adapter_settings: Mapping[str, Any] = field(default_factory=dict)


PLAIN = Parts()


@asynccontextmanager
async def everything(settings: Settings, *, migrate: bool = True, parts: Parts = PLAIN) -> AsyncIterator[Services]:
    """The embedded shape, or all parts in one process on PostgreSQL and Kafka."""
    from roaming.cli.http import add_readiness, http

    if not migrate:
        await must_be_current(settings)
    elif not await is_current(settings.effective_database_url):
        from roaming.store.migrate import upgrade

        await upgrade(settings.effective_database_url)
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings))
        bus = await stack.enter_async_context(bus_of(settings))
        worker = await stack.enter_async_context(working(services, bus, settings))
        kit = await stack.enter_async_context(adapters(settings, bus, parts.adapter_settings))
        if isinstance(bus, MemoryBus) and kit.knows_nobody():
            await retell(services)
        app = create_app(services)
        add_readiness(app, partial(_all_healthy, services, bus, worker, kit))
        if settings.has_console:
            from roaming.console.pages import mount_console

            mount_console(app, services, notice=parts.notice, controls=parts.controls)
        await stack.enter_async_context(http(settings, services, app))
        yield services


async def _all_healthy(services: Services, bus: Bus, worker: Worker, kit: Any) -> Health:
    health = await worker_health(services, bus, worker)
    is_serving = kit.is_healthy()
    stations = {"adapter": "ok" if is_serving else "cannot serve stations: see the log", "backlog": kit.backlog()}
    return Health(is_ready=health.is_ready and is_serving, parts={**health.parts, **stations})


@asynccontextmanager
async def bus_of(settings: Settings) -> AsyncIterator[Bus]:
    """The bus that the settings name; closed at the end, started by the worker."""
    bus: Bus
    if settings.kafka_bootstrap:
        from contracts.bus.kafka import KafkaBus

        bus = KafkaBus(settings.kafka_bootstrap, client_id=settings.instance, security=settings.kafka_security())
    else:
        bus = MemoryBus()
    try:
        yield bus
    finally:
        await bus.close()


@asynccontextmanager
async def working(services: Services, bus: Bus, settings: Settings) -> AsyncIterator[Worker]:
    """A running worker."""
    worker = Worker(services, bus, days=kept_days(settings))
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


@asynccontextmanager
async def adapters(settings: Settings, bus: Bus, values: Mapping[str, Any]) -> AsyncIterator[Any]:
    """The OCPP adapter in this process, found by entry point: the service does not import adapters. Yields what runs
    (``adapters.kit.runner.RunningKit``)."""
    (found,) = entry_points(group="roaming.adapters", name="ocpp")
    (runner,) = entry_points(group="roaming.adapter_runner", name="kit")
    adapter, run_kit = found.load(), runner.load()
    folder = settings.data_dir / "adapter"
    folder.mkdir(parents=True, exist_ok=True)
    state_path = folder / "ocpp-state.sqlite"
    usual = {"host": settings.ocpp_host, "port": settings.ocpp_port, "state_path": state_path}
    usual |= {"has_wire_log": settings.has_wire_log}
    try:
        chosen = adapter.settings(**{**usual, **settings.ocpp, **values})
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            print(f"ocpp.{'.'.join(map(str, fault['loc']))}: {fault['msg']}", file=sys.stderr)
        fail("the OCPP adapter cannot start: mend the table `ocpp` in the settings; see deploy/adapter.env.example")
    try:
        running = await run_kit(
            adapter,
            chosen,
            bus=bus,
            network=settings.network,
            instance=settings.instance,
            data_dir=folder,
            pepper=station_pepper(settings),
            secret=adapter_secret(settings),
        )
    except RuntimeError as error:  # the kit's own: its text says what to do
        fail(f"the OCPP adapter cannot start: {error}")
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        fail(f"port {settings.ocpp_port} cannot be used: is another hub running? Set ROAMING_OCPP_PORT")
    try:
        yield running
    finally:
        await running.stop()


async def until_stopped() -> None:
    """Returns at SIGINT or SIGTERM; what runs until then has been started."""
    spare_collector()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()


async def addresses(settings: Settings, services: Services) -> dict[str, str]:
    """What a person does next."""
    is_empty = not (await services.directory.current()).hosted
    return {
        "console": f"http://{settings.host}:{settings.port}/",
        "OCPI versions": f"{services.public_url}/versions",
        "OCPP": station_address(settings),
        "data": settings.effective_database_url if settings.database_url else str(settings.data_dir.absolute()),
        "next": "roaming party add NL-ABC --role CPO --name 'My company'" if is_empty else "roaming doctor",
    }


def station_address(settings: Settings) -> str:
    """Where stations connect; with a certificate, where they do so over TLS (see the settings of adapters/ocpp)."""
    chosen: dict[str, Any] = {"host": settings.ocpp_host, "port": settings.ocpp_port, "path": "/", **settings.ocpp}
    is_encrypted = bool(chosen.get("tls_certificate"))
    port = chosen["tls_port"] if is_encrypted and chosen.get("tls_port") is not None else chosen["port"]
    path = f"{chosen['path'].rstrip('/')}/<station id>"
    return f"{'wss' if is_encrypted else 'ws'}://{chosen['host']}:{port}{path}"

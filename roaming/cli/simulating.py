"""Simulators as processes of their own, and as parts of the demo."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any

import typer
import uvicorn
from fastapi import FastAPI

from roaming.cli.http import QuietServer
from roaming.cli.output import fail
from roaming.cli.registering import party_of
from roaming.cli.running import until_stopped
from roaming.ocpi.addresses import AddressPolicy
from roaming.ocpi.client import OcpiClient
from roaming.sandbox.emsp import SandboxEmsp, sample_drivers
from roaming.sandbox.faults import Fault


def simulator() -> Any:
    """The OCPP stations, found by entry point: the service does not import adapters."""
    (found,) = entry_points(group="roaming.simulators", name="ocpp")
    return found.load()


VERSIONS = ("1.6", "2.0.1", "2.1")


def versions_of(text: str) -> tuple[str, ...]:
    """``1.6,2.1`` as two. Ends the command when one is not simulated."""
    found = tuple(word.strip() for word in text.split(","))
    if not set(found) <= set(VERSIONS):
        fail(f"--ocpp: {text!r} names a version that is not simulated; name some of {','.join(VERSIONS)}")
    return found


def scenarios_of(text: str) -> tuple[str, ...]:
    """``repeated,silent`` as two. Ends the command when there is no such scenario."""
    known = simulator().scenarios
    found = tuple(word.strip() for word in text.split(","))
    for name in found:
        if name not in known:
            fail(f"--scenario: no {name!r}: see --list-scenarios")
    return found


def list_scenarios() -> list[dict[str, Any]]:
    """What simulated stations can do wrong, and what the hub makes of it."""
    return [
        {"scenario": each.name, "ocpp": ",".join(each.versions), "stations": each.does, "hub": each.shows}
        for each in simulator().scenarios.values()
    ]


async def run_stations(
    *,
    n: int,
    url: str,
    prefix: str,
    password: str,
    tokens: list[str],
    speed: float,
    seed: int,
    seconds: float,
    ocpp: tuple[str, ...] = ("1.6",),
    scenarios: tuple[str, ...] = ("steady",),
    share: float = 1,
) -> dict[str, Any]:
    """Runs a fleet; returns what its books say. Ends the command when no station ever got a connection."""
    stations = simulator()
    config = stations.config(
        url=url,
        stations=n,
        prefix=f"{prefix}-",
        password=password or None,
        tokens=tuple(tokens),
        speed=speed,
        seed=seed,
        duration_seconds=seconds or None,
        ocpp=ocpp,
        scenarios=scenarios,
        share=share,
    )
    seen = Seen()
    fleet = stations.fleet(config, on_event=seen.note)
    if not tokens:
        typer.echo("no driver comes by himself: name cards with --token", err=True)
    task = asyncio.create_task(fleet.run())
    others = [asyncio.create_task(until_stopped()), asyncio.create_task(_tell_who_waits(seen, url))]
    await asyncio.wait([task, others[0]], return_when=asyncio.FIRST_COMPLETED)
    for each in (task, *others):
        each.cancel()
    await asyncio.gather(task, *others, return_exceptions=True)
    if not seen.connected:
        fail(_NOBODY_CONNECTED.format(url=url))
    return {
        "stations": n,
        "scenarios": dict(Counter(station.scenario.name for station in fleet.stations.values())),
        "connected": len(seen.connected),
        "bound": len(seen.booted),
        "charges": len(fleet.charges),
        "settled": sum(charge.is_settled for charge in fleet.charges),
    }


@dataclass(frozen=True)
class Seen:
    """Which simulated stations got how far, at any time."""

    connected: set[str] = field(default_factory=set)
    booted: set[str] = field(default_factory=set)

    def note(self, event: Any) -> None:
        """Takes an event of the fleet."""
        reached = {"connected": self.connected, "booted": self.booted}.get(event.kind)
        if reached is not None:
            reached.add(event.station_id)

    def waiting(self) -> list[str]:
        """Those that connected and were not let in yet."""
        return sorted(self.connected - self.booted)


_NOBODY_CONNECTED = "no station could connect to {url}: is `roaming start` running there? See --url and --password"
_PATIENCE_SECONDS = 2.0
_NAMED = 3


async def _tell_who_waits(seen: Seen, url: str) -> None:
    """Says once what to do about stations that nobody has bound: they look the same as broken ones."""
    await asyncio.sleep(_PATIENCE_SECONDS)
    if not seen.connected:
        typer.echo(_NOBODY_CONNECTED.format(url=url), err=True)
    waiting = seen.waiting()
    for station in waiting[:_NAMED]:
        typer.echo(f"{station} waits: roaming station bind {station} --party NL-ABC --location SITE-1", err=True)
    if waiting:
        typer.echo("a station that was bound before with a password needs it here: --password", err=True)
    if waiting[_NAMED:]:
        typer.echo(f"and {len(waiting) - _NAMED} more: roaming station list", err=True)


@asynccontextmanager
async def partner_running(party: str, port: int) -> AsyncIterator[SandboxEmsp]:
    """A sandbox eMSP that listens on loopback and has not registered yet."""
    client = OcpiClient(AddressPolicy.of("127.0.0.0/8", "::1/128", is_http_allowed=True))
    emsp = SandboxEmsp(url=f"http://127.0.0.1:{port}", party=party_of(party), client=client)
    emsp.drivers = sample_drivers(emsp.party)
    async with serving(emsp.app(), port):
        try:
            yield emsp
        finally:
            await client.aclose()


@asynccontextmanager
async def serving(app: FastAPI, port: int) -> AsyncIterator[None]:
    """``app`` on a port of loopback."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False, lifespan="off")
    server = QuietServer(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            fail(f"port {port} cannot be used: choose another with --port")
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def run_partner(
    *, url: str, token: str, party: str, port: int, fault: str, seconds: float, as_json: bool
) -> dict[str, Any]:
    """Runs a sandbox eMSP; returns what it got."""
    if not token:
        fail("--token: the TOKEN_A that `roaming partner add NAME` prints")
    async with partner_running(party, port) as emsp:
        if fault:
            _plan(emsp, fault)
        if not as_json:
            emsp.on_change = lambda: _tell(emsp)
        try:
            await emsp.register(url, token)
            await emsp.push_tokens()
        except RuntimeError as error:
            fail(str(error))
        if not as_json:
            print(f"registered as {party}; what the hub sends is printed here")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds or None):
                await until_stopped()
    return {module: len(objects) for module, objects in emsp.objects.items()} | {"posted twice": len(emsp.doubles)}


def _tell(emsp: SandboxEmsp) -> None:
    last = emsp.history[-1] if emsp.history else None
    if last is not None:
        print(f"{last.method} {last.module} {last.key}")


def _plan(emsp: SandboxEmsp, fault: str) -> None:
    module, _, rest = fault.partition(":")
    name, _, times = rest.partition(":")
    if name not in {entry.value for entry in Fault}:
        fail(f"--fault: module:fault:times, where fault is one of {', '.join(Fault)}")
    if times and not times.isdecimal():
        fail(f"--fault: {times!r} is no number of times, as in cdrs:error:3")
    emsp.faults.plan(module, Fault(name), int(times or 1))

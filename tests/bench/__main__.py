"""``make bench``: every figure the README quotes, limits and subjects side by side in one run.

``python -m tests.bench [--quick] [--only KIND,KIND]``; the kinds are those of ``KINDS``.
``--only million`` stores a million EVSEs first, ``--only million-cdrs`` as many CDRs: minutes and some GB. Ratios and
processor time are to be trusted, wall-clock depends on what else the machine does.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import uvloop

from tests.bench.asking import EmspDoor, asked_over_the_bus
from tests.bench.data import prepare, settings_for
from tests.bench.demo import demo
from tests.bench.exporting import a_million, export_cdrs
from tests.bench.facts import events_through, metered_through, open_door, to_the_door
from tests.bench.forwarding import forwarding
from tests.bench.hostile import refusals
from tests.bench.proxying import lines, proxying
from tests.bench.pulling import pull_list
from tests.bench.pushes import Crowd, neighbours, push
from tests.bench.rating import price_random, rerate_stored, store_month
from tests.bench.serving import authorise, reading
from tests.kit.postgresql import Postgresql
from tests.kit.postgresql import missing as postgresql_missing

KINDS = (
    "demo",
    "read",
    "authorise",
    "asking",
    "hostile",
    "ingest",
    "door",
    "forward",
    "push",
    "neighbours",
    "hundred",
    "pull",
    "export",
    "rating",
    "ocpp",
    "idle",
    "storm",
    "proxy",
)
OF_STATIONS = {"ocpp", "idle", "storm", "proxy"}
LONG = ("million", "million-cdrs")
"""Only when they are named."""


def row(what: str, *cells: str) -> None:
    print(f"{what:<46}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


async def on(name: str, database_url: str, folder: Path, only: set[str], seconds: float) -> None:
    """All benchmarks on one database."""
    async with open_door(EmspDoor()) as door:
        settings = await prepare(database_url, folder, partner_url=door.url)
        url = settings.effective_database_url
        if "read" in only:
            page, one = await reading(url, folder, seconds=seconds)
            for what, limit, got in (
                ("100 of 10,000 locations", "static", page),
                ("one object", "static FastAPI", one),
            ):
                costs = f"{got.limit.per_second:.0f}/s", f"{got.limit.cpu_ms:.2f} ms CPU"
                row(f"{name}: {limit}, {got.size / 1000:.1f} kB", *costs)
                costs = f"{got.subject.per_second:.0f}/s", f"{got.subject.cpu_ms:.2f} ms CPU"
                row(f"{name}: {what}", *costs, f"{got.ratio:.1f} × static")
        if "authorise" in only:
            for rate in (500, 1000):
                got = await authorise(url, folder, rate=rate, seconds=seconds)
                times = (
                    f"p50 {got.p50:.1f} ms",
                    f"p99 {got.p99:.1f} ms",
                    f"{got.cpu_ms:.2f} ms CPU",
                    f"{got.errors} errors",
                )
                row(f"{name}: authorise, {rate}/s open loop", *times)
        if "asking" in only:
            asked = await asked_over_the_bus(settings, folder, rate=100, seconds=seconds)
            waits = f"p50 {asked.p50:.0f} ms", f"p95 {asked.p95:.0f} ms", f"p99 {asked.p99:.0f} ms"
            row(f"{name}: from a station to its eMSP, 100/s", *waits, f"{asked.refused} refused")
        if "hostile" in only:
            refused = await refusals(url, folder, count=int(10 * seconds))
            row(f"{name}: bad requests, goal 50 ms CPU", f"{len(refused)} kinds", f"{refused[0].cpu_ms:.1f} ms CPU")
            for worst in refused[:3]:
                row(f"{name}: refused: {worst.what}", worst.answer, f"{worst.cpu_ms:.1f} ms CPU")
        if "forward" in only:
            got = await forwarding(settings, folder, seconds=seconds)
            row(f"{name}: plain reverse proxy", f"{got.limit.per_second:.0f}/s", f"{got.limit.cpu_ms:.2f} ms CPU")
            costs = f"{got.subject.per_second:.0f}/s", f"{got.subject.cpu_ms:.2f} ms CPU"
            row(f"{name}: passed on, point to point", *costs, f"{got.ratio:.1f} × proxy")
        if "door" in only:
            p50, p99, lost = await to_the_door(settings, door, rate=200, seconds=seconds)
            row(f"{name}: fact to partner, 200/s", f"p50 {p50:.0f} ms", f"p99 {p99:.0f} ms", f"{lost} missing")
        if "push" in only:
            ours, bare = await push(settings, door, pushes=int(300 * seconds))
            ratio = f"{ours.cpu_ms / bare.cpu_ms:.1f} × httpx"
            row(f"{name}: pushes, outgoing to recorded", f"{ours.per_second:.0f}/s", f"{ours.cpu_ms:.2f} ms CPU", ratio)
            row(f"{name}: bare httpx to the same door", f"{bare.per_second:.0f}/s", f"{bare.cpu_ms:.2f} ms CPU")
        if "pull" in only:
            count = int(20_000 * seconds)
            for what, pulled in zip(("new", "known"), await pull_list(settings, count=count), strict=True):
                assert (pulled.state, pulled.objects) == ("DONE", count)
                costs = f"{pulled.per_second:.0f}/s", f"{pulled.cpu_us:.0f} µs CPU", f"{pulled.growth:+.1f} MB"
                row(f"{name}: pull of {count:,} locations, {what}", *costs)
        if "export" in only:
            count = int(20_000 * seconds)
            exported = await export_cdrs(settings, folder, count=count)
            for what, read in exported.items():
                costs = f"{read.cpu:.1f} s CPU", f"first {read.first:.1f} ms", f"last {read.last:.1f} ms"
                size = f"{read.size / 1000:.1f} kB each"
                row(f"{name}: {count:,} CDRs, {what}", *costs, size, f"{read.resident:.0f} MB")
        if "ingest" in only:
            for batch in (100, 500):
                rate, cpu = await events_through(settings_for(url, folder), events=int(4000 * seconds), batch=batch)
                row(f"{name}: status events, batches of {batch}", f"{rate:.0f}/s", f"{cpu:.0f} µs CPU")
            rate, cpu = await metered_through(settings_for(url, folder), events=int(4000 * seconds), batch=500)
            row(f"{name}: meter values, batches of 500", f"{rate:.0f}/s", f"{cpu:.0f} µs CPU")


async def beside(
    name: str, partners: int, place: Callable[[str], tuple[str, Path]], seconds: float, *, turns: int
) -> None:
    """So many partners, without and with one more that hangs, each on a hub of its own; 200 pushes a second."""
    rate = 200 / (partners + 1)
    crowds = [
        Crowd(await prepare(*place(f"crowd-{partners}-{what}")), partners, has_hanging=what == "beside")
        for what in ("without", "beside")
    ]
    heard = await neighbours(*crowds, rate=rate, changes=max(2, int(2 * rate * seconds)), turns=turns)
    for what, waits in zip(("all answer", "one more hangs"), heard, strict=True):
        cells = f"p50 {waits.p50:.0f} ms", f"p99 {waits.p99:.0f} ms", f"{waits.missing} missing"
        row(f"{name}: {partners} partners, {what}", *cells)


async def million(name: str, database_url: str, folder: Path, evses: int) -> None:
    """Pages of a list with so many EVSEs."""
    settings = await prepare(database_url, folder)
    read = await a_million(settings, folder, evses=evses)
    pages = f"p50 {read.p50:.1f} ms", f"p99 {read.p99:.1f} ms"
    row(f"{name}: pages of 100 of {evses:,} EVSEs", *pages, f"{read.resident:.0f} MB")


def rerated(name: str, database_url: str, folder: Path, count: int) -> None:
    """A month of so many CDRs, stored and then re-rated by two processes."""
    settings = uvloop.run(prepare(database_url, folder))
    uvloop.run(store_month(settings, count=count))
    places = {"DATABASE_URL": settings.effective_database_url, "ROAMING_DATA_DIR": str(folder)}
    before = {key: os.environ.get(key) for key in places}
    os.environ.update(places)
    got = rerate_stored()
    for key, value in before.items():
        os.environ.pop(key) if value is None else os.environ.update({key: value})
    assert got.cdrs == count
    per_second = f"{got.cdrs / got.seconds:.0f}/s"
    costs = per_second, f"{got.seconds:.1f} s", f"{got.cpu:.1f} s CPU", f"{got.megabytes:.0f} MB"
    row(f"{name}: {count:,} CDRs re-rated", *costs)


def crowds(name: str, only: set[str], seconds: float, place: Callable[[str], tuple[str, Path]]) -> None:
    """Benchmarks on hubs of their own. ``place`` makes one by name: its database and its folder."""
    for kind, partners, turns in (("neighbours", 20, 2), ("hundred", 99, 8)):
        if kind in only:
            uvloop.run(beside(name, partners, place, seconds, turns=turns if seconds > 1 else 1))
    if "rating" in only or "million-cdrs" in only:
        rerated(name, *place("rerate"), 1_000_000 if "million-cdrs" in only else int(10_000 * seconds))
    if "million" in only:
        uvloop.run(million(name, *place("million"), 1_000_000 if seconds > 1 else 20_000))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a second each, to see that it runs")
    parser.add_argument("--only", default=",".join(KINDS), help="some of " + ", ".join((*KINDS, *LONG)))
    arguments = parser.parse_args()
    only, seconds = set(arguments.only.split(",")), 1.0 if arguments.quick else 5.0
    if only - OF_STATIONS:
        of_hubs(only, seconds)
    of_stations(only, seconds, is_quick=arguments.quick)


def of_hubs(only: set[str], seconds: float) -> None:
    """Benchmarks of the service, on both databases."""
    with tempfile.TemporaryDirectory() as folder:

        def on_sqlite(name: str) -> tuple[str, Path]:
            place = Path(folder) / f"sqlite-{name}"
            place.mkdir()
            return f"sqlite:///{place / 'hub.db'}", place

        if "demo" in only:
            shown = uvloop.run(demo(Path(folder)))
            row("demo: first answer", f"{shown.answered:.1f} s", f"{shown.cpu:.1f} s CPU")
            row("demo: first CDR acknowledged", f"{shown.acknowledged:.1f} s", "", f"{shown.resident:.0f} MB")
        for priced in price_random(int(600 * seconds)) if "rating" in only else ():
            row(priced.what, f"{priced.per_second:.0f}/s")
        uvloop.run(on("SQLite", *on_sqlite("hub"), only, seconds))
        crowds("SQLite", only, seconds, on_sqlite)
        if postgresql_missing() is None:
            with Postgresql(is_synced=True) as server:

                def on_postgresql(name: str) -> tuple[str, Path]:
                    place = Path(folder) / f"postgresql-{name}"
                    place.mkdir()
                    return server.url(server.create_database(name)), place

                uvloop.run(on("PostgreSQL", *on_postgresql("hub"), only, seconds))
                crowds("PostgreSQL", only, seconds, on_postgresql)
        else:
            print(f"PostgreSQL: left out, {postgresql_missing()}")


def of_stations(only: set[str], seconds: float, *, is_quick: bool) -> None:
    """Benchmarks of the OCPP adapter."""
    if "proxy" in only:
        for cells in lines(proxying(seconds=seconds, turns=1 if is_quick else 3)):
            row(*cells)
    if "ocpp" in only:
        stations = ("--stations", "200" if is_quick else "2000")
        turns = ("--turns", "1" if is_quick else "5")
        subprocess.run([sys.executable, "-m", "tests.bench.ocpp_messages", *turns], check=True)
        subprocess.run([sys.executable, "-m", "tests.bench.ocpp_connections", *stations], check=True)
    for kind, count, other in (("idle", "10000", "storm"), ("storm", "8000", "idle")):
        if kind in only:
            stations = (f"--{kind}", "300" if is_quick else count, f"--{other}", "0")
            subprocess.run([sys.executable, "-m", "tests.bench.ocpp_fleet", *stations], check=True)


if __name__ == "__main__":
    main()

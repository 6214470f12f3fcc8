"""Firmware files, waves of updates and logs of stations, from the command line."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from roaming.cli.database import services_of_now
from roaming.cli.meant import named
from roaming.cli.operating import user
from roaming.cli.output import fail
from roaming.operations import files, selecting, waves
from roaming.operations.files import NoSuchFile, TooLarge
from roaming.operations.selecting import NoSuchStation, Selection
from roaming.operations.waves import NoSuchWave, Plan


async def add_firmware(path: Path, *, name: str, certificate: str, signature: str) -> dict[str, Any]:
    """Keeps a file for stations to fetch. ``certificate``: PEM."""
    if bool(certificate) != bool(signature):
        fail("--certificate and --signature: give both")
    async with services_of_now() as services:
        try:
            id = await files.store(
                services.database,
                _parts(path),
                kind="FIRMWARE",
                name=name or path.name,
                largest=files.LARGEST_FIRMWARE,
                certificate=certificate,
                signature=signature,
                who=f"cli:{user()}",
            )
        except TooLarge as error:
            fail(str(error))
        async with services.database.work() as work:
            await files.complete(work.connection, id)
            return _row(await files.describe(work.connection, id))


async def _parts(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(files.PART_OCTETS):
            yield part


async def list_files(kind: str) -> list[dict[str, Any]]:
    """Firmware, or what stations laid down."""
    async with services_of_now() as services, services.database.reading() as connection:
        return [_row(file) for file in await files.list_files(connection, kind)]


def _row(file: dict[str, Any]) -> dict[str, Any]:
    row = {name: file[name] for name in ("id", "name", "octets", "digest")}
    row |= (
        {"station": file["station_id"]} if file["kind"] == "LOG" else {"signed": "yes" if file["signature"] else "no"}
    )
    return row | {"who": file["who"], "since": file["created_at"].isoformat(timespec="seconds")}


async def remove_file(id: str) -> dict[str, Any]:
    """Nobody can fetch it any more."""
    async with services_of_now() as services, services.database.work() as work:
        if not await files.remove(work.connection, id):
            fail(f"no file {id}: see `roaming firmware list` and `roaming firmware logs`")
    return {"removed": id}


async def save_log(id: str, path: Path) -> dict[str, Any]:
    """Writes what a station laid down into a file of ours."""
    async with services_of_now() as services:
        async with services.database.reading() as connection:
            try:
                file = await files.describe(connection, id)
            except NoSuchFile:
                fail(f"no log {id}: see `roaming firmware logs`")
        with path.open("xb") as target:
            async for part in files.content(services.database, id):
                target.write(part)
    return {"saved": str(path), "octets": file["octets"], "digest": file["digest"]}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A wave as typed."""

    name: str
    file_id: str
    groups: Sequence[str]
    stations: Sequence[str]
    tags: Sequence[str]
    why: str
    at_once: int
    most_failures: int
    judged_from: int
    patience: int
    is_dry_run: bool


async def start_wave(wanted: Wanted) -> list[dict[str, Any]]:
    """Begins it, or shows its stations by steps."""
    tags = tuple(wanted.tags)
    selections = [Selection(group=group, tags=tags) for group in wanted.groups]
    selections = selections or [Selection(stations=tuple(wanted.stations), tags=tags)]
    async with services_of_now() as services, services.database.work() as work:
        try:
            steps = [await selecting.select_stations(work.connection, selection) for selection in selections]
            if wanted.is_dry_run:
                return [{"step": n, "station": s} for n, step in enumerate(steps, 1) for _, s in step]
            plan = Plan(
                name=wanted.name,
                file_id=wanted.file_id,
                who=f"cli:{user()}",
                why=wanted.why,
                steps=steps,
                at_once=wanted.at_once,
                most_failures=wanted.most_failures,
                judged_from=wanted.judged_from,
                patience=timedelta(seconds=wanted.patience),
            )
            id = await waves.begin(work, plan)
        except (NoSuchStation, NoSuchFile, ValueError) as error:
            fail(named(error))
        return [wave_row(wave) for wave in await waves.progress(work.connection, id)]


async def list_waves() -> list[dict[str, Any]]:
    """Waves and how they stand."""
    async with services_of_now() as services, services.database.reading() as connection:
        return [wave_row(wave) for wave in await waves.progress(connection)]


def wave_row(wave: dict[str, Any]) -> dict[str, Any]:
    """A line, with how many stations are where."""
    row = {name: wave[name] for name in ("id", "name", "state", "reason")}
    counts = {name.lower(): number for name, number in wave["stations"].items()}
    total = sum(counts.values())
    ended = counts["done"] + counts["failed"]
    return row | counts | {"progress": f"{100 * ended // total if total else 100} %", "who": wave["who"]}


async def stations_of_wave(id: str) -> list[dict[str, Any]]:
    """Each station of a wave."""
    async with services_of_now() as services, services.database.reading() as connection:
        if not await waves.progress(connection, id):
            fail(f"no wave {id}: see `roaming wave list`")
        names = ("step", "station_id", "state", "detail", "attempt", "asked_at", "ended_at")
        return [{name: row[name] for name in names} for row in await waves.stations_of(connection, id)]


async def change_wave(id: str, state: str, most_failures: int | None = None) -> dict[str, Any]:
    """Holds it, ends it or takes it up again."""
    async with services_of_now() as services, services.database.work() as work:
        try:
            await waves.change(work, id, state, most_failures=most_failures)
        except NoSuchWave as error:
            fail(str(error))
        (wave,) = await waves.progress(work.connection, id)
    return wave_row(wave)

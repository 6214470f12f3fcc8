"""``roaming cdr rerate``: a month of CDRs priced again on all cores; what is done is kept, so that it can go on."""

import asyncio
import atexit
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec

from roaming.app import open_services
from roaming.billing.months import bounds_of
from roaming.billing.rerating import Outcome, Rerater, Slice, Wishes, slices_of
from roaming.cli.agreed_readings import pairs_of
from roaming.cli.database import must_be_current
from roaming.cli.output import fail
from roaming.cli.rating import read_object
from roaming.model.tariff import Tariff
from roaming.rating import DEFAULT_READINGS, RatingError
from roaming.rating.documents import tariff_of
from roaming.rating.errors import UnknownReading
from roaming.settings import Settings

AT_ONCE = 4
"""Slices that a process is given before the next ones: what is done is kept so often."""
_ENCODER = msgspec.json.Encoder(decimal_format="string")


class Kept(msgspec.Struct):
    """What an earlier run had done. Slices by their number."""

    done: list[int] = []
    outcome: Outcome = msgspec.field(default_factory=Outcome)


def wishes_of(month: str, tariff: Path | None, readings: Sequence[str]) -> Wishes:
    """What is asked for. Ends the command on what cannot be read."""
    chosen = pairs_of(readings)
    try:
        since, until = bounds_of(month)
        DEFAULT_READINGS.choosing(chosen)
        other: Tariff | None = None if tariff is None else tariff_of(read_object(tariff))
    except (UnknownReading, RatingError) as error:
        fail(str(error))
    except ValueError as error:
        fail(f"--month: {error}")
    return Wishes(since=since, until=until, tariff=other, readings=chosen)


def rerate_month(wishes: Wishes, *, processes: int, anew: bool, is_quiet: bool) -> Outcome:
    """Prices the month again, from where an earlier run with the same wishes was broken off unless ``anew``."""
    settings = Settings()
    asyncio.run(must_be_current(settings))
    parts = slices_of(wishes)
    file = _file(settings, wishes)
    kept = Kept() if anew else _read(file)
    left = [number for number in range(len(parts)) if number not in kept.done]
    if kept.done and not is_quiet:
        print(f"going on: {len(kept.done)} of {len(parts)} parts of the month are done", file=sys.stderr)
    with _progress(len(parts), is_quiet=is_quiet) as step:
        step(len(kept.done), kept.outcome.cdrs)
        for numbers, outcome in _run(wishes, parts, left, processes):
            kept.done += numbers
            kept.outcome.add(outcome)
            _write(file, kept)
            step(len(kept.done), kept.outcome.cdrs)
    file.unlink(missing_ok=True)
    return kept.outcome


def rows_of(outcome: Outcome) -> list[dict[str, Any]]:
    """Who would pay what: a row per pair of parties and currency."""
    rows = []
    for name, group in sorted(outcome.groups.items()):
        cpo, emsp, currency = name.split(" ", 2)
        rows.append(
            {
                "CPO": cpo,
                "eMSP": emsp,
                "currency": currency,
                "CDRs": group.cdrs,
                "changed": group.changed,
                "not priced": group.unpriced,
                "stated": group.stated,
                "rerated": group.rerated,
                "difference": group.rerated - group.stated,
            }
        )
    return rows


def _run(
    wishes: Wishes, parts: Sequence[Slice], left: Sequence[int], processes: int
) -> Iterator[tuple[list[int], Outcome]]:
    batches = [list(left[place : place + AT_ONCE]) for place in range(0, len(left), AT_ONCE)]
    if processes == 1:
        with _Worker(wishes) as worker:
            for numbers in batches:
                yield numbers, worker.work([parts[number] for number in numbers])
        return
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_begin, initargs=(wishes,)
    ) as pool:
        given: dict[Future[Outcome], list[int]] = {
            pool.submit(_work, [parts[number] for number in numbers]): numbers for numbers in batches
        }
        for done in as_completed(given):
            yield given[done], done.result()


class _Worker:
    """Prices slices in this process; tariffs once compiled serve all of them."""

    def __init__(self, wishes: Wishes) -> None:
        self._loop = asyncio.new_event_loop()
        self._opened = open_services(Settings())
        services = self._loop.run_until_complete(self._opened.__aenter__())
        self._rerater = Rerater(services.database.reader, wishes)

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_until_complete(self._opened.__aexit__(None, None, None))
        self._loop.close()

    def work(self, parts: Sequence[Slice]) -> Outcome:
        """All of these slices together."""
        return self._loop.run_until_complete(self._every(parts))

    async def _every(self, parts: Sequence[Slice]) -> Outcome:
        outcome = Outcome()
        for part in parts:
            outcome.add(await self._rerater.slice(part))
        return outcome


_worker: _Worker | None = None
"""Of a process of the pool."""


def _begin(wishes: Wishes) -> None:
    global _worker
    _worker = _Worker(wishes)
    atexit.register(_worker.__exit__)


def _work(parts: Sequence[Slice]) -> Outcome:
    assert _worker is not None
    return _worker.work(parts)


def _file(settings: Settings, wishes: Wishes) -> Path:
    digest = hashlib.sha256(_ENCODER.encode(wishes) + settings.effective_database_url.encode()).hexdigest()
    return settings.data_dir / f"rerate-{digest[:16]}.json"


def _read(file: Path) -> Kept:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Kept)
    except FileNotFoundError:
        return Kept()


def _write(file: Path, kept: Kept) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".tmp")
    beside.write_bytes(_ENCODER.encode(kept))
    os.replace(beside, file)


@contextmanager
def _progress(parts: int, *, is_quiet: bool) -> Iterator[Any]:
    """A bar on the side, with the CDRs looked at."""
    if is_quiet:
        yield lambda _done, _cdrs: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TextColumn("{task.percentage:.0f} %"), TextColumn("{task.description}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=parts)
        yield lambda done, cdrs: bar.update(task, completed=done, description=f"{cdrs:,} CDRs")

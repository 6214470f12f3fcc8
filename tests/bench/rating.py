"""Pricing: from memory, from stored texts, and beside two Rust crates; a month of stored CDRs re-rated."""

import json
import resource
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal, localcontext
from typing import Any, NamedTuple

import msgspec

from roaming.app import open_services
from roaming.billing.months import bounds_of
from roaming.billing.rerating import Wishes
from roaming.cli.rerating import rerate_month
from roaming.model.canonical import to_document
from roaming.model.cdr import CDR
from roaming.model.session import ChargingPeriod
from roaming.modules.cdrs import repository as cdrs
from roaming.rating import PriceList, price_list, rate
from roaming.rating.documents import cdr_of, tariff_of
from roaming.rating.exact import EXACT
from roaming.rating.net import NetPricer, Period
from roaming.rating.price_list import price_lists
from roaming.settings import Settings
from roaming.store.bulk import insert_new
from tests.bench.data import CPO, THEIR_EMSP
from tests.judges.comparing import as_lines
from tests.judges.random_charges import random_cases
from tests.kit import tools

AT_ONCE = 2_000
SEED = 20261129
MONTH = "2026-10"
TURNS = ("A", "B")


class Priced(NamedTuple):
    """CDRs a second of processor time."""

    what: str
    per_second: float


def price_random(count: int) -> list[Priced]:
    """The same random charges by us, in three ways, and by the judges that are there."""
    cases = [case for case in random_cases(count, SEED) if case["version"] == "2.2.1"]
    lists = [price_list(tariff_of(case["tariff"])) for case in cases]
    objects = [cdr_of(case["cdr"]) for case in cases]
    documents = [to_document(each) for each in objects]
    decoder = msgspec.json.Decoder(CDR, float_hook=Decimal)
    decode_periods = msgspec.json.Decoder(list[Period], float_hook=Decimal).decode

    def price(prices: PriceList, cdr: CDR, zone: str) -> None:
        rate(prices, cdr.charging_periods, start=cdr.start_date_time, end=cdr.end_date_time, time_zone=zone)

    def alone() -> None:
        for prices, cdr, case in zip(lists, objects, cases, strict=True):
            price(prices, cdr, case["time_zone"])

    def stored() -> None:
        for prices, text, case in zip(lists, documents, cases, strict=True):
            price(prices, decoder.decode(text), case["time_zone"])

    def anew() -> None:
        for text, case in zip(documents, cases, strict=True):
            price(price_list(tariff_of(case["tariff"])), decoder.decode(text), case["time_zone"])

    two = [NetPricer(_by_turns(case["tariff"])) for case in cases]
    periods = [decode_periods(to_document(each.charging_periods)) for each in objects]
    turns = [decode_periods(to_document(_named_by_turns(each.charging_periods))) for each in objects]

    def total(pricers: Sequence[NetPricer], of_each: Sequence[list[Period]]) -> None:
        with localcontext(EXACT):
            for pricer, one, cdr, case in zip(pricers, of_each, objects, cases, strict=True):
                pricer.rate(one, start=cdr.start_date_time, end=cdr.end_date_time, time_zone=case["time_zone"])

    single = [NetPricer([prices]) for prices in lists]
    found = [
        Priced("total alone, tariff compiled", _speed(lambda: total(single, periods), len(cases))),
        Priced("total alone, two tariffs by turns", _speed(lambda: total(two, turns), len(cases))),
        Priced("price alone, tariff compiled", _speed(alone, len(cases))),
        Priced("stored CDR, tariff compiled", _speed(stored, len(cases))),
        Priced("stored CDR, tariff compiled each time", _speed(anew, len(cases))),
    ]
    lines = as_lines(cases)
    for name in ("ocpi_tariffs", "ocpi_kit"):
        if (program := tools.judge(name, is_timed=True)) is not None:
            run = subprocess.run([program, "time"], input=lines, stdout=subprocess.PIPE, check=True)
            found.append(Priced(f"{name} (Rust), JSON and price", json.loads(run.stdout)["per_second"]))
    return found


def _by_turns(tariff: dict[str, Any]) -> tuple[PriceList, ...]:
    """It, and the same under another id."""
    return price_lists([tariff_of({**tariff, "id": id}) for id in TURNS])


def _named_by_turns(periods: Sequence[ChargingPeriod]) -> list[ChargingPeriod]:
    return [msgspec.structs.replace(each, tariff_id=TURNS[place % 2]) for place, each in enumerate(periods)]


def _speed(work: Callable[[], None], count: int) -> float:
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return count / best


class Rerated(NamedTuple):
    """A month that was re-rated by two processes. Processor time of both, MB of the largest one."""

    cdrs: int
    seconds: float
    cpu: float
    megabytes: float


async def store_month(settings: Settings, *, count: int) -> None:
    """CDRs of a month, random ones over and over."""
    async with open_services(settings) as services:
        rows = _rows(count)
        for _ in range(0, count, AT_ONCE):
            batch = [row for _, row in zip(range(AT_ONCE), rows, strict=False)]
            async with services.database.work() as work:
                await insert_new(work.connection, cdrs.DOCUMENTS.table, batch, key=("key",))  # type: ignore[arg-type]


def rerate_stored() -> Rerated:
    """Of the database of the environment."""
    since, until = bounds_of(MONTH)
    began, busy = time.perf_counter(), _of_children()
    outcome = rerate_month(Wishes(since=since, until=until), processes=2, anew=True, is_quiet=False)
    took = time.perf_counter() - began
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    return Rerated(outcome.cdrs, took, _of_children() - busy, largest)


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _rows(count: int) -> Iterator[dict[str, Any]]:
    since, until = bounds_of(MONTH)
    samples = []
    for case in random_cases(400, SEED):
        if case["version"] == "2.2.1":
            cdr = msgspec.structs.replace(cdr_of(case["cdr"]), id="CDR-NUMBER", tariffs=(tariff_of(case["tariff"]),))
            samples.append(to_document(cdr))
    for number in range(count):
        id, ended = f"R{number:08d}", since + (until - since - timedelta(seconds=1)) * number / count
        yield {
            "key": cdrs.key_of(CPO, id),
            "country_code": CPO.country_code,
            "party_id": CPO.party_id,
            "object_id": id,
            "source": "",
            "scope": str(THEIR_EMSP),
            "is_listed": True,
            "document": samples[number % len(samples)].replace("CDR-NUMBER", id),
            "origin_version": "2.2.1",
            "last_updated": ended,
            "received_at": ended,
            "revision": 1,
            "session_key": None,
            "currency": "EUR",
            "total_cost": Decimal(1),
            "total_energy": Decimal(1),
            "ended_at": ended,
            "digest": "",
        }

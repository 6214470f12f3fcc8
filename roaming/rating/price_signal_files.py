"""Prices of a day as exchanges and people write them. Pure.

CSV with a column for the start and one for the price (``_NAMES``), an end where there is one; JSON with a list of
``{"start": …, "price": …}``, or of bare prices of one day in equal parts. Times without an offset are local, in the
order in which they come: of a time that comes twice the second one is the second pass.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from roaming.rating.engine import zone_of
from roaming.rating.errors import MalformedSignals
from roaming.rating.exact import is_amount
from roaming.rating.price_signals import Signal

_NAMES: Final = {
    "start": ("start", "start_time", "start_date_time", "from", "time", "timestamp", "datetime", "date_time"),
    "end": ("end", "end_time", "end_date_time", "to", "until"),
    "price": ("price", "value", "energy_price", "spot_price"),
}
_LISTS: Final = ("prices", "data")
"""Fields of a JSON object that may hold the list."""
_PARTS: Final = (60, 30, 15, 5)
"""Minutes of the parts that a day's bare prices may be for."""
MOST_ROWS: Final = 3_000
_YEARS: Final = (2000, 2200)
_MINUTE: Final = timedelta(minutes=1)


class Row(NamedTuple):
    """One price as it is written; ``where`` names it in errors."""

    where: str
    start: str
    end: str
    price: str | Decimal


def read_prices(text: str, *, time_zone: str, per_mwh: bool = False, day: str = "") -> tuple[Signal, ...]:
    """The prices of a CSV or JSON file, whichever it is. ``per_mwh``: not per kWh; ``day``: of bare prices. Raises
    ``RatingError`` naming line or entry."""
    text = text.lstrip("\ufeff").strip()
    rows = list(_of_json(text)) if text[:1] in ("[", "{") else list(_of_csv(text))
    return signals_of(rows, time_zone=time_zone, per_mwh=per_mwh, day=day)


def signals_of(rows: Sequence[Row], *, time_zone: str, per_mwh: bool = False, day: str = "") -> tuple[Signal, ...]:
    """The same of rows that were read. Rows without a start are parts of ``day``. Raises ``RatingError``."""
    zone = zone_of(time_zone)
    if not rows:
        raise MalformedSignals("prices: none is given")
    if len(rows) > MOST_ROWS:
        raise MalformedSignals(f"prices: {len(rows)} are more than {MOST_ROWS}")
    prices = [_number(row, per_mwh=per_mwh) for row in rows]
    if not any(row.start for row in rows):
        starts = _parts_of(day, len(rows), zone)
        return tuple(Signal(*times, price) for times, price in zip(pairwise(starts), prices, strict=True))
    starts = _starts(rows, zone)
    ends = _ends(rows, starts, zone)
    return tuple(Signal(*each) for each in zip(starts, ends, prices, strict=True))


def _of_csv(text: str) -> Iterator[Row]:
    header = text.split("\n", 1)[0]
    lines = csv.reader(io.StringIO(text), delimiter=max((",", ";", "\t"), key=header.count), skipinitialspace=True)
    try:
        names = [name.strip().lower().replace(" ", "_") for name in next(lines, [])]
        places = _places(names)
        if "start" not in places or "price" not in places:
            raise MalformedSignals("line 1: expected a header with the columns start and price, such as start,price")
        for cells in lines:
            if any(cell.strip() for cell in cells):
                cells += [""] * (len(names) - len(cells))
                found = {name: cells[place].strip() for name, place in places.items()}
                yield Row(f"line {lines.line_num}", found["start"], found.get("end", ""), found["price"])
    except csv.Error as error:
        raise MalformedSignals(f"line {lines.line_num}: {error}") from None


def _places(names: Sequence[str]) -> dict[str, int]:
    found = {}
    for field, known in _NAMES.items():
        place = next((names.index(name) for name in known if name in names), None)
        if place is not None:
            found[field] = place
    return found


def _of_json(text: str) -> Iterator[Row]:
    try:
        value = json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise MalformedSignals(f"the file is no JSON: {error}") from None
    if isinstance(value, dict):
        value = next((value[name] for name in _LISTS if isinstance(value.get(name), list)), None)
    if not isinstance(value, list):
        raise MalformedSignals("the file: a list of prices, or an object with such a list in `prices`")
    for place, entry in enumerate(value):
        yield _entry(f"prices[{place}]", entry)


def _entry(where: str, entry: Any) -> Row:
    if isinstance(entry, Decimal):
        return Row(where, "", "", entry)
    if not isinstance(entry, Mapping):
        raise MalformedSignals(f"{where}: a price, or an object with start and price")
    found = {
        field: next((entry[name] for name in known if entry.get(name) is not None), "")
        for field, known in _NAMES.items()
    }
    for field in ("start", "end"):
        if not isinstance(found[field], str) or (field == "start" and not found[field]):
            raise MalformedSignals(f"{where}.{field}: a time, such as 2026-01-12T18:00")
    if not isinstance(found["price"], str | Decimal):
        raise MalformedSignals(f"{where}.price: a number")
    return Row(where, found["start"], found["end"], found["price"])


def _number(row: Row, *, per_mwh: bool) -> Decimal:
    try:
        # A comma can only be the decimal one: where it parts cells, it is not in them
        found = row.price if isinstance(row.price, Decimal) else Decimal(row.price.replace(",", "."))
    except InvalidOperation:
        raise MalformedSignals(f"{row.where}: price {row.price!r} is no number") from None
    if not is_amount(found):
        raise MalformedSignals(f"{row.where}: price {str(row.price)[:40]} is no amount")
    return found.scaleb(-3) if per_mwh else found


def _starts(rows: Sequence[Row], zone: ZoneInfo) -> list[datetime]:
    found: list[datetime] = []
    for row in rows:
        local = _time(row.where, "start", row.start)
        at = _instant(row.where, local, zone, fold=0)
        if local.tzinfo is None and found and at <= found[-1]:
            at = _instant(row.where, local, zone, fold=1)
        found.append(at)
    return found


def _ends(rows: Sequence[Row], starts: Sequence[datetime], zone: ZoneInfo) -> list[datetime]:
    """As stated; else each is as long as the shortest step from one start to the next."""
    steps = [other - one for one, other in pairwise(sorted(starts)) if other > one]
    step = min(steps, default=None)
    found = []
    for row, start in zip(rows, starts, strict=True):
        if row.end:
            found.append(_end(row, start, zone))
        elif step is None:
            raise MalformedSignals(f"{row.where}: end is missing, and no other price tells how long it holds")
        else:
            found.append(start + step)
    return found


def _end(row: Row, start: datetime, zone: ZoneInfo) -> datetime:
    """Without an offset, the first moment after ``start`` that it can mean: around a clock change some files go by what
    clocks show at the end, others by what they would show without it."""
    local = _time(row.where, "end", row.end)
    if local.tzinfo is not None:
        return local.astimezone(UTC)
    possible = [start + (local - start.astimezone(zone).replace(tzinfo=None))]
    possible += [local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    return min((at for at in possible if at > start), default=possible[0])


def _time(where: str, field: str, text: str) -> datetime:
    found: datetime | None = None
    with suppress(ValueError):
        found = datetime.fromisoformat(text)
    if found is None or not _YEARS[0] <= found.year < _YEARS[1]:
        raise MalformedSignals(f"{where}: {field} {text[:40]!r} is no time; write 2026-01-12T18:00, with or without Z")
    return found


def _instant(where: str, local: datetime, zone: ZoneInfo, *, fold: int) -> datetime:
    if local.tzinfo is not None:
        return local.astimezone(UTC)
    at = local.replace(tzinfo=zone, fold=fold).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) != local:
        raise MalformedSignals(f"{where}: {local} does not come in {zone.key}, where clocks are put forward then")
    return at


def _parts_of(day: str, count: int, zone: ZoneInfo) -> list[datetime]:
    """Where the parts of a local day begin, and its end."""
    try:
        first = datetime.combine(date.fromisoformat(day), datetime.min.time())
    except ValueError:
        raise MalformedSignals("day: bare prices need the day that they are for, such as 2026-01-12") from None
    if not _YEARS[0] <= first.year < _YEARS[1]:
        raise MalformedSignals(f"day: {day} is out of range")
    start, end = (at.replace(tzinfo=zone).astimezone(UTC) for at in (first, first + timedelta(days=1)))
    minutes = (end - start) // _MINUTE
    for part in _PARTS:
        if count * part == minutes:
            return [start + place * part * _MINUTE for place in range(count + 1)]
    raise MalformedSignals(
        f"prices: {day} in {zone.key} has {minutes // 60} hours: give {minutes // 60} prices, or {minutes // 15}, one a"
        f" quarter of an hour; not {count}"
    )

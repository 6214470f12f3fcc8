"""What the commands about the health of stations do."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.cli.database import services_of_now
from roaming.cli.meant import named
from roaming.cli.output import fail
from roaming.monitoring import days, drawing, knowing, showing, wire
from roaming.monitoring.moments import moment_of
from roaming.monitoring.ribbon import Interval, usable
from roaming.monitoring.wire import Search
from roaming.operations import selecting
from roaming.operations.selecting import NoSuchStation, StationKey


@asynccontextmanager
async def station_of(name: str, network: str) -> AsyncIterator[tuple[AsyncConnection, StationKey, datetime]]:
    """A connection, the station of this name, and the time; ends the command where there is none."""
    async with services_of_now() as services, services.database.reading() as connection:
        try:
            key = await selecting.select_station(connection, name, network)
        except NoSuchStation as error:
            fail(named(error))
        yield connection, key, services.clock.now()


async def health(name: str, network: str) -> dict[str, Any]:
    """All about how a station is."""
    async with station_of(name, network) as (connection, key, now):
        return await showing.health(connection, *key, now)


def lines_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """The same for people, a line each."""
    state = "online" if found["online"] else f"offline: {found['reason'] or 'it never connected'}"
    shares = found["usable_90_days"].items()
    return {
        "station": f"{found['network']} {found['station']}",
        "state": f"{state}, since {found['since'] or 'ever'}",
        "make": f"{found['vendor']} {found['model']} {found['firmware']}".strip() or "-",
        "protocol": f"{found['protocol']} from {found['remote_address'] or '?'}",
        "booted": found["booted"] or "-",
        "connectors": [f"{one['connector']}: {one['status']} since {one['since']}" for one in found["connectors"]],
        "components": [
            f"{name}: {', '.join(f'{variable} {value}' for variable, value in states.items())}"
            for name, states in found["components"].items()
        ],
        "faults": [
            f"connector {one['connector']}: {one['cause']}, {one['times']} times, last {one['last']} {one['info']}"
            for one in found["faults"]
        ],
        "meters": [
            f"connector {one['connector']} at {one['at']}: " + " ".join(_reading(each) for each in one["readings"])
            for one in found["meters"]
        ],
        "usable, 90 days": [f"{part} {'-' if share is None else f'{share:.1%}'}" for part, share in shares],
    }


def _reading(reading: Mapping[str, str]) -> str:
    phase = f"[{reading['phase']}]" if reading["phase"] else ""
    return f"{reading['measurand']}{phase} {reading['value']} {reading['unit']}".strip()


async def variables(name: str, network: str) -> list[dict[str, Any]]:
    """As last told."""
    async with station_of(name, network) as (connection, key, _):
        return await knowing.variables(connection, *key)


async def _found(name: str, network: str, span: int) -> tuple[str, dict[int, list[Interval]]]:
    async with station_of(name, network) as (connection, key, now):
        start, end = days.window(now, span)
        return key[1], await days.ribbons(connection, *key, start=start, end=end)


async def intervals(name: str, network: str, span: int) -> list[dict[str, Any]]:
    """A row for each."""
    return showing.interval_rows((await _found(name, network, span))[1])


async def ribbons(name: str, network: str, span: int, width: int) -> list[str]:
    """Lines for a terminal."""
    station, found = await _found(name, network, span)
    if not found:
        return [f"nothing is known of {station} yet"]
    drawn = {days.part_name(part): (drawing.letters(each, width), usable(each)) for part, each in found.items()}
    longest = max(map(len, drawn))
    told = [
        f"{part:<{longest}}  {letters}  {'' if share is None else f'{share:.1%}'}".rstrip()
        for part, (letters, share) in drawn.items()
    ]
    return [f"{station}, {span} days to now", *told, drawing.legend([letters for letters, _ in drawn.values()])]


async def page_of(name: str, network: str, span: int) -> str:
    """The ribbons as a page."""
    station, found = await _found(name, network, span)
    return drawing.page(station, [(days.part_name(part), each) for part, each in found.items()])


async def frames(
    name: str, network: str, *, since: str, until: str, text: str, way: str, limit: int
) -> list[dict[str, Any]]:
    """Frames in the order of time."""
    if way not in ("", "in", "out"):
        fail(f"--way: {way} is neither in nor out")
    async with station_of(name, network) as (connection, key, now):
        try:
            search = Search(
                since=moment_of(since, now),
                until=moment_of(until, now),
                text=text,
                is_from_station=way == "in" if way else None,
            )
        except ValueError as error:
            fail(str(error))
        found = await wire.find(connection, *key, search, limit=limit)
    return [{"at": _brief(frame.at), "way": frame.way, "text": frame.text} for frame in found]


def _brief(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


async def faults(span: int) -> list[dict[str, Any]]:
    """By cause."""
    async with services_of_now() as services, services.database.reading() as connection:
        return await knowing.faults_by_cause(connection, services.clock.now() - timedelta(days=span))


async def inventory() -> list[dict[str, Any]]:
    """By make and firmware."""
    async with services_of_now() as services, services.database.reading() as connection:
        return await knowing.inventory(connection)

"""``roaming tariff lint`` and ``preview``: of a file, or of what is stored."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from roaming.billing.records import titled
from roaming.billing.tariff_records import shown_lint, shown_versions
from roaming.cli.agreed_readings import pairs_of
from roaming.cli.billing_titles import LINT, VERSION
from roaming.cli.database import services_of_now
from roaming.cli.output import fail
from roaming.cli.rating import read_object
from roaming.cli.registering import party_of
from roaming.model.canonical import from_document, to_document
from roaming.model.identifiers import fold
from roaming.model.tariff import Tariff
from roaming.modules.tariffs.repository import TariffVersion, versions_of
from roaming.operations.station_tariffs import NotSayable, to_station_tariff, told_lost
from roaming.rating import RatingError, Readings
from roaming.rating.documents import tariff_of, version_of_tariff
from roaming.rating.errors import MalformedTimeline
from roaming.rating.lint import lint
from roaming.rating.preview import Assumed, as_text, preview, start_of


async def lint_tariff(name: str, *, party: str, time_zone: str) -> list[dict[str, Any]]:
    """A row per finding."""
    tariff, version = await _tariff(name, party)
    found = lint(tariff, time_zone=time_zone, readings=Readings.of_version(version))
    return [titled(shown_lint(each), LINT) for each in found]


async def preview_tariff(
    name: str,
    *,
    kwh: str,
    power: str,
    start: str,
    minutes: str,
    party: str,
    time_zone: str,
    readings: Sequence[str],
    as_json: bool,
) -> str:
    """Text for a driver, or JSON."""
    tariff, version = await _tariff(name, party)
    try:
        assumed = Assumed(
            start=_moment(start, time_zone),
            kwh=_number("--kwh", kwh),
            power_kw=_number("--power", power),
            minutes=_number("--minutes", minutes) if minutes else None,
            time_zone=time_zone,
        )
        found = preview(tariff, assumed, Readings.of_version(version).choosing(pairs_of(readings)))
    except RatingError as error:
        fail(str(error))
    if as_json:
        return msgspec.json.format(msgspec.json.Encoder(decimal_format="number").encode(found), indent=2).decode()
    return as_text(found, time_zone)


async def tariff_for_stations(name: str, *, party: str) -> tuple[dict[str, Any], str]:
    """As a station can be told it, and what it cannot be told; empty: nothing."""
    tariff, _ = await _tariff(name, party)
    try:
        found, lost = to_station_tariff(tariff)
    except NotSayable as error:
        fail(str(error))
    return msgspec.to_builtins(found), told_lost(lost)


async def _tariff(name: str, party: str) -> tuple[Tariff, str]:
    """The tariff in a file of this name, or stored under it, and its version."""
    if (found := _in_file(name)) is not None:
        return found
    async with services_of_now() as services:
        rows = await services.database.reader.fetch(
            "SELECT country_code, party_id, document, origin_version FROM tariffs WHERE lower(object_id) = $1",
            fold(name),
        )
    if party:
        owner = party_of(party)
        rows = [row for row in rows if (row[0], row[1]) == (owner.country_code, owner.party_id)]
    if not rows:
        fail(f"{name}: no such file, and no such tariff: see `roaming tariff list`")
    if len(rows) > 1:
        fail(f"{', '.join(f'{row[0]}-{row[1]}' for row in rows)} have a tariff {name}: name one with --party")
    return from_document(Tariff, rows[0][2]), rows[0][3] or "2.2.1"


def _in_file(name: str) -> tuple[Tariff, str] | None:
    if name != "-" and not Path(name).is_file():
        return None
    body = read_object(Path(name))
    try:
        return tariff_of(body), version_of_tariff(body)
    except RatingError as error:
        fail(str(error))


def _moment(start: str, time_zone: str) -> datetime:
    """Local time of the zone, unless it says its own."""
    if not start:
        return datetime.now(UTC)
    try:
        return start_of(start, time_zone)
    except MalformedTimeline as error:
        fail(f"--{error}")


def _number(option: str, text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        fail(f"{option}: {text} is no number")


async def history_of(tariff_id: str, *, party: str) -> list[dict[str, Any]]:
    """A row per version, the oldest first."""
    return [titled(each, VERSION) for each in shown_versions(await _versions(tariff_id, party))]


async def version_of_number(tariff_id: str, *, party: str, number: int) -> str:
    """The tariff as JSON, in the canonical shape (that of 2.3.0)."""
    versions = await _versions(tariff_id, party)
    if number > len(versions):
        fail(f"--show: there are {len(versions)} versions of {tariff_id}")
    tariff = versions[number - 1].tariff
    if tariff is None:
        fail(f"--show: version {number} says that {tariff_id} was withdrawn")
    return msgspec.json.format(to_document(tariff), indent=2)


async def _versions(tariff_id: str, party: str) -> Sequence[TariffVersion]:
    async with services_of_now() as services:
        found = await versions_of(services.database.reader, tariff_id, party_of(party) if party else None)
    if not found:
        fail(f"no tariff {tariff_id} was ever stored here: see `roaming tariff list`")
    owners = sorted({"-".join(each.key.split("/")[:2]) for each in found})
    if len(owners) > 1:
        fail(f"{', '.join(owners)} have a tariff {tariff_id}: name one with --party")
    return found

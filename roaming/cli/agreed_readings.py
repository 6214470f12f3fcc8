"""``roaming agreement readings``: how two parties read tariffs where the texts leave a choice."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import select

from roaming.cli.database import services_of_now
from roaming.cli.output import fail
from roaming.cli.registering import party_of
from roaming.partners.registry import AGREEMENTS, choose_readings
from roaming.rating import DEFAULT_READINGS, Readings
from roaming.rating.errors import UnknownReading
from roaming.rating.readings import MOST_DECIMALS, ChosenReadings


async def show_readings(cpo: str, emsp: str, *, chosen: Sequence[str], reset: bool) -> list[dict[str, Any]]:
    """A row per reading, after changes if there are any. Ends the command on what is no reading."""
    operator, provider = party_of(cpo), party_of(emsp)
    async with services_of_now() as services:
        pair = (AGREEMENTS.c.cpo == str(operator)) & (AGREEMENTS.c.emsp == str(provider))
        async with services.database.reading() as connection:
            stored = (await connection.execute(select(AGREEMENTS.c.readings).where(pair))).scalar_one_or_none()
        if stored is None:
            fail(f"{operator} and {provider} have no agreement: roaming agreement add {operator} {provider}")
        readings = DEFAULT_READINGS if reset else _stored(stored)
        if chosen:
            readings = _changed(readings, chosen)
        if chosen or reset:
            async with services.database.work() as work:
                await choose_readings(work, cpo=operator, emsp=provider, readings=readings.chosen())
    return [_row(name, readings) for name in Readings.__struct_fields__]


def pairs_of(chosen: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE by name. Ends the command on what is none."""
    found = {}
    for text in chosen:
        name, sign, value = text.partition("=")
        if not sign:
            fail(f"{text}: give NAME=VALUE; names: {', '.join(Readings.__struct_fields__)}")
        found[name] = value
    return found


def _stored(text: str) -> Readings:
    return ChosenReadings(chosen=json.loads(text)).readings


def _changed(readings: Readings, chosen: Sequence[str]) -> Readings:
    try:
        return readings.choosing(pairs_of(chosen))
    except UnknownReading as error:
        fail(str(error))


def _row(name: str, readings: Readings) -> dict[str, Any]:
    value, default = getattr(readings, name), getattr(DEFAULT_READINGS, name)
    return {
        "reading": name,
        "value": str(value),
        "default": "" if value == default else str(default),
        "values": ", ".join(type(default)) if isinstance(default, StrEnum) else f"0 to {MOST_DECIMALS}",
    }

"""``roaming agreement readings``: how two parties read tariffs where the texts leave a choice."""

from collections.abc import Sequence
from typing import Any

from roaming.cli.database import services_of_now
from roaming.cli.operating import user
from roaming.cli.output import fail
from roaming.cli.registering import party_of
from roaming.partners import changing
from roaming.rating import Readings
from roaming.rating.errors import UnknownReading
from roaming.rating.readings import Told, checked, told


async def show_readings(cpo: str, emsp: str, *, chosen: Sequence[str], reset: bool) -> list[dict[str, Any]]:
    """A row per reading, after changes if there are any. Ends the command on what is no reading."""
    operator, provider = party_of(cpo), party_of(emsp)
    try:
        wanted = checked(pairs_of(chosen))
    except UnknownReading as error:
        fail(str(error))
    async with services_of_now() as services:
        database = services.database
        try:
            if wanted or reset:
                now = await changing.change_readings(
                    database, operator, provider, wanted, is_anew=reset, who=f"cli:{user()}"
                )
            else:
                async with database.reading() as connection:
                    now = await changing.chosen_readings(connection, operator, provider)
        except changing.NotThere as error:
            fail(str(error))
    return [_row(each) for each in told(now)]


def pairs_of(chosen: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE by name. Ends the command on what is none."""
    found = {}
    for text in chosen:
        name, sign, value = text.partition("=")
        if not sign:
            fail(f"{text}: give NAME=VALUE; names: {', '.join(Readings.__struct_fields__)}")
        found[name] = value
    return found


def _row(reading: Told) -> dict[str, Any]:
    is_number = reading.values[0].isdigit()
    return {
        "reading": reading.name,
        "value": reading.value,
        "default": "" if reading.value == reading.default else reading.default,
        "chosen": reading.is_chosen,
        "values": f"0 to {reading.values[-1]}" if is_number else ", ".join(reading.values),
    }

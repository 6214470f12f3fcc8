"""``roaming tariff from-prices``: a tariff of the prices of a day, looked through, written or published."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from roaming.cli.database import services_of_now
from roaming.cli.output import fail
from roaming.cli.registering import party_of
from roaming.model.tariff import Tariff
from roaming.model.version import Version
from roaming.modules.tariffs import importing, service
from roaming.ocpi.codec import DecodeError, dump_json
from roaming.ocpi.errors import OcpiError
from roaming.rating import RatingError
from roaming.rating.lint import Lint, lint
from roaming.rating.price_signal_files import read_prices
from roaming.rating.price_signals import Made, Repeated, TariffFrame, tariff_of_prices

_UNITS = {"kwh": False, "mwh": True}


def make(file: Path, words: dict[str, Any], *, per: str, day: str) -> tuple[Made, tuple[Lint, ...]]:
    """The tariff with what the look through it found. ``words``: fields of ``TariffFrame`` as they were typed, empty
    ones left out. Ends the command on what cannot be read."""
    if per.lower() not in _UNITS:
        fail(f"--per: {per} is neither kWh nor MWh")
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file} cannot be read: {error}; give a CSV or JSON file, or - for standard input")
    try:
        frame = _frame(words)
        signals = read_prices(text, time_zone=frame.time_zone, per_mwh=_UNITS[per.lower()], day=day)
        made = tariff_of_prices(signals, frame, now=datetime.now(UTC))
    except RatingError as error:
        fail(str(error))
    return made, lint(made.tariff, time_zone=frame.time_zone)


def as_json(tariff: Tariff) -> str:
    """As OCPI 2.2.1 writes it, and `roaming tariff import` reads it."""
    return dump_json(service.CODECS[Version.V2_2_1].encode(tariff).body).decode()


def told(made: Made, findings: Sequence[Lint]) -> list[str]:
    """What there is to know about it, a line each."""
    return [*made.notes, *(f"{found.code.value} {found.where}: {found.text}" for found in findings)]


def whole(made: Made, findings: Sequence[Lint]) -> str:
    """The tariff with all that, as JSON."""
    rows = [{"code": each.code.value, "where": each.where, "what": each.text} for each in findings]
    body = service.CODECS[Version.V2_2_1].encode(made.tariff).body
    return dump_json({"tariff": body, "notes": made.notes, "findings": rows}).decode()


async def publish(tariff: Tariff) -> None:
    """Stores it and tells partners; of a CPO hosted here, or the command ends."""
    async with services_of_now() as services:
        try:
            await importing.publish_own(services, tariff)
        except (DecodeError, OcpiError, RatingError) as error:
            fail(str(error))


def _frame(words: dict[str, Any]) -> TariffFrame:
    numbers = ("percent", "markup", "floor", "otherwise", "vat", "fee", "parking")
    found: dict[str, Any] = {
        name: _number(name, text) if name in numbers else text for name, text in words.items() if text != ""
    }
    repeated = str(found["repeated"]).upper()
    if repeated not in tuple(Repeated):
        fail(f"--repeated: {repeated} is none of {', '.join(Repeated)}")
    return TariffFrame(**found | {"party": party_of(found["party"]), "repeated": Repeated(repeated)})


def _number(name: str, text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        fail(f"--{name}: {text} is no number")

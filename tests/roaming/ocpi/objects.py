"""Random canonical objects, made from the tables of 2.3.0: what a field may be there is what is tried here.

A seeded ``Random`` makes them, since drawing each of a Location's hundreds of leaves from hypothesis takes seconds.
"""

import string
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from roaming.model.money import Price
from roaming.modules.payments.codec.v230 import EitherPrice
from roaming.ocpi.fields import Form
from roaming.ocpi.kinds import (
    Choice,
    ClockTime,
    Degrees,
    Flag,
    Id,
    Kind,
    LocalDate,
    Number,
    Secret,
    Text,
    Timestamp,
    Url,
    Whole,
)
from roaming.ocpi.rules import Field, ListOf

PRINTABLE = string.ascii_letters + string.digits + string.punctuation
WRITTEN = PRINTABLE + " äßøŁ€漢字😀’«»"
UNKNOWN = "NOT_YET_INVENTED"
SINCE = datetime(2000, 1, 1, tzinfo=UTC)


def some_value(kind: Kind, random: Random) -> Any:
    """A canonical value of that kind. Times are whole seconds and degrees have six decimals, as all versions do."""
    match kind:
        case ListOf():
            return tuple(some_value(kind.kind, random) for _ in range(random.randint(1, 3)))
        case Form():
            return some_object(kind, random)
        case Text():
            return "".join(random.choices(WRITTEN, k=random.randint(1, min(kind.limit, 20))))
        case Id():
            return "".join(random.choices(PRINTABLE, k=random.randint(1, min(kind.limit, 36))))
        case Secret():
            return "".join(random.choices(PRINTABLE, k=random.randint(1, 64)))
        case Url():
            return random.choice(["https://example.com", "http://partner.example:8080/a/b?c=d#e"])
        case Flag():
            return random.random() < 0.5
        case Whole():
            return random.randint(max(kind.lowest, -99999), min(kind.highest, 10 ** min(kind.digits, 5) - 1))
        case Number():
            return Decimal(random.randint(-(10**8), 10**8)).scaleb(-random.randint(0, 4))
        case Timestamp():
            return SINCE + timedelta(seconds=random.randrange(3_000_000_000))
        case ClockTime():
            return f"{random.randrange(24):02d}:{random.randrange(60):02d}"
        case LocalDate():
            return str((SINCE + timedelta(days=random.randrange(36_000))).date())
        case Degrees():
            return format(Decimal(random.randint(-kind.largest * 10**6, kind.largest * 10**6)).scaleb(-6), "f")
        case Choice():
            return UNKNOWN if random.random() < 0.05 else random.choice(sorted(kind.words))
        case EitherPrice():
            return some_value(kind.shown, random)
    raise AssertionError(f"no random {kind}")


def some_object(form: Form[Any], random: Random) -> Any:
    """An object of a table of 2.3.0. Half of what is optional is there."""
    values: dict[str, Any] = {}
    for rule in form.rules:
        assert isinstance(rule, Field)
        may_be_absent = not rule.is_required or (form.of is Price and rule.attribute == "taxes")
        if not may_be_absent or random.random() < 0.5:
            values[rule.attribute] = some_value(rule.kind, random)
        elif form.of is Price and random.random() < 0.5:
            values[rule.attribute] = ()
    if random.random() < 0.2:
        values["extra"] = {"x_unknown": [1, {"deep": None}], "x_price": Decimal("1.50")}
    return form.of(**values)

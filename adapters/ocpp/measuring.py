"""Meter values of any version of OCPP in the contract's words and units. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from contracts.messages import MeterSample, MeterValue, SignedReading
from contracts.vocabulary import Measurand, ReadingContext

MEASURAND: Final = {
    "Energy.Active.Import.Register": Measurand.ENERGY_REGISTER,
    "Energy.Active.Export.Register": Measurand.ENERGY_EXPORT_REGISTER,
    "Energy.Active.Import.Interval": Measurand.ENERGY_INTERVAL,
    "Power.Active.Import": Measurand.POWER,
    "Power.Offered": Measurand.POWER_OFFERED,
    "Current.Import": Measurand.CURRENT,
    "Current.Offered": Measurand.CURRENT_OFFERED,
    "Voltage": Measurand.VOLTAGE,
    "SoC": Measurand.STATE_OF_CHARGE,
    "Temperature": Measurand.TEMPERATURE,
}
"""The rest (reactive energy, frequency, revolutions …) has no word in the contract and is left out."""

_CONTEXT: Final = {
    "Transaction.Begin": ReadingContext.BEGIN,
    "Transaction.End": ReadingContext.END,
    "Sample.Periodic": ReadingContext.PERIODIC,
    "Sample.Clock": ReadingContext.CLOCK,
    "Interruption.Begin": ReadingContext.INTERRUPTION,
    "Interruption.End": ReadingContext.INTERRUPTION,
    "Trigger": ReadingContext.TRIGGER,
}

# Python 3.11 takes longer to find a member of an enumeration by its name than to make a value of it
_PERIODIC: Final = ReadingContext.PERIODIC
_OTHER: Final = ReadingContext.OTHER
_REGISTER: Final = Measurand.ENERGY_REGISTER
_PER_PHASE: Final = (Measurand.ENERGY_REGISTER, Measurand.ENERGY_EXPORT_REGISTER, Measurand.ENERGY_INTERVAL)
_PLAIN_UNITS: Final = frozenset({"Wh", "W", "A", "V", "Percent"})
_LARGEST: Final = Decimal(10) ** 12
_SMALLEST: Final = -_LARGEST
_DIGITS: Final = 12
"""A number with no more of them before the point is within the two."""
_KELVIN: Final = Decimal("273.15")

Entry = tuple[ReadingContext, MeterValue | SignedReading]


def to_signed(said: Mapping[str, Any], data: str) -> SignedReading:
    """A SignedMeterValueType (OCPP 2.0.1 part 2), data and key byte for byte; what is no text is left out."""
    return SignedReading(
        data=data,
        encoding_method=_said(said.get("encodingMethod")),
        public_key=_said(said.get("publicKey")),
        signing_method=_said(said.get("signingMethod")),
    )


def _said(field: Any) -> str | None:
    return field if isinstance(field, str) and field else None


def to_context(word: str | None) -> ReadingContext:
    """When it was taken; no word means periodic."""
    return _CONTEXT.get(word, _OTHER) if word else _PERIODIC


def to_value(
    number: Decimal, measurand: Measurand, unit: str | None, phase: str | None, location: str | None
) -> MeterValue:
    """One value. ``L1-N`` is the same as ``L1``; ``L1-L2`` is not."""
    return MeterValue(
        measurand=measurand,
        value=number if unit is None or unit in _PLAIN_UNITS else _in_fixed_unit(number, measurand, unit),
        phase=phase.removesuffix("-N") if phase else None,
        location=location if location and location != "Outlet" else None,
    )


def to_number(said: Any) -> Decimal | None:
    """The number, exactly; ``None`` for what is none or cannot be one."""
    text = said if type(said) is str else str(said)
    try:
        number = Decimal(text)
    except InvalidOperation:
        try:
            number = Decimal(text.strip().replace(",", "."))
        except InvalidOperation:
            return None
    if number.is_finite() and (number.adjusted() < _DIGITS or _SMALLEST <= number <= _LARGEST):
        return number
    return None


def samples_at(at: datetime, entries: Iterable[Entry]) -> list[MeterSample]:
    """What was measured at one moment: a sample per context."""
    by_context: dict[ReadingContext, tuple[list[MeterValue], list[SignedReading]]] = {}
    last: ReadingContext | None = None
    values: list[MeterValue] = []
    signed: list[SignedReading] = []
    for context, entry in entries:
        if context is not last:  # they seldom change
            last = context
            values, signed = by_context.setdefault(context, ([], []))
        if type(entry) is MeterValue:
            values.append(entry)
        elif isinstance(entry, SignedReading):
            signed.append(entry)
    return [
        MeterSample(at=at, context=context, values=_with_totals(values), signed=tuple(signed))
        for context, (values, signed) in by_context.items()
    ]


def in_order(samples: list[MeterSample]) -> tuple[MeterSample, ...]:
    """In the order of their time."""
    if len(samples) > 1:
        samples.sort(key=lambda sample: sample.at)
    return tuple(samples)


def register_of(sample: MeterSample) -> Decimal | None:
    """The total import register of a sample, in Wh."""
    for value in sample.values:
        if value.measurand is _REGISTER and value.phase is None and value.location is None:
            return value.value
    return None


def last_register(samples: Sequence[MeterSample]) -> Decimal | None:
    """The latest total import register, in Wh."""
    return next((found for sample in reversed(samples) if (found := register_of(sample)) is not None), None)


def plain(number: Decimal) -> Decimal:
    """Without a positive exponent: 1.2E+4 is 12000."""
    exponent = number.as_tuple().exponent
    return number.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else number


def _in_fixed_unit(number: Decimal, measurand: Measurand, unit: str) -> Decimal:
    """Exact: a shift of the decimal point, or a difference."""
    word = unit.lower()
    if word.startswith("kw") or word == "kva":
        return plain(number.scaleb(3))
    if measurand is Measurand.TEMPERATURE and word == "k":
        return number - _KELVIN
    if measurand is Measurand.TEMPERATURE and word == "fahrenheit":
        return ((number - 32) * 5 / 9).quantize(Decimal("0.01"))
    return number


def _with_totals(found: list[MeterValue]) -> tuple[MeterValue, ...]:
    """Energy has a total: where a station gives only phases, the one is the total, three are its sum."""
    for value in found:
        if value.phase is not None:
            break
    else:
        return tuple(found)
    for measurand in _PER_PHASE:
        phased = [value for value in found if value.measurand is measurand and value.location is None]
        if not phased or any(value.phase is None for value in phased):
            continue
        if len(phased) == 1:
            found[found.index(phased[0])] = MeterValue(measurand=measurand, value=phased[0].value)
        elif len(phased) == 3 and {value.phase for value in phased} == {"L1", "L2", "L3"}:
            total = sum((value.value for value in phased), Decimal(0))
            found.append(MeterValue(measurand=measurand, value=total))
    return tuple(found)

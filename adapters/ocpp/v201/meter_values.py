"""OCPP 2.x meter values into samples in the contract's units. Pure.

OCPP 2.0.1 part 2, section 2.47 (SampledValueType): absent fields mean an import register at the outlet, periodic, all
phases together; the unit is Wh, the multiplier a power of ten. A signed value is kept byte for byte beside the number.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from adapters.ocpp import moments
from adapters.ocpp.measuring import (
    MEASURAND,
    Entry,
    in_order,
    plain,
    samples_at,
    to_context,
    to_number,
    to_signed,
    to_value,
)
from adapters.ocpp.whole import whole
from contracts.messages import MeterSample

_LARGEST_MULTIPLIER: Final = 12


def to_samples(
    meter_values: Sequence[Mapping[str, Any]], *, received_at: datetime, offset: timedelta = timedelta(0)
) -> tuple[MeterSample, ...]:
    """The samples in the order of their time; what says nothing is left out."""
    samples: list[MeterSample] = []
    for entry in meter_values:
        at = moments.moment(entry.get("timestamp"), received_at=received_at, offset=offset).at
        samples += samples_at(at, _entries(entry.get("sampledValue", ())))
    return in_order(samples)


def _entries(sampled_values: Sequence[Mapping[str, Any]]) -> Iterator[Entry]:
    for sampled in sampled_values:
        said = sampled.get
        context = to_context(said("context"))
        signed = said("signedMeterValue")
        if signed:
            yield context, to_signed(signed, signed["signedMeterData"])
        measurand = MEASURAND.get(said("measurand") or "Energy.Active.Import.Register")
        unit = said("unitOfMeasure") or {}
        number = _scaled(sampled["value"], unit.get("multiplier", 0)) if measurand is not None else None
        if measurand is not None and number is not None:
            yield context, to_value(number, measurand, unit.get("unit"), said("phase"), said("location"))


def _scaled(said: Any, multiplier: Any) -> Decimal | None:
    """The value times ten to the multiplier."""
    number, power = to_number(said), whole(multiplier)
    if number is None or power is None or abs(power) > _LARGEST_MULTIPLIER:
        return None
    return to_number(plain(number.scaleb(power))) if power else number

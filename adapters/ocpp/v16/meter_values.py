"""OCPP 1.6 meter values into samples in the contract's units. Pure.

OCPP 1.6, section 7.33 (SampledValue): absent fields mean an import register in Wh at the outlet, periodic, all
phases together. The OCA application note Signed Meter Values in OCPP, section 3.2.1: of ``SignedData`` the value is
the SignedMeterValueType of 2.x as JSON. Most stations send the bare data.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from adapters.ocpp import moments
from adapters.ocpp.measuring import (
    MEASURAND,
    Entry,
    in_order,
    last_register,
    samples_at,
    to_context,
    to_number,
    to_signed,
    to_value,
)
from contracts.messages import MeterSample, SignedReading

__all__ = ["last_register", "to_samples"]

_SIGNED_FIELDS = ("signedMeterData", "signedMeterValue")
"""The second one is a backend's own word for it, which stations made for that backend use."""


def to_samples(
    meter_values: Sequence[Mapping[str, Any]], *, received_at: datetime, offset: timedelta = timedelta(0)
) -> tuple[MeterSample, ...]:
    """The samples in the order of their time; what says nothing is left out."""
    samples: list[MeterSample] = []
    for entry in meter_values:
        at = moments.moment(entry.get("timestamp"), received_at=received_at, offset=offset).at
        samples += samples_at(at, _entries(entry.get("sampledValue", ())))
    return in_order(samples)


def _signed(value: Any) -> SignedReading:
    """What is signed, byte for byte: out of the JSON around it where there is one, else the value as it is."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            said = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return SignedReading(data=value)
        for name in _SIGNED_FIELDS:
            if isinstance(data := said.get(name), str) and data:
                return to_signed(said, data)
    return SignedReading(data=value)


def _entries(sampled_values: Sequence[Mapping[str, Any]]) -> Iterator[Entry]:
    for sampled in sampled_values:
        said = sampled.get
        context = to_context(said("context"))
        if said("format") == "SignedData":
            yield context, _signed(sampled["value"])
            continue
        measurand = MEASURAND.get(said("measurand") or "Energy.Active.Import.Register")
        number = to_number(sampled["value"]) if measurand is not None else None
        if measurand is not None and number is not None:
            yield context, to_value(number, measurand, said("unit"), said("phase"), said("location"))

"""Meter values. Subject: ``network/station_id``; in a topic of their own: they are many and kept briefly."""

from datetime import datetime
from decimal import Decimal

import msgspec

from contracts.messages.message import Message
from contracts.vocabulary import Measurand, ReadingContext


class MeterValue(msgspec.Struct, frozen=True, kw_only=True):
    """One measured number in the measurand's fixed unit."""

    measurand: Measurand
    value: Decimal
    phase: str | None = None
    """Such as ``L1``; absent means the total."""
    location: str | None = None
    """Where it was measured when not at the outlet: ``Inlet``, ``EV``, ``Body``, ``Cable``."""


class SignedReading(msgspec.Struct, frozen=True, kw_only=True):
    """A signed meter value exactly as the station sent it: never re-encoded (OCPP 2.0.1 part 2, SignedMeterValueType;
    OCA application note Signed Meter Values in OCPP, which brings it to 1.6)."""

    data: str
    encoding_method: str | None = None
    """Such as ``OCMF``; absent where the station did not say."""
    public_key: str | None = None
    """In the station's own form: often sent with the first value only, or never."""
    signing_method: str | None = None
    """Absent where the data says it itself, as OCMF does."""


class MeterSample(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured at one moment."""

    at: datetime
    context: ReadingContext = ReadingContext.PERIODIC
    values: tuple[MeterValue, ...] = ()
    signed: tuple[SignedReading, ...] = ()


class MeterValuesTaken(Message, frozen=True, kw_only=True):
    """Samples of one connector, in the order of their time."""

    network: str
    station_id: str
    connector_id: int | None
    """Absent where the station told only the transaction."""
    transaction_id: str | None = None
    """Absent outside a transaction, or where the station never learnt its id."""
    samples: tuple[MeterSample, ...]

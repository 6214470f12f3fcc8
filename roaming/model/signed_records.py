"""What a station's meter signed in one charge, as it is kept with the session."""

from datetime import datetime

import msgspec

from roaming.model.canonical import CanonicalObject


class SignedRecord(msgspec.Struct, frozen=True, array_like=True):
    """One signed meter value, byte for byte. Stored ones may lack the last three fields, which came later."""

    at: datetime
    context: str
    """``contracts.vocabulary.ReadingContext``."""
    data: str
    encoding_method: str | None = None
    public_key: str | None = None
    signing_method: str | None = None


class SignedRecords(CanonicalObject, frozen=True, kw_only=True):
    """All that is kept of one charge, in the order of time."""

    records: tuple[SignedRecord, ...] = ()

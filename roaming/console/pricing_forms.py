"""Bodies of the API of prices and checks. The OpenAPI document is made from these.

Amounts are text: decimals to the last digit, before taxes unless said.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from roaming.billing.check_records import ShownCopy, ShownRule, ShownSignedRecord
from roaming.billing.records import ShownCdr, Text, Word
from roaming.billing.tariff_records import ShownLint, ShownVersion
from roaming.rating import Row
from roaming.rating.preview import Preview


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """How the price of a CDR comes about. ``billed``: what it says itself; ``reckoned``: what its lines come to."""

    cpo: str
    emsp: str
    cdr_id: str
    currency: str
    billed: Decimal
    reckoned: Decimal | None
    verdict: str
    lines: tuple[Row, ...]
    notes: tuple[str, ...]


class RateWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``tariff``: an OCPI Tariff, or a list of those that periods name. ``charge``: an OCPI CDR or Session, or a charge
    of constant power (`start_date_time`, `end_date_time`, `power_kw`, `requested_kwh`). ``readings``: by name, where
    the texts leave a choice, such as `{"step_scope": "PERIOD"}`."""

    tariff: msgspec.Raw
    charge: msgspec.Raw
    time_zone: Word = ""
    version: Word = ""
    readings: Mapping[str, Word] = {}
    reservation_expired: bool = False


class RatedCharge(msgspec.Struct, frozen=True, kw_only=True):
    """``priced``: the charge with every total; ``lines``: how they come about; ``notes``: what is odd about it."""

    priced: Mapping[str, Any]
    lines: tuple[Row, ...]
    notes: tuple[str, ...]


class VerifyWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``document``: an OCMF record (a text), a list of objects with ``record`` and ``public_key``, an OCPI SignedData,
    or a CDR or Session with it. ``public_key`` (DER in hex or base64, or PEM) and ``kwh``, what was billed, go over
    what it says."""

    document: msgspec.Raw
    public_key: Text = ""
    kwh: Word = ""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """``is_right``: no signature and no energy is wrong or unknown. ``energy``: EQUAL, DIFFERENT, OTHER_CHARGE or
    UNKNOWN; empty for records alone, of which nobody says what was billed."""

    is_right: bool
    energy: str
    signed_kwh: Decimal | None
    billed_kwh: Decimal | None
    records: tuple[ShownSignedRecord, ...]


class LintWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An OCPI Tariff of any version, stored or not; ``time_zone``: of its locations."""

    tariff: msgspec.Raw
    time_zone: Word = ""


class Lints(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong in a tariff, or most likely not meant. ``is_usable``: there is no error."""

    is_usable: bool
    findings: tuple[ShownLint, ...]


class Previewed(msgspec.Struct, frozen=True, kw_only=True):
    """What a charge would cost; ``text``: as a driver reads it."""

    text: str
    preview: Preview


class RerateWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """CDRs of charges that ended in a month. ``tariff``: an OCPI Tariff in place of their own one of the same owner and
    id (of any owner, where it names none); ``readings``: over those of the agreements."""

    month: Word
    tariff: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    readings: Mapping[str, Word] = {}


class RepricedSum(msgspec.Struct, frozen=True, kw_only=True):
    """CDRs of a page between two parties in one currency. ``stated``: the sum that they say, ``rerated``: that they
    come to, both of those that could be priced."""

    cpo: str
    emsp: str
    currency: str
    cdrs: int
    changed: int
    unpriced: int
    stated: Decimal
    rerated: Decimal
    difference: Decimal


class RepricedCdr(msgspec.Struct, frozen=True, kw_only=True):
    """A CDR that changes, or cannot be priced."""

    cpo: str
    cdr_id: str
    text: str


class Repriced(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a month: add up the ``sums`` of all. ``examples``: the first of each page that change. ``percent``: of
    the month's time that has been looked at; ``next``: ``after`` of the next page, empty: it is done."""

    cdrs: int
    sums: tuple[RepricedSum, ...]
    examples: tuple[RepricedCdr, ...]
    percent: int
    next: str = ""


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """The oldest first."""

    versions: tuple[ShownVersion, ...]


class CheckRuleList(msgspec.Struct, frozen=True, kw_only=True):
    """All rules in force."""

    rules: tuple[ShownRule, ...]


class RulesWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Such as `late_days=14` or `LATE=accept`; try them first: `tries` of POST /api/cdr-checks."""

    rules: tuple[Word, ...]


class MonthOfPartner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Our CDRs of charges that ended in a month; ``cpo`` and ``partner``: only those issued by and sent to these."""

    month: Word
    cpo: Word = ""
    partner: Word = ""


class CopiesWish(MonthOfPartner, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``mend``: those that a partner says it does not have are sent again."""

    mend: bool = False


class Copies(msgspec.Struct, frozen=True, kw_only=True):
    """Partners' copies of our CDRs."""

    copies: tuple[ShownCopy, ...]


class SentAgain(msgspec.Struct, frozen=True, kw_only=True):
    """What goes out again. ``percent``: of the month's time that has been looked at; ``next``: ``after`` of the next
    page, empty: it is done."""

    cdrs: tuple[ShownCdr, ...]
    percent: int
    next: str = ""

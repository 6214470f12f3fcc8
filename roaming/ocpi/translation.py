"""What a translation between wire and canonical object is given, and what it leaves behind: context, findings,
losses, errors. Knows no object and no field.
"""

from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum

from roaming.model.location import Location
from roaming.model.token import CdrToken, Token
from roaming.model.version import Version


class DecodeError(ValueError):
    """A body departs from its version in a way that cannot be mended. ``path`` is on the wire, such as
    ``evses[0].connectors[1].max_voltage``; empty for the body itself."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


class EncodeError(ValueError):
    """An object cannot be said in this version: it must be held, never sent in part. ``path`` is canonical."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that the version cannot say, or that had to be made up because the version demands it."""

    path: str
    """Canonical, such as ``evses[0].parking``; of a thing made up, the wire's."""
    reason: str
    version: Version | None = field(default=None, compare=False)
    """Which cannot say it."""

    def __str__(self) -> str:
        return f"lost {self.path}: {self.reason}"


class FindingCode(StrEnum):
    """In what way a body departs from its version, and was understood all the same."""

    UNKNOWN_VALUE = "UNKNOWN_VALUE"
    """Not in the version's list of values; kept as text."""
    REPLACED_VALUE = "REPLACED_VALUE"
    """A known misspelling, or a value that the canonical model says otherwise."""
    TOO_LONG = "TOO_LONG"
    NULL = "NULL"
    """``null`` where a field would better be left out."""
    EMPTY = "EMPTY"
    """Empty text taken as absent, or an empty list where one entry at least is due."""
    NUMBER_AS_TEXT = "NUMBER_AS_TEXT"
    TEXT_AS_NUMBER = "TEXT_AS_NUMBER"
    ODD_FORMAT = "ODD_FORMAT"
    """Readable, but not as the version writes it."""
    OUT_OF_RANGE = "OUT_OF_RANGE"
    MISSING = "MISSING"
    """Required and absent; filled from the context."""
    NOT_CARRIED = "NOT_CARRIED"
    """Legal, but the canonical model has no place for it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One departure that was tolerated, for the partner's record. ``path`` is on the wire."""

    path: str
    code: FindingCode
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class DecodeContext:
    """What a body leaves to its surroundings. Needed by 2.1.1 most of all; a field that turns out to be needed
    and is ``None`` makes a ``DecodeError`` that names it."""

    country_code: str | None = None
    party_id: str | None = None
    """Owner of the object: from the path on push, from the connection on pull."""
    received_at: datetime | None = None
    """Stands in for a missing ``last_updated``."""
    cdr_token: CdrToken | None = None
    """2.1.1 Session and CDR: the token that the body's ``auth_id`` means."""
    token: Token | None = None
    """2.1.1 AuthorizationInfo: the token that was asked about."""
    location: Location | None = None
    """2.1.1 CDR: the location as stored, for a body that names no EVSE."""
    evse_uid: str | None = None
    connector_id: str | None = None
    """2.1.1 Session and CDR: from the open session, for a body with no EVSE or several."""
    time_zone: str | None = None
    """2.1.1 Location: IANA name for a body without one, better than a guess from the country."""
    zone_of_times: tzinfo | None = None
    """What the partner means by a time without zone; ``None``: UTC, as the specification says."""
    role: str | None = None
    """2.1.1 Credentials: in which role the party at the other end acts."""


@dataclass(frozen=True, kw_only=True)
class EncodeContext:
    """What an object leaves to its surroundings when its version wants more."""

    location: Location | None = None
    """2.1.1 Session (required) and CDR: the whole Location that the body has to quote."""
    accepts_blank_postal_code: bool = False
    """2.1.1: the partner takes ``""`` where a place has no postal code; otherwise such a place is held."""


_NO_DECODE_CONTEXT = DecodeContext()
_NO_ENCODE_CONTEXT = EncodeContext()


@dataclass(slots=True)
class Reading:
    """One decoding in progress."""

    version: Version
    context: DecodeContext = _NO_DECODE_CONTEXT
    findings: list[Finding] = field(default_factory=list)

    def find(self, path: str, code: FindingCode, detail: str = "") -> None:
        """Notes a departure that was tolerated."""
        self.findings.append(Finding(path, code, detail))


@dataclass(slots=True)
class Writing:
    """One encoding in progress."""

    version: Version
    context: EncodeContext = _NO_ENCODE_CONTEXT
    is_extra_wanted: bool = True
    losses: list[Loss] = field(default_factory=list)

    def lose(self, path: str, reason: str) -> None:
        """Declares a loss."""
        self.losses.append(Loss(path, reason, self.version))

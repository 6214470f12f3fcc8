"""What a single value may be on the wire: text, id, URL, number, time, word of a list. One class each, with the
way in (``decode``) and the way out (``encode``); what is tolerated on the way in becomes a finding.

Knows nothing of objects: those are tables of fields (``roaming.ocpi.fields``).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from roaming.model.time import format_timestamp, parse_timestamp
from roaming.model.version import Version
from roaming.ocpi.exact_json import MalformedJson, exact_number
from roaming.ocpi.translation import DecodeError, EncodeError, FindingCode, Reading, Writing


class Kind(Protocol):
    """The two ways of one type. ``prefix + name`` is the path of the value; the prefix ends with a dot or is empty."""

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> Any:
        """Canonical form of ``value``, which is never ``None``. Raises ``DecodeError``."""

    def encode(self, value: Any, writing: Writing, prefix: str, name: str) -> Any:
        """What ``value`` is on the wire. Raises ``EncodeError`` when the version cannot say it."""


class SentAsItIs:
    """A kind whose canonical form is that of the wire."""

    __slots__ = ()

    def encode(self, value: Any, writing: Writing, prefix: str, name: str) -> Any:
        return value


def _type(value: Any) -> str:
    """What a value is, not which: where text is due it may be secret or personal."""
    return _TYPES.get(type(value), type(value).__name__)


_TYPES: dict[type[Any], str] = {dict: "an object", list: "a list", str: "text", int: "a number", Decimal: "a number"}


def _got(value: Any) -> str:
    """A value as an error text shows it: numbers and booleans as they are, anything else by its type."""
    return str(value)[:40] if isinstance(value, (int, Decimal)) else _type(value)


def _shown(text: str) -> str:
    """A text that is neither secret nor personal (word, number, time), short enough for an error."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Text:
    """string(n): any characters but control characters; too long is tolerated, line breaks are too.
    (OCPI 2.2.1, types 16.9)"""

    limit: int

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> str:
        if type(value) is str and len(value) <= self.limit and value.isprintable():
            return value
        if not isinstance(value, str):
            raise DecodeError(prefix + name, f"expected text, got {_type(value)}")
        if len(value) > self.limit:
            reading.find(prefix + name, FindingCode.TOO_LONG, f"{len(value)} characters, {self.limit} allowed")
        if _CONTROL_BUT_LINES.search(value):
            raise DecodeError(prefix + name, "holds control characters")
        if _CONTROL.search(value):
            reading.find(prefix + name, FindingCode.ODD_FORMAT, "holds line breaks or tabs")
        return value

    def encode(self, value: str, writing: Writing, prefix: str, name: str) -> str:
        if len(value) > self.limit:
            writing.lose(prefix + name, f"longer than the {self.limit} characters of this version, sent whole")
        return value


@dataclass(frozen=True, slots=True)
class Id:
    """CiString(n) that identifies something: printable ASCII of 1 to n characters, spelled as it came. Neither a
    longer one nor a cut one can be passed on. (OCPI 2.2.1, types 16.1)"""

    limit: int

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> str:
        if type(value) is str and 0 < len(value) <= self.limit and value.isascii() and value.isprintable():
            return value
        if not isinstance(value, str):
            raise DecodeError(prefix + name, f"expected text, got {_type(value)}")
        if not value:
            raise DecodeError(prefix + name, "is empty")
        if len(value) > self.limit:
            raise DecodeError(prefix + name, f"longer than {self.limit} characters")
        raise DecodeError(prefix + name, "holds characters other than printable ASCII")

    def encode(self, value: str, writing: Writing, prefix: str, name: str) -> str:
        if len(value) > self.limit:
            raise EncodeError(prefix + name, f"longer than the {self.limit} characters of this version")
        return value


_HTTP = re.compile(r"https?://[^\s/?#]+[^\s]*\Z", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:(?!\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Url(SentAsItIs):
    """URL: string(255), absolute http or https. ``is_shown`` marks an address that people click and we never call:
    there one without scheme is tolerated. (OCPI 2.2.1, types 16.10)"""

    is_shown: bool = False
    limit: int = 255

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> str:
        if not isinstance(value, str):
            raise DecodeError(prefix + name, f"expected text, got {_type(value)}")
        if not value:
            raise DecodeError(prefix + name, "is empty")
        if len(value) > self.limit:
            reading.find(prefix + name, FindingCode.TOO_LONG, f"{len(value)} characters, {self.limit} allowed")
        if _CONTROL.search(value):
            raise DecodeError(prefix + name, "holds control characters")
        if _HTTP.match(value):
            return value
        if not self.is_shown or _SCHEME.match(value):
            raise DecodeError(prefix + name, "expected an absolute http or https address")
        reading.find(prefix + name, FindingCode.ODD_FORMAT, "no http or https address")
        return value


@dataclass(frozen=True, slots=True)
class Flag(SentAsItIs):
    """boolean: nothing but ``true`` and ``false``."""

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> bool:
        if value is True or value is False:
            return value
        raise DecodeError(prefix + name, f"expected true or false, got {_got(value)}")


_INTEGER = re.compile(r"-?\d{1,18}(\.0+)?\Z", re.ASCII)
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Whole(SentAsItIs):
    """int, or int(n) with at most n digits; 64 bits at most, within ``lowest`` and ``highest``. Text and a fraction of
    zeros are tolerated, more digits too."""

    digits: int = 19
    lowest: int = -(2**63) + 1
    highest: int = 2**63 - 1

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> int:
        if type(value) is not int:
            value = self._mend(value, reading, prefix + name)
        if not self.lowest <= value <= self.highest:
            bounds = f"from {self.lowest} to {self.highest}" if self.highest < _LARGEST else f"of {self.lowest} or more"
            raise DecodeError(prefix + name, f"expected int {bounds}, got {_shown(str(value))}")
        if abs(value) >= 10**self.digits:
            reading.find(prefix + name, FindingCode.OUT_OF_RANGE, f"more than {self.digits} digits")
        result: int = value
        return result

    def _mend(self, value: Any, reading: Reading, path: str) -> int:
        if isinstance(value, (Decimal, float)) and value == value // 1:
            reading.find(path, FindingCode.ODD_FORMAT, "int written with a fraction")
            return int(value)
        if isinstance(value, str) and _INTEGER.match(value):
            reading.find(path, FindingCode.NUMBER_AS_TEXT)
            return int(value.partition(".")[0])
        raise DecodeError(path, f"expected int, got {_shown(value) if isinstance(value, str) else _got(value)}")


_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Number(SentAsItIs):
    """number: exact, with the digits it came with. (OCPI 2.2.1, types 16.7: four decimals unless said otherwise;
    more are kept)"""

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> Decimal:
        kind = type(value)
        if kind is Decimal and value.is_finite():
            result: Decimal = value
            return result
        if kind is int:
            return Decimal(value)
        return self._mend(value, reading, prefix + name)

    def _mend(self, value: Any, reading: Reading, path: str) -> Decimal:
        if isinstance(value, float) and value == value and abs(value) != float("inf"):
            return Decimal(repr(value))
        if isinstance(value, str) and _NUMBER.match(value):
            try:
                number = exact_number(value)
            except MalformedJson as error:
                raise DecodeError(path, str(error)) from None
            reading.find(path, FindingCode.NUMBER_AS_TEXT)
            return number
        raise DecodeError(path, f"expected number, got {_shown(value) if isinstance(value, str) else _got(value)}")


@dataclass(frozen=True, slots=True)
class Timestamp:
    """DateTime: RFC 3339. In: any offset or none (UTC), any fraction. Out: ``Z``, at most three digits of fraction,
    none in 2.1.1; what is finer is cut and not counted as a loss. (OCPI 2.2.1, types 16.4)"""

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> datetime:
        if not isinstance(value, str):
            raise DecodeError(prefix + name, f"expected a time as text, got {_got(value)}")
        try:
            return parse_timestamp(value, reading.context.zone_of_times)
        except ValueError:
            if not value:
                raise DecodeError(prefix + name, "is empty") from None
            raise DecodeError(
                prefix + name, f"expected a time such as 2026-01-31T12:00:00Z, got {_shown(value)}"
            ) from None

    def encode(self, value: datetime, writing: Writing, prefix: str, name: str) -> str:
        if value.tzinfo is None:
            raise EncodeError(prefix + name, "a time without zone cannot be sent")
        return format_timestamp(value, is_fraction_allowed=writing.version != Version.V2_1_1)


_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]\Z")
_LOOSE_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::\d{2}(?:\.\d+)?)?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClockTime(SentAsItIs):
    """string(5), local time ``HH:MM``. ``24:00`` becomes ``00:00``, which as an end means the end of that day;
    seconds are cut, a missing zero is set, each with a finding."""

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> str:
        if isinstance(value, str):
            if _CLOCK.match(value):
                return value
            loose = _LOOSE_CLOCK.match(value)
            if loose and int(loose[1]) <= 24 and int(loose[2]) <= 59 and (int(loose[1]) < 24 or int(loose[2]) == 0):
                reading.find(prefix + name, FindingCode.ODD_FORMAT, f"{_shown(value)} is not HH:MM")
                return f"{int(loose[1]) % 24:02d}:{loose[2]}"
        shown = _shown(value) if isinstance(value, str) else _got(value)
        raise DecodeError(prefix + name, f"expected a local time such as 08:30, got {shown}")


@dataclass(frozen=True, slots=True)
class LocalDate(SentAsItIs):
    """string(10), ``YYYY-MM-DD``, a day that exists."""

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> str:
        if isinstance(value, str) and len(value) == 10 and value.isascii():
            try:
                datetime.strptime(value, "%Y-%m-%d")  # noqa: DTZ007 - a local day has no zone
                return value
            except ValueError:
                pass
        shown = _shown(value) if isinstance(value, str) else _got(value)
        raise DecodeError(prefix + name, f"expected a date such as 2026-01-31, got {shown}")


_DEGREES = re.compile(r"-?[0-9]{1,3}(?:\.[0-9]{1,20})?\Z")


@dataclass(frozen=True, slots=True)
class Degrees:
    """Latitude or longitude as text with ``fewest`` to ``most`` decimals; a number, and other counts of decimals, are
    tolerated and mended on the way out. (OCPI 2.2.1, mod_locations, GeoLocation)"""

    largest: int
    fewest: int = 5
    most: int = 7

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> str:
        text = value
        if isinstance(value, (int, Decimal, float)) and not isinstance(value, bool):
            text = format(value, "f") if isinstance(value, Decimal) else str(value)
            reading.find(prefix + name, FindingCode.TEXT_AS_NUMBER)
        if isinstance(text, str) and _DEGREES.match(text) and abs(Decimal(text)) <= self.largest:
            if not self.fewest <= len(text.partition(".")[2]) <= self.most:
                reading.find(prefix + name, FindingCode.ODD_FORMAT, f"{self.fewest} to {self.most} decimals are due")
            return text
        shown = _shown(value) if isinstance(value, str) else _got(value)
        raise DecodeError(prefix + name, f"expected degrees such as 51.047599, got {shown}")

    def is_fine(self, value: str) -> bool:
        """Whether it goes out as it is."""
        return self.fewest <= len(value.partition(".")[2]) <= self.most

    def encode(self, value: str, writing: Writing, prefix: str, name: str) -> str:
        decimals = len(value.partition(".")[2])
        if decimals < self.fewest:
            return format(Decimal(value), f".{self.fewest}f")
        if decimals > self.most:
            rounded = format(Decimal(value), f".{self.most}f")
            if Decimal(rounded) != Decimal(value):
                writing.lose(prefix + name, f"rounded to {self.most} decimals")
            return rounded
        return value


_SECRET = re.compile(r"[\x21-\x7e]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class Secret(SentAsItIs):
    """A credentials token: 1 to 64 printable ASCII characters without spaces. Errors never show it.
    (OCPI 2.2.1, credentials, Credentials)"""

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> str:
        if isinstance(value, str) and _SECRET.match(value):
            return value
        raise DecodeError(prefix + name, "expected text of 1 to 64 printable ASCII characters without spaces")


@dataclass(frozen=True, slots=True)
class Choice:
    """A word of a list. An unknown one is kept as text: a finding, unless the list is open (2.3.0)."""

    words: frozenset[str]
    is_open: bool = False
    spellings: Mapping[str, str] = field(default_factory=dict)
    """Other spellings in the field, and what is meant."""
    replacements: Mapping[str, str | None] = field(default_factory=dict)
    """Words of other versions, and what to send in this one; ``None``: nothing will do."""

    @classmethod
    def of(cls, enum: type[StrEnum], *, is_open: bool = False) -> "Choice":
        """The values of a canonical enum."""
        return cls(frozenset(member.value for member in enum), is_open)

    def lacking(self, *words: str, **replaced: str) -> "Choice":
        """The same list in a version without some words; keyword arguments name what to send instead."""
        replacements = {**self.replacements, **dict.fromkeys(words), **replaced}
        return replace(self, words=self.words - replacements.keys(), replacements=replacements)

    def also(self, words: Iterable[str] = (), **spellings: str) -> "Choice":
        """The same list in a version with more words, or with spellings that mean one of them."""
        words = frozenset(words)
        return replace(
            self,
            words=self.words | words,
            spellings={**self.spellings, **spellings},
            replacements={word: to for word, to in self.replacements.items() if word not in words},
        )

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> str:
        if type(value) is str and value in self.words:
            return value
        path = prefix + name
        if not isinstance(value, str):
            raise DecodeError(path, f"expected text, got {_type(value)}")
        if not value:
            raise DecodeError(path, "is empty")
        meant = self.spellings.get(value)
        if meant is not None:
            reading.find(path, FindingCode.REPLACED_VALUE, f"{_shown(value)} read as {meant}")
            return meant
        if len(value) > 255 or _CONTROL.search(value):
            raise DecodeError(path, "is no word of a list")
        if not (self.is_open and reading.version >= Version.V2_3_0):
            reading.find(path, FindingCode.UNKNOWN_VALUE, _shown(value))
        return value

    def encode(self, value: str, writing: Writing, prefix: str, name: str) -> str:
        if value not in self.replacements:
            return value
        instead = self.replacements[value]
        if instead is None:
            raise EncodeError(prefix + name, f"{value} does not exist in {writing.version}")
        writing.lose(prefix + name, f"{value} does not exist in {writing.version}, sent as {instead}")
        return instead


def is_sent_as_it_is(kind: Kind) -> bool:
    """Whether ``kind.encode`` need not be called at all."""
    return isinstance(kind, SentAsItIs) or (isinstance(kind, Choice) and not kind.replacements)


FLAG = Flag()
WHOLE = Whole()
COUNT = Whole(lowest=0)
NUMBER = Number()
TIMESTAMP = Timestamp()
CLOCK_TIME = ClockTime()
LOCAL_DATE = LocalDate()
URL = Url()
"""An address that a machine calls."""
LINK = Url(is_shown=True)
"""An address that people click."""
ID_36 = Id(36)
COUNTRY_CODE = Id(2)
PARTY_ID = Id(3)

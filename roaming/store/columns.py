"""Column types that mean the same on SQLite and PostgreSQL: UTC times and exact numbers."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Numeric, String, TypeDecorator

from roaming.model.time import utc_digits

MICRO = Decimal("0.000001")
MAX_EXACT = Decimal("9000000000000")
"""Nine million millions: what fits in millionths into the 64 bits that SQLite has."""


def time_to_text(value: datetime) -> str:
    """The fixed-width text under which SQLite keeps a time, so that texts sort as times do."""
    if value.tzinfo is None:
        raise ValueError("a time without zone cannot be stored")
    return utc_digits(value) + "Z"


def text_to_time(value: str | datetime) -> datetime:
    """The inverse of ``time_to_text``; a time (PostgreSQL) stays one."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def storable_text(text: str) -> str:
    """``text`` with what PostgreSQL cannot keep made visible: NUL and lone surrogates."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def exact_to_millionths(value: Decimal) -> int:
    """The integer under which SQLite keeps an exact number.

    Raises ``ValueError`` for what neither database could keep exactly: no number, more than six decimals, or more
    than ``MAX_EXACT``.
    """
    if not value.is_finite():
        raise ValueError(f"{value} is no amount")
    if abs(value) > MAX_EXACT:
        raise ValueError(f"{value} is more than {MAX_EXACT}")
    numerator, denominator = value.as_integer_ratio()
    millionths, rest = divmod(numerator * 1_000_000, denominator)
    if rest:
        raise ValueError(f"{value} has more than six decimals")
    return millionths


def searchable(value: Decimal) -> Decimal:
    """``value`` as a column for searching and summing keeps it: with six decimals. The document keeps all."""
    return value.quantize(MICRO)


def millionths_to_exact(value: int) -> Decimal:
    """The inverse of ``exact_to_millionths``."""
    return Decimal(value).scaleb(-6)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC: ``timestamptz`` on PostgreSQL, sortable text on SQLite. Naive times are refused."""

    impl = String(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        return dialect.type_descriptor(String(27))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone cannot be stored")
        return value if dialect.name == "postgresql" else time_to_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        result: datetime = value.astimezone(UTC) if isinstance(value, datetime) else text_to_time(value)
        return result


class Exact(TypeDecorator[Decimal]):
    """Money or energy with six decimals: ``NUMERIC`` on PostgreSQL, integer millionths on SQLite, where NUMERIC
    would be a float. What would have to be rounded is refused (``exact_to_millionths``)."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Numeric(24, 6, asdecimal=True))
        return dialect.type_descriptor(BigInteger())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        millionths = exact_to_millionths(value)
        return value if dialect.name == "postgresql" else millionths

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        if value is None:
            return None
        return Decimal(value) if dialect.name == "postgresql" else millionths_to_exact(value)

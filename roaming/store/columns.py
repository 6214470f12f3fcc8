"""Column types that mean the same on SQLite and PostgreSQL: UTC times and exact numbers."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Numeric, String, TypeDecorator

MICRO = Decimal("0.000001")


def time_to_text(value: datetime) -> str:
    """The fixed-width text under which SQLite keeps a time, so that texts sort as times do."""
    if value.tzinfo is None:
        raise ValueError("a time without zone cannot be stored")
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def text_to_time(value: str) -> datetime:
    """The inverse of ``time_to_text``."""
    return datetime.fromisoformat(value)


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
    would be a float. More than six decimals are refused rather than rounded."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Numeric(24, 6, asdecimal=True))
        return dialect.type_descriptor(BigInteger())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value != value.quantize(MICRO):
            raise ValueError(f"{value} has more than six decimals")
        return value if dialect.name == "postgresql" else int(value.scaleb(6))

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        if value is None:
            return None
        return Decimal(value) if dialect.name == "postgresql" else Decimal(value).scaleb(-6)

"""Fixtures of the shared suites."""

from tests.kit.database import (
    database,
    database_url,
    migrated_postgresql_url,
    postgresql_pool,
    sqlite_database,
    sqlite_template,
    sqlite_url,
)

__all__ = [
    "database",
    "database_url",
    "migrated_postgresql_url",
    "postgresql_pool",
    "sqlite_database",
    "sqlite_template",
    "sqlite_url",
]

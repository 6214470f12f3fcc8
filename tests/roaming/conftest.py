"""Fixtures of the service's tests."""

import structlog

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

# structlog's default prints every local variable of every frame: seconds of work a traceback
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

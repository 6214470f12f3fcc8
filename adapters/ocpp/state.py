"""The adapter's own small SQLite file: what OCPP makes us remember between two messages of one story.

Nothing in it is business state: without it ids come out the same, only stations that never learnt their transaction
id, and drivers who are just now between two messages, are served less well.
"""

import os
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from contracts.messages import TokenOwner

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS transactions (
    station_id TEXT NOT NULL, transaction_id INTEGER NOT NULL, start_key TEXT NOT NULL,
    connector_id INTEGER NOT NULL, id_tag TEXT NOT NULL, token_uid TEXT NOT NULL, started_at TEXT NOT NULL,
    register_wh INTEGER NOT NULL, status TEXT NOT NULL, basis TEXT, reference TEXT, group_id TEXT,
    command_id TEXT, reservation_id TEXT, token_owner TEXT, state TEXT NOT NULL, end_key TEXT, told_id TEXT,
    changed_at TEXT NOT NULL,
    PRIMARY KEY (station_id, transaction_id), UNIQUE (station_id, start_key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS aliases (
    alias TEXT PRIMARY KEY, uid TEXT NOT NULL, used_at TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reservations (
    station_id TEXT NOT NULL, number INTEGER NOT NULL, reservation_id TEXT NOT NULL, used_at TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (station_id, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS remote_starts (
    command_id TEXT PRIMARY KEY, station_id TEXT NOT NULL, connector_id INTEGER, id_tag TEXT NOT NULL,
    token_uid TEXT NOT NULL, reference TEXT, group_id TEXT, expires_at TEXT NOT NULL, token_owner TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS remote_starts_of_station ON remote_starts (station_id);
CREATE TABLE IF NOT EXISTS authorizations (
    station_id TEXT NOT NULL, id_tag TEXT NOT NULL, token_uid TEXT NOT NULL, status TEXT NOT NULL,
    basis TEXT NOT NULL, reference TEXT, group_id TEXT, command_id TEXT, expires_at TEXT NOT NULL, token_owner TEXT,
    PRIMARY KEY (station_id, id_tag)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS courses (
    station_id TEXT NOT NULL, transaction_id TEXT NOT NULL, place INTEGER, command_id TEXT, is_over INTEGER NOT NULL,
    is_told INTEGER NOT NULL, changed_at TEXT NOT NULL, course TEXT NOT NULL,
    PRIMARY KEY (station_id, transaction_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS courses_untold ON courses (changed_at) WHERE is_over AND NOT is_told;
CREATE TABLE IF NOT EXISTS dynamic_limits (
    station_id TEXT NOT NULL, profile_id INTEGER NOT NULL, lim REAL NOT NULL, used_at TEXT NOT NULL,
    PRIMARY KEY (station_id, profile_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rejected_frames (
    number INTEGER PRIMARY KEY, station_id TEXT NOT NULL, received_at TEXT NOT NULL, reason TEXT NOT NULL,
    frame BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS connected (station_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;
"""


def to_owner_text(owner: TokenOwner | None) -> str | None:
    """A token's owner as a column keeps it."""
    return None if owner is None else msgspec.json.encode(owner).decode()


def from_owner_text(text: str | None) -> TokenOwner | None:
    """The inverse of ``to_owner_text``."""
    return None if text is None else msgspec.json.decode(text, type=TokenOwner)


def open_state(path: Path | None) -> sqlite3.Connection:
    """The open file; ``None``: in memory, lost at the end of the process.

    ``synchronous=NORMAL``: what is written survives the death of this process, not always that of the machine
    (SQLite documentation, PRAGMA synchronous). Facts are not kept here, so that is enough, and no statement waits
    for the disk.
    """
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    if path is not None:
        # It names tokens: its owner's only. Closing a file that is there would end SQLite's locks on it.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path or ":memory:", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA busy_timeout = 2000")
    connection.executescript(_TABLES)
    for table in ("aliases", "reservations"):
        _add_used_at(connection, table)
    if all(column[1] != "told_id" for column in connection.execute("PRAGMA table_info(transactions)")):
        connection.execute("ALTER TABLE transactions ADD COLUMN told_id TEXT")
    return connection


def _add_used_at(connection: sqlite3.Connection, table: str) -> None:
    """A file of the first release knows no times of use: what it holds was used just now, for all we know."""
    if all(column[1] != "used_at" for column in connection.execute(f"PRAGMA table_info({table})")):
        connection.execute(f"ALTER TABLE {table} ADD COLUMN used_at TEXT NOT NULL DEFAULT ''")
    connection.execute(f"UPDATE {table} SET used_at = ? WHERE used_at = ''", (datetime.now(UTC).isoformat(),))  # noqa: S608

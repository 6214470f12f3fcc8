"""Tokens as stations know them: at most 20 characters, sometimes dirty. Knows the aliases of longer ones, the
numbers of reservations, and who was let in a moment ago. Tokens are never logged."""

import hashlib
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from adapters.kit.manifest import Authorization
from adapters.ocpp.state import from_owner_text, to_owner_text
from contracts.messages import TokenOwner
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus

LONGEST_ID_TAG: Final = 20
"""OCPP 1.6, section 7.28 (IdToken: CiString20Type); an OCPI uid may have 36."""
_DIRT: Final = re.compile(r"[\x00-\x20\x7f-\x9f]+")
_HEX_PAIRS: Final = re.compile(r"[0-9A-Fa-f]{2}(?:[:\-. ][0-9A-Fa-f]{2}){2,}")
_SENDABLE: Final = re.compile(r"[\x21-\x7e]+")
_IDENTIFIER: Final = re.compile(r"[a-zA-Z0-9*\-_=:+|@.]+")
"""OCPP 2.0.1 part 2, appendix (identifierString)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenForm:
    """What a version lets a token be."""

    longest: int
    allowed: re.Pattern[str]

    def fits(self, text: str) -> bool:
        """Whether it can be sent as it is."""
        return len(text) <= self.longest and self.allowed.fullmatch(text) is not None


ID_TAG: Final = TokenForm(longest=LONGEST_ID_TAG, allowed=_SENDABLE)


def identifier(longest: int) -> TokenForm:
    """The ``idToken`` of 2.x."""
    return TokenForm(longest=longest, allowed=_IDENTIFIER)


def clean(id_tag: str) -> str:
    """Without control characters, blanks and a dash at the end; ``04:A2:B3:C4`` becomes ``04A2B3C4``.

    >>> clean(" 04:a2:b3:c4\\x00"), clean("NL-TNM-000001-")
    ('04a2b3c4', 'NL-TNM-000001')
    """
    bare = id_tag.strip("\x00 \t\r\n")
    if _HEX_PAIRS.fullmatch(bare):
        return re.sub(r"[:\-. ]", "", bare)
    return _DIRT.sub("", bare).rstrip("-")


def fold(id_tag: str) -> str:
    """The form in which tags are compared (OCPP CiString)."""
    return id_tag.upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteStart:
    """A remote start that was sent to a station and may lead to a transaction."""

    command_id: str
    station_id: str
    connector_id: int | None
    id_tag: str
    token_uid: str
    reference: str | None
    group_id: str | None
    expires_at: datetime
    owner: TokenOwner | None = None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Tokens:
    """Aliases, pending remote starts, reservations, fresh authorisations. For the event loop's thread; no call
    waits for the disk. Raises ``sqlite3.Error`` when the file refuses."""

    def __init__(self, state: sqlite3.Connection, *, secret: bytes, now: Callable[[], datetime] | None = None) -> None:
        self._state = state
        self._now = now or _utc_now
        self._key = hashlib.blake2b(secret).digest()

    def to_id_tag(self, uid: str, form: TokenForm = ID_TAG) -> str:
        """What a station is given for ``uid``: itself, or 20 hex digits when it does not fit (never cut)."""
        if form.fits(uid):
            return uid
        alias = self._hash("alias", fold(uid), size=10).hex().upper()
        self._state.execute(
            "INSERT INTO aliases VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET used_at = excluded.used_at",
            (alias, uid, self._now().isoformat()),
        )
        return alias

    def to_uid(self, id_tag: str) -> str:
        """The token behind a cleaned ``id_tag``: an alias is resolved, anything else stays."""
        if len(id_tag) != LONGEST_ID_TAG:
            return id_tag
        row = self._state.execute("SELECT uid FROM aliases WHERE alias = ?", (fold(id_tag),)).fetchone()
        return row[0] if row else id_tag

    def to_parent_id_tag(self, group_id: str | None, form: TokenForm = ID_TAG) -> str | None:
        """What stations compare to tell that two tokens belong together."""
        if not group_id:
            return None
        if form.fits(group_id):
            return group_id
        return self._hash("group", fold(group_id), size=10).hex().upper()

    def to_reservation_number(self, station_id: str, reservation_id: str) -> int:
        """OCPP's integer for our text: the same again for the same reservation."""
        digest = self._hash("reservation", station_id, reservation_id, size=8)
        number = int.from_bytes(digest, "big") % (2**31 - 1) + 1
        self._state.execute(
            "INSERT OR REPLACE INTO reservations (station_id, number, reservation_id, used_at) VALUES (?, ?, ?, ?)",
            (station_id, number, reservation_id, self._now().isoformat()),
        )
        return number

    def to_reservation_id(self, station_id: str, number: int | None) -> str | None:
        """Our text for OCPP's integer."""
        if number is None or not 0 < number < 2**31:
            return None
        row = self._state.execute(
            "SELECT reservation_id FROM reservations WHERE station_id = ? AND number = ?", (station_id, number)
        ).fetchone()
        return row[0] if row else None

    def expect(self, start: RemoteStart) -> None:
        """From now on a transaction with this tag is taken for the consequence of the command."""
        self._state.execute(
            "INSERT OR REPLACE INTO remote_starts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                start.command_id,
                start.station_id,
                start.connector_id,
                fold(start.id_tag),
                start.token_uid,
                start.reference,
                start.group_id,
                start.expires_at.isoformat(),
                to_owner_text(start.owner),
            ),
        )

    def expected(self, station_id: str, *, connector_id: int | None, id_tag: str, now: datetime) -> RemoteStart | None:
        """The oldest pending remote start that fits; a connector counts only where both sides name one."""
        row = self._state.execute(
            "SELECT * FROM remote_starts WHERE station_id = ? AND id_tag = ? AND expires_at > ?"
            " AND (connector_id IS NULL OR ? IS NULL OR connector_id = ?) ORDER BY expires_at LIMIT 1",
            (station_id, fold(id_tag), now.isoformat(), connector_id, connector_id),
        ).fetchone()
        return None if row is None else _remote_start(row)

    def to_remote_start_number(self, command_id: str) -> int:
        """The integer by which a 2.x station says that a transaction comes of this command."""
        return int.from_bytes(self._hash("remote start", command_id, size=8), "big") % (2**31 - 1) + 1

    def expected_by_number(self, station_id: str, number: int, *, now: datetime) -> RemoteStart | None:
        """The pending remote start with this integer."""
        rows = self._state.execute(
            "SELECT * FROM remote_starts WHERE station_id = ? AND expires_at > ?", (station_id, now.isoformat())
        )
        fitting = (row for row in rows if self.to_remote_start_number(row[0]) == number)
        return next(map(_remote_start, fitting), None)

    def withdraw(self, command_id: str) -> None:
        """The command led to a transaction, or to nothing."""
        self._state.execute("DELETE FROM remote_starts WHERE command_id = ?", (command_id,))

    def remember(self, station_id: str, id_tag: str, decided: Authorization, *, until: datetime) -> None:
        """Keeps the answer to an Authorize for the start that follows it."""
        self._state.execute(
            "INSERT OR REPLACE INTO authorizations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                station_id,
                fold(id_tag),
                decided.token_uid,
                decided.status.value,
                decided.basis.value,
                decided.authorization_reference,
                decided.group_id,
                decided.command_id,
                until.isoformat(),
                to_owner_text(decided.owner),
            ),
        )

    def remembered(self, station_id: str, id_tag: str, *, now: datetime) -> Authorization | None:
        """The answer to a recent Authorize of this tag here."""
        row = self._state.execute(
            "SELECT token_uid, status, basis, reference, group_id, command_id, token_owner FROM authorizations"
            " WHERE station_id = ? AND id_tag = ? AND expires_at > ?",
            (station_id, fold(id_tag), now.isoformat()),
        ).fetchone()
        if row is None:
            return None
        return Authorization(
            token_uid=row[0],
            status=AuthorizationStatus(row[1]),
            basis=AuthorizationBasis(row[2]),
            authorization_reference=row[3],
            group_id=row[4],
            command_id=row[5],
            owner=from_owner_text(row[6]),
        )

    def forget(self, station_id: str, id_tag: str) -> None:
        """A transaction has used up the authorisation."""
        self._state.execute(
            "DELETE FROM authorizations WHERE station_id = ? AND id_tag = ?", (station_id, fold(id_tag))
        )

    def _hash(self, *parts: str, size: int) -> bytes:
        return hashlib.blake2b("\x00".join(parts).encode(), key=self._key, digest_size=size).digest()


def _remote_start(row: tuple[Any, ...]) -> RemoteStart:
    return RemoteStart(
        command_id=row[0],
        station_id=row[1],
        connector_id=row[2],
        id_tag=row[3],
        token_uid=row[4],
        reference=row[5],
        group_id=row[6],
        expires_at=datetime.fromisoformat(row[7]),
        owner=from_owner_text(row[8]),
    )

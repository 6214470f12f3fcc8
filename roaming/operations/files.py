"""Firmware that stations fetch and logs that they lay down, by addresses that one station may use once.

An address holds a random number and its keyed digest: one that was made up is refused before anything is looked up. It
is used up when all has been sent or taken; what broke off may be tried again, ``MOST_USES`` times. Bytes lie in the
database, in parts: every process of the service has them, and no name ever becomes a path.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.operations.tables import FilePartRow, FileRow, FileTicketRow
from roaming.store.bulk import append
from roaming.store.database import Database, Work
from roaming.store.trimming import old_rows

FILES = FileRow.__table__  # type: ignore[attr-defined]
PARTS = FilePartRow.__table__  # type: ignore[attr-defined]
TICKETS = FileTicketRow.__table__  # type: ignore[attr-defined]
TRIMMINGS = (old_rows("operation", TICKETS, "expires_at"),)

PART_OCTETS: Final = 256 * 1024
LARGEST_FIRMWARE: Final = 512 * 2**20
LARGEST_LOG: Final = 64 * 2**20
MOST_USES: Final = 10
LIFETIME: Final = timedelta(days=1)
HERE: Final = "hub:"
"""Before the id of a firmware file, in place of an address: each station gets one of its own. Alone: for a log."""
_TICKET: Final = re.compile(r"[A-Za-z0-9_-]{22}\.[0-9a-f]{32}")

Digest = Callable[[str], str]


class NoSuchFile(LookupError):
    """There is none of this id, or it is not whole; the text says what to do."""


class TooLarge(ValueError):
    """It has more octets than may be."""


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """What an address is good for."""

    id: str
    file_id: str
    network: str
    station_id: str


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Makes addresses, and knows its own. ``base``: where stations reach this hub, such as ``https://hub.example``."""

    base: str
    digest: Digest

    async def to_fetch(self, work: Work, file_id: str, network: str, station_id: str) -> str:
        """For one station and a complete file. Raises ``NoSuchFile``."""
        await describe(work.connection, file_id)
        return await self._new(work, file_id, network, station_id)

    async def to_lay_down(self, work: Work, network: str, station_id: str) -> str:
        """For one log of one station."""
        return await self._new(work, "", network, station_id)

    async def _new(self, work: Work, file_id: str, network: str, station_id: str) -> str:
        id = secrets.token_urlsafe(16)
        row = {
            "id": id,
            "file_id": file_id,
            "network": network,
            "station_id": station_id,
            "uses": 0,
            "is_used": False,
            "expires_at": work.now + LIFETIME,
        }
        await append(work.connection, TICKETS, [row])
        return f"{self.base}/files/{id}.{self._sign(id)}"

    def _sign(self, id: str) -> str:
        return hashlib.sha256(self.digest(f"file ticket {id}").encode()).hexdigest()[:32]

    def known(self, text: str) -> str | None:
        """The ticket's id, if we made it."""
        if not _TICKET.fullmatch(text):
            return None
        id, _, signature = text.partition(".")
        return id if hmac.compare_digest(signature, self._sign(id)) else None

    async def begin(self, database: Database, text: str, *, is_fetching: bool) -> Ticket | None:
        """The ticket, one use of it counted; ``None`` for one that is not good (any more) for this."""
        id = self.known(text)
        if id is None:
            return None
        columns = TICKETS.c
        async with database.work() as work:
            statement = (
                update(TICKETS)
                .where(
                    columns.id == id,
                    columns.is_used.is_(False),
                    columns.uses < MOST_USES,
                    columns.expires_at > work.now,
                    (columns.file_id != "") if is_fetching else (columns.file_id == ""),
                )
                .values(uses=columns.uses + 1)
                .returning(columns.id, columns.file_id, columns.network, columns.station_id)
            )
            row = (await work.connection.execute(statement)).mappings().one_or_none()
        return Ticket(**row) if row is not None else None


async def use_up(connection: AsyncConnection, ticket: Ticket) -> bool:
    """False when another request with the same address was first."""
    columns = TICKETS.c
    statement = update(TICKETS).where(columns.id == ticket.id, columns.is_used.is_(False)).values(is_used=True)
    return bool((await connection.execute(statement)).rowcount)


async def store(
    database: Database, parts: AsyncIterator[bytes], *, kind: str, name: str, largest: int, **beside: str
) -> str:
    """Keeps a file, part by part, and returns its id; it is not complete yet. Of one that breaks off nothing stays.
    Raises ``TooLarge``, and what ``parts`` raises."""
    id = secrets.token_urlsafe(12)
    digests = {"digest": hashlib.sha256(), "md5": hashlib.md5(usedforsecurity=False)}
    octets, number, rest = 0, 0, bytearray()

    async def write(content: bytes) -> None:
        nonlocal number
        async with database.work() as work:
            await work.connection.execute(PARTS.insert().values(file_id=id, number=number, content=content))
        number += 1

    async with database.work() as work:
        row = {"id": id, "kind": kind, "name": _shown(name), "is_complete": False, "octets": 0, "digest": "", "md5": ""}
        usual = {"certificate": "", "signature": "", "network": "", "station_id": "", "who": ""}
        await append(work.connection, FILES, [row | usual | beside | {"created_at": work.now}])
    try:
        async for part in parts:
            octets += len(part)
            if octets > largest:
                raise TooLarge(f"a file of this kind has at most {largest} octets")
            for digest in digests.values():
                digest.update(part)
            rest += part
            while len(rest) >= PART_OCTETS:
                await write(bytes(rest[:PART_OCTETS]))
                del rest[:PART_OCTETS]
        if rest:
            await write(bytes(rest))
        async with database.work() as work:
            whole = {"octets": octets} | {name: digest.hexdigest() for name, digest in digests.items()}
            await work.connection.execute(update(FILES).where(FILES.c.id == id).values(**whole))
    except BaseException:
        async with database.work() as work:
            await remove(work.connection, id)
        raise
    return id


async def complete(connection: AsyncConnection, id: str) -> None:
    """From now on it is there for others."""
    await connection.execute(update(FILES).where(FILES.c.id == id).values(is_complete=True))


async def remove(connection: AsyncConnection, id: str) -> bool:
    """Whether there was one."""
    await connection.execute(delete(PARTS).where(PARTS.c.file_id == id))
    return bool((await connection.execute(delete(FILES).where(FILES.c.id == id))).rowcount)


async def describe(connection: AsyncConnection, id: str) -> dict[str, Any]:
    """All but its bytes. Raises ``NoSuchFile``."""
    statement = select(FILES).where(FILES.c.id == id, FILES.c.is_complete)
    row = (await connection.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NoSuchFile(f"no file {id[:40]}: see `roaming firmware list` (GET /api/firmware)")
    return dict(row)


async def know_md5(database: Database, id: str) -> None:
    """Reads a file once whose MD5 was not kept when it came, while no transaction is open. Raises ``NoSuchFile``."""
    async with database.reading() as connection:
        if (await describe(connection, id))["md5"]:
            return
    digest = hashlib.md5(usedforsecurity=False)
    async for part in content(database, id):
        digest.update(part)
    async with database.work() as work:
        await work.connection.execute(update(FILES).where(FILES.c.id == id).values(md5=digest.hexdigest()))


async def list_files(connection: AsyncConnection, kind: str, *, limit: int = 1000) -> list[dict[str, Any]]:
    """Those that are whole, the newest first."""
    chosen = select(FILES).where(FILES.c.kind == kind, FILES.c.is_complete).order_by(FILES.c.created_at.desc())
    return [dict(row) for row in (await connection.execute(chosen.limit(limit))).mappings()]


async def content(database: Database, id: str) -> AsyncIterator[bytes]:
    """Its bytes, part by part: no transaction stays open while a station reads."""
    number = 0
    while True:
        statement = select(PARTS.c.content).where(PARTS.c.file_id == id, PARTS.c.number == number)
        async with database.reading() as connection:
            part = (await connection.execute(statement)).scalar_one_or_none()
        if part is None:
            return
        yield bytes(part)
        number += 1


def _shown(name: str) -> str:
    """A name for people, whatever a station sent."""
    return "".join(sign for sign in name if sign.isprintable() and sign not in '/\\"')[:200] or "unnamed"

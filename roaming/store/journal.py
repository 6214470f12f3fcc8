"""Every message as it came and went, secrets masked: what people search when two sides disagree.

Entries are written in batches beside the request (a few hundred milliseconds may be lost by a kill); a refused
message is written before it is answered, so that bad input loses nothing.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import BigInteger, Column, Integer, Text, delete
from sqlmodel import Field, SQLModel

from roaming.store.columns import UtcDateTime
from roaming.store.database import Database
from roaming.store.errors import StoreUnavailable

logger = structlog.get_logger(__name__)

MAX_BODY = 64 * 1024
MAX_WAITING = 10_000
FLUSH_SECONDS = 0.2
MASKED_HEADERS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization"})
_TOKEN_FIELD = re.compile(r'("token"\s*:\s*")[^"]*(")')
_BIG = BigInteger().with_variant(Integer(), "sqlite")


class JournalRow(SQLModel, table=True):
    """One exchange with a partner."""

    __tablename__ = "journal"

    id: int | None = Field(default=None, sa_column=Column(_BIG, primary_key=True, autoincrement=True))
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
    direction: str
    partner_id: str = ""
    module: str = ""
    method: str
    url: str = Field(sa_column=Column(Text, nullable=False))
    http_status: int | None = None
    ocpi_status: int | None = None
    request_id: str = ""
    correlation_id: str = Field(default="", index=True)
    parties: str = ""
    elapsed_ms: int = 0
    request_body: str = Field(default="", sa_column=Column(Text, nullable=False))
    response_body: str = Field(default="", sa_column=Column(Text, nullable=False))
    note: str = Field(default="", sa_column=Column(Text, nullable=False))


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request and its answer. ``direction`` is ``in`` or ``out``; bodies are already masked or harmless."""

    at: datetime
    direction: str
    method: str
    url: str
    partner_id: str = ""
    module: str = ""
    http_status: int | None = None
    ocpi_status: int | None = None
    request_id: str = ""
    correlation_id: str = ""
    parties: str = ""
    elapsed_ms: int = 0
    request_body: str = ""
    response_body: str = ""
    note: str = ""


def mask_body(body: bytes, *, holds_credentials: bool = False) -> str:
    """``body`` as text for the journal: capped, control characters made visible, credentials tokens masked."""
    text = body[:MAX_BODY].decode("utf-8", "backslashreplace").replace("\x00", "\\x00")
    if holds_credentials:
        text = _TOKEN_FIELD.sub(r"\1***\2", text)
    return text


def mask_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers with what must never be stored masked."""
    return {name: "***" if name.lower() in MASKED_HEADERS else value for name, value in headers.items()}


class Journal:
    """Takes entries at once and writes them in batches."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[Exchange] = []
        self._writing = asyncio.Lock()
        self.dropped = 0

    def note(self, entry: Exchange) -> None:
        """Writes ``entry`` soon. When the database is away for long, the oldest are counted and dropped."""
        self._waiting.append(entry)
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[0]
            self.dropped += 1

    async def keep(self, entry: Exchange) -> None:
        """Writes ``entry`` before returning; when the database is away, soon."""
        self.note(entry)
        try:
            await self.flush()
        except StoreUnavailable:
            logger.warning("journal_waits", waiting=len(self._waiting))

    async def flush(self) -> None:
        """Writes all that wait. Raises ``StoreUnavailable``, keeping them."""
        async with self._writing:
            batch, self._waiting = self._waiting, []
            if not batch:
                return
            try:
                async with self._database.work() as work:
                    await work.connection.execute(
                        JournalRow.__table__.insert(),  # type: ignore[attr-defined]
                        [asdict(entry) for entry in batch],
                    )
            except BaseException:
                self._waiting[:0] = batch
                raise

    async def run(self, *, keep_for: timedelta) -> None:
        """Flushes until cancelled and forgets what is older than ``keep_for``."""
        last_prune = self._database.clock.now()
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
                now = self._database.clock.now()
                if now - last_prune > timedelta(hours=1):
                    last_prune = now
                    table = JournalRow.__table__  # type: ignore[attr-defined]
                    async with self._database.work() as work:
                        await work.connection.execute(delete(table).where(table.c.at < now - keep_for))
            except StoreUnavailable as error:
                logger.warning("journal_waits", reason=str(error), waiting=len(self._waiting))

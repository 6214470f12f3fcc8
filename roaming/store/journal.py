"""Every message as it came and went, secrets masked: what people search when two sides disagree.

Entries are written in batches beside the request (a few hundred milliseconds may be lost by a kill); a refused
message is written before it is answered, so that bad input loses nothing.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog
from sqlalchemy import BigInteger, Column, Integer, Table, Text
from sqlmodel import Field, SQLModel

from roaming.store import losses
from roaming.store.bulk import append
from roaming.store.columns import UtcDateTime, storable_text
from roaming.store.database import Database, Work
from roaming.store.errors import StoreUnavailable
from roaming.store.losses import Losses
from roaming.store.trimming import old_rows

logger = structlog.get_logger(__name__)

MAX_BODY = 64 * 1024
"""Characters of a body that are kept."""
MAX_FIELD = 4096
MAX_WAITING = 10_000
MAX_WAITING_CHARACTERS = 16 * 1024 * 1024
FLUSH_SECONDS = 0.2
FLUSH_BATCH = 500
MASKED_HEADERS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization"})
_WORD = re.compile(r"\w++")
_SET = re.compile(r"""["']?+\s*+(?:[:=]\s*+)?+["']?+""")
_VALUE = re.compile(r"""(?:\\.|[^"'\\,}&\s])++""")
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


JOURNAL: Table = JournalRow.__table__  # type: ignore[attr-defined]
TRIMMINGS = (old_rows("journal", JOURNAL, "at"),)


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
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
    seen = body if holds_credentials else body[: MAX_BODY + 1]
    text = storable_text(seen.decode("utf-8", "backslashreplace"))
    if holds_credentials:
        text = _mask_tokens(text)
    return text if len(text) <= MAX_BODY else f"{text[:MAX_BODY]}… ({len(body)} bytes)"


def _mask_tokens(text: str) -> str:
    """By structure where the body is JSON; otherwise everything that could be the value of a token. Takes time linear
    in the text, which anybody may have written."""
    try:
        return json.dumps(_masked(json.loads(text)), ensure_ascii=False)
    except (ValueError, RecursionError):
        pass
    found: list[str] = []
    done = position = 0
    while (word := _WORD.search(text, position)) is not None:
        position = word.end()
        if "token" in word[0].lower():
            begin = _SET.match(text, position)
            assert begin is not None, "it may be empty"
            value = _VALUE.match(text, begin.end())
            if value is not None:
                found += [text[done : value.start()], "***"]
                done = position = value.end()
    return "".join([*found, text[done:]])


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "***" if "token" in key.lower() else _masked(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_masked(entry) for entry in value]
    return value


def mask_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers with what must never be stored masked."""
    return {name: "***" if name.lower() in MASKED_HEADERS else value for name, value in headers.items()}


async def write_within(work: Work, entries: Sequence[Exchange]) -> None:
    """Writes entries with the change they tell of, for what came over the bus and must not be lost."""
    await append(work.connection, JOURNAL, [_row(entry) for entry in entries])


class Journal:
    """Takes entries at once and writes them in batches."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[Exchange] = deque()
        self._size = 0
        self._losses = Losses()
        self._writing = asyncio.Lock()
        self.dropped = 0

    def note(self, entry: Exchange) -> None:
        """Writes ``entry`` soon. When the database is away for long, the oldest are counted and dropped."""
        self._waiting.append(entry)
        self._size += _size(entry)
        while len(self._waiting) > MAX_WAITING or self._size > MAX_WAITING_CHARACTERS:
            self._size -= _size(self._waiting.popleft())
            self.dropped += 1

    def lose(self, partner_id: str, module: str, lost: Iterable[tuple[str, str, str]]) -> None:
        """Counts soon what a partner's version could not say, each (version, path, reason)."""
        self._losses.add(partner_id, module, lost)

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
            while self._waiting:
                batch = [self._waiting[index] for index in range(min(len(self._waiting), FLUSH_BATCH))]
                dropped = self.dropped
                await self._write(batch)
                for _ in range(len(batch) - (self.dropped - dropped)):
                    self._size -= _size(self._waiting.popleft())
            await self._write_losses()

    async def _write_losses(self) -> None:
        taken = self._losses.take()
        if not taken:
            return
        try:
            async with self._database.work() as work:
                await losses.write(work.connection, taken, work.now)
        except StoreUnavailable:
            self._losses.give_back(taken)
            raise

    async def _write(self, batch: Sequence[Exchange]) -> None:
        try:
            async with self._database.work() as work:
                await append(work.connection, JOURNAL, [_row(entry) for entry in batch])
        except StoreUnavailable:
            raise
        except Exception:
            if len(batch) == 1:
                logger.exception("journal_entry_is_lost", method=batch[0].method, module=batch[0].module)
                return
            for entry in batch:
                await self._write([entry])

    async def run(self) -> None:
        """Flushes until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except StoreUnavailable as error:
                logger.warning("journal_waits", reason=str(error), waiting=len(self._waiting))


def _row(entry: Exchange) -> dict[str, Any]:
    row = {name: getattr(entry, name) for name in Exchange.__struct_fields__}
    for name, value in row.items():
        if isinstance(value, str):
            row[name] = storable_text(value)[: MAX_BODY if name.endswith("_body") else MAX_FIELD]
    return row


def _size(entry: Exchange) -> int:
    return len(entry.request_body) + len(entry.response_body) + len(entry.url) + len(entry.note) + 500

"""What a station tells of a charge that is closed: nothing of it changes the session or its CDR any more, and nothing
is lost (decision 0096). Knows nothing of prices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages import MeterValuesTaken, TransactionEnded
from roaming.modules.sessions import course as courses
from roaming.modules.sessions.course import Course
from roaming.modules.sessions.model import TransactionState
from roaming.modules.sessions.repository import Transaction, TransactionKey
from roaming.modules.sessions.tables import LateFactRow
from roaming.store.bulk import insert_new
from roaming.store.columns import storable_text, text_to_time
from roaming.store.consume import Received
from roaming.store.reader import Reader
from roaming.store.trimming import old_rows

LATE_FACTS = LateFactRow.__table__  # type: ignore[attr-defined]
TRIMMINGS = (old_rows("late_facts", LATE_FACTS, "received_at"),)
MAX_LATE = 1_000
"""Kept of one charge: a station may go on for ever. The course counts them all."""
UNBILLED_WH = Decimal(100)
"""What a meter counts above the end of its charge and is not worth a new invoice."""
SHOWN_FOR = timedelta(days=30)
_UNBILLED = (
    "SELECT COUNT(*) FROM (SELECT DISTINCT network, station_id, transaction_id FROM late_facts"
    " WHERE is_unbilled AND received_at > $1) AS told"
)
_WITHOUT_READINGS = (
    "SELECT COUNT(*) FROM (SELECT DISTINCT network, station_id, transaction_id FROM late_facts"
    " WHERE is_within AND received_at > $1) AS told"
)

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class LateFact:
    """One of them."""

    message_id: str
    key: TransactionKey
    kind: str
    is_unbilled: bool
    is_within: bool
    register_wh: Decimal | None
    document: str


def late_fact(entry: Transaction, received: Received) -> LateFact | None:
    """What is kept of a fact about a closed charge; ``None`` when it says what is known."""
    message = received.message
    is_within = False
    is_billed = entry.state == TransactionState.CLOSED and bool(entry.session_key)
    match message:
        case TransactionEnded():
            if not _says_more(entry.course, message):
                return None
            register: Decimal | None = message.register_wh
            is_unbilled = True
        case MeterValuesTaken():
            readings = courses.readings_of(message)
            register = max((wh for _, wh, _ in readings), default=None)
            start, end = entry.course.start, entry.course.end
            is_within = start is not None and end is not None and any(start.at < at < end.at for at, _, _ in readings)
            is_unbilled = register is not None and end is not None and register >= end.register_wh + UNBILLED_WH
        case _:
            return None
    return LateFact(
        message_id=received.envelope.id,
        key=entry.key,
        kind=received.envelope.type,
        is_unbilled=is_unbilled and is_billed,
        is_within=is_within and is_billed,
        register_wh=register,
        document=storable_text(msgspec.json.encode(message).decode()),
    )


def _says_more(course: Course, message: TransactionEnded) -> bool:
    """A station's own end of a charge that the hub closed without it."""
    end = course.end
    return end is not None and end.is_assumed and (message.register_wh, message.ended_at) != (end.register_wh, end.at)


async def keep(connection: AsyncConnection, facts: Sequence[LateFact], *, now: datetime) -> None:
    """Stores them; one that is there already stays."""
    rows = [
        {
            "message_id": fact.message_id,
            "network": fact.key[0],
            "station_id": fact.key[1],
            "transaction_id": fact.key[2],
            "received_at": now,
            "kind": fact.kind,
            "is_unbilled": fact.is_unbilled,
            "is_within": fact.is_within,
            "register_wh": None if fact.register_wh is None else str(fact.register_wh),
            "document": fact.document,
        }
        for fact in facts
    ]
    if rows:
        await insert_new(connection, LATE_FACTS, rows, key=("message_id",))


async def count_unbilled(reader: Reader, *, now: datetime) -> int:
    """Charges of which more was told after they were closed than their CDR says, in the last ``SHOWN_FOR``."""
    rows = await reader.fetch(_UNBILLED, now - SHOWN_FOR)
    return int(rows[0][0])


async def count_without_readings(reader: Reader, *, now: datetime) -> int:
    """Charges that were priced without some readings, which came after the close, in the last ``SHOWN_FOR``."""
    rows = await reader.fetch(_WITHOUT_READINGS, now - SHOWN_FOR)
    return int(rows[0][0])


@dataclass(frozen=True, kw_only=True)
class KeptFact:
    """One of them as it is shown."""

    session_key: str
    """Empty where no session was made."""
    key: TransactionKey
    received_at: datetime
    kind: str
    is_unbilled: bool
    register_wh: Decimal | None
    billed_wh: Decimal | None
    """The register at the end of what was billed."""


async def find_late(reader: Reader, *, limit: int) -> list[KeptFact]:
    """The newest ``limit`` of them. Committed data only."""
    rows = await reader.fetch(
        "SELECT t.session_key, t.network, t.station_id, t.transaction_id, l.received_at, l.kind, l.is_unbilled,"
        " l.register_wh, t.document FROM late_facts l JOIN transactions t ON t.network = l.network"
        " AND t.station_id = l.station_id AND t.transaction_id = l.transaction_id"
        " ORDER BY l.received_at DESC, l.message_id LIMIT $1",
        limit,
    )
    found: list[KeptFact] = []
    for session_key, network, station_id, transaction_id, received_at, kind, is_unbilled, register_wh, document in rows:
        end = msgspec.json.decode(document, type=Course).end
        found.append(
            KeptFact(
                session_key=session_key,
                key=(network, station_id, transaction_id),
                received_at=text_to_time(received_at),
                kind=kind,
                is_unbilled=bool(is_unbilled),
                register_wh=None if register_wh is None else Decimal(register_wh),
                billed_wh=end.register_wh if end is not None and session_key else None,
            )
        )
    return found

"""What the service has written down for the bus."""

from typing import TypeVar

from contracts.envelope import decode
from contracts.messages import Message
from roaming.store.database import Database

M = TypeVar("M", bound=Message)


async def waiting(database: Database, kind: type[M]) -> list[tuple[str, M]]:
    """Subject and message of everything of class ``kind`` that no relay has taken yet, in order."""
    rows = await database.reader.fetch("SELECT envelope FROM outbox ORDER BY id")
    found = [(envelope.subject, envelope.message()) for envelope in (decode(row[0].encode()) for row in rows)]
    return [(subject, message) for subject, message in found if isinstance(message, kind)]

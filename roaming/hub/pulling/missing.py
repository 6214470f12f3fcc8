"""What a complete list of a partner lacks: counted, named, and handled as the module says.

A list that may be incomplete proves nothing, and one that lacks most of what we hold is rather a fault than a truth:
then it is only shown.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from roaming.hub.pulling.page import add_doubt
from roaming.hub.pulling.state import Pull, save
from roaming.ocpi.pulling import PullRules
from roaming.store.database import Database

AT_ONCE = 200
MAX_SHOWN = 20
FEW = 10
"""So many may be missing, however few there were."""


async def settle_missing(database: Database, rules: PullRules, pull: Pull) -> None:
    """Counts what the finished full pull did not see, and drops it where the list is beyond doubt. Raises ``Lost``
    and ``StoreUnavailable``; may be repeated."""
    progress = pull.progress
    table = rules.documents.table.name
    rows = await database.reader.fetch(f"SELECT COUNT(*) FROM {table} WHERE source = $1", pull.partner_id)  # noqa: S608
    progress.missing, progress.missing_keys = 0, []
    async for keys in _missing(database, rules, pull):
        progress.missing += len(keys)
        progress.missing_keys = (progress.missing_keys + keys)[:MAX_SHOWN]
    if rules.drop is None:
        return
    if progress.missing > max(FEW, rows[0][0] // 2):
        add_doubt(progress, f"{progress.missing} of our {rows[0][0]} objects are missing: more than half")
    if progress.doubts:
        return
    async for keys in _missing(database, rules, pull):
        async with database.work() as work:
            for key in keys:
                progress.dropped += await rules.drop(work, key, pull.partner_id)
            await save(work, pull)


async def _missing(database: Database, rules: PullRules, pull: Pull) -> AsyncIterator[list[str]]:
    """Keys of this partner's objects here that the pull has not seen and that did not come by push since it began."""
    sql = (
        f"SELECT t.key FROM {rules.documents.table.name} AS t"  # noqa: S608 - our own name
        " WHERE t.source = $1 AND t.received_at < $2 AND t.key > $3 AND NOT EXISTS"
        " (SELECT 1 FROM pull_seen AS s WHERE s.partner_id = $1 AND s.module = $4 AND s.key = t.key)"
        f" ORDER BY t.key LIMIT {AT_ONCE}"
    )
    after = ""
    while True:
        rows: Sequence[Any] = await database.reader.fetch(sql, pull.partner_id, pull.started_at, after, pull.module)
        if not rows:
            return
        after = rows[-1][0]
        yield [row[0] for row in rows]

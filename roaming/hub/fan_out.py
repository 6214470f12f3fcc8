"""From "this changed" to one delivery per partner that may know: audience by the module's declaration, changes of
the same thing coalesced."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from sqlalchemy import delete

from roaming.hub.whereabouts import records_passed_on
from roaming.model.identifiers import PartyId
from roaming.ocpi.module import Clue, DeliveryKind, OcpiModule, Outgoing, Recipient, Services
from roaming.ocpi.outgoing import DELIVERIES, OutgoingRow
from roaming.partners.directory import Directory
from roaming.partners.retelling import is_still
from roaming.store.bulk import insert_new, upsert
from roaming.store.database import Work
from roaming.store.documents import key_for_logs
from roaming.store.errors import StoreUnavailable
from roaming.store.locks import Locks

logger = structlog.get_logger(__name__)

BATCH = 500
IDLE_SECONDS = 0.5
OUTGOING = OutgoingRow.__table__  # type: ignore[attr-defined]
_SELECT = "SELECT id, module, object_key, owner, part, order_key, detail, correlation_id FROM outgoing"
_RENEWED = (
    "detail",
    "order_key",
    "to_party",
    "from_party",
    "correlation_id",
    "created_at",
    "due_at",
    "revision = t.revision + 1",
    "attempts = 0",
    "state = 'PENDING'",
    "last_error = ''",
)


class FanOut:
    """One runs at a time over all processes (lock ``fan-out``)."""

    def __init__(self, services: Services, modules: Sequence[OcpiModule], locks: Locks) -> None:
        self._services = services
        self._modules: Mapping[str, OcpiModule] = {module.id: module for module in modules}
        self._locks = locks
        marks = ", ".join(f"${number}" for number in range(1, len(modules) + 1))
        self._select = f"{_SELECT} WHERE module IN ({marks}) ORDER BY id LIMIT {BATCH}"

    async def run(self) -> None:
        """Fans out until cancelled."""
        has_looked = False
        while True:
            try:
                if not has_looked:
                    await self._warn_of_strangers()
                    has_looked = True
                moved = await self._locks.try_acquire("fan-out") and await self.fan_out_once()
                if not moved:
                    await self._services.database.wakeups.wait("outgoing", IDLE_SECONDS)
            except StoreUnavailable as error:
                logger.warning("fan_out_waits", reason=str(error))
                await asyncio.sleep(0.5)

    async def fan_out_once(self) -> int:
        """Turns one batch of changes into deliveries, in one transaction; returns how many changes. Those of modules
        that are not here wait for a process that has them: the next release, where this one is being replaced."""
        database = self._services.database
        rows = await database.reader.fetch(self._select, *self._modules)
        if not rows:
            return 0
        directory = await self._services.directory.current()
        told = await self._audiences(self._latest(rows), directory)
        async with database.work() as work:
            if not await is_still(work, directory.revision):
                return 0  # a rule has changed meanwhile: who may know is found anew
            # Taken before anything is made of them: whoever comes second, its lock lost, finds nothing
            statement = delete(OUTGOING).where(OUTGOING.c.id.in_([row[0] for row in rows])).returning(OUTGOING.c.id)
            taken = {row[0] for row in await work.connection.execute(statement)}
            changes: list[tuple[Outgoing, Recipient]] = []
            records: dict[str, dict[str, Any]] = {}
            for id, outgoing, recipient in told:
                if id in taken:
                    if self._is_record(outgoing.module):
                        key = _coalesce_key(outgoing, recipient, id)
                        records[key] = _delivery(work, key, outgoing, recipient)
                    else:
                        changes.append((outgoing, recipient))
            await put_deliveries(work, changes)
            await insert_new(work.connection, DELIVERIES, list(records.values()), key=("coalesce_key",))
            if records:
                work.wake("deliveries")
        return len(rows)

    async def _warn_of_strangers(self) -> None:
        for module, count in await self._services.database.reader.fetch(
            "SELECT module, COUNT(*) FROM outgoing GROUP BY module ORDER BY module"
        ):
            if module not in self._modules:
                logger.warning("changes_of_an_unknown_module_wait", module=module, count=int(count))

    async def _audiences(self, rows: Sequence[Any], directory: Directory) -> list[tuple[int, Outgoing, Recipient]]:
        """Whom each change is told to. Of one whose audience cannot be found nobody hears: better than everybody."""
        reader = self._services.database.reader
        told: list[tuple[int, Outgoing, Recipient]] = []
        for module in dict.fromkeys(row[1] for row in rows):
            rules = self._modules[module].delivery
            if rules is None:
                continue
            mine = [(row[0], _outgoing(row)) for row in rows if row[1] == module]
            found = await rules.read(reader, [outgoing.object_key for _, outgoing in mine])
            passed = frozenset[str]()
            if any(route.clue is Clue.TOKEN_OWNER and route.method == "POST" for route in self._modules[module].routes):
                passed = await records_passed_on(reader, [outgoing for _, outgoing in mine])
            for id, outgoing in mine:
                if outgoing.object_key in passed:
                    continue
                try:
                    recipients = rules.audience(outgoing, found.get(outgoing.object_key), directory)
                except Exception:
                    key = key_for_logs(module, outgoing.object_key)
                    logger.exception("audience_unknown", module=module, object_key=key)
                    continue
                told.extend((id, outgoing, recipient) for recipient in recipients)
        return told

    def _is_record(self, module: str) -> bool:
        rules = self._modules[module].delivery
        return rules is not None and rules.kind == DeliveryKind.RECORD

    def _latest(self, rows: Sequence[Any]) -> list[Any]:
        """Of several changes to one thing the last; every record."""
        kept: dict[tuple[Any, ...], Any] = {}
        for row in rows:
            kept[(row[0],) if self._is_record(row[1]) else (row[1], row[2], row[4])] = row
        return list(kept.values())


async def put_deliveries(work: Work, changes: Sequence[tuple[Outgoing, Recipient]]) -> None:
    """One delivery for each change of state, in place of one for the same thing that is still under way or is done."""
    rows: dict[str, dict[str, Any]] = {}
    for outgoing, recipient in changes:
        key = _coalesce_key(outgoing, recipient, None)
        rows[key] = _delivery(work, key, outgoing, recipient)
    await upsert(work.connection, DELIVERIES, list(rows.values()), key=("coalesce_key",), update=_RENEWED)
    if rows:
        work.wake("deliveries")


def _outgoing(row: Sequence[Any]) -> Outgoing:
    return Outgoing(
        module=row[1],
        object_key=row[2],
        owner=PartyId.parse(row[3]),
        part=row[4],
        order_key=row[5],
        detail=row[6],
        correlation_id=row[7],
    )


def _coalesce_key(outgoing: Outgoing, recipient: Recipient, record_id: int | None) -> str:
    parts = [recipient.partner_id, outgoing.module, outgoing.object_key, outgoing.part]
    if recipient.is_apart:
        parts.append(f"to {recipient.to_party}")
    if record_id is not None:
        parts.append(str(record_id))
    return "|".join(parts)


def _delivery(work: Work, key: str, outgoing: Outgoing, recipient: Recipient) -> dict[str, Any]:
    return {
        "coalesce_key": key,
        "partner_id": recipient.partner_id,
        "module": outgoing.module,
        "object_key": outgoing.object_key,
        "owner": str(outgoing.owner),
        "part": outgoing.part,
        "order_key": outgoing.order_key or outgoing.object_key,
        "detail": outgoing.detail,
        "to_party": str(recipient.to_party or ""),
        "from_party": str(recipient.from_party or ""),
        "state": "PENDING",
        "revision": 1,
        "attempts": 0,
        "is_in_doubt": False,
        "is_full": False,
        "correlation_id": outgoing.correlation_id,
        "created_at": work.now,
        "due_at": work.now,
        "last_error": "",
        "remote_url": "",
    }

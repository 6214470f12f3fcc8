"""Tells a partner what came into its sight, looks different or is out of it since a rule has changed: in batches of
deliveries, each written together with how far it has come, so that a process that dies is taken up where it was."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from sqlalchemy import update
from sqlmodel import SQLModel

from roaming.hub.fan_out import put_deliveries
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.ocpi.module import DeliveryRules, OcpiModule, Outgoing, Recipient, Services
from roaming.partners.directory import Directory, Partner
from roaming.partners.retelling import CHANNEL, RETELLINGS, is_still
from roaming.partners.telling import Told, view_towards
from roaming.partners.views import View
from roaming.store.columns import storable_text
from roaming.store.consume import reason_of
from roaming.store.documents import Stored, object_key
from roaming.store.errors import StoreUnavailable
from roaming.store.locks import Locks

logger = structlog.get_logger(__name__)

BATCH = 500
IDLE_SECONDS = 5.0
_NEXT = (
    "SELECT id, partner_id, module, owner, before, keys, cursor FROM retellings WHERE is_done = false"
    " ORDER BY id LIMIT 1"
)


@dataclass(frozen=True, kw_only=True)
class _Open:
    """One that is under way."""

    id: int
    partner_id: str
    module: str
    owner: PartyId
    before: View
    ids: Sequence[str] | None
    cursor: str

    @classmethod
    def of(cls, row: Sequence[Any]) -> "_Open":
        return cls(
            id=row[0],
            partner_id=row[1],
            module=row[2],
            owner=PartyId.parse(row[3]),
            before=msgspec.json.decode(row[4], type=View),
            ids=json.loads(row[5]) if row[5] else None,
            cursor=row[6],
        )


class Reteller:
    """One runs at a time over all processes (lock ``retelling``)."""

    def __init__(self, services: Services, modules: Sequence[OcpiModule], locks: Locks) -> None:
        self._services = services
        self._rules: Mapping[str, DeliveryRules[Any]] = {
            m.id: m.delivery for m in modules if m.delivery is not None and m.delivery.retell is not None
        }
        self._locks = locks
        self._has_reopened = False

    async def run(self) -> None:
        """Works off what is open until cancelled; first, once, what was set aside before this process began, which may
        be of a release that can tell it."""
        database = self._services.database
        while True:
            try:
                if not self._has_reopened:
                    await self.reopen()
                    self._has_reopened = True
                if not (await self._locks.try_acquire("retelling") and await self.tell_once()):
                    await database.wakeups.wait(CHANNEL, IDLE_SECONDS)
            except StoreUnavailable as error:
                logger.warning("retelling_waits", reason=str(error))
                await asyncio.sleep(0.5)

    async def tell_once(self) -> bool:
        """One batch of the oldest one that is open; False when there is none. One that cannot be told is set aside, so
        that the others are. Raises ``StoreUnavailable``."""
        rows = await self._services.database.reader.fetch(_NEXT)
        if not rows:
            return False
        try:
            await self._tell_of(rows[0])
        except StoreUnavailable:
            raise
        except Exception as error:
            logger.exception("retelling_set_aside", id=rows[0][0], partner=rows[0][1], module=rows[0][2])
            await self._set_aside(rows[0][0], reason_of(error))
        return True

    async def reopen(self) -> None:
        """Lets all that was set aside be tried again, from where it stopped."""
        async with self._services.database.work() as work:
            is_aside = RETELLINGS.c.is_done & (RETELLINGS.c.error != "")
            await work.connection.execute(update(RETELLINGS).where(is_aside).values(is_done=False, error=""))

    async def _set_aside(self, id: int, reason: str) -> None:
        async with self._services.database.work() as work:
            values = {"is_done": True, "error": storable_text(reason)}
            await work.connection.execute(update(RETELLINGS).where(RETELLINGS.c.id == id).values(values))

    async def _tell_of(self, row: Sequence[Any]) -> None:
        task = _Open.of(row)
        directory = await self._services.directory.current()
        partner = directory.partners.get(task.partner_id)
        rules = self._rules.get(task.module)
        keys: Sequence[str] = ()
        # One that is not connected GETs what it missed when it registers again
        if partner is not None and partner.is_connected and rules is not None:
            keys = await self._keys(task, rules)
        await self._tell(task, keys, directory, partner, rules)

    async def _keys(self, task: _Open, rules: DeliveryRules[Any]) -> Sequence[str]:
        """The next ones in the order of keys."""
        if rules.retold_at is not None:
            return await rules.retold_at(self._services.database.reader, task.owner, task.ids, task.cursor, BATCH)
        if task.ids is not None:
            keys = sorted(object_key(task.owner, id) for id in task.ids)
            return [key for key in keys if key > task.cursor][:BATCH]
        table = SQLModel.metadata.tables[task.module].name
        rows = await self._services.database.reader.fetch(
            f"SELECT key FROM {table} WHERE country_code = $1 AND party_id = $2 AND key > $3"  # noqa: S608 - our names
            f" ORDER BY key LIMIT {BATCH}",
            task.owner.country_code,
            task.owner.party_id,
            task.cursor or f"{task.owner.country_code}/{task.owner.party_id}/",
        )
        return [row[0] for row in rows]

    async def _tell(
        self,
        task: _Open,
        keys: Sequence[str],
        directory: Directory,
        partner: Partner | None,
        rules: DeliveryRules[Any] | None,
    ) -> None:
        told: list[tuple[Outgoing, Recipient]] = []
        if keys and partner is not None and rules is not None and rules.retell is not None:
            before = PartyId.parse(task.before.party) if task.before.party else None
            told_one = view_towards(directory, partner, task.owner, before)
            now = told_one.view
            found: Mapping[str, Stored] = await rules.read(self._services.database.reader, keys)
            for key in keys:
                stored = found.get(key)
                if stored is not None and stored.source != partner.id and not stored.scope and stored.is_listed:
                    recipient = _recipient(directory, task, stored, told_one)
                    told.extend(
                        (
                            Outgoing(module=task.module, object_key=key, owner=task.owner, part=part, detail=detail),
                            recipient,
                        )
                        for part, detail in rules.retell(stored, task.before, now)
                    )
        async with self._services.database.work() as work:
            if not await is_still(work, directory.revision):
                return  # another rule has changed meanwhile: look again
            values: dict[str, Any] = {
                "looked_at": RETELLINGS.c.looked_at + len(keys),
                "told": RETELLINGS.c.told + len(told),
            }
            if keys:
                values["cursor"] = keys[-1]
            else:
                values |= {"is_done": True, "finished_at": work.now}
            await work.connection.execute(
                update(RETELLINGS).where(RETELLINGS.c.id == task.id, RETELLINGS.c.cursor == task.cursor).values(values)
            )
            await put_deliveries(work, told)


def _recipient(directory: Directory, task: _Open, stored: Stored, told: Told) -> Recipient:
    partner, is_apart = told.partner, told.is_apart
    if task.module == "tokens":
        cpos = [cpo for other, cpo in directory.cpos_of(task.owner) if other.id == partner.id]
        party, is_apart = next(iter(cpos or partner.parties(Role.CPO)), None), False
    else:
        party = told.party or partner.hub_party or (PartyId.parse(task.before.party) if task.before.party else None)
    teller = directory.teller_of(task.owner, stored.source)
    return Recipient(partner_id=partner.id, to_party=party, from_party=teller, is_apart=is_apart)

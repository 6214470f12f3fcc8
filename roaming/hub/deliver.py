"""Sends deliveries to partners: in order per object, paced by what the partner can take, never two at a time.

No transaction is open while we wait for a partner: claim, commit, send, then record. A record whose answer was lost
is looked up at the partner before it is sent again. Partners do not wait for each other.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.identifiers import PartyId
from roaming.ocpi.client import Answer, Call, Outcome
from roaming.ocpi.headers import RequestIds, RoutingHeaders
from roaming.ocpi.module import (
    CopyUnknown,
    DeliveryJob,
    DeliveryKind,
    DeliveryRules,
    OcpiModule,
    PushRequest,
    Recipient,
    Services,
    Verdict,
)
from roaming.ocpi.outgoing import DeliveryRow
from roaming.ocpi.wire import loss_note
from roaming.partners.directory import Partner
from roaming.store.errors import StoreUnavailable
from roaming.store.journal import Exchange, mask_body
from roaming.store.locks import Locks

logger = structlog.get_logger(__name__)

DELIVERIES = DeliveryRow.__table__  # type: ignore[attr-defined]
AT_ONCE = 8
"""Calls to one partner under way at once."""
BATCH = 200
IDLE_SECONDS = 0.5
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 60.0
TIMEOUT_SECONDS = 10.0
_DUE_PARTNERS = "SELECT DISTINCT partner_id FROM deliveries WHERE state = 'PENDING' AND due_at <= $1"
_PENDING = (
    "SELECT id, module, object_key, owner, part, order_key, detail, to_party, from_party, revision, attempts,"
    " is_in_doubt, is_full, correlation_id, created_at, due_at FROM deliveries"
    " WHERE partner_id = $1 AND state = 'PENDING' ORDER BY id LIMIT $2"
)


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A delivery as claimed."""

    job: DeliveryJob
    rules: DeliveryRules[Any]
    order_key: str
    revision: int
    is_in_doubt: bool
    correlation_id: str
    created_at: datetime
    is_due: bool


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A delivery with its call; ``request`` is ``None`` when there is nothing to send, or nothing could be built."""

    pending: Pending
    endpoint: str
    request: PushRequest | None
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of one attempt."""

    pending: Pending
    verdict: Verdict
    error: str = ""
    remote_url: str = ""
    is_in_doubt: bool = False
    retry_after: float | None = None
    is_dropped: bool = False
    is_partner_trouble: bool = False
    """The partner could not answer properly: spare it for a while."""


class Deliverer:
    """Serves all partners that this process holds the lock of."""

    def __init__(self, services: Services, modules: Sequence[OcpiModule], locks: Locks) -> None:
        self._services = services
        self._rules: Mapping[str, DeliveryRules[Any]] = {m.id: m.delivery for m in modules if m.delivery is not None}
        self._locks = locks
        self._serving: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Delivers until cancelled."""
        database = self._services.database
        try:
            while True:
                try:
                    rows = await database.reader.fetch(_DUE_PARTNERS, self._services.clock.now())
                    for (partner_id,) in rows:
                        await self._serve(partner_id)
                except StoreUnavailable as error:
                    logger.warning("deliveries_wait", reason=str(error))
                    await asyncio.sleep(0.5)
                await database.wakeups.wait("deliveries", IDLE_SECONDS)
        finally:
            for task in self._serving.values():
                task.cancel()
            await asyncio.gather(*self._serving.values(), return_exceptions=True)

    async def _serve(self, partner_id: str) -> None:
        task = self._serving.get(partner_id)
        if task is not None and not task.done():
            return
        if await self._locks.try_acquire(f"partner:{partner_id}"):
            lane = Lane(self._services, self._rules, self._locks, partner_id)
            self._serving[partner_id] = asyncio.create_task(lane.run(), name=f"deliver:{partner_id}")


class Lane:
    """All deliveries to one partner, until none is due."""

    def __init__(
        self, services: Services, rules: Mapping[str, DeliveryRules[Any]], locks: Locks, partner_id: str
    ) -> None:
        self._services = services
        self._rules = rules
        self._locks = locks
        self._partner_id = partner_id
        self._pause = 0.0

    async def run(self) -> None:
        """Sends batch after batch; gives the partner's lock back at the end."""
        name = f"partner:{self._partner_id}"
        try:
            while await self._locks.try_acquire(name):
                partner = (await self._services.directory.current()).partners.get(self._partner_id)
                if partner is None or not partner.is_connected:
                    await self._postpone("the partner is not registered")
                    return
                batch = self._eligible(await self._claim(partner))
                if not batch:
                    return
                prepared = await self._prepare(batch)
                await self._record(await asyncio.gather(*(self._attempt(entry) for entry in prepared)))
                if self._pause:
                    await asyncio.sleep(self._pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, no secret
        except StoreUnavailable as error:
            logger.warning("delivery_waits", partner=self._partner_id, reason=str(error))
            await asyncio.sleep(0.5)
        except Exception:
            logger.exception("delivery_lane_failed", partner=self._partner_id)
            await asyncio.sleep(1.0)
        finally:
            await self._locks.release(name)

    async def _claim(self, partner: Partner) -> list[Pending]:
        rows = await self._services.database.reader.fetch(_PENDING, self._partner_id, BATCH)
        now = self._services.clock.now()
        return [self._pending(partner, row, now) for row in rows if row[1] in self._rules]

    def _pending(self, partner: Partner, row: Sequence[Any], now: datetime) -> Pending:
        recipient = Recipient(
            partner_id=partner.id,
            to_party=PartyId.parse(row[7]) if row[7] else None,
            from_party=PartyId.parse(row[8]) if row[8] else None,
        )
        job = DeliveryJob(
            id=row[0],
            module=row[1],
            object_key=row[2],
            owner=PartyId.parse(row[3]),
            part=row[4],
            detail=row[6],
            partner=partner,
            recipient=recipient,
            attempts=row[10],
            is_full=bool(row[12]),
        )
        return Pending(
            job=job,
            rules=self._rules[job.module],
            order_key=row[5],
            revision=row[9],
            is_in_doubt=bool(row[11]),
            correlation_id=row[13],
            created_at=_time(row[14]),
            is_due=_time(row[15]) <= now,
        )

    def _eligible(self, pending: Sequence[Pending]) -> list[Pending]:
        """The first of each order key, if it is due; one alone while the partner is being spared."""
        heads: dict[str, Pending] = {}
        for entry in pending:
            heads.setdefault(entry.order_key, entry)
        due = [entry for entry in heads.values() if entry.is_due]
        return due[: 1 if self._pause else AT_ONCE]

    async def _prepare(self, batch: Sequence[Pending]) -> list[Prepared]:
        """Builds all calls in one reading, and marks the records among them in doubt before any is sent."""
        prepared: list[Prepared] = []
        for module in dict.fromkeys(pending.job.module for pending in batch):
            mine = [pending for pending in batch if pending.job.module == module]
            found = await self._rules[module].read(
                self._services.database.reader, [pending.job.object_key for pending in mine]
            )
            prepared.extend(prepare(pending, found.get(pending.job.object_key)) for pending in mine)
        records = [
            entry.pending.job.id
            for entry in prepared
            if entry.pending.rules.kind == DeliveryKind.RECORD and not entry.pending.is_in_doubt and entry.request
        ]
        if records:
            async with self._services.database.work() as work:
                await work.connection.execute(
                    update(DELIVERIES).where(DELIVERIES.c.id.in_(records)).values(is_in_doubt=True)
                )
        return prepared

    async def _attempt(self, prepared: Prepared) -> Result:
        pending, request = prepared.pending, prepared.request
        if prepared.error:
            return Result(pending=pending, verdict=Verdict.REFUSED, error=prepared.error)
        if request is None:
            return Result(pending=pending, verdict=Verdict.DELIVERED, is_dropped=True)
        if pending.is_in_doubt and pending.rules.find_copy is not None:
            try:
                found = await pending.rules.find_copy(self._services, pending.job, prepared.endpoint)
            except CopyUnknown as error:
                return Result(
                    pending=pending, verdict=Verdict.RETRY, error=str(error), is_in_doubt=True, is_partner_trouble=True
                )
            if found is not None:
                return Result(pending=pending, verdict=Verdict.DELIVERED, remote_url=found)
        return judge(pending, request, await self._send(pending, request))

    async def _send(self, pending: Pending, request: PushRequest) -> Answer:
        job = pending.job
        ids = RequestIds.fresh(pending.correlation_id or None)
        token = self._services.secrets.unseal(job.partner.sealed_token, partner_id=job.partner.id)
        started, at = time.perf_counter(), self._services.clock.now()
        answer = await self._services.client.request(
            Call(
                partner_key=job.partner.id,
                method=request.method,
                url=request.url,
                token_header=job.dialect.token_header(token),
                headers=RoutingHeaders(job.recipient.from_party, job.recipient.to_party),
                ids=ids,
                body=request.body,
                timeout=TIMEOUT_SECONDS,
            )
        )
        self._services.journal.note(
            Exchange(
                at=at,
                direction="out",
                method=request.method,
                url=request.url,
                partner_id=job.partner.id,
                module=job.module,
                http_status=answer.http_status,
                ocpi_status=answer.ocpi_status,
                request_id=ids.request_id,
                correlation_id=ids.correlation_id,
                parties=f"{job.recipient.from_party or ''}>{job.recipient.to_party or ''}",
                elapsed_ms=int((time.perf_counter() - started) * 1000),
                request_body=mask_body(request.body or b""),
                response_body=mask_body(answer.body),
                note="; ".join([*([answer.error] if answer.error else []), *map(loss_note, request.losses)]),
            )
        )
        return answer

    async def _record(self, results: Sequence[Result]) -> None:
        now = self._services.clock.now()
        has_trouble = any(result.is_partner_trouble for result in results)
        if has_trouble:
            self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
            waits = [result.retry_after for result in results if result.retry_after]
            if waits:
                self._pause = min(max(self._pause, *waits), LONGEST_PAUSE)
        else:
            self._pause = 0.0
        plain = [result for result in results if is_plain(result)]
        async with self._services.database.work() as work:
            await record_plain(work.connection, plain, now)
            for result in results:
                if is_plain(result):
                    continue
                values = outcome_values(result, now)
                table, pending = DELIVERIES, result.pending
                done = await work.connection.execute(
                    update(table)
                    .where(table.c.id == pending.job.id, table.c.revision == pending.revision)
                    .values(**values)
                )
                if done.rowcount == 0 and result.is_in_doubt:
                    await work.connection.execute(
                        update(table).where(table.c.id == pending.job.id).values(is_in_doubt=True)
                    )
            work.wake("delivered")

    async def _postpone(self, reason: str) -> None:
        now = self._services.clock.now()
        async with self._services.database.work() as work:
            await work.connection.execute(
                update(DELIVERIES)
                .where(
                    DELIVERIES.c.partner_id == self._partner_id,
                    DELIVERIES.c.state == "PENDING",
                    DELIVERIES.c.due_at <= now,
                )
                .values(due_at=now + timedelta(seconds=5), last_error=reason)
            )


def prepare(pending: Pending, found: Any) -> Prepared:
    """The call of one delivery; ``found`` is what is stored."""
    job = pending.job
    endpoint = job.partner.endpoint(job.module, pending.rules.interface) or ""
    try:
        request = pending.rules.build(job, found, endpoint)
    except Exception as error:
        logger.exception("delivery_cannot_be_built", delivery=job.id, module=job.module)
        reason = f"{type(error).__name__}: {error}"
        return Prepared(pending=pending, endpoint=endpoint, request=None, error=reason)
    return Prepared(pending=pending, endpoint=endpoint, request=request)


def judge(pending: Pending, request: PushRequest, answer: Answer) -> Result:
    """What a partner's answer means for the delivery."""
    error = answer.error or answer.message or f"HTTP {answer.http_status}"
    match answer.outcome:
        case Outcome.DELIVERED:
            return Result(pending=pending, verdict=Verdict.DELIVERED, remote_url=answer.headers.get("location", ""))
        case Outcome.REFUSED if request.method == "PATCH" and not pending.job.is_full:
            return Result(pending=pending, verdict=Verdict.REPLACE, error=error)
        case Outcome.REFUSED:
            is_about_us = answer.http_status in (401, 403)
            verdict = Verdict.RETRY if is_about_us else Verdict.REFUSED
            return Result(pending=pending, verdict=verdict, error=error, is_partner_trouble=is_about_us)
        case Outcome.UNKNOWN:
            return Result(
                pending=pending, verdict=Verdict.RETRY, error=error, is_in_doubt=True, is_partner_trouble=True
            )
        case Outcome.FAILED:
            is_record = pending.rules.kind == DeliveryKind.RECORD
            return Result(
                pending=pending,
                verdict=Verdict.RETRY,
                error=error,
                is_in_doubt=is_record,
                retry_after=answer.retry_after,
                is_partner_trouble=True,
            )
        case _:
            return Result(
                pending=pending,
                verdict=Verdict.RETRY,
                error=error,
                is_in_doubt=pending.is_in_doubt,
                is_partner_trouble=True,
            )


def outcome_values(result: Result, now: datetime) -> dict[str, Any]:
    """The columns that record an attempt."""
    pending = result.pending
    values: dict[str, Any] = {"attempts": pending.job.attempts + 1, "last_error": result.error[:1000]}
    match result.verdict:
        case Verdict.DELIVERED:
            state = "DROPPED" if result.is_dropped else "DELIVERED"
            values |= {"state": state, "done_at": now, "is_in_doubt": False, "is_full": False}
            values["remote_url"] = result.remote_url[:2000]
        case Verdict.REFUSED:
            values |= {"state": "REFUSED", "done_at": now, "is_in_doubt": False}
        case Verdict.REPLACE:
            values |= {"is_full": True, "due_at": now}
        case Verdict.RETRY:
            values["is_in_doubt"] = result.is_in_doubt
            if now - pending.created_at > pending.rules.give_up_after:
                values |= {"state": "DEAD", "done_at": now}
            else:
                values["due_at"] = now + timedelta(seconds=pause_after(pending.job.attempts))
    return values


def pause_after(attempts: int) -> float:
    """Seconds until the next try of one delivery: one that a partner cannot take must not hold up its others."""
    longest: float = min(FIRST_PAUSE * 2.0 ** min(attempts, 16), LONGEST_PAUSE)
    return longest * random.uniform(0.8, 1.0)  # noqa: S311 - jitter, no secret


def is_plain(result: Result) -> bool:
    """Delivered at the first try, with nothing to remember: by far the most."""
    return result.verdict == Verdict.DELIVERED and not result.is_dropped and not result.remote_url


async def record_plain(connection: AsyncConnection, results: Sequence[Result], now: datetime) -> None:
    """Records plain deliveries in one statement; one whose object changed meanwhile stays pending."""
    if not results:
        return
    table = DELIVERIES
    pairs = [(result.pending.job.id, result.pending.revision) for result in results]
    await connection.execute(
        update(table)
        .where(tuple_(table.c.id, table.c.revision).in_(pairs))
        .values(
            state="DELIVERED",
            done_at=now,
            attempts=table.c.attempts + 1,
            is_in_doubt=False,
            is_full=False,
            last_error="",
        )
    )


def _time(value: datetime | str) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value

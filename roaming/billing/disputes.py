"""Disputes about CDRs: opened by whoever is to pay, told to the other side in a file, closed by a credit or by people.

OCPI has no message for a dispute. Opening one twice, or importing a file twice, changes nothing.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Table, select, update

from contracts.envelope import message_id
from contracts.messages import CdrDisputed, DisputeClosed
from roaming.billing import announcing
from roaming.billing.checks import Finding, Kind
from roaming.billing.evidence import FORMAT, is_sealed, parties_in
from roaming.billing.receiving import cpo_of, emsp_of
from roaming.billing.tables import DisputeRow
from roaming.model.identifiers import PartyId
from roaming.modules.cdrs.repository import TAKING_BACK, Ended, credit_for, credited_among, credits_of
from roaming.store.bulk import insert_new, select_rows
from roaming.store.columns import text_to_time
from roaming.store.database import Database, Work
from roaming.store.documents import object_key
from roaming.store.reader import Reader, fetch_of

DISPUTES: Table = DisputeRow.__table__  # type: ignore[attr-defined]
_CREDITS = f"FROM {TAKING_BACK} WHERE credit.credited_key = disputes.cdr_key"
_STATE = f"CASE WHEN state = 'OPEN' AND EXISTS (SELECT 1 {_CREDITS}) THEN 'CREDITED' ELSE state END"
"""A CDR that was taken back is disputed no more, before ``close_credited`` writes it down."""
_TAKEN_BACK = "taken back by "
_COLUMNS = (  # our names
    f"id, cdr_key, cpo, emsp, raised_by, {_STATE}, reason, at_stake, currency, opened_at, due_at, closed_at,"  # noqa: S608
    " CASE WHEN state = 'OPEN' THEN"
    f" COALESCE((SELECT '{_TAKEN_BACK}' || MIN(credit.key) {_CREDITS}), '')"
    " ELSE resolution END,"
    " (SELECT object_id FROM cdrs WHERE cdrs.key = disputes.cdr_key),"
    " (SELECT statement_id FROM settled_cdrs WHERE settled_cdrs.cdr_key = disputes.cdr_key)"
)


class DisputeState(StrEnum):
    """Where a dispute stands."""

    OPEN = "OPEN"
    CREDITED = "CREDITED"
    """The CDR was taken back."""
    WITHDRAWN = "WITHDRAWN"
    """Whoever raised it pays after all."""
    REFUSED = "REFUSED"
    """The CPO stands by its CDR: whoever is to pay takes it, or disputes it anew."""


_MOST_DIGITS = 50
"""Of an amount, on either side of the point."""
CLOSED_BY_PEOPLE = (DisputeState.WITHDRAWN, DisputeState.REFUSED)


class NotDisputable(ValueError):
    """This cannot be disputed, or is no dispute. The text says why."""


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """One dispute."""

    id: str
    cdr_key: str
    cdr_id: str
    cpo: str
    emsp: str
    raised_by: str
    state: str
    reason: str
    at_stake: Decimal
    currency: str
    opened_at: datetime
    due_at: datetime
    closed_at: datetime | None
    resolution: str
    settled_by: str = ""
    """The closed statement in which the CDR is paid: a credit of it goes to the next month that is open."""


def is_credit_wrong(findings: Iterable[Finding]) -> bool:
    """Of a credit: whether it takes back what was taken back before, what is not here, or another amount. Such a one is
    disputed itself; no other CDR is wrong."""
    return any(each.kind is Kind.CREDIT for each in findings)


async def open_dispute(
    work: Work,
    entry: Ended,
    *,
    reason: str,
    at_stake: Decimal,
    days: int,
    evidence: Mapping[str, Any],
    raised_by: PartyId | None = None,
    is_wrong_credit: bool = False,
) -> tuple[str, bool]:
    """Opens the dispute about a CDR, or finds the open one; its id, and whether it is new. ``raised_by``: its eMSP,
    unless said otherwise; ``is_wrong_credit``: see ``is_credit_wrong``. Raises ``NotDisputable``."""
    cdr = entry.cdr
    if cdr.credit and not is_wrong_credit:
        text = "is a credit that the check finds right: dispute what it takes back, or the CDR that came for it"
        raise NotDisputable(f"CDR {cdr.id} {text}")
    if credit_id := await credit_for(work.connection, entry.key):
        raise NotDisputable(f"CDR {cdr.id} was taken back by {credit_id}: dispute the CDR that came for it")
    if not reason.strip():
        raise NotDisputable("a dispute needs a reason that the other side can read")
    return await _insert(
        work,
        {
            "cdr_key": entry.key,
            "cpo": str(cpo_of(cdr)),
            "emsp": str(emsp_of(cdr)),
            "raised_by": str(raised_by or emsp_of(cdr)),
            "reason": reason,
            "at_stake": f"{at_stake:f}",
            "currency": cdr.currency,
            "opened_at": work.now,
            "due_at": work.now + timedelta(days=days),
        },
        evidence,
    )


async def _insert(work: Work, values: Mapping[str, Any], evidence: Mapping[str, Any]) -> tuple[str, bool]:
    columns = DISPUTES.c
    kept = await work.connection.execute(
        select(columns.id, columns.state, columns.raised_by, columns.opened_at)
        .where(columns.cdr_key == values["cdr_key"])
        .order_by(columns.id)
    )
    earlier = kept.all()
    for known in earlier:
        is_same = (known.raised_by, known.opened_at) == (values["raised_by"], values["opened_at"])
        if is_same or known.state == DisputeState.OPEN:
            return str(known.id), False
    # The number keeps two that are opened at once from both being stored
    dispute_id = message_id("dispute", str(values["cdr_key"]), str(len(earlier)))[:12]
    kept_evidence = json.dumps(evidence, separators=(",", ":"))
    is_open = {"state": DisputeState.OPEN.value, "closed_at": None, "resolution": "", "evidence": kept_evidence}
    row = {"id": dispute_id, **values, **is_open}
    is_new = bool(await insert_new(work.connection, DISPUTES, [row], key=("id",)))
    if is_new:
        message = CdrDisputed(
            cpo=row["cpo"],
            emsp=row["emsp"],
            cdr_id=evidence["cdr"]["id"],
            dispute_id=dispute_id,
            raised_by=row["raised_by"],
            reason=row["reason"],
            currency=row["currency"],
            at_stake=Decimal(row["at_stake"]),
            due_at=row["due_at"],
        )
        await announcing.disputed(work, message)
    return dispute_id, is_new


def exported(dispute: Dispute, evidence: Mapping[str, Any]) -> dict[str, Any]:
    """What the other side imports: the dispute and its evidence."""
    return {
        "format": "roaming-hub dispute 1",
        "dispute": {
            "cdr_id": evidence["cdr"]["id"],
            "cpo": dispute.cpo,
            "emsp": dispute.emsp,
            "raised_by": dispute.raised_by,
            "reason": dispute.reason,
            "at_stake": f"{dispute.at_stake:f}",
            "currency": dispute.currency,
            "opened_at": dispute.opened_at.isoformat(),
            "due_at": dispute.due_at.isoformat(),
        },
        "evidence": dict(evidence),
    }


async def import_dispute(work: Work, body: Any, known: Mapping[str, Ended]) -> tuple[str, bool]:
    """Takes the other side's dispute about a CDR that is here (``known``, by key); see ``open_dispute``. Raises
    ``NotDisputable`` naming the field."""
    try:
        told, evidence = body["dispute"], body["evidence"]
        is_ours = body["format"] == "roaming-hub dispute 1" and evidence["format"] == FORMAT
        cpo, emsp = parties_in(evidence)
        key = object_key(cpo, evidence["cdr"]["id"])
        values = {
            "cdr_key": key,
            "cpo": str(cpo),
            "emsp": str(emsp),
            "raised_by": str(PartyId.parse(told["raised_by"])),
            "reason": str(told["reason"]),
            "at_stake": _amount(told["at_stake"]),
            "currency": str(told["currency"]),
            "opened_at": _time(told["opened_at"]),
            "due_at": _time(told["due_at"]),
        }
    except (KeyError, TypeError, ValueError, InvalidOperation, AttributeError) as error:
        raise NotDisputable(f"the file is no dispute of this hub's kind: {error!r}; export it anew") from error
    if not is_ours or not is_sealed(evidence):
        raise NotDisputable("evidence: it was changed after it was written, or is of another format; export it anew")
    if key not in known:
        raise NotDisputable(f"evidence.cdr.id: {evidence['cdr']['id']} of {cpo} is not here")
    if emsp != emsp_of(known[key].cdr):
        raise NotDisputable(f"evidence.cdr.cdr_token: the CDR that is here is not for {emsp}")
    if values["raised_by"] not in (values["cpo"], values["emsp"]):
        raise NotDisputable(f"dispute.raised_by: {values['raised_by']} is no party of this CDR")
    return await _insert(work, values, evidence)


def _amount(value: Any) -> str:
    """Raises ``ValueError`` for what is no amount: 1E+999999999 is short, and has a gigabyte of digits."""
    amount = Decimal(str(value))
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or not -_MOST_DIGITS <= exponent <= amount.adjusted() + 1 <= _MOST_DIGITS:
        raise ValueError(f"dispute.at_stake: {str(value)[:40]} is no amount")
    return f"{amount:f}"


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment


async def open_ones_held(work: Work, cdr_keys: Iterable[str]) -> frozenset[str]:
    """Those of ``cdr_keys`` that are disputed and not taken back. Until the transaction ends no dispute is opened or
    closed."""
    if work.connection.dialect.name == "postgresql":  # SQLite has one writer at a time
        await work.connection.exec_driver_sql("LOCK TABLE disputes IN SHARE MODE")
    values = [(key, DisputeState.OPEN.value) for key in cdr_keys]
    rows = await select_rows(work.connection, DISPUTES, ("cdr_key",), key=("cdr_key", "state"), values=values)
    found = {key for (key,) in rows}
    return frozenset(found - await credited_among(work.connection, sorted(found)))


async def open_ones(reader: Reader, cdr_keys: Iterable[str]) -> frozenset[str]:
    """Those of ``cdr_keys`` that are disputed and not taken back. Raises ``StoreUnavailable``."""
    sql = f"SELECT cdr_key FROM disputes WHERE {_STATE} = 'OPEN' AND cdr_key IN"  # noqa: S608 - our names
    return frozenset(row[0] for row in await fetch_of(reader, sql, cdr_keys))


async def close_dispute(work: Work, dispute_id: str, state: DisputeState, note: str) -> bool:
    """Closes an open dispute; False when there is none of this id that is open, or its CDR was taken back and people
    would end it otherwise."""
    if state in CLOSED_BY_PEOPLE:
        key = select(DISPUTES.c.cdr_key).where(DISPUTES.c.id == dispute_id)
        if await credited_among(work.connection, list(await work.connection.scalars(key))):
            return False
    return await _close(work, DISPUTES.c.id == dispute_id, state, note)


async def close_disputes(work: Work, cdr_key: str, note: str) -> None:
    """Closes the open dispute about a CDR that is taken back, if there is one."""
    await _close(work, DISPUTES.c.cdr_key == cdr_key, DisputeState.CREDITED, note)


async def _close(work: Work, which: ColumnElement[bool], state: DisputeState, note: str) -> bool:
    columns = DISPUTES.c
    values = {"state": state.value, "closed_at": work.now, "resolution": note}
    done = await work.connection.execute(
        update(DISPUTES)
        .where(which, columns.state == DisputeState.OPEN.value)
        .values(**values)
        .returning(columns.id, columns.cpo, columns.emsp, columns.evidence)
    )
    closed = done.all()
    for row in closed:
        message = DisputeClosed(
            cpo=row.cpo,
            emsp=row.emsp,
            cdr_id=json.loads(row.evidence)["cdr"]["id"],
            dispute_id=row.id,
            outcome=state.value,
            note=note,
        )
        await announcing.dispute_closed(work, message)
    return bool(closed)


async def close_credited(database: Database) -> int:
    """Closes the open disputes whose CDR was taken back meanwhile, whoever did it; returns how many. Raises
    ``StoreUnavailable``."""
    rows = await database.reader.fetch("SELECT id, cdr_key FROM disputes WHERE state = 'OPEN'")
    credits = await credits_of(database.reader, [row[1] for row in rows])
    over = [(row[0], credits[row[1]]) for row in rows if row[1] in credits]
    if not over:
        return 0
    async with database.work() as work:
        for dispute_id, credit_key in over:
            await close_dispute(work, dispute_id, DisputeState.CREDITED, f"{_TAKEN_BACK}{credit_key}")
    return len(over)


async def find_disputes(
    reader: Reader, *, state: str = "", party: str = "", ids: Sequence[str] = (), limit: int = 1000
) -> list[Dispute]:
    """Disputes, those due first. ``party``: only those that this party is one side of. Raises ``StoreUnavailable``."""
    conditions, values = ["true"], []
    for text, value in ((f"{_STATE} = {{}}", state), ("{} IN (cpo, emsp)", party)):
        if value:
            values.append(value)
            conditions.append(text.format(f"${len(values)}"))
    if ids:
        marks = []
        for dispute_id in ids:
            values.append(dispute_id)
            marks.append(f"${len(values)}")
        conditions.append(f"id IN ({', '.join(marks)})")
    rows = await reader.fetch(
        f"SELECT {_COLUMNS} FROM disputes WHERE {' AND '.join(conditions)}"  # noqa: S608 - our names
        f" ORDER BY due_at, id LIMIT {int(limit)}",
        *values,
    )
    return [_dispute(row) for row in rows]


async def refused_among(reader: Reader, cdr_keys: Iterable[str]) -> set[str]:
    """Those of ``cdr_keys`` by which the CPO stood when they were disputed. Raises ``StoreUnavailable``."""
    sql = "SELECT cdr_key FROM disputes WHERE state = 'REFUSED' AND cdr_key IN"
    return {row[0] for row in await fetch_of(reader, sql, cdr_keys)}


async def evidence_kept(reader: Reader, dispute_id: str) -> dict[str, Any]:
    """As it was when the dispute was opened. Raises ``LookupError``."""
    rows = await reader.fetch("SELECT evidence FROM disputes WHERE id = $1", dispute_id)
    if not rows:
        raise LookupError(dispute_id)
    bundle: dict[str, Any] = json.loads(rows[0][0])
    return bundle


def _dispute(row: Sequence[Any]) -> Dispute:
    *told, of, settled_by = row
    id, key, cpo, emsp, raised_by, state, reason, at_stake, currency, opened_at, due_at, closed_at, resolution = told
    return Dispute(
        id=id,
        cdr_key=key,
        cdr_id=of or key.split("/", 2)[2],
        cpo=cpo,
        emsp=emsp,
        raised_by=raised_by,
        state=state,
        reason=reason,
        at_stake=Decimal(at_stake),
        currency=currency,
        opened_at=text_to_time(opened_at),
        due_at=text_to_time(due_at),
        closed_at=None if closed_at is None else text_to_time(closed_at),
        resolution=resolution,
        settled_by=settled_by or "",
    )

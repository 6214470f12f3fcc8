"""Terms, closed statements and the ledger in the store."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Table, delete, select

from roaming.billing.ledger import Entry, Posting
from roaming.billing.statement import Edition, Pair, Statement
from roaming.billing.tables import (
    LedgerEntryRow,
    SettledCdrRow,
    SettlementTermsRow,
    StatementEventRow,
    StatementRow,
)
from roaming.billing.terms import Terms
from roaming.model.identifiers import PartyId
from roaming.modules.cdrs.repository import DOCUMENTS
from roaming.store.bulk import append, insert_new, upsert
from roaming.store.columns import text_to_time
from roaming.store.database import Work
from roaming.store.reader import Reader, fetch_of

TERMS: Table = SettlementTermsRow.__table__  # type: ignore[attr-defined]
STATEMENTS: Table = StatementRow.__table__  # type: ignore[attr-defined]
EVENTS: Table = StatementEventRow.__table__  # type: ignore[attr-defined]
SETTLED: Table = SettledCdrRow.__table__  # type: ignore[attr-defined]
ENTRIES: Table = LedgerEntryRow.__table__  # type: ignore[attr-defined]
OPEN, CLOSED, REOPENED = "OPEN", "CLOSED", "REOPENED"


@dataclass(frozen=True, kw_only=True)
class KeptStatement:
    """A statement that was closed, whether or not it was reopened."""

    statement: Statement
    state: str
    closings: int
    changed_at: datetime

    @property
    def is_closed(self) -> bool:
        """It locks its CDRs."""
        return self.state == CLOSED

    @property
    def edition(self) -> Edition:
        """Of the statement as it is here: that of the last closing."""
        return Edition(self.state, self.closings)


def edition_now(kept: KeptStatement | None) -> Edition:
    """Of the statement as it would be now where it is not closed: the version that comes next."""
    if kept is None:
        return Edition(OPEN)
    return kept.edition if kept.is_closed else Edition(kept.state, kept.closings + 1)


async def terms_of(reader: Reader, month: str = "") -> dict[tuple[str, str], Terms]:
    """All terms by (CPO, eMSP): those that hold for a month, or unless one is named the latest with all before them.
    Raises ``StoreUnavailable``."""
    rows = await reader.fetch("SELECT cpo, emsp, document FROM settlement_terms ORDER BY cpo, emsp")
    kept = {(row[0], row[1]): msgspec.json.decode(row[2], type=Terms) for row in rows}
    return {pair: terms.at(month) for pair, terms in kept.items()} if month else kept


async def set_terms(work: Work, cpo: PartyId, emsp: PartyId, terms: Terms, *, since: str = "") -> Terms:
    """Stores the terms of two parties from the month ``since`` on, or in place of all earlier ones; returns them with
    what holds before."""
    about = (TERMS.c.cpo == str(cpo)) & (TERMS.c.emsp == str(emsp))
    kept = (await work.connection.execute(select(TERMS.c.document).where(about).with_for_update())).scalar_one_or_none()
    earlier = None if kept is None else msgspec.json.decode(kept, type=Terms)
    terms = terms.after(earlier, since)
    document = msgspec.json.encode(terms).decode()
    row = {"cpo": str(cpo), "emsp": str(emsp), "document": document, "changed_at": work.now}
    await upsert(work.connection, TERMS, [row], key=("cpo", "emsp"), update=("document", "changed_at"))
    return terms


async def drop_terms(work: Work, cpo: PartyId, emsp: PartyId) -> bool:
    """Forgets the terms of two parties; False when there were none."""
    about = (TERMS.c.cpo == str(cpo)) & (TERMS.c.emsp == str(emsp))
    return bool((await work.connection.execute(delete(TERMS).where(about))).rowcount)


_STATEMENT = "SELECT document, state, closings, changed_at FROM statements"


async def statements_of(
    reader: Reader, pair: Pair | None = None, *, party: str = "", month: str = ""
) -> list[KeptStatement]:
    """Statements that were closed, by month: of a pair, of a party, of a month, or all. Raises
    ``StoreUnavailable``."""
    if pair is not None:
        where, values = " WHERE one = $1 AND other = $2", [str(pair.one), str(pair.other)]
    elif party:
        where, values = " WHERE one = $1 OR other = $2", [party, party]
    elif month:
        where, values = " WHERE month = $1", [month]
    else:
        where, values = "", []
    rows = await reader.fetch(f"{_STATEMENT}{where} ORDER BY month, id", *values)
    return [_kept(row) for row in rows]


async def hold_statement(work: Work, id: str) -> KeptStatement | None:
    """The statement, held until the transaction ends."""
    columns = STATEMENTS.c
    statement = (
        select(columns.document, columns.state, columns.closings, columns.changed_at)
        .where(columns.id == id)
        .with_for_update()
    )
    row = (await work.connection.execute(statement)).one_or_none()
    return None if row is None else _kept(tuple(row))


def _kept(row: Sequence[Any]) -> KeptStatement:
    document, state, closings, changed_at = row
    return KeptStatement(
        statement=msgspec.json.decode(document, type=Statement),
        state=state,
        closings=closings,
        changed_at=text_to_time(changed_at),
    )


async def write_statement(work: Work, statement: Statement, *, state: str, closings: int, reason: str) -> None:
    """Stores a statement as it stands from now on, and what was done to it for ever."""
    row = {
        "id": statement.id,
        "one": statement.one,
        "other": statement.other,
        "month": statement.month,
        "state": state,
        "digest": statement.digest,
        "document": msgspec.json.encode(statement).decode(),
        "closings": closings,
        "changed_at": work.now,
    }
    changed = ("state", "digest", "document", "closings", "changed_at")
    await upsert(work.connection, STATEMENTS, [row], key=("id",), update=changed)
    event = {
        "statement_id": statement.id,
        "at": work.now,
        "what": state,
        "reason": reason,
        "digest": statement.digest,
        "document": row["document"] if state == REOPENED else None,
    }
    await append(work.connection, EVENTS, [event])


async def events_of(reader: Reader, id: str) -> list[tuple[datetime, str, str, str]]:
    """(time, what, reason, digest) of all that was done to a statement. Raises ``StoreUnavailable``."""
    sql = "SELECT at, what, reason, digest FROM statement_events WHERE statement_id = $1 ORDER BY id"
    return [(text_to_time(row[0]), row[1], row[2], row[3]) for row in await reader.fetch(sql, id)]


async def version_of(reader: Reader, id: str, version: int) -> KeptStatement | None:
    """A version as it was closed, also one that was reopened since. Raises ``StoreUnavailable``."""
    rows = await reader.fetch(f"{_STATEMENT} WHERE id = $1", id)
    kept = _kept(rows[0]) if rows else None
    if kept is None or version >= kept.closings:
        return kept if kept is not None and version == kept.closings else None
    sql = "SELECT document, at FROM statement_events WHERE statement_id = $1 AND what = 'REOPENED' ORDER BY id"
    events = await reader.fetch(sql, id)
    if not 0 < version <= len(events) or events[version - 1][0] is None:
        return None
    document, at = events[version - 1]
    return _kept((document, REOPENED, version, at))


async def unsettled_between(work: Work, pair: Pair, since: datetime, until: datetime) -> frozenset[str]:
    """The CDRs between two parties of charges that ended from ``since`` on and before ``until`` which no closed
    statement settles."""
    columns = DOCUMENTS.table.c
    one, other = (
        (columns.country_code == cpo.country_code) & (columns.party_id == cpo.party_id) & (columns.scope == str(emsp))
        for cpo, emsp in (pair, (pair.other, pair.one))
    )
    is_settled = select(SETTLED.c.cdr_key).where(SETTLED.c.cdr_key == columns.key).exists()
    statement = select(columns.key).where(columns.ended_at >= since, columns.ended_at < until, one | other, ~is_settled)
    return frozenset((await work.connection.execute(statement)).scalars())


async def settle(work: Work, statement_id: str, keys: Sequence[str]) -> list[str]:
    """Locks CDRs by a statement; returns those that another one holds."""
    rows = [{"cdr_key": key, "statement_id": statement_id} for key in keys]
    new = {key for (key,) in await insert_new(work.connection, SETTLED, rows, key=("cdr_key",))}
    return [key for key in keys if key not in new]


async def release(work: Work, statement_id: str) -> None:
    """Unlocks the CDRs of a statement."""
    await work.connection.execute(delete(SETTLED).where(SETTLED.c.statement_id == statement_id))


async def settled_by(reader: Reader, keys: Iterable[str]) -> dict[str, str]:
    """By CDR the closed statement that settles it. Raises ``StoreUnavailable``."""
    sql = "SELECT cdr_key, statement_id FROM settled_cdrs WHERE cdr_key IN"
    return {row[0]: row[1] for row in await fetch_of(reader, sql, keys)}


async def post(work: Work, postings: Iterable[Posting]) -> int:
    """Writes postings that are not there yet; returns how many entries are new."""
    rows = [
        {
            "posting": posting.id,
            "line": number,
            "at": work.now,
            "book": entry.book,
            "account": entry.account,
            "counterparty": entry.counterparty,
            "currency": entry.currency,
            "debit": f"{entry.debit:f}",
            "credit": f"{entry.credit:f}",
            "cdr_key": entry.cdr_key,
            "statement_id": entry.statement_id,
        }
        for posting in postings
        for number, entry in enumerate(posting.entries)
    ]
    return len(await insert_new(work.connection, ENTRIES, rows, key=("posting", "line")))


class Booked(NamedTuple):
    """An entry as it was written."""

    id: int
    at: datetime
    posting: str
    entry: Entry


async def entries_after(reader: Reader, book: str, *, after: int = 0, limit: int) -> list[Booked]:
    """The next entries of a party's book in the order they were written. Raises ``StoreUnavailable``."""
    rows = await reader.fetch(
        "SELECT id, at, posting, book, account, counterparty, currency, debit, credit, cdr_key, statement_id"  # noqa: S608
        f" FROM ledger_entries WHERE book = $1 AND id > $2 ORDER BY id LIMIT {int(limit)}",
        book,
        after,
    )
    return [
        Booked(
            row[0],
            text_to_time(row[1]),
            row[2],
            Entry(
                book=row[3],
                account=row[4],
                counterparty=row[5],
                currency=row[6],
                debit=Decimal(row[7]),
                credit=Decimal(row[8]),
                cdr_key=row[9],
                statement_id=row[10],
            ),
        )
        for row in rows
    ]

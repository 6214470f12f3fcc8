"""Rows that say "this changed, tell those who may know", and the deliveries made of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, text, update
from sqlmodel import Field, SQLModel

from roaming.ocpi.module import OcpiModule, Outgoing
from roaming.store.bulk import append
from roaming.store.columns import UtcDateTime
from roaming.store.database import Work
from roaming.store.trimming import Trimming, old_rows

_BIG = BigInteger().with_variant(Integer(), "sqlite")
_DONE = text("done_at IS NOT NULL")


class OutgoingRow(SQLModel, table=True):
    """A change that waits to be fanned out; deleted once its deliveries exist."""

    __tablename__ = "outgoing"
    __table_args__ = {"sqlite_autoincrement": True}  # an id is part of coalesce keys: none is ever used again

    id: int | None = Field(default=None, sa_column=Column(_BIG, primary_key=True, autoincrement=True))
    module: str
    object_key: str
    owner: str
    part: str = ""
    order_key: str
    detail: str = Field(default="", sa_column=Column(Text, nullable=False))
    correlation_id: str = ""
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class DeliveryRow(SQLModel, table=True):
    """One change (STATE: one object's latest) on its way to one partner."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("deliveries_due", "partner_id", "state", "id"),
        Index("deliveries_waiting", "state", "partner_id", "due_at"),
        Index("deliveries_of_object", "module", "object_key"),
        Index("deliveries_done", "module", "state", "done_at", postgresql_where=_DONE, sqlite_where=_DONE),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, sa_column=Column(_BIG, primary_key=True, autoincrement=True))
    coalesce_key: str = Field(unique=True)
    """Same key, same delivery: partner, module, object and part; with the outgoing id for records."""
    partner_id: str
    module: str
    object_key: str
    owner: str
    part: str = ""
    order_key: str
    detail: str = Field(default="", sa_column=Column(Text, nullable=False))
    to_party: str = ""
    from_party: str = ""
    state: str
    """PENDING, DELIVERED, REFUSED (the partner will not take it), DEAD (we gave up), DROPPED (nothing to send)."""
    revision: int = Field(sa_column=Column(Integer, nullable=False))
    """Rises when the object changes again while this is under way."""
    attempts: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    is_in_doubt: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    """Sent, and no answer seen: perhaps received."""
    is_full: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    correlation_id: str = ""
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    due_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    done_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    last_error: str = Field(default="", sa_column=Column(Text, nullable=False))
    remote_url: str = Field(default="", sa_column=Column(Text, nullable=False))
    """Where the partner says it keeps the object (``Location`` of a CDR)."""


DELIVERIES: Table = DeliveryRow.__table__  # type: ignore[attr-defined]


def trimmings(modules: Iterable[OcpiModule]) -> list[Trimming]:
    """Deliveries that arrived or had nothing to say. What was refused or given up waits for people."""
    columns = DELIVERIES.c
    return [
        old_rows("delivery", DELIVERIES, "done_at", columns.module == module.id, columns.state == state)
        for module in modules
        if module.delivery is not None and not module.delivery.is_evidence
        for state in ("DELIVERED", "DROPPED")
    ]


async def tell_again(work: Work, partner_id: str) -> int:
    """What we had given up telling a partner is told from now on: it is back. Of an object that is its newest state,
    however often it changed meanwhile. Returns how many deliveries."""
    columns = DELIVERIES.c
    given_up = (columns.partner_id == partner_id) & (columns.state == "DEAD")
    values = {"state": "PENDING", "attempts": 0, "created_at": work.now, "due_at": work.now, "done_at": None}
    done = await work.connection.execute(
        update(DELIVERIES).where(given_up).values(**values, revision=columns.revision + 1)
    )
    if done.rowcount:
        work.wake("deliveries")
    return done.rowcount


async def tell(work: Work, changes: Sequence[Outgoing]) -> None:
    """Writes what should be told, in the transaction of the change."""
    if not changes:
        return
    rows = [
        {
            "module": change.module,
            "object_key": change.object_key,
            "owner": str(change.owner),
            "part": change.part,
            "order_key": change.order_key or change.object_key,
            "detail": change.detail,
            "correlation_id": change.correlation_id or work.correlation_id,
            "at": work.now,
        }
        for change in changes
    ]
    await append(work.connection, OutgoingRow.__table__, rows)  # type: ignore[attr-defined]
    work.wake("outgoing")

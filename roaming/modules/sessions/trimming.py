"""The single readings of charges that were over long ago, or of which no start came for as long.

A CDR is explained without them: it carries its charging periods and its tariff, and the course of the transaction,
which stays, has the registers of start and end, the states, and the signed readings.
"""

from datetime import datetime

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.modules.sessions.model import TransactionState
from roaming.modules.sessions.repository import READINGS, TRANSACTIONS
from roaming.store.trimming import Trimming

OVER = (TransactionState.CLOSED, TransactionState.REFUSED)
"""Not those given up, which may be taken up again."""
UNSTARTED = (TransactionState.NEW, TransactionState.ORPHAN)
"""Their start may still come and make a bill of them: their age is that of the first word of them, by our clock. A NEW
one goes as a whole, as nothing is known of it that anybody could bill; stations may name any number."""
CHARGES_AT_ONCE = 20
"""Each may have thousands."""


async def remove_readings(connection: AsyncConnection, before: datetime, at_once: int) -> int:
    """A ``trimming.Remove``, counted in charges."""
    columns = TRANSACTIONS.c
    key = (columns.network, columns.station_id, columns.transaction_id)
    is_over = (columns.state.in_([state.value for state in (*OVER, *UNSTARTED)]), columns.close_at < before)
    oldest = select(*key).where(*is_over).order_by(columns.close_at).limit(at_once).with_for_update(skip_locked=True)
    charges = [tuple(row) for row in await connection.execute(oldest)]
    if charges:
        is_one = tuple_(*key).in_(charges)
        of_charge = tuple_(READINGS.c.network, READINGS.c.station_id, READINGS.c.transaction_id)
        await connection.execute(delete(READINGS).where(of_charge.in_(charges)))
        await connection.execute(delete(TRANSACTIONS).where(is_one, columns.state == TransactionState.NEW.value))
        await connection.execute(update(TRANSACTIONS).where(is_one).values(close_at=None))
    return len(charges)


TRIMMINGS = (Trimming(kind="reading", what="readings of charges", remove=remove_readings, at_once=CHARGES_AT_ONCE),)

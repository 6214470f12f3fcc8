"""What a charge costs so far, and what it has cost, told to stations whose display shows it (OCPP 2.0.1 and 2.1 part 2,
I02 and I03)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from contracts.envelope import message_id
from contracts.messages import OperationRequested
from contracts.messages.operation import AnyOperation, GetConfiguration, UpdateCost
from roaming.model.money import Price
from roaming.model.session import Session
from roaming.modules.sessions.model import TransactionState
from roaming.modules.sessions.repository import Transaction, TransactionKey
from roaming.stations.displays import COST
from roaming.stations.presence import Presence, presences_of
from roaming.store.database import Work

LEAST: Final = 10.0
"""Seconds: a station shows no more than a driver reads."""
_TAKES: Final = timedelta(seconds=30)
"""After which the next cost is nearer than the answer."""


def is_due(told_at: datetime | None, now: datetime, every: float) -> bool:
    """Whether a span of ``every`` seconds has begun since a session was told last; 0: never."""
    if not every:
        return False
    span = max(every, LEAST)
    return told_at is None or now.timestamp() // span > told_at.timestamp() // span


def with_taxes(price: Price | None) -> Decimal | None:
    """What a driver may be shown; ``None``: taxes are not known, and a display must not say less than the bill."""
    if price is None or price.taxes is None:
        return None
    return sum((tax.amount for tax in price.taxes), price.before_taxes)


async def tell_costs(work: Work, told: Sequence[tuple[Transaction, Session]], *, every: float) -> None:
    """Asks stations to show the cost of these running charges, as their sessions say it; those of 2.x that have not
    said whether they show it are asked that first. Nobody waits for an answer: the next cost follows."""
    costs = {
        entry.key: cost
        for entry, session in told
        if entry.state == TransactionState.OPEN
        and is_due(entry.pushed_at, work.now, every)
        and (cost := with_taxes(session.total_cost)) is not None
    }
    present = await presences_of(work.connection, [key[:2] for key in costs]) if costs else {}
    for key, cost in costs.items():
        presence = present.get(key[:2])
        if presence is None or not presence.is_commandable:
            continue
        if presence.shows_cost:
            _ask(work, key, presence, UpdateCost(transaction_id=key[2], total_cost=cost))
        elif presence.protocol.startswith("ocpp2") and not presence.is_cost_known:
            _ask(work, key, presence, GetConfiguration(keys=(COST,)))


async def tell_final_cost(work: Work, entry: Transaction, session: Session, *, every: float) -> None:
    """Asks the station of a charge that has just been closed to show what it has cost, if it shows costs. Nobody looks
    at the display of one that was only assumed to have ended. ``every`` as in ``tell_costs``; 0: never."""
    end, cost = entry.course.end, with_taxes(session.total_cost)
    if not every or cost is None or end is None or end.is_assumed:
        return
    presence = (await presences_of(work.connection, [entry.key[:2]])).get(entry.key[:2])
    if presence is not None and presence.is_commandable and presence.shows_cost:
        _ask(work, entry.key, presence, UpdateCost(transaction_id=entry.key[2], total_cost=cost))


def _ask(work: Work, key: TransactionKey, presence: Presence, operation: AnyOperation) -> None:
    network, station_id, transaction_id = key
    id = message_id("cost", network, station_id, transaction_id, work.now.isoformat())
    request = OperationRequested(
        operation_id=id,
        instance=presence.instance,
        epoch=presence.epoch,
        network=network,
        station_id=station_id,
        deadline=work.now + _TAKES,
        operation=operation,
    )
    work.outbox.add(request, subject=presence.instance, id=id)

"""Reads what is known of CDRs beside themselves: deliveries, verdicts, disputes, credits, statements."""

from collections.abc import Sequence
from dataclasses import dataclass

from roaming.billing import repository
from roaming.billing.receiving import cpo_of, emsp_of
from roaming.billing.states import Facts, State, state_of
from roaming.model.party import Role
from roaming.modules.cdrs.repository import Ended, credits_of
from roaming.ocpi.module import Services
from roaming.store.reader import Row, fetch_of


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One CDR and where it stands."""

    entry: Ended
    facts: Facts
    delivery_ids: tuple[int, ...] = ()
    error: str = ""
    """Of the last attempt to send it."""
    dispute_id: str = ""
    credit_key: str = ""
    statement_id: str = ""

    @property
    def state(self) -> State:
        return state_of(self.facts)


async def standing_of(services: Services, entries: Sequence[Ended]) -> list[Standing]:
    """Where each of ``entries`` stands, in their order; a few statements for all. Raises ``StoreUnavailable``."""
    reader, keys = services.database.reader, [entry.key for entry in entries]
    directory = await services.directory.current()
    verdicts = await repository.verdicts_of(reader, keys)
    credits = await credits_of(reader, keys)
    deliveries: dict[str, Row] = {}
    ids: dict[str, list[int]] = {}
    sql = (
        "SELECT object_key, id, state, is_in_doubt, last_error FROM deliveries WHERE module = 'cdrs' AND object_key IN"
    )
    for row in sorted(await fetch_of(reader, sql, keys), key=lambda row: int(row[1])):
        deliveries[row[0]] = row
        ids.setdefault(row[0], []).append(row[1])
    waiting = {
        row[0]
        for row in await fetch_of(
            reader, "SELECT object_key FROM outgoing WHERE module = 'cdrs' AND object_key IN", keys
        )
    }
    sql = "SELECT cdr_key, id FROM disputes WHERE state = 'OPEN' AND cdr_key IN"
    disputes = {row[0]: str(row[1]) for row in await fetch_of(reader, sql, keys)}
    sql = "SELECT cdr_key, statement_id FROM settled_cdrs WHERE cdr_key IN"
    settled = {row[0]: str(row[1]) for row in await fetch_of(reader, sql, keys)}
    found = []
    for entry in entries:
        key, delivery = entry.key, deliveries.get(entry.key)
        emsp, verdict = emsp_of(entry.cdr), verdicts.get(entry.key)
        facts = Facts(
            is_ours=not entry.source,
            is_told_here=directory.is_hosted(cpo_of(entry.cdr)) and directory.is_hosted(emsp, Role.EMSP),
            is_waiting=key in waiting,
            delivery=str(delivery[2]) if delivery is not None else "",
            is_in_doubt=bool(delivery[3]) if delivery is not None else False,
            outcome=verdict.outcome if verdict is not None else "",
            is_disputed=key in disputes and key not in credits,
            is_credited=key in credits,
            is_settled=key in settled,
        )
        found.append(
            Standing(
                entry=entry,
                facts=facts,
                delivery_ids=tuple(ids.get(key, ())),
                error=str(delivery[4]) if delivery is not None else "",
                dispute_id=disputes.get(key, "") if key not in credits else "",
                credit_key=credits.get(key, ""),
                statement_id=settled.get(key, ""),
            )
        )
    return found

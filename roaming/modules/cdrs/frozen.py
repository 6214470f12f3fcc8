"""The tariffs of a session of ours as they were when it began: what its CDR quotes. Reads what its start kept; knows no
price and no CDR."""

from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.identifiers import fold
from roaming.model.profile_tariffs import ProfileTariffs
from roaming.model.session import Session
from roaming.model.tariff import Tariff
from roaming.rating.relevant import named_tariffs, relevant_tariffs
from roaming.store.documents import read_object


async def frozen_tariffs(connection: AsyncConnection, session_key: str, session: Session) -> tuple[Tariff, ...]:
    """Those that price its periods, in that order: the one of its start, and those that its driver's preferences led
    to."""
    first = await read_object(connection, "session_snapshots", f"{session_key}#tariff", Tariff)
    named = named_tariffs(session.charging_periods)
    known = [first] if first is not None else []
    if named and (first is None or named.keys() != {fold(first.id)}):
        others = await read_object(connection, "session_snapshots", f"{session_key}#profiles", ProfileTariffs)
        known += [each for each in (others.tariffs if others is not None else {}).values() if fold(each.id) in named]
    return relevant_tariffs(known, session.charging_periods)

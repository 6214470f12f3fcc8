"""How pairs of parties read tariffs, out of the store: for readers who need no whole directory."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.identifiers import PartyId
from roaming.partners.tables import AgreementRow
from roaming.store.reader import Reader


async def agreed_readings(reader: Reader) -> dict[tuple[str, str], Mapping[str, Any]]:
    """What pairs (CPO, eMSP), such as NL-HUB, chose of ``rating.Readings``. Raises ``StoreUnavailable``."""
    rows = await reader.fetch("SELECT cpo, emsp, readings FROM agreements WHERE readings <> '{}'")
    return {(row[0], row[1]): json.loads(row[2]) for row in rows}


async def readings_between(connection: AsyncConnection, *, cpo: PartyId, emsp: PartyId) -> Mapping[str, Any]:
    """What these two chose; nothing without an agreement."""
    table = AgreementRow.__table__.c  # type: ignore[attr-defined]
    wanted = select(table.readings).where(table.cpo == str(cpo), table.emsp == str(emsp))
    found = (await connection.execute(wanted)).scalar_one_or_none()
    return json.loads(found) if found else {}

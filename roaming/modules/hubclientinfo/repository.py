"""Client info in the store: rows ⇄ objects."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.canonical import from_document, to_document
from roaming.model.client_info import ClientInfo
from roaming.model.identifiers import PartyId
from roaming.modules.hubclientinfo.tables import ClientInfoRow
from roaming.store.documents import HERE, Documents, Origin, Stored, object_key
from roaming.store.reader import Reader

DOCUMENTS = Documents(ClientInfoRow)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A client info as stored, and as an object."""

    stored: Stored
    info: ClientInfo


@dataclass(frozen=True, kw_only=True)
class Known:
    """What we say of a party in a role."""

    party: PartyId
    role: str
    status: str


def key_of(party: PartyId, role: str, *, source: str = "") -> str:
    """The key of a party in a role, as ``source`` tells of it: several hubs may tell of the same one."""
    key = object_key(party, role)
    return f"{source}:{key}" if source else key


async def load(connection: AsyncConnection, key: str) -> Kept | None:
    """The client info under ``key``, held until the transaction ends."""
    stored = await DOCUMENTS.find(connection, key, for_update=True)
    return Kept(stored=stored, info=from_document(ClientInfo, stored.document)) if stored else None


async def save(
    connection: AsyncConnection,
    kept: Kept | None,
    info: ClientInfo,
    *,
    source: str,
    now: datetime,
    origin: Origin = HERE,
) -> bool:
    """Stores a client info, new (``kept`` is ``None``) or in place of the one that was loaded; True when new."""
    changed = {
        "document": to_document(info),
        "status": info.status,
        "last_updated": info.last_updated,
        "received_at": now,
    }
    if kept is not None:
        await DOCUMENTS.change(connection, kept.stored, changed)
        return False
    party = PartyId.of(info.country_code, info.party_id)
    return await DOCUMENTS.insert(
        connection,
        {
            "key": key_of(party, info.role, source=source),
            "country_code": party.country_code,
            "party_id": party.party_id,
            "object_id": info.role,
            "source": source,
            "scope": "",
            "is_listed": True,
            **origin.columns(),
            "revision": 1,
            **changed,
        },
    )


async def known(reader: Reader) -> dict[str, Known]:
    """All that we say, by key. Raises ``StoreUnavailable``."""
    rows = await reader.fetch(
        "SELECT key, country_code, party_id, object_id, status FROM hubclientinfo WHERE source = ''"
    )
    return {row[0]: Known(party=PartyId(row[1], row[2]), role=row[3], status=row[4]) for row in rows}


async def told_by(reader: Reader, source: str, party: PartyId) -> ClientInfo | None:
    """What ``source`` told of a party: of several roles one that is CONNECTED, if there is one, else the newest."""
    rows = await reader.fetch(
        "SELECT document FROM hubclientinfo WHERE source = $1 AND country_code = $2 AND party_id = $3"
        " ORDER BY CASE WHEN status = 'CONNECTED' THEN 0 ELSE 1 END, last_updated DESC, key LIMIT 1",
        source,
        party.country_code,
        party.party_id,
    )
    return from_document(ClientInfo, rows[0][0]) if rows else None

"""Which EVSE a station's connector is, and the other way round."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages import StationAccountChanged
from roaming.model.identifiers import PartyId, fold
from roaming.stations.certificates import revoked_of
from roaming.stations.passwords import waiting
from roaming.stations.tables import BindingRow, StationRow
from roaming.store.bulk import select_rows, upsert
from roaming.store.database import Database, Work
from roaming.store.reader import Reader

BINDINGS = BindingRow.__table__  # type: ignore[attr-defined]
STATIONS = StationRow.__table__  # type: ignore[attr-defined]
NAMES = "SELECT station_id FROM stations WHERE network = $1"
_RETOLD_AT_ONCE = 500
_COLUMNS = (
    "network",
    "station_id",
    "connector_id",
    "country_code",
    "party_id",
    "location_id",
    "evse_uid",
    "evse_connector_id",
)
_ACCOUNT = ("network", "station_id", "key_digest", "wanted_profile", "best_profile", "next_key_digests")

_NEXT_PASSWORDS = "next_key_digests = CASE WHEN excluded.key_digest = t.key_digest THEN t.next_key_digests ELSE '' END"
"""Whoever is bound again as it is may have been given another; a password that a person sets ends that."""


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """One connector of a station, and what it is in OCPI."""

    network: str
    station_id: str
    connector_id: int
    """As the station counts, from 1."""
    party: PartyId
    location_id: str
    evse_uid: str
    evse_connector_id: str
    """``Connector.id`` in OCPI."""


class UnknownStation(LookupError):
    """No station of that name has connected or was announced."""


class KnownStations:
    """Names as stations call themselves. Read once for each network: many are looked up in a row."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._names: dict[str, dict[str, set[str]]] = {}
        """By network and folded name."""

    async def name(self, network: str, typed: str) -> str:
        """That of a station that was heard of under this name, or under it in another case; else as typed."""
        if network not in self._names:
            self._names[network] = {}
            for (station_id,) in await self._reader.fetch(NAMES, network):
                self.note(network, station_id)
        same = self._names[network].get(fold(typed), set())
        return typed if typed in same or len(same) != 1 else next(iter(same))

    def note(self, network: str, station_id: str) -> None:
        """One more, once ``name`` has been asked for."""
        self._names[network].setdefault(fold(station_id), set()).add(station_id)


async def bind(
    work: Work, bindings: Sequence[Binding], *, key_digest: str | None = None, has_no_key: bool = False
) -> None:
    """Binds a station's connectors and admits it, all of one station.

    Its password is ``key_digest``, or the one it presented as a stranger, or none when ``has_no_key``.
    """
    network, station_id = bindings[0].network, bindings[0].station_id
    rows = [
        {
            "network": entry.network,
            "station_id": entry.station_id,
            "connector_id": entry.connector_id,
            "country_code": entry.party.country_code,
            "party_id": entry.party.party_id,
            "location_id": entry.location_id,
            "evse_uid": entry.evse_uid,
            "evse_connector_id": entry.evse_connector_id,
        }
        for entry in bindings
    ]
    await upsert(
        work.connection,
        BINDINGS,
        rows,
        key=("network", "station_id", "connector_id"),
        update=("country_code", "party_id", "location_id", "evse_uid", "evse_connector_id"),
    )
    condition = (STATIONS.c.network == network) & (STATIONS.c.station_id == station_id)
    found = (
        await work.connection.execute(select(STATIONS.c.key_digest, STATIONS.c.presented_digest).where(condition))
    ).one_or_none()
    if key_digest is None and not has_no_key and found is not None:
        key_digest = found.key_digest or found.presented_digest
    await admit(work, network=network, station_id=station_id, key_digest=key_digest)


async def admit(work: Work, *, network: str, station_id: str, key_digest: str | None) -> None:
    """Lets a station in with the password of this digest (``None``: without one), and tells the adapters."""
    row = {
        "network": network,
        "station_id": station_id,
        "is_admitted": True,
        "key_digest": key_digest,
        "is_connected": False,
        "instance": "",
        "epoch": 0,
        "protocol": "",
        "remote_address": "",
        "vendor": "",
        "model": "",
        "serial_number": "",
        "firmware_version": "",
        "last_fault": "",
        "rejected_messages": 0,
        "is_proxied": False,
        "missed_frames": 0,
        "security_profile": 0,
        "best_profile": 0,
        "wanted_profile": 0,
        "next_key_digests": "",
        "first_seen_at": work.now,
    }
    update = ("is_admitted", "key_digest", _NEXT_PASSWORDS)
    await upsert(work.connection, STATIONS, [row], key=("network", "station_id"), update=update)
    await tell_accounts(work, [(network, station_id)], cause="admitted")


async def retell(database: Database) -> None:
    """Tells the adapters of every admitted station once more (decision 0060)."""
    after = ("", "")
    while True:
        statement = (
            select(STATIONS.c.network, STATIONS.c.station_id)
            .where(STATIONS.c.is_admitted, tuple_(STATIONS.c.network, STATIONS.c.station_id) > tuple_(*after))
            .order_by(STATIONS.c.network, STATIONS.c.station_id)
            .limit(_RETOLD_AT_ONCE)
        )
        async with database.work() as work:
            page = [(row[0], row[1]) for row in await work.connection.execute(statement)]
            await tell_accounts(work, page, cause="retold")
        if len(page) < _RETOLD_AT_ONCE:
            return
        after = page[-1]


async def tell_accounts(work: Work, stations: Sequence[tuple[str, str]], *, cause: str) -> None:
    """Tells the adapters who may connect as these (network, station_id), which are admitted."""
    parties = await _parties_of(work.connection, stations)
    rows = await select_rows(work.connection, STATIONS, _ACCOUNT, key=("network", "station_id"), values=list(stations))
    revoked = await revoked_of(work.connection, stations, now=work.now)
    accounts = {(row[0], row[1]): row[2:] for row in rows}
    for network, station_id in stations:
        key_digest, wanted_profile, best_profile, next_digests = accounts[network, station_id]
        work.outbox.add(
            StationAccountChanged(
                network=network,
                station_id=station_id,
                is_admitted=True,
                key_digest=key_digest,
                operator=_operator(parties.get((network, station_id), ())),
                minimum_profile=min(wanted_profile, best_profile),
                revoked_certificates=revoked.get((network, station_id), ()),
                next_key_digests=waiting(next_digests),
            ),
            subject=f"{network}/{station_id}",
            cause=f"{cause}-{work.now.isoformat()}",
        )


async def _parties_of(
    connection: AsyncConnection, stations: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], set[PartyId]]:
    """Whose locations the stations' connectors are bound to."""
    found: dict[tuple[str, str], set[PartyId]] = {}
    for (network, station_id, _), binding in (await bindings_of_stations(connection, stations)).items():
        found.setdefault((network, station_id), set()).add(binding.party)
    return found


def _operator(parties: Collection[PartyId]) -> str | None:
    """What adapters are told: with connectors of several CPOs only the service can tell who may charge."""
    return str(next(iter(parties))) if len(parties) == 1 else None


async def bindings_of_stations(
    connection: AsyncConnection, stations: Iterable[tuple[str, str]]
) -> dict[tuple[str, str, int], Binding]:
    """Bindings of the given (network, station_id) pairs, by (network, station_id, connector_id)."""
    wanted = list(dict.fromkeys(stations))
    rows = await select_rows(connection, BINDINGS, _COLUMNS, key=("network", "station_id"), values=wanted)
    return {(row[0], row[1], row[2]): _binding(row) for row in rows}


async def bindings_of_evse(
    connection: AsyncConnection, party: PartyId, location_id: str, evse_uid: str | None = None
) -> list[Binding]:
    """Bindings of one EVSE, or of all EVSEs of a location, in the order of EVSE and connector."""
    statement = select(*(BINDINGS.c[name] for name in _COLUMNS)).where(
        BINDINGS.c.country_code == party.country_code,
        BINDINGS.c.party_id == party.party_id,
        func.lower(BINDINGS.c.location_id) == location_id.lower(),
    )
    rows = (await connection.execute(statement)).all()
    found = [binding for binding in map(_binding, rows) if evse_uid is None or fold(binding.evse_uid) == fold(evse_uid)]
    return sorted(found, key=lambda b: (b.evse_uid, b.connector_id))


def _binding(row: Sequence[Any]) -> Binding:
    network, station_id, connector_id, country_code, party_id, location_id, evse_uid, evse_connector_id = row
    return Binding(
        network=network,
        station_id=station_id,
        connector_id=connector_id,
        party=PartyId(country_code, party_id),
        location_id=location_id,
        evse_uid=evse_uid,
        evse_connector_id=evse_connector_id,
    )

"""Whose a connector is and where, for what is told of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.identifiers import PartyId
from roaming.stations.bindings import BINDINGS, Binding, bindings_of_stations


@dataclass(frozen=True)
class Places:
    """The bindings of some stations."""

    bindings: Mapping[tuple[str, str, int], Binding]

    def parties(self, network: str, station_id: str, connector_id: int = 0) -> tuple[PartyId, ...]:
        """Whose a connector is; of one that is not bound, and of the station itself (0): of all that have a part of
        the station."""
        bound = self.bindings.get((network, station_id, connector_id))
        if bound is not None:
            return (bound.party,)
        return self._by_station.get((network, station_id), ())

    @cached_property
    def _by_station(self) -> dict[tuple[str, str], tuple[PartyId, ...]]:
        found: dict[tuple[str, str], set[PartyId]] = {}
        for (network, station_id, _), binding in self.bindings.items():
            found.setdefault((network, station_id), set()).add(binding.party)
        return {station: tuple(sorted(parties)) for station, parties in found.items()}

    def named(self, network: str, station_id: str, connector_id: int | None = None) -> dict[str, Any]:
        """The place in the words that all events use."""
        named: dict[str, Any] = {"network": network, "station": station_id}
        if connector_id is None:
            return named
        named["connector"] = connector_id
        bound = self.bindings.get((network, station_id, connector_id))
        if bound is not None:
            named |= {"party": str(bound.party), "location": bound.location_id, "evse_uid": bound.evse_uid}
        return named


async def stations_of_party(connection: AsyncConnection, party: str) -> dict[tuple[str, str], set[int]]:
    """The stations that a party has a part of, each with its connectors that are this party's."""
    country_code, _, party_id = party.partition("-")
    mine = (BINDINGS.c.country_code == country_code, BINDINGS.c.party_id == party_id)
    chosen = select(BINDINGS.c.network, BINDINGS.c.station_id, BINDINGS.c.connector_id).where(*mine)
    found: dict[tuple[str, str], set[int]] = {}
    for network, station_id, connector_id in await connection.execute(chosen):
        found.setdefault((network, station_id), set()).add(connector_id)
    return found


async def places_of(connection: AsyncConnection, stations: Collection[tuple[str, str]]) -> Places:
    """Of these (network, station_id)."""
    return Places(await bindings_of_stations(connection, stations))

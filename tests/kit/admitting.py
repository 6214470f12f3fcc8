"""Stations of network ``main`` that the service knows: admitted, connected or away."""

from typing import Any

from contracts.messages import Message, StationConnected, StationDisconnected
from roaming.stations import presence
from roaming.stations.bindings import admit
from roaming.store.consume import Received
from roaming.store.database import Database
from tests.kit.speaking import envelope_of

NETWORK = "main"


async def admitted(
    database: Database, *station_ids: str, is_connected: bool = True, epoch: int = 1, **fields: Any
) -> None:
    """Admits them, connected to the instance ``adapter``; ``fields`` of the connection."""
    async with database.work() as work:
        for station_id in station_ids:
            said = {"protocol": "ocpp1.6"} | fields
            connected = StationConnected(
                network=NETWORK, station_id=station_id, instance="adapter", epoch=epoch, **said
            )
            await presence.handle(work, [received(connected)])
            await admit(work, network=NETWORK, station_id=station_id, key_digest=None)
            if not is_connected:
                gone = StationDisconnected(
                    network=NETWORK, station_id=station_id, instance="adapter", epoch=epoch, reason="test"
                )
                await presence.handle(work, [received(gone)])


def received(message: Message) -> Received:
    """As a projection gets it."""
    return Received(envelope_of(message), message)

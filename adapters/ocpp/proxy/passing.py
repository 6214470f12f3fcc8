"""Puts together what a station that goes through needs: the line, its copies, who answers for foreign tokens."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from adapters.kit.manifest import Fact
from adapters.ocpp.proxy.copies import Copies, Gap, Room
from adapters.ocpp.proxy.door import ProxyDoor
from adapters.ocpp.proxy.foreign import ForeignTokens
from adapters.ocpp.proxy.line import Line
from adapters.ocpp.proxy.station import ProxiedStation
from adapters.ocpp.proxy.turns import Turns
from adapters.ocpp.station import Pace, Refused, Request, Station
from adapters.ocpp.transport import Admission, Handshake, Refusal, Socket
from adapters.ocpp.version import OLDEST, Version
from contracts.envelope import message_id
from contracts.messages import StationFramesMissed

NO_COMMANDS: Final = "its upstream lets no requests of the hub in between (has_commands)"


@dataclass(kw_only=True)
class Passing:
    """All stations that go through."""

    door: ProxyDoor
    versions: Mapping[str, Version]
    record: Callable[[Station, Sequence[Fact]], Awaitable[None]]
    network: str
    now: Callable[[], datetime]
    pace: Pace
    copies_per_station: int = 1000
    room: Room = field(default_factory=lambda: Room(octets=64 * 2**20))
    hold_seconds: float = 5
    turns: Turns = field(default_factory=Turns)

    async def decide(self, handshake: Handshake) -> Refusal | Admission | None:
        """See ``ProxyDoor.decide``."""
        return await self.door.decide(handshake)

    def let_through(self, socket: Socket, admission: Admission) -> ProxiedStation:
        """The station with its line; ``run`` it."""
        assert admission.upstream is not None
        handshake = self.door.taken(admission.upstream)
        upstream = self.door.upstream_of(admission.station_id)
        version = self.versions.get(admission.subprotocol or OLDEST)
        copies = Copies(most=self.copies_per_station, room=self.room)
        has_calls = upstream is not None and upstream.has_commands
        line = Line(
            socket,
            admission.upstream,
            copies=copies,
            now=self.now,
            hold_seconds=self.hold_seconds,
            has_calls=has_calls,
        )
        if upstream is not None and upstream.when_down == "hold" and handshake is not None:
            line.redial = partial(self.door.redial, upstream, handshake, subprotocol=admission.subprotocol)
        station = ProxiedStation(
            id=admission.station_id,
            epoch=0,
            socket=socket,
            admission=admission,
            answer=_deaf if version is None else version.answer,
            now=self.now,
            pace=self.pace,
            is_admitted=False,
            protocol=admission.subprotocol or OLDEST,
            knows_send=version is not None and version.knows_send,
            line=line,
            turns=self.turns,
            tell_gap=self._tell_gap,
        )
        station.no_commands = None if has_calls else NO_COMMANDS
        station.is_status_asked = not has_calls
        if upstream is not None and upstream.authorise != "csms" and version is not None:
            is_ours = partial(self.door.doorkeeper.is_admitted, admission)
            line.foreign = ForeignTokens(station, line, upstream, decide=version.decide, now=self.now, is_ours=is_ours)
        return station

    def is_understood(self, station: Station) -> bool:
        """Whether its version is spoken here; of another one only the frames pass."""
        return station.protocol in self.versions

    async def _tell_gap(self, station: ProxiedStation, gap: Gap) -> None:
        missed = StationFramesMissed(
            network=self.network,
            station_id=station.id,
            frames=gap.frames,
            began_at=gap.began_at,
            ended_at=gap.ended_at,
        )
        fact = Fact(
            id=message_id("gap", self.network, station.id, station.epoch, station.gaps),
            message=missed,
            station_id=station.id,
            occurred_at=gap.ended_at,
        )
        await self.record(station, [fact])


async def _deaf(station: Station, request: Request) -> dict[str, Any] | Refused:
    return {}

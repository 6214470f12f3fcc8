"""The door and the room: lets stations in, keeps one connection of each, tells when they come and go, sees to those
that fell silent, and empties the room at the end. Knows no OCPP message."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from adapters.kit.manifest import Account, Fact, Ports
from adapters.ocpp import straying
from adapters.ocpp.alarms import Alarms
from adapters.ocpp.limits import Bucket, retry_after
from adapters.ocpp.presence import Presence
from adapters.ocpp.proxy.passing import Passing
from adapters.ocpp.proxy.station import ProxiedStation
from adapters.ocpp.security import Doorkeeper, Takeovers
from adapters.ocpp.station import RECONNECT, TRY_LATER, Pace, Station
from adapters.ocpp.transport import Admission, Handshake, Refusal, Socket, SocketClosed
from adapters.ocpp.version import OLDEST, Version
from contracts.envelope import message_id
from contracts.messages import Message, StationConnected, StationDisconnected

POLICY: Final = 1008
LONGEST_PACING: Final = 8.0
"""A newcomer waits this long for its turn at most, then it is sent away with 503."""
STRANGERS_AT_ONCE: Final = 1000
STRANGERS_PER_SECOND: Final = 10.0
"""Names that nobody has bound, in the long run: each leaves its trace, and anybody can make them up without end."""

logger = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class Watch:
    """What is expected of connections."""

    accepts_per_second: float = 1000
    max_strangers: int = 1000
    first_frame_seconds: float = 60
    ping_seconds: float = 60
    """Between pings to a station that says nothing; 0: none."""
    silent_seconds: float = 900
    """Without any frame: the connection is dead. Three pings suffice for a station that used to answer them."""
    stuck_seconds: float = 20
    """A station that does not read for so long is dropped."""
    sweep_seconds: float = 5
    status_seconds: float = 30
    """A station that has said nothing of its connectors so long after it came is asked, once; 0: never."""
    lost_after_seconds: float = 60
    """After a restart: a station that was connected before and has not come back is told as gone."""
    drain_seconds: float = 15


@dataclass(kw_only=True)
class Gateway:
    """All connections of this instance."""

    ports: Ports
    doorkeeper: Doorkeeper
    versions: Mapping[str, Version]
    """By subprotocol."""
    presence: Presence
    passing: Passing | None = None
    """Stations that go through to a central system of their operator's."""
    pace: Pace = field(default_factory=Pace)
    watch: Watch = field(default_factory=Watch)
    refusals: Counter[int] = field(default_factory=Counter)
    """Refused handshakes by HTTP status."""
    _stations: dict[str, Station] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _running: set[Station] = field(default_factory=set)
    _is_empty: asyncio.Event = field(default_factory=asyncio.Event)
    _is_draining: bool = False

    def __post_init__(self) -> None:
        self._entrance = Bucket(rate=self.watch.accepts_per_second, burst=self.watch.accepts_per_second)
        self._strangers = Bucket(rate=STRANGERS_PER_SECOND, burst=max(STRANGERS_AT_ONCE, self.watch.max_strangers))
        self._alarms = Alarms(self.ports)
        self._takeovers = Takeovers(clock=asyncio.get_running_loop().time)

    def start(self) -> None:
        """Begins to watch. Call it in the event loop, once."""
        self.ports.accounts.on_change(self._account_changed)
        self._spawn(self._sweep())
        left_over = self.presence.left_over()
        if left_over:
            self._spawn(self._tell_lost(left_over))

    def find(self, station_id: str) -> Station | None:
        """The station's current connection, if it is here."""
        return self._stations.get(station_id)

    def stations(self) -> tuple[Station, ...]:
        """All that are connected."""
        return tuple(self._stations.values())

    async def welcome(self, handshake: Handshake) -> Refusal | Admission:
        """See ``transport.Welcome``."""
        decision = await self._decide(handshake)
        if isinstance(decision, Refusal):
            self.refusals[decision.status] += 1
            if self.refusals[decision.status] <= 100 or self.refusals[decision.status] % 1000 == 0:
                logger.warning(
                    "connection refused",
                    status=decision.status,
                    reason=decision.reason,
                    target=repr(handshake.target[:80]),
                    address=handshake.remote_address,
                )
            if decision.station_id is not None:
                await self._alarms.tell(decision.station_id, decision.event, decision.info or decision.reason)
        return decision

    async def handle(self, socket: Socket, admission: Admission) -> None:
        """See ``transport.Handle``."""
        if admission.upstream is not None:
            station: Station | None = self._let_through(socket, admission)
        else:
            station = await self._take_in(socket, admission)
        if station is None:
            if self._is_unproven(admission):
                await socket.close(POLICY, self.doorkeeper.objection(admission) or "the account has changed")
            else:
                await socket.close(TRY_LATER, "try again later")
            return
        self._running.add(station)
        reason = "the adapter failed"
        try:
            reason = await station.run()
        finally:
            await self._see_off(station, reason)
            self._running.discard(station)
            if not self._running:
                self._is_empty.set()

    async def drain(self) -> None:
        """Sends every station away and waits until what they said is dealt with."""
        self._is_draining = True
        self._is_empty.clear()
        for station in tuple(self._running):
            self._spawn(station.close(RECONNECT, "the service restarts"))
        if self._running:
            try:
                async with asyncio.timeout(self.watch.drain_seconds):
                    await self._is_empty.wait()
            except TimeoutError:
                logger.warning("stations did not leave in time", stations=len(self._running))
        for station in tuple(self._running):
            station.abort("the service restarts")
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _decide(self, handshake: Handshake) -> Refusal | Admission:
        if self._is_draining:
            return _later("the service restarts")
        pause = self._entrance.take(longest=LONGEST_PACING)
        if pause > LONGEST_PACING:
            return _later("too many stations at once")
        if pause:
            await asyncio.sleep(pause)
        passing = None if self.passing is None else await self.passing.decide(handshake)
        decision = passing or self.doorkeeper.decide(handshake)
        if isinstance(decision, Refusal):
            return decision
        current = self._stations.get(decision.station_id)
        if decision.is_admitted:
            is_alive = current is not None and current.is_admitted and self._silence(current) < 60
            if is_alive and self._takeovers.wait(decision.station_id):
                return _later("this station is connected elsewhere")
            return decision
        if decision.upstream is not None:
            return decision  # whoever its operator lets in: the hub only does not listen
        strangers = sum(not station.is_admitted for station in self._stations.values())
        if current is None and (strangers >= self.watch.max_strangers or self._strangers.take(longest=0)):
            return _later("too many unknown stations")
        return decision

    async def _take_in(self, socket: Socket, admission: Admission) -> Station | None:
        """The station with its connection told, the older one closed. ``None`` when it could not be told."""
        try:
            epoch = await self.ports.connections.claim(admission.station_id)
            # An account that changed since the handshake told nobody: this station was not among ours yet
            is_admitted = self.doorkeeper.is_admitted(admission)
            if not is_admitted and (admission.is_admitted or self._is_unproven(admission)):
                return None
            self.presence.came(admission.station_id, epoch)
        except Exception as error:
            logger.error("no epoch for a connection", station_id=admission.station_id, error=type(error).__name__)
            return None
        version = self.versions[admission.subprotocol or OLDEST]
        station = Station(
            id=admission.station_id,
            epoch=epoch,
            socket=socket,
            admission=admission,
            answer=version.answer,
            now=self.ports.now,
            pace=self.pace,
            is_admitted=is_admitted,
            protocol=version.subprotocol,
            broken_frame=version.broken_frame,
            knows_send=version.knows_send,
        )
        current = self._stations.get(station.id)
        if current is not None and current.is_admitted and not station.is_admitted:
            return None  # admitted while this one was in its handshake: an unproven connection disturbs nobody
        self._stations[station.id] = station
        if current is not None:
            self._replace(current)
        if not await self._tell(station, self._connected(station), "connected"):
            self._stations.pop(station.id, None)
            return None
        logger.info("station connected", station_id=station.id, epoch=epoch, is_admitted=station.is_admitted)
        return station

    def _let_through(self, socket: Socket, admission: Admission) -> ProxiedStation:
        """The station, whose frames pass from its ``run`` on, whatever becomes of telling the hub."""
        assert self.passing is not None
        station = self.passing.let_through(socket, admission)
        is_admitted = self.doorkeeper.is_admitted(admission)
        current = self._stations.get(station.id)
        if not self.passing.is_understood(station):
            logger.warning("frames pass unread", station_id=station.id, protocol=station.protocol)
            station.line.copies.refuse()
            return station
        if current is not None and current.is_admitted and not is_admitted:
            logger.warning("a proxied connection is not listened to", station_id=station.id)
            station.line.copies.refuse()
            return station
        self._stations[station.id] = station
        if current is not None:
            self._replace(current)
        self._spawn(self._introduce(station))
        return station

    async def _introduce(self, station: ProxiedStation) -> None:
        """Tells that it is connected, as soon as that can be kept."""
        pause = 0.1
        while not station.is_over:
            try:
                station.epoch = await self.ports.connections.claim(station.id)
                if station not in self._running:
                    return  # it has gone, and nobody would tell so
                station.is_admitted = self.doorkeeper.is_admitted(station.admission)
                self.presence.came(station.id, station.epoch)
            except Exception as error:
                logger.error("no epoch for a connection", station_id=station.id, error=type(error).__name__)
            else:
                is_told = await self._tell(station, self._connected(station), "connected")
                if is_told and station.is_admitted == self.doorkeeper.is_admitted(station.admission):
                    station.introduced.set()
                    logger.info("station connected", station_id=station.id, epoch=station.epoch, is_proxied=True)
                    return
            await asyncio.sleep(pause)
            pause = min(10.0, pause * 2)

    def _is_unproven(self, admission: Admission) -> bool:
        """Whether it gave no password, or another one than that of an account which is admitted."""
        account = self.ports.accounts.find(admission.station_id)
        return account is not None and account.is_admitted and not self.doorkeeper.is_admitted(admission)

    async def _see_off(self, station: Station, reason: str) -> None:
        if self._stations.get(station.id) is station:
            del self._stations[station.id]
            for version in self.versions.values():
                if version.forget_station is not None:
                    version.forget_station(station.id)
        logger.info("station disconnected", station_id=station.id, epoch=station.epoch, reason=reason)
        if straying.is_untold(station):
            await self._tell_deviations(station)
        if station.epoch:
            await self._tell_gone(station.id, station.epoch, reason)

    async def _tell_gone(self, station_id: str, epoch: int, reason: str) -> None:
        gone = StationDisconnected(
            network=self.ports.network,
            station_id=station_id,
            instance=self.ports.instance,
            epoch=epoch,
            reason=reason[:200],
        )
        fact = self._fact(station_id, epoch, gone, "disconnected")
        try:
            await self.ports.facts.record([fact])
            self.presence.went(station_id, epoch)
        except Exception as error:
            # It stays in the presence table: the next start tells it.
            logger.error("a disconnection could not be told", station_id=station_id, error=type(error).__name__)

    async def _tell_deviations(self, station: Station) -> None:
        """Numbers only: what cannot be told now is part of the next telling."""
        now = asyncio.get_running_loop().time()
        fact = straying.counted(station, network=self.ports.network, now=now)
        with contextlib.suppress(Exception):
            await self.ports.facts.record([fact])

    async def _tell(self, station: Station, message: Message, kind: str) -> bool:
        try:
            await self.ports.facts.record([self._fact(station.id, station.epoch, message, kind)])
        except Exception as error:
            logger.error(f"{kind} could not be told", station_id=station.id, error=type(error).__name__)
            return False
        return True

    def _replace(self, current: Station) -> None:
        """A newer connection has taken its place. A live one that goes this way again and again is two devices."""
        if current.is_admitted and self._silence(current) < 60 and self._takeovers.note(current.id):
            info = "two devices come as this station: each new connection ends the other's"
            self._spawn(self._alarms.tell(current.id, "ConnectionsReplaceEachOther", info))
        self._spawn(current.close(RECONNECT, "replaced by a newer connection"))

    def _connected(self, station: Station) -> StationConnected:
        return StationConnected(
            network=self.ports.network,
            station_id=station.id,
            instance=self.ports.instance,
            epoch=station.epoch,
            protocol=station.protocol,
            security_profile=self.doorkeeper.proven_profile(station.admission),
            remote_address=station.admission.remote_address,
            is_admitted=station.is_admitted,
            key_digest=None if station.is_proxied else station.admission.key_digest,
            is_proxied=station.is_proxied,
            certificate=station.admission.certificate,
        )

    def _fact(self, station_id: str, epoch: int, message: Message, kind: str) -> Fact:
        return Fact(
            id=message_id(kind, self.ports.network, station_id, epoch),
            message=message,
            station_id=station_id,
            occurred_at=self.ports.now(),
        )

    def _account_changed(self, station_id: str, account: Account) -> None:
        station = self._stations.get(station_id)
        if station is None or self._is_draining or not station.epoch:
            return
        objection = self.doorkeeper.objection(station.admission)
        if objection is None:
            if not station.is_admitted:
                self._spawn(self._admit(station))
        elif account.is_admitted or station.is_admitted:
            # Who goes through is another's to send away, but certificates end here
            leave = station.close if self.doorkeeper.is_revoked(station.admission) else station.shut_out
            self._spawn(leave(POLICY, objection))

    async def _admit(self, station: Station) -> None:
        """A held station becomes one of ours where it stands, under a new epoch: some never reconnect when they are
        closed."""
        epoch = await self.ports.connections.claim(station.id)
        if self._stations.get(station.id) is not station:
            return
        station.is_status_asked = True  # by the greeter
        earlier, station.epoch = station.epoch, epoch
        station.is_admitted = True
        if not await self._tell(station, self._connected(station), "connected"):
            await station.close(TRY_LATER, "try again later")
            return
        self.presence.went(station.id, earlier)
        self.presence.came(station.id, epoch)
        logger.info("station admitted", station_id=station.id, epoch=epoch)
        if station.no_commands is None:
            await self.versions[station.protocol].greeter.admitted(station)

    async def _tell_lost(self, left_over: list[tuple[str, int]]) -> None:
        await asyncio.sleep(self.watch.lost_after_seconds)
        for station_id, epoch in left_over:
            await self._tell_gone(station_id, epoch, "not seen since the adapter restarted")

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self.watch.sweep_seconds)
            for station in tuple(self._running):
                try:
                    await self._look_at(station)
                except SocketClosed:
                    continue
                except Exception as error:
                    logger.exception("sweep failed", station_id=station.id, error=type(error).__name__)

    async def _look_at(self, station: Station) -> None:
        now = asyncio.get_running_loop().time()
        live, watch = station.live, self.watch
        if live.sending_since is not None and now - live.sending_since > watch.stuck_seconds:
            station.abort("does not read")
            return
        silence = now - live.heard
        longest = min(watch.silent_seconds, 3 * watch.ping_seconds) if live.answers_pings else watch.silent_seconds
        if not live.has_spoken and not live.answers_pings:
            longest = watch.first_frame_seconds
        # How often a station that goes through says something is its own central system's choice
        if silence > longest and (live.answers_pings or not station.is_proxied):
            station.abort("silent")
            return
        if straying.is_due(station, now):
            await self._tell_deviations(station)
        if self._owes_status(station, now):
            station.is_status_asked = True
            self._spawn(self.versions[station.protocol].greeter.ask_status(station))
        is_due = watch.ping_seconds and silence > min(watch.ping_seconds, watch.first_frame_seconds / 3)
        if is_due and now - live.pinged > watch.ping_seconds / 2 and live.sending_since is None:
            self._spawn(self._ping(station))

    def _owes_status(self, station: Station, now: float) -> bool:
        if station.statuses or station.is_status_asked or not station.is_admitted:
            return False
        longest = self.watch.status_seconds
        return bool(longest) and now - station.live.opened > longest and station.live.has_spoken

    async def _ping(self, station: Station) -> None:
        try:
            async with asyncio.timeout(self.watch.stuck_seconds):
                await station.ping()
        except SocketClosed:
            return
        except TimeoutError:
            station.abort("does not read")

    @staticmethod
    def _silence(station: Station) -> float:
        return asyncio.get_running_loop().time() - station.live.heard

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("a task of the gateway failed", error=repr(task.exception()))


def _later(reason: str) -> Refusal:
    return Refusal(status=503, reason=reason, headers=(retry_after(),))

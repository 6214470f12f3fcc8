"""One charging station that exists in memory only: connectors, meters, a driver's hands, and what it tells.

Knows nothing of commands; ``commands.py`` works it from outside.
"""

import asyncio
import random
from datetime import datetime, timedelta
from decimal import Decimal

from adapters.kit.manifest import Authorization, Fact, Ports, SpoolFull
from adapters.simulated.memory import ConnectorMemory, Flash, OpenTransaction, StationMemory
from adapters.simulated.settings import SimulatedSettings
from contracts.envelope import message_id
from contracts.messages import (
    ConnectorStatusChanged,
    Message,
    MeterSample,
    MeterValue,
    MeterValuesTaken,
    StationBooted,
    StationConnected,
    StationDisconnected,
    StationFaultReported,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from contracts.vocabulary import (
    AuthorizationStatus,
    ConnectorStatus,
    Measurand,
    ReadingContext,
    StopReason,
)

_FULL_PAUSE = 0.2


class ImpossibleAction(ValueError):
    """The hands tried what the station cannot do, such as a plug into an occupied connector."""


class SimulatedStation:
    """Actions are coroutines that return when what they caused is on disk. Not for use by several tasks at once
    on one connector.

    Its clock is never behind the ports' clock and is moved on by ``charge``; with the same seed, clock and actions
    it tells the same.
    """

    def __init__(self, station_id: str, ports: Ports, settings: SimulatedSettings, flash: Flash) -> None:
        self.station_id = station_id
        self.epoch = 0
        """0: not connected."""
        self._ports = ports
        self._settings = settings
        self._flash = flash
        self._last_epoch = 0
        self._told = 0
        self._kept: list[Fact] = []
        self._order = asyncio.Lock()
        if station_id not in flash.stations:
            meters = random.Random(f"{settings.seed}/{station_id}")  # noqa: S311
            flash.stations[station_id] = StationMemory(
                clock=ports.now(),
                connectors={
                    number: ConnectorMemory(register_wh=meters.randrange(1_000, 5_000_000))
                    for number in range(1, settings.connectors + 1)
                },
            )
        self._memory = flash.stations[station_id]

    @property
    def is_connected(self) -> bool:
        """Whether what it tells reaches the adapter."""
        return self.epoch > 0

    def connector(self, number: int) -> ConnectorMemory:
        """State of a connector. Raises ``ImpossibleAction`` for one it does not have."""
        try:
            return self._memory.connectors[number]
        except KeyError:
            raise ImpossibleAction(f"{self.station_id} has no connector {number}") from None

    def connectors(self) -> dict[int, ConnectorMemory]:
        """All connectors by number."""
        return self._memory.connectors

    def clock(self) -> datetime:
        """The station's time."""
        self._memory.clock = max(self._memory.clock, self._ports.now())
        return self._memory.clock

    async def connect(self) -> None:
        """Opens a connection; one that is not admitted tells that it is there and no more."""
        account = self._ports.accounts.find(self.station_id)
        is_admitted = self._settings.admits_strangers if account is None else account.is_admitted
        epoch = self._last_epoch = await self._ports.connections.claim(self.station_id)
        connected = StationConnected(
            network=self._ports.network,
            station_id=self.station_id,
            instance=self._ports.instance,
            epoch=epoch,
            protocol="simulated",
            is_admitted=is_admitted,
        )
        await self._record([self._fact(connected, key=("connected", epoch))])
        if is_admitted:
            self.epoch = epoch
            await self.boot()
            kept, self._kept = self._kept, []
            await self._record(kept)

    async def disconnect(self, reason: str = "unplugged") -> None:
        """Loses the connection; charging goes on, and what there is to tell is told after the next one. What is
        only news while it is new, a status or a fault, is not."""
        if not self.is_connected:
            return
        epoch, self.epoch = self.epoch, 0
        gone = StationDisconnected(
            network=self._ports.network,
            station_id=self.station_id,
            instance=self._ports.instance,
            epoch=epoch,
            reason=reason,
        )
        await self._record([self._fact(gone, key=("disconnected", epoch))])

    async def boot(self) -> None:
        """Says what it is and how its connectors are."""
        booted = StationBooted(
            network=self._ports.network,
            station_id=self.station_id,
            vendor="Simulated",
            model="In memory",
            serial_number=self.station_id,
            firmware_version="1",
        )
        await self._tell(booted)
        await self._tell_status(0, ConnectorStatus.AVAILABLE)
        for number, connector in self.connectors().items():
            await self._tell_status(number, connector.status)

    async def plug(self, number: int) -> None:
        """A driver puts the plug in."""
        connector = self.connector(number)
        if connector.is_plugged or connector.status is ConnectorStatus.FAULTED:
            raise ImpossibleAction(f"connector {number} of {self.station_id} is {connector.status}")
        connector.is_plugged = True
        if connector.reservation is None:
            await self.set_status(number, ConnectorStatus.PREPARING)

    async def unplug(self, number: int) -> None:
        """A driver takes the plug out; a running transaction ends with it."""
        connector = self.connector(number)
        if connector.transaction is not None:
            await self.stop(number, StopReason.CAR_GONE)
        connector.is_plugged = False
        await self.set_status(number, ConnectorStatus.AVAILABLE)

    async def present(self, number: int, token_uid: str) -> Authorization:
        """A driver holds a token to the reader: starts a charge, or ends the one that is theirs.

        A refused token starts nothing. Without a connection the station knows no token.
        """
        connector = self.connector(number)
        if not self.is_connected:
            raise ImpossibleAction(f"{self.station_id} is not connected and cannot ask about tokens")
        authorization = await self._ports.authorizer.authorize(
            station_id=self.station_id, connector_id=number, token_uid=token_uid, timeout=self._settings.patience
        )
        running = connector.transaction
        if running is not None:
            if _is_theirs(running, authorization):
                await self.stop(number, StopReason.DRIVER)
        elif _may_start(connector, authorization):
            await self._start(number, authorization)
        return authorization

    async def repeat_start(self, number: int) -> None:
        """Tells the start of the running transaction once more, as a station does that missed our answer."""
        await self._tell_start(number)

    async def charge(self, number: int, duration: timedelta) -> None:
        """Lets a running charge go on for ``duration`` of the station's clock, with a meter value per interval."""
        remaining = duration
        while remaining > timedelta(0):
            step = min(remaining, timedelta(seconds=self._settings.sample_seconds))
            remaining -= step
            await self._charge_a_step(number, step)

    async def stop(self, number: int, reason: StopReason) -> None:
        """Ends the running transaction; the plug stays in."""
        connector = self.connector(number)
        running = connector.transaction
        if running is None:
            raise ImpossibleAction(f"nothing is charging at connector {number} of {self.station_id}")
        connector.transaction = None
        ended = TransactionEnded(
            network=self._ports.network,
            station_id=self.station_id,
            transaction_id=running.transaction_id,
            ended_at=self.clock(),
            register_wh=Decimal(connector.register_wh),
            register_start_wh=Decimal(running.register_start_wh),
            reason=reason,
            token_uid=running.token_uid,
        )
        await self._tell(ended, key=("ended", running.transaction_id), correlation_id=running.transaction_id)
        await self.set_status(number, ConnectorStatus.FINISHING)

    async def fail(self, number: int, error_code: str) -> None:
        """Reports a fault and ends what was charging there."""
        if self.connector(number).transaction is not None:
            await self.stop(number, StopReason.FAULT)
        fault = StationFaultReported(
            network=self._ports.network, station_id=self.station_id, connector_id=number, error_code=error_code
        )
        await self._tell(fault)
        await self.set_status(number, ConnectorStatus.FAULTED)

    async def set_status(self, number: int, status: ConnectorStatus) -> None:
        """Changes and tells a connector's status; silent when it was that before."""
        connector = self.connector(number)
        if connector.status is not status:
            connector.status = status
            await self._tell_status(number, status)

    async def repeat_status(self, number: int) -> None:
        """Tells a connector's status once more."""
        await self._tell_status(number, self.connector(number).status)

    async def _start(self, number: int, authorization: Authorization) -> None:
        connector = self.connector(number)
        at = self.clock()
        self._memory.charges += 1
        car = random.Random(f"{self._settings.seed}/{self.station_id}/{self._memory.charges}")  # noqa: S311
        reservation, connector.reservation = connector.reservation, None
        connector.transaction = OpenTransaction(
            transaction_id=message_id("transaction", self._subject, number, at, connector.register_wh)[:16],
            token_uid=authorization.token_uid,
            group_id=authorization.group_id,
            started_at=at,
            register_start_wh=connector.register_wh,
            authorization=authorization.status,
            authorization_basis=authorization.basis,
            authorization_reference=authorization.authorization_reference,
            command_id=authorization.command_id,
            reservation_id=None if reservation is None else reservation.reservation_id,
            wanted_wh=car.randrange(10_000, 60_000),
            owner=authorization.owner,
        )
        if authorization.command_id is not None:
            self._ports.authorizer.use_up(self.station_id, authorization.command_id)
        await self._tell_start(number)
        await self.set_status(number, ConnectorStatus.CHARGING)

    async def _tell_start(self, number: int) -> None:
        running = self.connector(number).transaction
        if running is None:
            raise ImpossibleAction(f"nothing is charging at connector {number} of {self.station_id}")
        started = TransactionStarted(
            network=self._ports.network,
            station_id=self.station_id,
            connector_id=number,
            transaction_id=running.transaction_id,
            token_uid=running.token_uid,
            started_at=running.started_at,
            register_wh=Decimal(running.register_start_wh),
            authorization=running.authorization,
            authorization_basis=running.authorization_basis,
            authorization_reference=running.authorization_reference,
            command_id=running.command_id,
            reservation_id=running.reservation_id,
            token_owner=running.owner,
        )
        key = ("started", running.transaction_id)
        await self._tell(started, key=key, at=running.started_at, correlation_id=running.transaction_id)

    async def _charge_a_step(self, number: int, step: timedelta) -> None:
        connector = self.connector(number)
        running = connector.transaction
        if running is None:
            raise ImpossibleAction(f"nothing is charging at connector {number} of {self.station_id}")
        missing = max(0, running.wanted_wh - (connector.register_wh - running.register_start_wh))
        energy = min(missing, round(self._settings.power_w * (step / timedelta(hours=1))))
        connector.register_wh += energy
        self._memory.clock = self.clock() + step
        sample = MeterSample(
            at=self._memory.clock,
            context=ReadingContext.PERIODIC,
            values=(
                MeterValue(measurand=Measurand.ENERGY_REGISTER, value=Decimal(connector.register_wh)),
                MeterValue(measurand=Measurand.POWER, value=Decimal(round(energy / (step / timedelta(hours=1))))),
            ),
        )
        taken = MeterValuesTaken(
            network=self._ports.network,
            station_id=self.station_id,
            connector_id=number,
            transaction_id=running.transaction_id,
            samples=(sample,),
        )
        key = ("meter", running.transaction_id, sample.at)
        await self._tell(taken, key=key, correlation_id=running.transaction_id)
        if energy == missing and connector.transaction is running and connector.status is ConnectorStatus.CHARGING:
            await self._tell_suspended(number, running)

    async def _tell_suspended(self, number: int, running: OpenTransaction) -> None:
        updated = TransactionUpdated(
            network=self._ports.network,
            station_id=self.station_id,
            connector_id=number,
            transaction_id=running.transaction_id,
            state=ConnectorStatus.SUSPENDED_EV,
            at=self.clock(),
        )
        await self._tell(updated, key=("full", running.transaction_id), correlation_id=running.transaction_id)
        await self.set_status(number, ConnectorStatus.SUSPENDED_EV)

    async def _tell_status(self, number: int, status: ConnectorStatus) -> None:
        changed = ConnectorStatusChanged(
            network=self._ports.network, station_id=self.station_id, connector_id=number, status=status
        )
        await self._tell(changed)

    @property
    def _subject(self) -> str:
        return f"{self._ports.network}/{self.station_id}"

    async def _tell(
        self,
        message: Message,
        *,
        key: tuple[object, ...] | None = None,
        at: datetime | None = None,
        correlation_id: str | None = None,
    ) -> None:
        """Records one fact, or keeps it while there is no connection. Without a ``key`` it is one of a kind."""
        fact = self._fact(message, key=key, at=at, correlation_id=correlation_id)
        if self.is_connected:
            await self._record([fact])
        elif key is not None:
            self._kept.append(fact)
        self._flash.save()

    def _fact(
        self,
        message: Message,
        *,
        key: tuple[object, ...] | None = None,
        at: datetime | None = None,
        correlation_id: str | None = None,
    ) -> Fact:
        self._told += 1
        parts = key or ("told", self._last_epoch, self._told)
        return Fact(
            id=message_id(self._subject, *parts),
            message=message,
            station_id=self.station_id,
            occurred_at=at or self.clock(),
            correlation_id=correlation_id,
        )

    async def _record(self, facts: list[Fact]) -> None:
        """Returns when they are on disk, in the order of the calls."""
        async with self._order:
            while True:
                try:
                    await self._ports.facts.record(facts)
                    return
                except SpoolFull:
                    await asyncio.sleep(_FULL_PAUSE)


def _is_theirs(running: OpenTransaction, authorization: Authorization) -> bool:
    """The same token, or another one of the same group."""
    if running.token_uid.upper() == authorization.token_uid.upper():
        return True
    is_accepted = authorization.status is AuthorizationStatus.ACCEPTED
    return is_accepted and running.group_id is not None and running.group_id == authorization.group_id


def _may_start(connector: ConnectorMemory, authorization: Authorization) -> bool:
    """Plugged in, accepted, and not reserved for somebody else."""
    if authorization.status is not AuthorizationStatus.ACCEPTED or not connector.is_plugged:
        return False
    kept = connector.reservation
    if kept is None or kept.token_uid is None or kept.token_uid.upper() == authorization.token_uid.upper():
        return True
    return kept.group_id is not None and kept.group_id == authorization.group_id

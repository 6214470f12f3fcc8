"""A simulated station: connectors, drivers, commands and its own books. The connection is ``line``'s."""

import asyncio
import contextlib
import hashlib
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from adapters.ocpp.simulator.charge import Charge, timestamp
from adapters.ocpp.simulator.config import Event, EventKind, OnEvent, SimulatorConfig
from adapters.ocpp.simulator.line import GONE, Line
from adapters.ocpp.simulator.profiles import Profiles
from adapters.ocpp.simulator.queue import Unanswered, UnansweredQueue
from adapters.ocpp.simulator.scenarios import STEADY, Scenario
from adapters.ocpp.simulator.speech import Speech
from adapters.ocpp.simulator.speech16 import Speech16
from adapters.ocpp.simulator.upkeep import Upkeep


@dataclass
class _Connector:
    number: int
    register_wh: int
    status: str = "Available"
    charge: Charge | None = None
    charging: asyncio.Task[None] | None = None
    stop_reason: str | None = None
    stopping: asyncio.Event | None = None
    is_taken: bool = False
    is_operative: bool = True
    reservation: tuple[int, str, datetime] | None = None


class SimulatedStation:
    """``run`` it as a task; ``plug`` and ``unplug`` it. Implements ``CommandTaker`` and ``Books``."""

    def __init__(
        self,
        station_id: str,
        config: SimulatorConfig,
        *,
        on_event: OnEvent | None = None,
        speech: Speech | None = None,
        scenario: Scenario = STEADY,
    ) -> None:
        """``speech``: OCPP 1.6 unless another is given."""
        self.id = station_id
        self.charges: list[Charge] = []
        """Every charge so far, as this station's own books have it."""
        self._config = config
        self._on_event = on_event
        self._random = random.Random(f"{config.seed}/{station_id}")  # noqa: S311
        self._connectors = {
            number: _Connector(number, register_wh=self._random.randrange(1_000, 900_000))
            for number in range(1, config.connectors + 1)
        }
        self._queue = UnansweredQueue(self._journal_path())
        self._speech = speech or Speech16()
        self.scenario = scenario
        self._telling = scenario.telling()
        chance = random.Random(f"{config.seed}/{station_id}/{scenario.name}")  # noqa: S311
        self._line = Line(
            station_id,
            config,
            self._queue,
            self,
            speech=self._speech,
            scenario=scenario,
            presence=scenario.presence(config.pace, chance),
            chance=self._random,
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self._profiles = Profiles(most_w=config.power_w)
        self.upkeep = Upkeep(
            connectors=config.connectors,
            chance=random.Random(f"{config.seed}/{station_id}/firmware"),  # noqa: S311
            failing=1 if scenario.has_failing_firmware else config.firmware_failures,
            words=self._speech,
            tell=self._line.tell,
            restart=self._restart,
            take_password=self._line.take_password,
        )
        """See ``UpkeepTaker``."""

    @property
    def is_connected(self) -> bool:
        """Connected, and the hub has accepted its boot."""
        return self._line.is_booted

    @property
    def unanswered(self) -> int:
        """Messages about transactions that the hub has not answered."""
        return len(self._queue)

    def status(self, connector_id: int = 1) -> str:
        """In OCPP's words."""
        return self._connectors[connector_id].status

    def is_free(self, connector_id: int = 1) -> bool:
        """A driver could come."""
        connector = self._connectors[connector_id]
        return not connector.is_taken and connector.status in ("Available", "Reserved")

    def free_connector(self) -> int | None:
        """One where a driver could come."""
        return next((number for number in self._connectors if self.is_free(number)), None)

    async def run(self) -> None:
        """Dials, boots, charges, dials again, until cancelled. Nothing the hub does ends it."""
        self._restore()
        try:
            await self._line.run()
        finally:
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def plug(
        self,
        token: str,
        connector_id: int = 1,
        *,
        minutes: float | None = None,
        is_authorized: bool = False,
        remote_start_number: int | None = None,
    ) -> Charge | None:
        """A driver plugs in and shows a token. Returns the running charge, or ``None`` when the hub refused it or the
        connector is taken. ``minutes`` of simulated time, else drawn."""
        connector = self._connectors[connector_id]
        if not self.is_free(connector_id):
            return None
        connector.is_taken = True
        self._set_status(connector, "Preparing")
        if not is_authorized and not await self._authorize(token):
            self.emit("refused", token=token, connector_id=connector_id)
            self._free(connector)
            return None
        return self._begin(connector, token, minutes, remote_start_number)

    async def unplug(self, connector_id: int = 1, *, reason: str = "EVDisconnected") -> Charge | None:
        """The driver leaves. Returns the charge; its stop may still be unanswered."""
        connector = self._connectors[connector_id]
        charge = connector.charge
        self._stop(connector, reason)
        if connector.charging is not None:
            await asyncio.wait([connector.charging])
        return charge

    async def settled(self) -> None:
        """Until the hub has answered everything about transactions."""
        await self._queue.emptied()

    def remote_start(
        self, id_tag: str, connector_id: int | None, *, remote_start_number: int | None = None
    ) -> tuple[bool, str | None]:
        """See ``CommandTaker``."""
        number = connector_id or self.free_connector()
        is_possible = number in self._connectors and number is not None and self.is_free(number)
        self.emit("command", name="RemoteStartTransaction", is_accepted=is_possible)
        if is_possible and number is not None:
            plug = partial(self.plug, id_tag, number, is_authorized=True, remote_start_number=remote_start_number)
            self._spawn(self._later(plug))
        return is_possible, None

    def remote_stop(self, transaction_id: int | str) -> bool:
        """See ``CommandTaker``."""
        for connector in self._connectors.values():
            if connector.charge is not None and connector.charge.transaction_id == transaction_id:
                self._stop(connector, "Remote")
                self.emit("command", name="RemoteStopTransaction", is_accepted=True)
                return True
        self.emit("command", name="RemoteStopTransaction", is_accepted=False)
        return False

    def is_charging(self, transaction_id: str) -> bool:
        """See ``CommandTaker``."""
        return any(each.charge and each.charge.transaction_id == transaction_id for each in self._connectors.values())

    def unlock(self, connector_id: int) -> bool:
        """See ``CommandTaker``."""
        connector = self._connectors.get(connector_id)
        self.emit("command", name="UnlockConnector", is_accepted=connector is not None)
        if connector is None:
            return False
        self._stop(connector, "UnlockCommand")
        return True

    def reserve(self, connector_id: int, reservation_id: int, id_tag: str, expiry: str) -> str:
        """See ``CommandTaker``."""
        connector = self._connectors.get(connector_id or self.free_connector() or 0)
        self.emit("command", name="ReserveNow", connector_id=connector_id)
        if connector is None:
            return "Rejected"
        if not self.is_free(connector.number):
            return "Occupied"
        until = datetime.fromisoformat(expiry)
        connector.reservation = (reservation_id, id_tag, until)
        self._set_status(connector, "Reserved")
        self._spawn(self._expire(connector, reservation_id, until))
        return "Accepted"

    def cancel_reservation(self, reservation_id: int) -> bool:
        """See ``CommandTaker``."""
        self.emit("command", name="CancelReservation")
        for connector in self._connectors.values():
            if connector.reservation is not None and connector.reservation[0] == reservation_id:
                connector.reservation = None
                self._set_status(connector, "Available")
                return True
        return False

    def trigger(self, message: str, connector_id: int | None) -> bool:
        """See ``CommandTaker``."""
        if message == "BootNotification":
            self._line.boot_again()
            return True
        if message == "StatusNotification":
            meant = [each for each in self._connectors.values() if connector_id in (None, each.number)]
            for connector in meant:
                self._tell_status(connector)
            return bool(meant)
        said = self._said(message)
        if said is not None:
            self._spawn(self._later(lambda: self._line.tell(said)))
        return said is not None

    def _said(self, message: str) -> Any:
        match message:
            case "Heartbeat":
                return self._speech.heartbeat()
            case "FirmwareStatusNotification" | "SignedFirmwareStatusNotification":
                return self._speech.firmware_status(self.upkeep.firmware_status, None)
            case "DiagnosticsStatusNotification" | "LogStatusNotification":
                return self._speech.log_status(self.upkeep.log_status, None)
            case "SignChargePointCertificate" | "SignChargingStationCertificate":
                return self._speech.certificate_request("-----BEGIN CERTIFICATE REQUEST-----")
            case _:
                return None

    def update_firmware(self, url: str, request_id: int | None) -> None:
        """See ``UpkeepTaker``."""
        self.emit("command", name="UpdateFirmware")
        self._spawn(self._later(lambda: self.upkeep.update(url, request_id)))

    def upload_log(self, url: str, request_id: int | None) -> str:
        """See ``UpkeepTaker``; the name of the file."""
        self.emit("command", name="UploadLog")
        name = f"{self.id}.log"
        books = "\n".join(f"{charge.started_at} connector {charge.connector_id}" for charge in self.charges)
        content = f"{self.id} firmware {self.upkeep.firmware}\n{books}\n".encode()
        self._spawn(self._later(lambda: self.upkeep.upload(url, name, content, request_id)))
        return name

    def _restart(self) -> None:
        self.upkeep.restarted()
        self.drop_connection()

    def reset(self) -> None:
        """See ``CommandTaker``."""
        self.emit("command", name="Reset")
        for connector in self._connectors.values():
            self._stop(connector, "SoftReset")
        self._spawn(self._later(self._drop))

    async def _drop(self) -> None:
        self._restart()

    def set_available(self, connector_id: int, is_operative: bool) -> bool:
        """See ``CommandTaker``; False: once the charge there has ended."""
        meant = [connector for connector in self._connectors.values() if connector_id in (0, connector.number)]
        for connector in meant:
            connector.is_operative = is_operative
            if connector.charge is None:
                self._set_status(connector, "Available" if is_operative else "Unavailable")
        return all(connector.charge is None for connector in meant)

    def set_profile(self, connector_id: int, profile: dict[str, Any]) -> bool:
        """See ``CommandTaker``."""
        connector = self._connectors.get(connector_id)
        is_accepted = self._profiles.set(profile, connector.charge if connector is not None else None)
        self.emit("command", name="SetChargingProfile", is_accepted=is_accepted)
        return is_accepted

    def clear_profile(
        self, profile_id: int | None, *, purpose: str | None = None, stack_level: int | None = None
    ) -> bool:
        """See ``CommandTaker``."""
        is_accepted = self._profiles.clear(profile_id, purpose=purpose, stack_level=stack_level)
        self.emit("command", name="ClearChargingProfile", is_accepted=is_accepted)
        return is_accepted

    def composite_schedule(self, connector_id: int, duration: int) -> dict[str, Any] | None:
        """See ``CommandTaker``."""
        connector = self._connectors.get(connector_id)
        self.emit("command", name="GetCompositeSchedule", is_accepted=connector is not None)
        if connector is None:
            return None
        return self._profiles.composite(connector.charge, duration, now=datetime.now(UTC))

    def drop_connection(self) -> None:
        """The cable of the router is pulled; the station redials."""
        self._line.drop()

    def payload(self, item: Unanswered) -> Any:
        """See ``Books``."""
        return self._speech.about(item, self.charges[item.charge])

    def statuses(self) -> list[tuple[int, str]]:
        """See ``Books``."""
        return [(connector.number, connector.status) for connector in self._connectors.values()]

    def take_answer(self, item: Unanswered, answer: Any) -> None:
        """See ``Books``."""
        charge = self.charges[item.charge]
        if item.action == "StartTransaction":
            charge.transaction_id = self._speech.transaction_id(answer, charge)
            is_accepted = self._speech.is_accepted(answer)
            charge.id_tag_status = "Accepted" if is_accepted else "Invalid"
            self.emit("started", transaction_id=charge.transaction_id, connector_id=charge.connector_id)
            connector = self._connectors.get(charge.connector_id)
            if not is_accepted and connector is not None and connector.charge is charge:
                self._stop(connector, "DeAuthorized")
        elif item.action == "StopTransaction":
            charge.is_settled = True
            self.emit(
                "stopped",
                transaction_id=charge.transaction_id,
                connector_id=charge.connector_id,
                energy_wh=(charge.register_stop_wh or 0) - charge.register_start_wh,
            )
        else:
            self.emit("meter", transaction_id=charge.transaction_id, connector_id=charge.connector_id)
        self._save()

    async def _authorize(self, token: str) -> bool:
        try:
            answer = await self._line.ask(self._speech.authorize(token))
        except GONE:
            return self._config.is_offline_start_allowed
        is_accepted = self._speech.is_accepted(answer)
        self.emit("authorized", is_accepted=is_accepted)
        return is_accepted

    def _begin(
        self, connector: _Connector, token: str, minutes: float | None, remote_start_number: int | None
    ) -> Charge:
        planned = timedelta(minutes=minutes or self._random.uniform(*self._config.charge_minutes))
        now = datetime.now(UTC)
        reserved = connector.reservation
        connector.reservation = None
        charge = Charge(
            number=len(self.charges),
            station_id=self.id,
            connector_id=connector.number,
            token=token,
            started_at=Charge.plan_start(now=now, planned=planned, speed=self._config.speed),
            register_start_wh=connector.register_wh,
            power_w=self._config.power_w,
            planned=planned,
            speed=self._config.speed,
            plugged_at=asyncio.get_running_loop().time(),
            reservation_id=reserved[0] if reserved else None,
            remote_start_number=remote_start_number,
        )
        named = f"{self.id}/{charge.number}/{charge.started_at.isoformat()}/{charge.register_start_wh}"
        charge.transaction_id = self._speech.new_transaction_id(named)
        self.charges.append(charge)
        connector.charge, connector.stop_reason, connector.stopping = charge, None, asyncio.Event()
        body = {
            "connector_id": connector.number,
            "id_tag": token,
            "meter_start": charge.register_start_wh,
            "timestamp": timestamp(charge.started_at),
        }
        if charge.reservation_id is not None:
            body["reservation_id"] = charge.reservation_id
        self._say("StartTransaction", charge, body)
        self._set_status(connector, "Charging")
        self._save()
        connector.charging = self._spawn(self._charge(connector, charge, connector.stopping))
        return charge

    async def _charge(self, connector: _Connector, charge: Charge, stopping: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        end = charge.plugged_at + charge.planned.total_seconds() / charge.speed
        every = self._config.meter_seconds / charge.speed
        while not stopping.is_set() and loop.time() < end:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(every, end - loop.time()))):
                    await stopping.wait()
            if not stopping.is_set() and loop.time() < end:
                self._take_reading(charge, charge.time(loop.time(), now=datetime.now(UTC)))
        self._finish(connector, charge, charge.time(loop.time(), now=datetime.now(UTC)))

    def _take_reading(self, charge: Charge, at: datetime) -> None:
        values = [
            {"value": str(charge.register(at)), "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
            {"value": str(charge.power_w), "measurand": "Power.Active.Import", "unit": "W"},
        ]
        body = {
            "connector_id": charge.connector_id,
            "meter_value": [{"timestamp": timestamp(at), "sampled_value": values}],
        }
        self._say("MeterValues", charge, body)

    def _finish(self, connector: _Connector, charge: Charge, at: datetime) -> None:
        charge.stopped_at, charge.register_stop_wh = at, charge.register(at)
        charge.stop_reason = connector.stop_reason or "Local"
        connector.register_wh = charge.register_stop_wh
        body = {
            "meter_stop": charge.register_stop_wh,
            "timestamp": timestamp(at),
            "reason": charge.stop_reason,
            "id_tag": charge.token,
        }
        self._say("StopTransaction", charge, body)
        self._save()
        connector.charge = None
        self._set_status(connector, "Finishing")
        self._free(connector)

    def _say(self, action: str, charge: Charge, body: dict[str, Any]) -> None:
        item = Unanswered(action=action, charge=charge.number, body=body, number=charge.said)
        charge.said += 1
        for said in self._telling.of(item, charge):
            self._queue.add(said)

    def _stop(self, connector: _Connector, reason: str) -> None:
        if connector.charge is not None and connector.stopping is not None and not connector.stopping.is_set():
            connector.stop_reason = reason
            connector.stopping.set()

    def _free(self, connector: _Connector) -> None:
        connector.is_taken = False
        self._set_status(connector, "Available" if connector.is_operative else "Unavailable")

    async def _expire(self, connector: _Connector, reservation_id: int, until: datetime) -> None:
        await asyncio.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds()))
        if connector.reservation is not None and connector.reservation[0] == reservation_id:
            self.cancel_reservation(reservation_id)

    def _set_status(self, connector: _Connector, status: str) -> None:
        connector.status = status
        self.emit("status", connector_id=connector.number, status=status)
        self._tell_status(connector)

    def _tell_status(self, connector: _Connector) -> None:
        """Statuses are not kept for later: after a reconnect all are told anew."""
        self._spawn(self._line.tell_status(connector.number, connector.status))

    def _restore(self) -> None:
        """From the journal. A charge that was running when the power went ends where its books end."""
        loaded = len(self.charges)
        self._queue.load(self._take_left_over)
        for charge in self.charges[loaded:]:
            if charge.stopped_at is None:
                charge.stopped_at, charge.register_stop_wh = charge.started_at, charge.register_start_wh
                body = {
                    "meter_stop": charge.register_start_wh,
                    "timestamp": timestamp(charge.started_at),
                    "reason": "PowerLoss",
                    "id_tag": charge.token,
                }
                self._say("StopTransaction", charge, body)

    def _take_left_over(self, left: dict[str, Any]) -> None:
        config = self._config
        self.charges.append(Charge.from_journal(left, self.id, power_w=config.power_w, speed=config.speed))

    def _save(self) -> None:
        if self._config.journal is not None:
            self._queue.save([charge.to_journal() for charge in self.charges])

    def _journal_path(self) -> Path | None:
        if self._config.journal is None:
            return None
        self._config.journal.mkdir(parents=True, exist_ok=True)
        # An identity never becomes a file name.
        return self._config.journal / f"{hashlib.sha256(self.id.encode()).hexdigest()[:16]}.json"

    async def _later(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """After the answer to the command has gone out."""
        await asyncio.sleep(0.05)
        await work()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def emit(self, kind: EventKind, **detail: Any) -> None:
        """See ``Books``."""
        if self._on_event is not None:
            self._on_event(Event(at=datetime.now(UTC), station_id=self.id, kind=kind, detail=detail))

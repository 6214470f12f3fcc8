"""Every scenario of the simulator, in every version, at one adapter; what the adapter told is then read by a hub. Each
gives the deviation, or the outcome of the session, that its row promises, and none changes what is billed unsaid."""

import asyncio
import contextlib
import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from adapters import ocpp
from adapters.ocpp.simulator import SCENARIOS, Fleet, SimulatedStation, SimulatorConfig
from adapters.ocpp.simulator.scenarios import VERSIONS, scenario_of
from contracts.messages import (
    FirmwareStatusReported,
    Message,
    MeterValuesTaken,
    OperationRequested,
    StationBooted,
    StationConnected,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from contracts.messages.operation import AnyOperation, Trigger
from contracts.vocabulary import FirmwareStatus, OperationOutcome, TriggeredMessage
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId
from roaming.modules.cdrs.projection import END_ASSUMED
from roaming.modules.sessions.course import readings_of
from roaming.modules.sessions.projection import Sessions
from roaming.modules.sessions.repository import TRANSACTIONS
from roaming.modules.sessions.silence import Silence
from roaming.stations.bindings import Binding, bind
from roaming.store.consume import Received
from tests.adapters.ocpp.conftest import PASSWORD, Hub
from tests.adapters.ocpp.simulator.test_upkeep import Files
from tests.kit.database import in_a_loop_of_its_own, sqlite_template
from tests.kit.speaking import envelope_of
from tests.kit.stations import FakePorts
from tests.kit.wait import until
from tests.roaming.modules.sessions.charges import UID, billed, hub_with_station, let_pass

__all__ = ["sqlite_template"]
PATIENCE = 60.0
WHOLE = Decimal("5.5")
"""11 kW for half an hour."""
OF_CHARGES = TransactionStarted | TransactionUpdated | TransactionEnded | MeterValuesTaken


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a scenario gives."""

    counted: str | tuple[str, str] = ""
    """A deviation; of two the first in 1.6, the other in 2.x."""
    charges: int = 1
    """How many the station makes; the last of those billed is looked at."""
    bills: int = 1
    kwh: Decimal | None = WHOLE
    remark: str = ""
    is_clean: bool = True
    """Where no deviation is named there is none; connections that break leave answers behind."""

    def deviation(self, version: str) -> str:
        return self.counted if isinstance(self.counted, str) else self.counted[version != "1.6"]


EXPECTED = {
    "steady": Expected(),
    "reconnect-storm": Expected(is_clean=False),
    "no-boot": Expected(is_clean=False),
    "offline-hours": Expected(is_clean=False),
    "silent": Expected(kwh=None, remark=END_ASSUMED),
    "deaf": Expected(),
    "clock-skew": Expected(counted="clock corrected", charges=2, bills=2),
    "clock-unset": Expected(counted="clock not set", remark="5.5 kWh in 0.0"),
    "no-zone": Expected(counted="time without a zone"),
    "repeated": Expected(counted=("repeated stop", "repeated or late event")),
    "out-of-order": Expected(counted=("meter values of no open transaction", "repeated or late event")),
    "missing-events": Expected(counted="events missing"),
    "missing-stop": Expected(charges=2, bills=1, kwh=None, remark=END_ASSUMED),
    "lost-ids": Expected(counted="transaction unknown to the station"),
    "register-reset": Expected(kwh=None, remark="the register fell"),
    "kwh-for-wh": Expected(kwh=None, remark="kWh for Wh?"),
    "loose-types": Expected(counted="mended: type"),
    "unknown-fields": Expected(counted="mended: unknown"),
    "broken-frames": Expected(counted="unreadable"),
    "firmware-fails": Expected(),
}


@dataclass
class Seen:
    """What became of all of them."""

    stations: dict[tuple[str, str], SimulatedStation] = field(default_factory=dict)
    """By scenario and version."""
    facts: dict[str, list[Message]] = field(default_factory=dict)
    deviations: dict[str, Counter[str]] = field(default_factory=dict)
    outcomes: dict[str, OperationOutcome] = field(default_factory=dict)
    """Of what was asked of deaf stations."""
    bills: dict[str, list[CDR]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def seen(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """All of them at once: minutes otherwise."""
    folder, found = tmp_path_factory.mktemp("scenarios"), Seen()
    shutil.copyfile(sqlite_template, folder / "hub.db")
    in_a_loop_of_its_own(watch(found, folder))
    return found


async def watch(seen: Seen, folder: Path) -> None:
    hub = Hub(folder)
    hub.fakes = FakePorts(network="main")
    await hub.start(call_seconds=0.5)
    fleet = Fleet(
        SimulatorConfig(
            url=hub.url,
            password=PASSWORD,
            stations=len(SCENARIOS) * len(VERSIONS),
            ocpp=VERSIONS,
            scenarios=tuple(SCENARIOS),
            arrival_seconds=0,
            speed=900,
            meter_seconds=120,
            storm_seconds=0.7,
            away_hours=(0.1, 0.3),
            reconnect_seconds=(0.05, 0.2),
        )
    )
    for name in fleet.stations:
        hub.fakes.accounts.change(name, password=PASSWORD)
    ways = [(name, version) for name in SCENARIOS for version in VERSIONS]
    seen.stations = dict(zip(ways, fleet.stations.values(), strict=True))
    running = asyncio.create_task(fleet.run())
    try:
        await asyncio.gather(*(drive(hub, seen, name, station) for (name, _), station in seen.stations.items()))
        for name in fleet.stations:
            inside = hub.running.gateway.find(name)
            seen.deviations[name] = Counter() if inside is None else Counter(inside.deviations)
            seen.facts[name] = [fact.message for fact in hub.facts.facts if fact.station_id == name]
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await hub.close()
    heard = [
        Received(envelope_of(fact.message, at=fact.occurred_at), fact.message)
        for fact in hub.facts.facts
        if isinstance(fact.message, OF_CHARGES)
    ]
    silent = [station.id for (name, _), station in seen.stations.items() if name == "silent"]
    seen.bills = await bills_of(heard, list(fleet.stations), folder, silent=silent)


async def drive(hub: Hub, seen: Seen, name: str, station: SimulatedStation) -> None:
    """A driver or two, and what else the scenario is about."""
    await until(lambda: station.is_connected, seconds=PATIENCE)
    for _ in range(EXPECTED[name].charges):
        charge = await station.plug(UID, minutes=30)
        assert charge is not None
        await until(lambda charge=charge: charge.stopped_at, seconds=PATIENCE)  # type: ignore[misc]
    if name == "silent":
        return
    await until(lambda: not station.unanswered, seconds=PATIENCE)
    if name == "deaf":
        seen.outcomes[station.id] = await ask(hub, station, Trigger(what=TriggeredMessage.HEARTBEAT))
    if name == "firmware-fails":
        with files() as url:
            station.update_firmware(f"{url}/firmware", 1)
            await until(lambda: station.upkeep.firmware_status == "InstallationFailed", seconds=PATIENCE)
            await until(lambda: FirmwareStatus.INSTALL_FAILED in statuses(hub, station), seconds=PATIENCE)
    if name in ("reconnect-storm", "no-boot", "offline-hours"):
        await until(lambda: len(hub.facts.of(StationConnected, station.id)) > 1, seconds=PATIENCE)


def binding_of(station_id: str) -> Binding:
    """All of them are said to be at one place."""
    return Binding(
        network="main",
        station_id=station_id,
        connector_id=1,
        party=PartyId("NL", "HUB"),
        location_id="AT-GOOD",
        evse_uid="AT-GOOD-1",
        evse_connector_id="1",
    )


def statuses(hub: Hub, station: SimulatedStation) -> set[FirmwareStatus]:
    return {report.status for report in hub.facts.of(FirmwareStatusReported, station.id)}


@contextlib.contextmanager
def files() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


async def ask(hub: Hub, station: SimulatedStation, operation: AnyOperation) -> OperationOutcome:
    request = OperationRequested(
        operation_id=f"o-{station.id}",
        instance="test-1",
        epoch=1,
        network="main",
        station_id=station.id,
        deadline=datetime.now(UTC) + timedelta(seconds=PATIENCE),
        operation=operation,
    )
    return (await hub.fakes.commands.ask(request)).outcome


async def bills_of(
    heard: Sequence[Received], stations: Sequence[str], folder: Path, *, silent: Sequence[str]
) -> dict[str, list[CDR]]:
    """What a hub makes of it, by station; of ``silent`` ones after it was long enough."""
    async with hub_with_station(f"sqlite:///{folder / 'hub.db'}", folder) as hub:
        async with hub.services.database.work() as work:
            for name in stations:
                await bind(work, [binding_of(name)], has_no_key=True)
        async with hub.services.database.work() as work:
            await Sessions(hub.services).handle(work, heard)
            long_ago = work.now - timedelta(hours=hub.services.silent_charge_hours + 1)
            of_silent = TRANSACTIONS.c.station_id.in_(silent)
            await work.connection.execute(TRANSACTIONS.update().where(of_silent).values(pushed_at=long_ago))
        assert await Silence(hub.services).close_silent() == len(silent)
        await let_pass(hub)
        cdrs = {cdr.session_id: cdr for cdr in await billed(hub)}
        rows = await hub.services.database.reader.fetch("SELECT station_id, session_key FROM transactions")
    found: dict[str, list[CDR]] = {name: [] for name in stations}
    for station_id, session_key in rows:
        cdr = cdrs.get(session_key.rpartition("/")[2])
        if cdr is not None:
            found[station_id].append(cdr)
    return {name: sorted(of_it, key=lambda cdr: cdr.end_date_time) for name, of_it in found.items()}


def test_each_scenario_is_expected_to_give_something_and_documented() -> None:
    assert EXPECTED.keys() == SCENARIOS.keys()
    readme = Path(ocpp.__file__).with_name("README.md").read_text()
    for scenario in SCENARIOS.values():
        some = "" if scenario.versions == VERSIONS else f" ({', '.join(scenario.versions)})"
        assert f"| `{scenario.name}` | {scenario.does}{some} | {scenario.shows} |" in readme


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario(seen: Seen, name: str, version: str) -> None:
    station = seen.stations[name, version]
    assert station.scenario is scenario_of(name, version)
    expected = EXPECTED[station.scenario.name]
    deviation = expected.deviation(version)
    deviations = seen.deviations[station.id]
    if deviation:
        assert deviations[deviation], deviations
    elif expected.is_clean:
        assert not deviations, deviations
    facts = Counter(type(message) for message in seen.facts[station.id])
    assert facts[TransactionStarted] == expected.charges
    assert facts[TransactionEnded] == (0 if name in ("silent", "missing-stop") else expected.charges)
    assert facts[MeterValuesTaken]
    bills = seen.bills[station.id]
    assert len(bills) == expected.bills
    if bills:
        # The location of the test names a tariff that there is not
        said = [part for part in (bills[-1].remark or "").split("; ") if not part.startswith("the price is not known")]
        assert expected.remark in said[0] if expected.remark else not said, said
        energy = bills[-1].total_energy
        assert energy == expected.kwh if expected.kwh is not None else 0 <= energy < WHOLE
        if name == "missing-stop":
            assert energy == read_of_the_first(seen.facts[station.id])


def read_of_the_first(facts: Sequence[Message]) -> Decimal:
    """The kWh of a station's first charge as its readings have it. With a clock this fast the next charge is dated amid
    them."""
    first = next(message for message in facts if isinstance(message, TransactionStarted))
    of_it = [m for m in facts if isinstance(m, MeterValuesTaken) and m.transaction_id == first.transaction_id]
    registers = [register for message in of_it for _, register, _ in readings_of(message)]
    return (max(registers, default=first.register_wh) - first.register_wh) / 1000


@pytest.mark.parametrize("version", VERSIONS)
def test_what_else_is_seen_of_them(seen: Seen, version: str) -> None:
    def told(name: str, kind: type[Message]) -> int:
        return sum(isinstance(message, kind) for message in seen.facts[seen.stations[name, version].id])

    assert told("no-boot", StationBooted) == 1 < told("no-boot", StationConnected)
    assert told("reconnect-storm", StationBooted) == told("reconnect-storm", StationConnected)
    assert seen.outcomes[seen.stations["deaf", version].id] is OperationOutcome.TIMEOUT


def test_the_same_seed_chooses_the_same_stations() -> None:
    def chosen(seed: int) -> list[str]:
        config = SimulatorConfig(url="ws://x/", stations=40, scenarios=("repeated",), share=0.5, seed=seed)
        return [name for name, station in Fleet(config).stations.items() if station.scenario.name == "repeated"]

    assert chosen(1) == chosen(1) != chosen(2)
    assert 10 < len(chosen(1)) < 30


def test_a_scenario_that_there_is_not_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="no scenario 'tidal-wave': name some of steady"):
        SimulatorConfig(url="ws://x/", scenarios=("tidal-wave",))

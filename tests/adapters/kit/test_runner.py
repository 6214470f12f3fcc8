"""The life of an adapter: what is started in which order, drained at the end, and put away when a start fails."""

import asyncio
from pathlib import Path

import pytest
from pydantic import BaseModel

from adapters.kit.database import Database
from adapters.kit.finding import UnknownAdapter, adapter_names, find_adapter
from adapters.kit.manifest import Adapter, CommandResult, KitError, Ports
from adapters.kit.runner import RunningKit, run
from contracts.bus.memory import MemoryBus
from contracts.messages import CommandRequested, StationAccountChanged
from contracts.topics import STATIONS, TOKENS
from contracts.vocabulary import CommandName, CommandOutcome
from tests.kit.bus import ScriptedBus
from tests.kit.speaking import envelope_of, token
from tests.kit.spool_child import make_fact
from tests.kit.wait import until


class NoSettings(BaseModel):
    """Nothing to set."""


class FakeAdapter:
    """An adapter that records what is done to it."""

    def __init__(self) -> None:
        self.ports: Ports
        self.is_well = True
        self.stops = 0
        self.error: Exception | None = None
        self.adapter = Adapter(
            name="fake",
            settings=NoSettings,
            provides=(),
            requires=(CommandName.STOP_CHARGING,),
            start=self._start,
        )

    async def _start(self, ports: Ports, settings: NoSettings) -> "FakeAdapter":
        if self.error is not None:
            raise self.error
        self.ports = ports
        ports.commands.serve(self._serve)
        return self

    async def _serve(self, command: CommandRequested) -> CommandResult:
        return CommandResult(outcome=CommandOutcome.ACCEPTED)

    def is_healthy(self) -> bool:
        return self.is_well

    def addresses(self) -> dict[str, str]:
        return {"fake": "nowhere"}

    async def stop(self) -> None:
        self.stops += 1
        await self.ports.facts.record([make_fact(9, 0)])
        if self.error is not None:
            raise self.error


async def start(fake: FakeAdapter, bus: MemoryBus | ScriptedBus, data_dir: Path, **names: str) -> RunningKit:
    return await run(
        fake.adapter,
        NoSettings(),
        bus=bus,
        data_dir=data_dir,
        pepper=b"pepper",
        secret=b"secret",
        **{"network": "demo", "instance": "one", **names},
    )


async def test_a_life(tmp_path: Path) -> None:
    fake, bus = FakeAdapter(), ScriptedBus()
    kit = await start(fake, bus, tmp_path)
    assert kit.is_healthy()
    assert kit.addresses() == {"fake": "nowhere"}
    fake.is_well = False
    assert not kit.is_healthy()
    fake.is_well = True
    await kit.stop()
    await kit.stop()
    assert fake.stops == 1
    assert not kit.is_healthy()
    assert bus.ids() == [make_fact(9, 0).id], "what the adapter said while it stopped went out"


async def test_stopping_with_the_bus_away_keeps_facts_for_the_next_start(tmp_path: Path) -> None:
    fake, bus = FakeAdapter(), ScriptedBus()
    bus.is_away = True
    kit = await start(fake, bus, tmp_path)
    assert kit.is_healthy(), "stations are served without a bus"
    await kit.stop(drain=0.05)
    assert kit.backlog() == 1
    bus.is_away = False
    kit = await start(fake, bus, tmp_path)
    await until(lambda: bus.ids() == [make_fact(9, 0).id])
    await kit.stop()


async def test_an_adapter_that_fails_to_stop_does_not_keep_the_rest_open(tmp_path: Path) -> None:
    fake = FakeAdapter()
    kit = await start(fake, ScriptedBus(), tmp_path)
    fake.error = RuntimeError("a socket's bug")
    await kit.stop()
    Database(kit._database.path)


async def test_a_start_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    fake = FakeAdapter()
    fake.error = OSError("port in use")
    before = len(asyncio.all_tasks())
    with pytest.raises(OSError, match="port in use"):
        await start(fake, ScriptedBus(), tmp_path)
    assert len(asyncio.all_tasks()) == before
    fake.error = None
    kit = await start(fake, ScriptedBus(), tmp_path)
    await kit.stop()


@pytest.mark.parametrize("names", [{"network": "a/b"}, {"instance": ""}, {"instance": "../up"}, {"network": "x" * 65}])
async def test_names_that_would_not_fit_a_subject_or_a_file(tmp_path: Path, names: dict[str, str]) -> None:
    with pytest.raises(KitError, match="letters"):
        await start(FakeAdapter(), ScriptedBus(), tmp_path, **names)


async def test_a_new_data_directory_reads_its_caches_from_the_start(tmp_path: Path) -> None:
    """Kafka remembers how far a group has read; a lost disk must not inherit that."""
    groups = []
    for directory in ("a", "a", "b"):
        bus = MemoryBus()
        await bus.start()
        kit = await start(FakeAdapter(), bus, tmp_path / directory)
        groups.append({name for name in bus._groups if name.endswith((".tokens", ".accounts"))})
        assert {name for name in bus._groups if name.endswith((".commands", ".authorizations"))} == {
            "adapter.demo.one.commands",
            "adapter.demo.one.authorizations",
        }
        await kit.stop()
        await bus.close()
    assert groups[0] == groups[1]
    assert not groups[0] & groups[2]


async def test_a_disk_that_knows_no_station_asks_to_be_told(tmp_path: Path) -> None:
    account = StationAccountChanged(network="demo", station_id="CS-1", is_admitted=True)
    knew = []
    for directory in ("a", "a", "b"):
        bus = MemoryBus()
        await bus.start()
        kit = await start(FakeAdapter(), bus, tmp_path / directory)
        knew.append(not kit.knows_nobody())
        await bus.publish(STATIONS, [envelope_of(account)])
        assert not kit.knows_nobody()
        await kit.stop()
        await bus.close()
    assert knew == [False, True, False]


async def test_the_ports_are_connected_to_the_bus(tmp_path: Path) -> None:
    fake, bus = FakeAdapter(), MemoryBus()
    await bus.start()
    kit = await start(fake, bus, tmp_path)
    await bus.publish(TOKENS, [envelope_of(token("04A2"))])
    decided = await fake.ports.authorizer.authorize(station_id="CS-1", connector_id=1, token_uid="04a2", timeout=1)
    assert decided.token_uid == "04A2"
    assert await fake.ports.connections.claim("CS-1") < await fake.ports.connections.claim("CS-1")
    assert fake.ports.accounts.find("CS-1") is None
    await kit.stop()
    await bus.close()


def test_adapters_are_found_by_their_entry_points() -> None:
    assert set(adapter_names()) >= {"ocpp", "simulated"}
    assert find_adapter("simulated").name == "simulated"
    with pytest.raises(UnknownAdapter, match="installed are: ocpp, simulated"):
        find_adapter("modbus")

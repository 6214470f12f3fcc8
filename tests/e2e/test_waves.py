"""Firmware waves: stations fetch from the hub, a tenth fails; the wave stops where it was told and goes on after a kill
-9 of every process, until every station has ended. `make waves` is the same with 200 stations, in both shapes of the
hub."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from adapters.ocpp.simulator import Fleet, SimulatorConfig
from tests.e2e.hub import Hub
from tests.kit.wait import until

PASSWORD = "a-password-of-16-letters"
STATIONS = int(os.environ.get("ROAMING_WAVE_STATIONS", "60"))
SHAPES = os.environ.get("ROAMING_WAVE_SHAPES", "embedded").split(",")
FIRST = max(10, STATIONS // 10)
PATIENCE = 120.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


async def as_operator(hub: Hub, *arguments: str) -> Any:
    return await asyncio.to_thread(hub.cli, *arguments)


def a_fleet(hub: Hub) -> Fleet:
    return Fleet(
        SimulatorConfig(
            url=hub.ocpp_url(),
            stations=STATIONS,
            password=PASSWORD,
            arrival_seconds=0,
            firmware_failures=0.1,
            seed=4,
            reconnect_seconds=(0.5, 3),
        )
    )


async def standing(hub: Hub) -> dict[str, Any]:
    (wave,) = await as_operator(hub, "wave", "list")
    return dict(wave)


async def reached(hub: Hub, *states: str) -> dict[str, Any]:
    """The wave, once it is in one of the states and nobody is under way."""
    while True:
        wave = await standing(hub)
        if wave["state"] in states and not wave["asked"] and not wave["updating"]:
            return wave
        await asyncio.sleep(0.5)


@pytest.mark.parametrize("hub", SHAPES, indirect=True)
async def test_a_wave_stops_at_its_failures_and_outlives_a_kill(hub: Hub, tmp_path: Path) -> None:
    fleet = a_fleet(hub)
    names = sorted(fleet.stations)
    doomed = {name for name, station in fleet.stations.items() if station.upkeep.is_failing}
    assert 2 < len(doomed) < STATIONS / 4
    await as_operator(hub, "party", "add", "NL-HUB", "--role", "CPO", "--name", "Hub Charging")
    rows = [f"{name},NL-HUB,SITE-1,1,{PASSWORD}" for name in names]
    (tmp_path / "stations.csv").write_text("\n".join(["station,party,location,connectors,password", *rows]) + "\n")
    await as_operator(hub, "station", "import", str(tmp_path / "stations.csv"))
    running = asyncio.create_task(fleet.run())
    await until(lambda: all(s.is_connected for s in fleet.stations.values()), seconds=PATIENCE, every=0.2)
    # The doomed first, so that the wave is sure to stop in its first step
    first = sorted(names, key=lambda name: (name not in doomed, name))[:FIRST]
    await as_operator(hub, "station", "group", "first", *first)
    await as_operator(hub, "station", "group", "rest", *(name for name in names if name not in first))
    (tmp_path / "fw.bin").write_bytes(b"4.2.1\n" + bytes(400_000))
    file = (await as_operator(hub, "firmware", "add", str(tmp_path / "fw.bin")))["id"]
    steps = ("--group", "first", "--group", "rest", "--at-once", "40", "--patience", "60")
    (wave,) = await as_operator(hub, "wave", "start", file, *steps, "--most-failures", "20", "--judged-from", "5")
    async with asyncio.timeout(PATIENCE):
        stopped = await reached(hub, "STOPPED")
    assert "updates failed, more than 20 %" in stopped["reason"]
    assert stopped["waiting"] >= STATIONS - FIRST, "nobody of the second step was asked"
    await as_operator(hub, "wave", "resume", wave["id"], "--most-failures", "30")

    async def is_half_way() -> bool:
        return bool((await standing(hub))["done"] > STATIONS // 4)

    await until(is_half_way, seconds=PATIENCE, every=0.2)
    for name in hub.processes:
        hub.kill(name)
    for name in hub.processes:
        hub.start_one(name)
    async with asyncio.timeout(PATIENCE):
        done = await reached(hub, "DONE")
    assert (done["done"] + done["failed"], done["waiting"]) == (STATIONS, 0)
    assert done["failed"] == len(doomed)

    def updated() -> set[str]:
        return {name for name, station in fleet.stations.items() if station.upkeep.firmware == "4.2.1"}

    # The last one has told that it is installed, and starts anew with it
    await until(lambda: updated() == set(names) - doomed, seconds=PATIENCE)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

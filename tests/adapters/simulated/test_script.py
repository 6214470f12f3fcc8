"""Scripts: parsed before anything runs, then played at every station."""

from typing import Any

import pytest

from adapters.simulated.adapter import ADAPTER
from adapters.simulated.script import ScriptError, parse
from adapters.simulated.settings import SimulatedSettings
from contracts.messages import TransactionEnded
from tests.kit.clock import HeldClock
from tests.kit.stations import FakePorts
from tests.kit.wait import until

CHARGE = ("plug 1", "present 1 TAG", "charge 1 30m", "stop 1", "unplug 1")


async def play(*script: str, **settings: Any) -> FakePorts:
    ports = FakePorts(now=HeldClock())
    running = await ADAPTER.start(
        ports.ports(), SimulatedSettings(stations=3, admits_strangers=True, script=script, **settings)
    )
    charges = 6 if script[-1] == "repeat" else 3
    await until(lambda: len(ports.facts.of(TransactionEnded)) >= charges)
    await running.stop()
    return ports


async def test_every_station_plays_it() -> None:
    ports = await play(*CHARGE)
    ended = ports.facts.of(TransactionEnded)
    assert sorted(one.station_id for one in ended) == ["SIM-0001", "SIM-0002", "SIM-0003"]


async def test_repeat() -> None:
    ports = await play(*CHARGE, "repeat")
    assert len({one.transaction_id for one in ports.facts.of(TransactionEnded)}) >= 6


@pytest.mark.parametrize(
    "line", ["", "plug", "plug one", "dance 1", "charge 1", "charge 1 30", "present 1", "connect 1", "plug 1 2"]
)
def test_a_line_that_means_nothing_is_named(line: str) -> None:
    with pytest.raises(ScriptError, match="line 2"):
        parse(["plug 1", line])


def test_all_steps_are_known() -> None:
    steps, is_repeated = parse([*CHARGE, "fail 1 GroundFailure", "disconnect", "connect", "charge 1 90s"])
    assert len(steps) == 9
    assert not is_repeated

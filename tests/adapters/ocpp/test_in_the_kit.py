"""The adapter as the product runs it, in its kit: what an operator asks reaches a station, and its word comes back."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from adapters.kit.incoming import read
from adapters.kit.runner import RunningKit, run
from adapters.ocpp.adapter import ADAPTER, OcppSettings
from contracts.messages import OperationAnswered, OperationRequested, StationAccountChanged
from contracts.messages import operation as op
from contracts.messages.device_model import SetMonitoringLevel
from contracts.station_keys import digest_station_key
from contracts.topics import COMMANDS, STATIONS
from contracts.vocabulary import OperationOutcome
from tests.kit.bus import ScriptedBus
from tests.kit.raw_station import RawStation2
from tests.kit.speaking import envelope_of
from tests.kit.wait import until

PASSWORD = "0123456789abcdef"


def test_all_that_can_be_asked_is_declared() -> None:
    """The kit answers what is not with NOT_SUPPORTED, and no station hears of it."""
    assert set(ADAPTER.operations) == set(get_args(op.AnyOperation))


@pytest.fixture
async def bus() -> ScriptedBus:
    return ScriptedBus()


@pytest.fixture
async def kit(bus: ScriptedBus, tmp_path: Path) -> AsyncIterator[RunningKit]:
    settings = OcppSettings(port=0, state_path=tmp_path / "ocpp.sqlite", settle_seconds=0, command_pause_seconds=0)
    names = {"network": "demo", "instance": "one"}
    running = await run(ADAPTER, settings, bus=bus, data_dir=tmp_path, pepper=b"pepper", secret=b"secret", **names)
    digest = digest_station_key(PASSWORD, network="demo", station_id="CS-2", pepper=b"pepper")
    account = StationAccountChanged(network="demo", station_id="CS-2", is_admitted=True, key_digest=digest)
    await bus.publish(STATIONS, [envelope_of(account)])
    yield running
    await running.stop()


async def test_what_only_2_x_can_be_asked_reaches_the_station(kit: RunningKit, bus: ScriptedBus) -> None:
    station = await RawStation2.dial(kit.addresses()["ocpp"], "CS-2", password=PASSWORD, subprotocols=("ocpp2.0.1",))
    assert (await station.boot())["status"] == "Accepted"
    station.commands |= {name: lambda _: {"status": "Accepted"} for name in ("SetMonitoringLevel", "SetDisplayMessage")}
    for number, operation in enumerate((SetMonitoringLevel(severity=4), op.ShowText(text_id=1, text="Closed"))):
        request = OperationRequested(
            operation_id=f"o-{number}",
            instance="one",
            epoch=1,
            network="demo",
            station_id="CS-2",
            deadline=datetime.now(UTC) + timedelta(seconds=20),
            operation=operation,
        )
        await bus.publish(COMMANDS, [envelope_of(request)])

    def answers() -> dict[str, OperationOutcome]:
        told = read([envelope for _, envelope in bus.published], OperationAnswered)
        return {message.operation_id: message.outcome for _, message in told}

    await until(lambda: len(answers()) == 2)
    assert answers() == {"o-0": OperationOutcome.ACCEPTED, "o-1": OperationOutcome.ACCEPTED}
    assert [name for name, _ in station.got if name in station.commands] == ["SetMonitoringLevel", "SetDisplayMessage"]
    await station.close()

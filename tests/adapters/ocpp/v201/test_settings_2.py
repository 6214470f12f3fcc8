"""Settings of 2.x stations as an operator reads and writes them, over a real socket."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.ocpp.v201 import variables
from adapters.ocpp.v201.operations import AT_ONCE
from adapters.ocpp.v201.reports import LONGEST, Report
from contracts.messages import StationReported
from contracts.messages import operation as op
from contracts.messages.device_model import ReportComponents
from contracts.vocabulary import ComponentCriterion, OperationOutcome
from tests.adapters.ocpp.conftest import Hub
from tests.adapters.ocpp.v201.test_operations_2 import ACCEPTED, HEARTBEAT, TOLD, ask
from tests.kit.raw_station import RawStation2

pytestmark = pytest.mark.ocpp_exchange


@pytest.mark.parametrize(
    ("answers", "outcome", "each"),
    [
        (("Accepted", "Accepted"), "ACCEPTED", ("ACCEPTED", "ACCEPTED")),
        (("Accepted", "RebootRequired"), "REBOOT_REQUIRED", ("ACCEPTED", "REBOOT_REQUIRED")),
        (("RebootRequired", "Rejected"), "REJECTED", ("REBOOT_REQUIRED", "REJECTED")),
        (("UnknownVariable", "Accepted"), "UNKNOWN", ("UNKNOWN", "ACCEPTED")),
    ],
)
async def test_settings_are_changed_one_by_one(
    hub: Hub, answers: tuple[str, str], outcome: str, each: tuple[str, str]
) -> None:
    station = await hub.station2()
    statuses = dict(zip(("HeartbeatInterval", "Thing"), answers, strict=True))

    def change(payload: dict[str, Any]) -> dict[str, Any]:
        (wanted,) = payload["setVariableData"]
        named = {name: wanted[name] for name in ("component", "variable")}
        return {"setVariableResult": [named | {"attributeStatus": statuses[wanted["variable"]["name"]]}]}

    station.commands["SetVariables"] = change
    entries = tuple(op.ConfigurationEntry(key=key, value="1") for key in ("HeartbeatInterval", "Own.Thing"))
    result = await ask(hub, op.SetConfiguration(entries=entries))
    assert len(station.got) == 2
    assert result.outcome == outcome
    assert isinstance(result.told, op.ConfigurationChanged)
    assert tuple(entry.outcome for entry in result.told.results) == each


async def test_a_setting_that_2_x_cannot_have_is_not_asked_for(hub: Hub) -> None:
    station = await hub.station2()
    station.commands["SetVariables"] = lambda _: {"setVariableResult": [HEARTBEAT | {"attributeStatus": "Accepted"}]}
    entries = tuple(op.ConfigurationEntry(key=key, value="1") for key in ("LightIntensity", "HeartbeatInterval"))
    result = await ask(hub, op.SetConfiguration(entries=entries))
    assert isinstance(result.told, op.ConfigurationChanged)
    assert [entry.outcome.value for entry in result.told.results] == ["UNKNOWN", "ACCEPTED"]
    assert len(station.got) == 1


async def test_a_station_that_takes_few_variables_is_asked_one_by_one(hub: Hub) -> None:
    station = await hub.station2()
    keys = tuple(f"Own.V{number}" for number in range(AT_ONCE + 2))

    def tell(payload: dict[str, Any]) -> dict[str, Any]:
        if len(payload["getVariableData"]) > 2:
            return {"getVariableResult": "too many"}
        return {"getVariableResult": [v | {"attributeStatus": "Accepted"} for v in payload["getVariableData"]]}

    station.commands["GetVariables"] = tell
    result = await ask(hub, op.GetConfiguration(keys=keys))
    assert isinstance(result.told, op.ConfigurationTold)
    assert tuple(value.key for value in result.told.values) == keys
    assert [len(payload["getVariableData"]) for _, payload in station.got] == [AT_ONCE, *[1] * 20, 2]


def entry(name: str, value: str, **attribute: Any) -> dict[str, Any]:
    component, _, variable = name.partition(".")
    return {
        "component": {"name": component},
        "variable": {"name": variable},
        "variableAttribute": [{"type": "MaxSet", "value": "9"}, {"value": value, **attribute}],
    }


async def report(station: RawStation2, number: int, piece: list[dict[str, Any]], *, tbc: bool) -> None:
    (_, request), *_ = [got for got in station.got if got[0] in ("GetBaseReport", "GetReport")]
    said = {"requestId": request["requestId"], "generatedAt": TOLD, "seqNo": number, "reportData": piece, "tbc": tbc}
    assert await station.call("NotifyReport", said) == {}


@pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
async def test_all_settings_are_a_report_in_pieces(hub: Hub, version: str) -> None:
    station = await hub.station2(version=version)
    got = asyncio.Event()
    station.commands["GetBaseReport"] = lambda _: got.set() or ACCEPTED  # type: ignore[func-returns-value]
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(ask(hub, op.GetConfiguration()))
        await got.wait()
        first = [entry("A.One", "1"), entry("A.Two", "2", mutability="ReadOnly")]
        await report(station, 0, first, tbc=True)
        await report(station, 0, first, tbc=True)
        assert not asking.done()
        other = {"requestId": 0, "generatedAt": TOLD, "seqNo": 1, "reportData": [entry("B.No", "0")]}
        await station.call("NotifyReport", other)
        await report(station, 1, [entry("A.Key", "x", mutability="WriteOnly")], tbc=False)
    assert station.got[0][1]["reportBase"] == "ConfigurationInventory"
    assert asking.result().told == op.ConfigurationTold(
        values=(
            op.ConfigurationValue(key="A.One", value="1"),
            op.ConfigurationValue(key="A.Two", value="2", is_readonly=True),
            op.ConfigurationValue(key="A.Key"),
        )
    )
    assert len(hub.facts.of(StationReported)) == 4, "a report is kept as any other"


@pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
async def test_what_has_a_problem_is_a_report_too(hub: Hub, version: str) -> None:
    station = await hub.station2(version=version)
    got = asyncio.Event()
    station.commands["GetReport"] = lambda _: got.set() or ACCEPTED  # type: ignore[func-returns-value]
    wish = ReportComponents(criteria=(ComponentCriterion.PROBLEM,), names=("EVSE(2)", "Connector(2/1).Problem"))
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(ask(hub, wish))
        await got.wait()
        await report(station, 0, [entry("Connector.Problem", "true")], tbc=False)
    said = station.got[0][1]
    assert (said["componentCriteria"], said["componentVariable"]) == (
        ["Problem"],
        [
            {"component": {"name": "EVSE", "evse": {"id": 2}}},
            {"component": {"name": "Connector", "evse": {"id": 2, "connectorId": 1}}, "variable": {"name": "Problem"}},
        ],
    )
    told = asking.result().told
    assert told == op.ConfigurationTold(values=(op.ConfigurationValue(key="Connector.Problem", value="true"),))


async def test_a_report_that_breaks_off_is_told_as_far_as_it_came(hub: Hub) -> None:
    clock = [datetime.now(UTC)]
    hub.fakes.now = lambda: clock[0]
    await hub.start()
    station = await hub.station2()
    ids: asyncio.Queue[str] = asyncio.Queue()
    station.commands["GetBaseReport"] = lambda _: ids.put_nowait(station.frames[-1][1])
    async with asyncio.TaskGroup() as tasks:
        deadline = clock[0] + timedelta(seconds=20)
        asking = tasks.create_task(ask(hub, op.GetConfiguration(), deadline=deadline))
        id = await ids.get()
        await report(station, 0, [entry("A.One", "1")], tbc=True)
        clock[0] = deadline
        await station.socket.send(json.dumps([3, id, ACCEPTED]))
    result = asking.result()
    assert result.outcome is OperationOutcome.TIMEOUT
    assert result.told == op.ConfigurationTold(values=(op.ConfigurationValue(key="A.One", value="1"),))


def test_a_report_without_end_is_cut() -> None:
    endless = Report(request_id=1)
    endless.add({"reportData": [entry(f"A.V{number}", "x" * 1000) for number in range(500)]})
    assert endless.is_cut
    assert sum(len(value.value or "") for value in endless.values) in range(LONGEST - 5_000, LONGEST)


@pytest.mark.parametrize(
    "name", ["A.B", "A.B[c]", "A[b].C", "EVSE(2).B", "Connector(2/1)[x].B[c]", "Own.With.Dots", "A.B@c:d"]
)
def test_a_name_reads_back(name: str) -> None:
    variable = variables.from_name(name)
    assert variable is not None
    assert variables.to_name(variable) == name


@pytest.mark.parametrize("name", ["", "A", ".B", "A.", "A(x).B", "A(1.B", "NumberOfConnectors", "A.B[c]d"])
def test_what_is_no_name(name: str) -> None:
    assert variables.from_name(name) is None


async def test_nobody_waits_for_the_report_of_a_station_that_has_gone(hub: Hub) -> None:
    station = await hub.station2()
    got = asyncio.Event()
    station.commands["GetBaseReport"] = lambda _: got.set() or ACCEPTED  # type: ignore[func-returns-value]
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(ask(hub, op.GetConfiguration()))
        await got.wait()
        await report(station, 0, [entry("A.One", "1")], tbc=True)
        await station.close()
    result = asking.result()
    assert result.outcome is OperationOutcome.OFFLINE
    assert result.told == op.ConfigurationTold(values=(op.ConfigurationValue(key="A.One", value="1"),))


async def test_what_is_secret_never_leaves_the_adapter(hub: Hub) -> None:
    station = await hub.station2()
    password = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    result = {"getVariableResult": [password | {"attributeStatus": "Accepted", "attributeValue": "hunter2"}]}
    station.commands["GetVariables"] = lambda _: result
    got = asyncio.Event()
    station.commands["GetBaseReport"] = lambda _: got.set() or ACCEPTED  # type: ignore[func-returns-value]
    told = [await ask(hub, op.GetConfiguration(keys=("AuthorizationKey",)))]
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(ask(hub, op.GetConfiguration()))
        await got.wait()
        await report(station, 0, [entry("SecurityCtrlr.BasicAuthPassword", "hunter2")], tbc=False)
    told.append(asking.result())
    assert repr(told).count("BasicAuthPassword") == 2
    assert "hunter2" not in repr(told)
    assert "hunter2" not in repr(hub.facts.of(StationReported))

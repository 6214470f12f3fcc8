"""A 2.x station is had to come by a higher security profile, and keeps the way by which it has come."""

from typing import Any

import pytest

from contracts.messages.operation import RaiseSecurityProfile
from contracts.vocabulary import OperationOutcome
from tests.adapters.ocpp.conftest import Hub
from tests.adapters.ocpp.v201.test_operations_2 import ACCEPTED, ask

pytestmark = pytest.mark.ocpp_exchange

WISH = RaiseSecurityProfile(profile=2, url="wss://hub.example/")
PRIORITY = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "NetworkConfigurationPriority"}}
GOOD: dict[str, dict[str, Any]] = {
    "GetVariables": {"getVariableResult": [PRIORITY | {"attributeStatus": "Accepted", "attributeValue": "1, 3"}]},
    "SetNetworkProfile": ACCEPTED,
    "SetVariables": {"setVariableResult": [PRIORITY | {"attributeStatus": "RebootRequired"}]},
    "Reset": {"status": "Scheduled"},
}


@pytest.mark.parametrize(("version", "name", "line"), [("ocpp2.0.1", "OCPP20", "Wired0"), ("ocpp2.1", "OCPP21", "Any")])
async def test_the_old_way_stays_behind_the_new_one(hub: Hub, version: str, name: str, line: str) -> None:
    station = await hub.station2(version=version)
    station.commands |= {action: lambda _, answer=answer: answer for action, answer in GOOD.items()}  # type: ignore[misc]
    result = await ask(hub, WISH)
    assert (result.outcome, result.detail) == (OperationOutcome.SCHEDULED, "Scheduled")
    said = [(action, payload) for action, payload in station.got if action in GOOD][-4:]
    profile = {
        "ocppVersion": name,
        "ocppTransport": "JSON",
        "ocppCsmsUrl": "wss://hub.example/",
        "messageTimeout": 30,
        "securityProfile": 2,
        "ocppInterface": line,
    }
    assert said == [
        ("GetVariables", {"getVariableData": [PRIORITY]}),
        ("SetNetworkProfile", {"configurationSlot": 2, "connectionData": profile}),
        ("SetVariables", {"setVariableData": [PRIORITY | {"attributeValue": "2,1,3"}]}),
        ("Reset", {"type": "OnIdle"}),
    ]


@pytest.mark.parametrize(
    ("action", "answer", "outcome", "detail"),
    [
        ("GetVariables", {"attributeStatus": "UnknownVariable"}, "REJECTED", "NetworkConfigurationPriority: Unknown"),
        ("SetNetworkProfile", "InvalidConfSlot", "REJECTED", "network profile: Rejected: InvalidConfSlot"),
        ("SetVariables", {"attributeStatus": "Rejected"}, "REJECTED", "NetworkConfigurationPriority: Rejected"),
    ],
)
async def test_a_station_that_will_not_is_not_started_anew(
    hub: Hub, action: str, answer: Any, outcome: str, detail: str
) -> None:
    station = await hub.station2()
    refusal: dict[str, Any]
    if isinstance(answer, str):
        refusal = {"status": "Rejected", "statusInfo": {"reasonCode": answer}}
    else:
        refusal = {"getVariableResult" if action == "GetVariables" else "setVariableResult": [PRIORITY | answer]}
    answers = GOOD | {action: refusal}
    station.commands |= {name: lambda _, said=said: said for name, said in answers.items()}  # type: ignore[misc]
    result = await ask(hub, WISH)
    assert (result.outcome, detail in (result.detail or "")) == (OperationOutcome(outcome), True), result
    assert "Reset" not in [name for name, _ in station.got]


async def test_where_it_then_comes_must_be_said(hub: Hub) -> None:
    await hub.station2()
    result = await ask(hub, RaiseSecurityProfile(profile=2))
    assert (result.outcome, (result.detail or "")[:4]) == (OperationOutcome.FAILED, "url:")

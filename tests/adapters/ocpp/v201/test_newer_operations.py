"""What 1.6 cannot be asked: costs, tariffs, dynamic limits, priority, texts, reports; and what becomes of it."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest

from adapters.ocpp.v16.operations import OPERATIONS as OPERATIONS_16
from contracts.messages import ChargingLimit, ChargingSchedule, StationReported
from contracts.messages import operation as op
from contracts.messages.device_model import (
    AdjustStream,
    ReportComponents,
    ReportStreams,
    SetMonitoringBase,
    SetMonitoringLevel,
)
from contracts.messages.publishing import PublishFirmware, UnpublishFirmware
from contracts.messages.station_tariff import StationTariff, TariffCondition, TariffPrice, TariffTax
from contracts.messages.web_payment import ExpectPayment
from contracts.vocabulary import (
    ChargingRateUnit,
    ComponentCriterion,
    DisplayPriority,
    MonitoringBase,
    MonitorKind,
    OperationOutcome,
    ProfilePurpose,
    TariffPriceKind,
)
from tests.adapters.ocpp.conftest import Hub
from tests.adapters.ocpp.v201.test_operations_2 import ACCEPTED, ask
from tests.kit.raw_station import RawStation2

pytestmark = pytest.mark.ocpp_exchange

AT = datetime(2026, 11, 24, tzinfo=UTC)
TOLD = "2026-11-24T00:00:00.000Z"
NIGHT = TariffCondition(
    start_time_of_day="22:00",
    end_time_of_day="06:00",
    days_of_week=("MONDAY", "SUNDAY"),
    valid_from="2026-01-01",
    min_energy=Decimal(5000),
    max_time=3600,
)
TARIFF = StationTariff(
    tariff_id="T1",
    currency="EUR",
    prices=(
        TariffPrice(kind=TariffPriceKind.ENERGY, price=Decimal("0.25"), condition=NIGHT),
        TariffPrice(kind=TariffPriceKind.ENERGY, price=Decimal("0.35")),
        TariffPrice(kind=TariffPriceKind.IDLE_TIME, price=Decimal("0.1")),
        TariffPrice(kind=TariffPriceKind.FIXED_FEE, price=Decimal(1)),
    ),
    taxes=(
        TariffTax(kind=TariffPriceKind.ENERGY, name="VAT", percent=Decimal(21)),
        TariffTax(kind=TariffPriceKind.CHARGING_TIME, name="VAT", percent=Decimal(9)),
    ),
    description="35 ct/kWh",
    max_cost=Decimal(40),
    valid_from=AT,
)
SAID_TARIFF = {
    "tariffId": "T1",
    "currency": "EUR",
    "energy": {
        "prices": [
            {
                "priceKwh": 0.25,
                "conditions": {
                    "startTimeOfDay": "22:00",
                    "endTimeOfDay": "06:00",
                    "dayOfWeek": ["Monday", "Sunday"],
                    "validFromDate": "2026-01-01",
                    "minEnergy": 5000,
                    "maxTime": 3600,
                },
            },
            {"priceKwh": 0.35},
        ],
        "taxRates": [{"type": "VAT", "tax": 21}],
    },
    "idleTime": {"prices": [{"priceMinute": 0.1}]},
    "fixedFee": {"prices": [{"priceFixed": 1}]},
    "maxCost": {"exclTax": 40},
    "description": [{"format": "UTF8", "content": "35 ct/kWh"}],
    "validFrom": TOLD,
}
POWER = {"component": {"name": "EVSE", "evse": {"id": 2}}, "variable": {"name": "Power"}}
ASSIGNED = {"tariffAssignments": [{"tariffId": "T1", "tariffKind": "DefaultTariff"}]}
SCHEDULE = ChargingSchedule(
    unit=ChargingRateUnit.A, limits=(ChargingLimit(starts_after=0, limit=Decimal("16.04")),), starts_at=AT
)
DYNAMIC = op.SetChargingProfile(
    profile_id=7,
    purpose=ProfilePurpose.TRANSACTION_DEFAULT,
    schedule=SCHEDULE,
    is_dynamic=True,
    pull_every=60,
)

CASES: list[tuple[op.AnyOperation, str, dict[str, Any], dict[str, Any], bool]] = [
    (
        op.UpdateCost(transaction_id="tx", total_cost=Decimal("3.75")),
        "CostUpdated",
        {"totalCost": 3.75, "transactionId": "tx"},
        {},
        True,
    ),
    (
        op.CheckTransaction(transaction_id="tx"),
        "GetTransactionStatus",
        {"transactionId": "tx"},
        {"messagesInQueue": True, "ongoingIndicator": True},
        True,
    ),
    (op.CheckTransaction(), "GetTransactionStatus", {}, {"messagesInQueue": False}, True),
    (
        op.ReportProfiles(request_id=9, connector_id=302, purpose=ProfilePurpose.TRANSACTION),
        "GetChargingProfiles",
        {"requestId": 9, "evseId": 3, "chargingProfile": {"chargingProfilePurpose": "TxProfile"}},
        ACCEPTED,
        True,
    ),
    (
        op.ShowText(
            text_id=4,
            text="Closed",
            priority=DisplayPriority.IN_FRONT,
            language="en",
            transaction_id="tx",
            starts_at=AT,
            ends_at=AT,
        ),
        "SetDisplayMessage",
        {
            "message": {
                "id": 4,
                "priority": "InFront",
                "message": {"format": "UTF8", "language": "en", "content": "Closed"},
                "transactionId": "tx",
                "startDateTime": TOLD,
                "endDateTime": TOLD,
            }
        },
        ACCEPTED,
        True,
    ),
    (op.ClearText(text_id=4), "ClearDisplayMessage", {"id": 4}, ACCEPTED, True),
    (op.ReportTexts(request_id=9), "GetDisplayMessages", {"requestId": 9}, ACCEPTED, True),
    (
        op.ReportCustomer(request_id=9, token_uid="04A2B3C4", is_cleared=True),
        "CustomerInformation",
        {
            "requestId": 9,
            "report": True,
            "clear": True,
            "idToken": {"idToken": "04A2B3C4", "type": "ISO14443"},
        },
        ACCEPTED,
        True,
    ),
    (
        op.SetMonitor(
            variable="EVSE(2).Power",
            monitor=MonitorKind.UPPER_THRESHOLD,
            value=Decimal(11000),
            severity=4,
            monitor_id=3,
        ),
        "SetVariableMonitoring",
        {"setMonitoringData": [POWER | {"id": 3, "type": "UpperThreshold", "value": 11000, "severity": 4}]},
        {"setMonitoringResult": [POWER | {"id": 3, "type": "UpperThreshold", "severity": 4, "status": "Accepted"}]},
        True,
    ),
    (
        op.ClearMonitors(monitor_ids=(3, 4)),
        "ClearVariableMonitoring",
        {"id": [3, 4]},
        {"clearMonitoringResult": [{"id": 3, "status": "Accepted"}]},
        True,
    ),
    (
        op.ReportMonitors(request_id=9, variables=("EVSE(2).Power",)),
        "GetMonitoringReport",
        {"requestId": 9, "componentVariable": [POWER]},
        ACCEPTED,
        True,
    ),
    (SetMonitoringBase(base=MonitoringBase.ALL), "SetMonitoringBase", {"monitoringBase": "All"}, ACCEPTED, True),
    (SetMonitoringLevel(severity=4), "SetMonitoringLevel", {"severity": 4}, ACCEPTED, True),
    (
        PublishFirmware(request_id=9, url="https://h/1", checksum="0f" * 16, retries=2),
        "PublishFirmware",
        {"requestId": 9, "location": "https://h/1", "checksum": "0f" * 16, "retries": 2},
        ACCEPTED,
        True,
    ),
    (
        UnpublishFirmware(checksum="0f" * 16),
        "UnpublishFirmware",
        {"checksum": "0f" * 16},
        {"status": "Unpublished"},
        True,
    ),
    (
        ReportStreams(),
        "GetPeriodicEventStream",
        {},
        {"constantStreamData": [{"id": 3, "variableMonitoringId": 1, "params": {"interval": 5}}]},
        False,
    ),
    (
        AdjustStream(stream_id=3, interval=60),
        "AdjustPeriodicEventStream",
        {"id": 3, "params": {"interval": 60}},
        ACCEPTED,
        False,
    ),
    (
        ExpectPayment(connector_id=302, seconds=120),
        "NotifyWebPaymentStarted",
        {"evseId": 3, "timeout": 120},
        {},
        False,
    ),
    (op.SetTariff(tariff=TARIFF), "SetDefaultTariff", {"evseId": 0, "tariff": SAID_TARIFF}, ACCEPTED, False),
    (
        op.SetTariff(tariff=TARIFF, transaction_id="tx"),
        "ChangeTransactionTariff",
        {"transactionId": "tx", "tariff": SAID_TARIFF},
        ACCEPTED,
        False,
    ),
    (op.ReportTariffs(connector_id=302), "GetTariffs", {"evseId": 3}, ACCEPTED | ASSIGNED, False),
    (
        op.ClearTariffs(tariff_ids=("T1",), connector_id=302),
        "ClearTariffs",
        {"tariffIds": ["T1"], "evseId": 3},
        {"clearTariffsResult": [{"tariffId": "T1", "status": "Accepted"}]},
        False,
    ),
    (
        op.ChangeDynamicLimit(profile_id=7, limit=Decimal("10.19")),
        "UpdateDynamicSchedule",
        {"chargingProfileId": 7, "scheduleUpdate": {"limit": 10.1}},
        ACCEPTED,
        False,
    ),
    (
        op.UsePriorityCharging(transaction_id="tx", is_active=True),
        "UsePriorityCharging",
        {"transactionId": "tx", "activate": True},
        ACCEPTED,
        False,
    ),
]
"""Whether 2.0.1 has it comes last."""


async def charging(hub: Hub, version: str) -> RawStation2:
    station = await hub.station2(version=version)
    evse = {"id": 1, "connectorId": 1}
    await station.event("Started", "tx", 0, "2026-11-23T10:00:00Z", evse=evse, tag="TAG", wh=0)
    return station


@pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
async def test_what_is_sent(hub: Hub, version: str) -> None:
    station = await charging(hub, version)
    for operation, action, payload, answer, is_old in CASES:
        station.commands[action] = lambda _, answer=answer: answer  # type: ignore[misc]
        station.got.clear()
        result = await ask(hub, operation)
        if version == "ocpp2.1" or is_old:
            assert (station.got, result.outcome) == ([(action, payload)], OperationOutcome.ACCEPTED), operation
        else:
            assert (station.got, result.outcome) == ([], OperationOutcome.NOT_SUPPORTED), operation
            assert result.detail == f"ocpp2.0.1 has no {action}"


def test_each_is_tried() -> None:
    """What 1.6 can be asked, 2.x can as well: see ``test_operations_2``."""
    tried = {type(case[0]) for case in CASES} | {ReportComponents}
    assert tried == set(get_args(op.AnyOperation)) - set(OPERATIONS_16)


async def test_1_6_cannot_be_asked(hub: Hub) -> None:
    station = await hub.station("CS-2")
    for operation in (*(case[0] for case in CASES), DYNAMIC):
        assert (await ask(hub, operation)).outcome is OperationOutcome.NOT_SUPPORTED
    assert station.got == []


async def test_what_stations_tell(hub: Hub) -> None:
    station = await charging(hub, "ocpp2.1")
    told = {}
    for operation, action, _, answer, _ in CASES:
        station.commands[action] = lambda _, answer=answer: answer  # type: ignore[misc]
        told[action, getattr(operation, "transaction_id", None)] = (await ask(hub, operation)).told
    assert told["GetTransactionStatus", "tx"] == op.TransactionTold(is_running=True, has_more=True)
    assert told["GetTransactionStatus", None] == op.TransactionTold(has_more=False)
    tariffs = told["GetTariffs", None]
    assert isinstance(tariffs, op.RawTold)
    assert json.loads(tariffs.payload) == ACCEPTED | ASSIGNED


@pytest.mark.parametrize(
    ("operation", "action", "answer", "outcome"),
    [
        (op.ClearText(text_id=1), "ClearDisplayMessage", {"status": "Unknown"}, OperationOutcome.UNKNOWN),
        (
            op.ShowText(text_id=1, text="x"),
            "SetDisplayMessage",
            {"status": "LanguageNotSupported"},
            OperationOutcome.NOT_SUPPORTED,
        ),
        (
            UnpublishFirmware(checksum="0f" * 16),
            "UnpublishFirmware",
            {"status": "NoFirmware"},
            OperationOutcome.UNKNOWN,
        ),
        (ReportComponents(names=("A.B.C()",)), "GetReport", {}, OperationOutcome.UNKNOWN),
        (
            ReportComponents(criteria=(ComponentCriterion.PROBLEM,)),
            "GetReport",
            {"status": "EmptyResultSet"},
            OperationOutcome.ACCEPTED,
        ),
        (op.ReportProfiles(request_id=1), "GetChargingProfiles", {"status": "NoProfiles"}, OperationOutcome.UNKNOWN),
        (
            op.ClearMonitors(monitor_ids=(3, 4)),
            "ClearVariableMonitoring",
            {"clearMonitoringResult": [{"id": 3, "status": "Accepted"}, {"id": 4, "status": "NotFound"}]},
            OperationOutcome.UNKNOWN,
        ),
        (
            op.ReportMonitors(request_id=1),
            "GetMonitoringReport",
            {"status": "EmptyResultSet"},
            OperationOutcome.ACCEPTED,
        ),
        (op.ReportTariffs(), "GetTariffs", {"status": "NoTariff"}, OperationOutcome.UNKNOWN),
        (op.SetTariff(tariff=TARIFF), "SetDefaultTariff", {"status": "TooManyElements"}, OperationOutcome.REJECTED),
        (
            op.ClearTariffs(),
            "ClearTariffs",
            {"clearTariffsResult": [{"status": "Accepted"}, {"status": "NoTariff"}]},
            OperationOutcome.UNKNOWN,
        ),
        (
            op.UsePriorityCharging(transaction_id="tx", is_active=False),
            "UsePriorityCharging",
            {"status": "NoProfile"},
            OperationOutcome.UNKNOWN,
        ),
    ],
)
async def test_answers(
    hub: Hub, operation: op.AnyOperation, action: str, answer: dict[str, Any], outcome: OperationOutcome
) -> None:
    station = await charging(hub, "ocpp2.1")
    station.commands[action] = lambda _: answer
    assert (await ask(hub, operation)).outcome is outcome


async def test_what_is_about_a_charge_is_sent_while_it_runs(hub: Hub) -> None:
    station = await charging(hub, "ocpp2.1")
    station.commands["GetTransactionStatus"] = lambda _: {"messagesInQueue": False, "ongoingIndicator": False}
    await station.event("Ended", "tx", 1, "2026-11-23T10:01:00Z", wh=1)
    for operation in (
        op.UpdateCost(transaction_id="another", total_cost=Decimal(1)),
        op.UsePriorityCharging(transaction_id="tx", is_active=True),
        op.SetTariff(tariff=TARIFF, transaction_id="tx"),
        op.ShowText(text_id=1, text="x", transaction_id="tx"),
        op.CheckTransaction(transaction_id="another"),
    ):
        assert (await ask(hub, operation)).outcome is OperationOutcome.UNKNOWN
    assert station.got == []
    told = (await ask(hub, op.CheckTransaction(transaction_id="tx"))).told
    assert told == op.TransactionTold(is_running=False, has_more=False)


async def test_a_dynamic_limit_is_told_when_the_station_asks(hub: Hub) -> None:
    """2.1 part 2, K28; over a restart of the adapter too."""
    station = await hub.station2(version="ocpp2.1")

    async def pulled() -> Any:
        return await station.call("PullDynamicScheduleUpdate", {"chargingProfileId": 7})

    for action in ("SetChargingProfile", "UpdateDynamicSchedule", "ClearChargingProfile"):
        station.commands[action] = lambda _: ACCEPTED
    assert await pulled() == {"status": "Rejected"}
    assert (await ask(hub, DYNAMIC)).outcome is OperationOutcome.ACCEPTED
    profile = station.got[-1][1]["chargingProfile"]
    assert (profile["chargingProfileKind"], profile["dynUpdateInterval"]) == ("Dynamic", 60)
    assert await pulled() == {"status": "Accepted", "scheduleUpdate": {"limit": 16.0}}
    await ask(hub, op.ChangeDynamicLimit(profile_id=7, limit=Decimal(8)))
    await hub.start()
    station = await hub.station2(version="ocpp2.1")
    assert await pulled() == {"status": "Accepted", "scheduleUpdate": {"limit": 8.0}}
    station.commands["UpdateDynamicSchedule"] = lambda _: {"status": "Rejected"}
    await ask(hub, op.ChangeDynamicLimit(profile_id=7, limit=Decimal(32)))
    assert await pulled() == {"status": "Accepted", "scheduleUpdate": {"limit": 8.0}}
    station.commands["ClearChargingProfile"] = lambda _: ACCEPTED
    await ask(hub, op.ClearChargingProfiles(profile_id=7))
    assert await pulled() == {"status": "Rejected"}
    kinds = [report.kind for report in hub.facts.of(StationReported)]
    assert kinds == ["PullDynamicScheduleUpdate"] * 5


async def test_a_name_that_2_x_cannot_have_is_not_asked_for(hub: Hub) -> None:
    station = await hub.station2()
    for operation in (
        op.SetMonitor(variable="Power", monitor=MonitorKind.DELTA, value=Decimal(1)),
        op.ReportMonitors(request_id=1, variables=("Power",)),
    ):
        assert (await ask(hub, operation)).outcome is OperationOutcome.UNKNOWN
    assert station.got == []


async def test_a_dynamic_profile_has_one_limit(hub: Hub) -> None:
    await hub.station2(version="ocpp2.1")
    two = tuple(ChargingLimit(starts_after=at, limit=Decimal(6)) for at in (0, 60))
    schedule = ChargingSchedule(unit=ChargingRateUnit.A, limits=two, starts_at=AT)
    profile = op.SetChargingProfile(
        profile_id=7, purpose=ProfilePurpose.STATION_MAX, schedule=schedule, is_dynamic=True
    )
    assert (await ask(hub, profile)).outcome is OperationOutcome.FAILED

"""Simulated stations obey an operator: each verb, through the real adapter and strict schemas on both sides."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from adapters.kit.manifest import OperationResult
from adapters.ocpp.simulator import Fleet, SimulatorConfig
from contracts.messages import (
    ChargingLimit,
    ChargingSchedule,
    FirmwareStatusReported,
    LogStatusReported,
    OperationRequested,
    StationBooted,
    StationConnected,
    StationReported,
)
from contracts.messages import operation as op
from contracts.messages.device_model import ReportComponents, ReportStreams, SetMonitoringBase, SetMonitoringLevel
from contracts.messages.station_tariff import StationTariff, TariffPrice
from contracts.vocabulary import (
    ChargingRateUnit,
    ComponentCriterion,
    FirmwareStatus,
    LogKind,
    LogStatus,
    MonitoringBase,
    MonitorKind,
    OperationOutcome,
    ProfilePurpose,
    TariffPriceKind,
    TokenChoice,
    TriggeredMessage,
)
from tests.adapters.ocpp.conftest import PASSWORD, Hub
from tests.kit.wait import until

NAME = "SIM-001"
NOW = datetime.now(UTC)


class Files(BaseHTTPRequestHandler):
    """Gives firmware, takes uploads."""

    taken: list[bytes] = []
    broken: list[str] = []
    """Ways that broke off once, before the first octet."""

    def do_GET(self) -> None:
        body = b"4.2.1\nbinary"
        self.send_response(404 if self.path == "/nothing" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if "breaks-off" in self.path and self.path not in self.broken:
            self.broken.append(self.path)
            return
        self.wfile.write(body)

    def do_PUT(self) -> None:
        self.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def files() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


async def simulated(hub: Hub, **fields: Any) -> AsyncIterator[Fleet]:
    config = SimulatorConfig(
        url=hub.url, password=PASSWORD, arrival_seconds=0, is_strict=True, reconnect_seconds=(0.05, 0.2), **fields
    )
    hub.fakes.accounts.change(NAME, password=PASSWORD)
    fleet = Fleet(config)
    task = asyncio.create_task(fleet.run())
    await until(lambda: fleet.stations[NAME].is_connected)
    yield fleet
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.fixture(params=["1.6", "2.0.1", "2.1"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def fleet(hub: Hub, version: str) -> AsyncIterator[Fleet]:
    async for fleet in simulated(hub, ocpp=(version,)):
        yield fleet


async def ask(hub: Hub, operation: op.AnyOperation) -> OperationResult:
    request = OperationRequested(
        operation_id="o-1",
        instance="test-1",
        epoch=1,
        network="demo",
        station_id=NAME,
        deadline=datetime.now(UTC) + timedelta(seconds=20),
        operation=operation,
    )
    return await hub.fakes.commands.ask(request)


SCHEDULE = ChargingSchedule(unit=ChargingRateUnit.A, limits=(ChargingLimit(starts_after=0, limit=Decimal(6)),))
DEFAULT = op.SetChargingProfile(profile_id=1, purpose=ProfilePurpose.TRANSACTION_DEFAULT, schedule=SCHEDULE)


async def test_it_obeys(hub: Hub, fleet: Fleet) -> None:
    entries = (op.LocalListEntry(token_uid="TAG", choice=TokenChoice.ACCEPTED),)
    list_of_two = op.SendLocalList(version=2, is_full=True, entries=entries)
    outcomes = [
        (await ask(hub, operation)).outcome.value
        for operation in (
            op.ChangeAvailability(is_operative=False),
            op.Trigger(what=TriggeredMessage.STATUS),
            op.Trigger(what=TriggeredMessage.LOG_STATUS),
            op.Trigger(what=TriggeredMessage.CERTIFICATE_REQUEST),
            op.ClearCache(),
            list_of_two,
            op.SendLocalList(version=2, is_full=False, entries=()),
            op.SendLocalList(
                version=3,
                is_full=False,
                entries=(op.LocalListEntry(token_uid="TAG", choice=TokenChoice.REMOVE),),
            ),
            DEFAULT,
            op.ClearChargingProfiles(purpose=ProfilePurpose.STATION_MAX),
            op.ClearChargingProfiles(profile_id=1),
            op.ClearChargingProfiles(profile_id=1),
            DEFAULT,
            op.ClearChargingProfiles(),
            op.TransferData(vendor_id="org.simulated", data="x"),
            op.TransferData(vendor_id="com.other"),
            op.CallRaw(action="ClearCache", payload="{}"),
        )
    ]
    assert outcomes == [
        *["ACCEPTED"] * 6,
        "VERSION_MISMATCH",
        *["ACCEPTED"] * 2,
        "UNKNOWN",
        "ACCEPTED",
        "UNKNOWN",
        *["ACCEPTED"] * 3,
        "UNKNOWN",
        "ACCEPTED",
    ]
    station = fleet.stations[NAME]
    assert station.status(1) == "Unavailable"
    assert (station.upkeep.local_list, station.upkeep.list_version) == ({}, 3)
    assert (await ask(hub, op.GetLocalListVersion())).told == op.LocalListVersionTold(version=3)
    schedule = (await ask(hub, op.GetCompositeSchedule(duration=60, connector_id=1))).told
    assert isinstance(schedule, op.ScheduleTold)
    assert [entry.limit for entry in schedule.schedule.limits] == [11_000]
    assert hub.inside(NAME).deviations["not strict"] == 0


async def test_it_shows_what_it_is_told(hub: Hub, fleet: Fleet, version: str) -> None:
    """1.6 none of it, 2.0.1 texts and costs, 2.1 tariffs and moving limits too."""
    tariff = StationTariff(
        tariff_id="T1", currency="EUR", prices=(TariffPrice(kind=TariffPriceKind.ENERGY, price=Decimal("0.3")),)
    )
    shown = [op.ShowText(text_id=4, text="Closed"), op.ReportTexts(request_id=9)]
    outcomes = [(await ask(hub, operation)).outcome.value for operation in shown]
    if version != "1.6":
        await until(lambda: [each.kind for each in hub.facts.of(StationReported)] == ["NotifyDisplayMessages"])
    cleared = [op.ClearText(text_id=4), op.ClearText(text_id=4)]
    newest = [op.SetTariff(tariff=tariff), op.ReportTariffs(), op.ClearTariffs(tariff_ids=("T1",))]
    newest.append(op.ChangeDynamicLimit(profile_id=1, limit=Decimal(6)))
    outcomes += [(await ask(hub, operation)).outcome.value for operation in [*cleared, *newest]]
    no, yes = "NOT_SUPPORTED", "ACCEPTED"
    assert (
        outcomes
        == {
            "1.6": [no] * 8,
            "2.0.1": [yes, yes, yes, "UNKNOWN", no, no, no, no],
            "2.1": [yes, yes, yes, "UNKNOWN", yes, yes, yes, yes],
        }[version]
    )
    assert fleet.stations[NAME].upkeep.display.limits == ({1: 6.0} if version == "2.1" else {})
    assert hub.inside(NAME).deviations["not strict"] == 0


async def test_it_is_asked_about_its_device_model(hub: Hub, fleet: Fleet, version: str) -> None:
    monitor = op.SetMonitor(variable="EVSE(1).Power", monitor=MonitorKind.DELTA, value=Decimal(5))
    asked: list[op.AnyOperation] = [
        SetMonitoringBase(base=MonitoringBase.ALL),
        SetMonitoringLevel(severity=4),
        monitor,
        op.ClearMonitors(monitor_ids=(1,)),
        op.ReportMonitors(request_id=9),
        ReportComponents(criteria=(ComponentCriterion.PROBLEM,)),
        op.CheckTransaction(),
        ReportStreams(),
        op.ReportProfiles(request_id=9),
    ]
    outcomes = [(await ask(hub, operation)).outcome.value for operation in asked]
    no = "NOT_SUPPORTED"
    assert outcomes == ([no] * 9 if version == "1.6" else [*["ACCEPTED"] * 7, no, no]), "what it does not know it says"
    assert (hub.inside(NAME).deviations["not strict"], fleet.stations[NAME].upkeep.monitors) == (0, {})


async def test_it_tells_its_settings(hub: Hub, fleet: Fleet, version: str) -> None:
    name = "HeartbeatInterval" if version == "1.6" else "OCPPCommCtrlr.HeartbeatInterval"
    told = (await ask(hub, op.GetConfiguration(keys=("HeartbeatInterval", "Own.Nonsense")))).told
    assert told == op.ConfigurationTold(
        values=(op.ConfigurationValue(key=name, value="300"),), unknown_keys=("Own.Nonsense",)
    )
    every = (await ask(hub, op.GetConfiguration())).told
    assert isinstance(every, op.ConfigurationTold)
    values = {value.key: (value.value, value.is_readonly) for value in every.values}
    assert values[name] == ("300", False)
    assert values["SendLocalListMaxLength" if version == "1.6" else "LocalAuthListCtrlr.ItemsPerMessage"][1]
    assert len(values) == (8 if version == "1.6" else 7), "2.x has not two of them, and one more"
    if version != "1.6":
        name = "TariffCostCtrlr.Enabled[Cost]"
        assert values[name] == ("true", True)
        told = (await ask(hub, op.GetConfiguration(keys=(name,)))).told
        assert isinstance(told, op.ConfigurationTold)
        assert [(value.key, value.value) for value in told.values] == [(name, "true")]
    assert hub.inside(NAME).deviations["not strict"] == 0


async def test_settings_change_and_some_after_a_restart(hub: Hub, fleet: Fleet) -> None:
    wanted = {"HeartbeatInterval": "60", "WebSocketPingInterval": "30", "SendLocalListMaxLength": "9", "Own.X": "1"}
    entries = tuple(op.ConfigurationEntry(key=key, value=value) for key, value in wanted.items())
    told = (await ask(hub, op.SetConfiguration(entries=entries))).told
    assert isinstance(told, op.ConfigurationChanged)
    assert [result.outcome.value for result in told.results] == ["ACCEPTED", "REBOOT_REQUIRED", "REJECTED", "UNKNOWN"]
    assert (await ask(hub, op.Reset())).outcome is OperationOutcome.ACCEPTED
    await until(lambda: fleet.stations[NAME].upkeep.settings["WebSocketPingInterval"] == "30")
    await until(lambda: len(hub.facts.of(StationBooted)) == 2)


async def test_it_comes_with_the_password_that_it_was_given(hub: Hub, fleet: Fleet, version: str) -> None:
    given = "fedcba9876543210"
    hub.fakes.accounts.change(NAME, password=PASSWORD, given=(given,))
    entries = (op.ConfigurationEntry(key="AuthorizationKey", value=given),)
    assert (await ask(hub, op.SetConfiguration(entries=entries))).outcome is OperationOutcome.ACCEPTED
    await until(lambda: len(hub.facts.of(StationConnected)) == 2)
    last = hub.facts.of(StationConnected)[-1]
    assert (last.is_admitted, last.security_profile) == (True, 1)
    assert last.key_digest == hub.fakes.accounts.digest(NAME, given)


async def test_firmware_is_fetched_installed_and_booted(hub: Hub, fleet: Fleet, files: str) -> None:
    update = op.UpdateFirmware(request_id=1, url=f"{files}/firmware", retrieve_at=NOW)
    assert (await ask(hub, update)).outcome is OperationOutcome.ACCEPTED
    await until(lambda: [b.firmware_version for b in hub.facts.of(StationBooted)] == ["1.0", "4.2.1"])
    assert [report.status for report in hub.facts.of(FirmwareStatusReported)] == [
        FirmwareStatus.DOWNLOADING,
        FirmwareStatus.DOWNLOADED,
        FirmwareStatus.INSTALLING,
        FirmwareStatus.INSTALLED,
    ]


async def test_a_download_that_breaks_off_is_tried_again(
    hub: Hub, fleet: Fleet, files: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.ocpp.simulator.upkeep.BETWEEN_FETCHES", 0)
    await ask(hub, op.UpdateFirmware(request_id=1, url=f"{files}/breaks-off-{version}", retrieve_at=NOW))
    await until(lambda: [b.firmware_version for b in hub.facts.of(StationBooted)] == ["1.0", "4.2.1"])


async def test_what_is_not_there_fails_to_download(hub: Hub, fleet: Fleet, files: str) -> None:
    signed = op.UpdateFirmware(
        request_id=7, url=f"{files}/nothing", retrieve_at=NOW, signing_certificate="PEM", signature="c2ln"
    )
    await ask(hub, signed)
    await until(lambda: len(hub.facts.of(FirmwareStatusReported)) == 2)
    last = hub.facts.of(FirmwareStatusReported)[-1]
    assert (last.status, last.request_id) == (FirmwareStatus.DOWNLOAD_FAILED, 7)


async def test_those_that_shall_fail_do(hub: Hub, files: str) -> None:
    async for _ in simulated(hub, firmware_failures=1):
        await ask(hub, op.UpdateFirmware(request_id=1, url=f"{files}/firmware", retrieve_at=NOW))
        await until(lambda: len(hub.facts.of(FirmwareStatusReported)) == 4)
        assert hub.facts.of(FirmwareStatusReported)[-1].status is FirmwareStatus.INSTALL_FAILED


@pytest.mark.parametrize("kind", LogKind)
async def test_logs_are_uploaded(hub: Hub, fleet: Fleet, files: str, kind: LogKind) -> None:
    before = len(Files.taken)
    result = await ask(hub, op.UploadLog(request_id=3, log=kind, url=f"{files}/up"))
    assert result.told == op.LogTold(file_name=f"{NAME}.log")
    await until(lambda: len(hub.facts.of(LogStatusReported)) == 2)
    assert hub.facts.of(LogStatusReported)[-1].status is LogStatus.UPLOADED
    assert Files.taken[before:][0].startswith(NAME.encode())

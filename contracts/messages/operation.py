"""What the hub's own operator asks of a station, whatever its protocol, and what the station said.

One pair of messages carries all verbs: ``OperationRequested.operation`` is one of the structs below, told apart by
``kind``. Starting, stopping, unlocking and reserving are commands (``command.py``): partners may ask for those as well.
"""

from datetime import datetime
from decimal import Decimal

import msgspec

from contracts.messages.asked import Operation, Told
from contracts.messages.charging_profile import ChargingSchedule
from contracts.messages.device_model import (
    AdjustStream,
    ReportComponents,
    ReportStreams,
    SetMonitoringBase,
    SetMonitoringLevel,
)
from contracts.messages.message import Message
from contracts.messages.publishing import PublishFirmware, UnpublishFirmware
from contracts.messages.station_tariff import StationTariff
from contracts.messages.trust import CertificatesTold, DeleteCertificate, GetInstalledCertificates, InstallCertificate
from contracts.messages.web_payment import ExpectPayment
from contracts.vocabulary import (
    ChargingRateUnit,
    DisplayPriority,
    LogKind,
    MonitorKind,
    OperationOutcome,
    ProfilePurpose,
    Recurrence,
    TokenChoice,
    TriggeredMessage,
)


class Reset(Operation, frozen=True, kw_only=True):
    """Starts the station anew."""

    is_immediate: bool = False
    """False: charges are ended in good order first (OCPP 1.6 Soft, 2.x OnIdle); true: at once (Hard, Immediate)."""


class ChangeAvailability(Operation, frozen=True, kw_only=True):
    """Takes a connector or the station out of use, or back."""

    is_operative: bool
    connector_id: int | None = None


class Trigger(Operation, frozen=True, kw_only=True):
    """Makes the station say something now."""

    what: TriggeredMessage
    connector_id: int | None = None


class ClearCache(Operation, frozen=True, kw_only=True):
    """Makes the station forget which tokens were good."""


class GetConfiguration(Operation, frozen=True, kw_only=True):
    """Asks for settings of the station."""

    keys: tuple[str, ...] = ()
    """In OCPP 1.6 a key, in 2.x ``Component.Variable``; none: all. See ``contracts.configuration``."""


class ConfigurationEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A setting as it shall be."""

    key: str
    value: str


class SetConfiguration(Operation, frozen=True, kw_only=True):
    """Changes settings of the station, in this order."""

    entries: tuple[ConfigurationEntry, ...]


class GetLocalListVersion(Operation, frozen=True, kw_only=True):
    """Asks which list of tokens the station decides by while it is offline."""


class LocalListEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A token on that list."""

    token_uid: str
    choice: TokenChoice
    group_id: str | None = None
    expires_at: datetime | None = None


class SendLocalList(Operation, frozen=True, kw_only=True):
    """Replaces that list, or changes it."""

    version: int
    """Of the list as it is afterwards; from 1."""
    is_full: bool
    """False: ``entries`` are changes against the version before; REMOVE makes sense only then."""
    entries: tuple[LocalListEntry, ...]


class SetChargingProfile(Operation, frozen=True, kw_only=True):
    """Limits a station, its charges to come, or one charge. The same id again replaces."""

    profile_id: int
    purpose: ProfilePurpose
    schedule: ChargingSchedule
    stack_level: int = 0
    """Of several of one purpose the highest counts."""
    connector_id: int | None = None
    transaction_id: str | None = None
    """With purpose TRANSACTION."""
    recurrence: Recurrence | None = None
    """With a schedule that has ``starts_at``."""
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    is_dynamic: bool = False
    """One limit without a time, which ``ChangeDynamicLimit`` moves afterwards (OCPP 2.1)."""
    pull_every: int | None = None
    """Of a dynamic one: after so many seconds the station asks for the limit by itself."""


class ClearChargingProfiles(Operation, frozen=True, kw_only=True):
    """Takes profiles away: those that fit all that is said."""

    profile_id: int | None = None
    connector_id: int | None = None
    purpose: ProfilePurpose | None = None
    stack_level: int | None = None


class GetCompositeSchedule(Operation, frozen=True, kw_only=True):
    """Asks which limits hold, all told."""

    duration: int
    """Seconds from now."""
    connector_id: int | None = None
    unit: ChargingRateUnit | None = None


class UpdateFirmware(Operation, frozen=True, kw_only=True):
    """Makes the station fetch firmware and install it. How it goes follows as ``FirmwareStatusReported``."""

    request_id: int
    url: str
    """Holds a secret: never to be logged."""
    retrieve_at: datetime
    install_at: datetime | None = None
    retries: int | None = None
    retry_interval: int | None = None
    """Seconds."""
    signing_certificate: str | None = None
    """PEM. With ``signature``: the station checks before it installs."""
    signature: str | None = None
    """Base64, of the file."""


class UploadLog(Operation, frozen=True, kw_only=True):
    """Makes the station upload a log. How it goes follows as ``LogStatusReported``."""

    request_id: int
    log: LogKind
    url: str
    """Holds a secret: never to be logged."""
    retries: int | None = None
    retry_interval: int | None = None
    """Seconds."""
    oldest: datetime | None = None
    latest: datetime | None = None


class SendCertificate(Operation, frozen=True, kw_only=True):
    """Gives the station the certificate that it requested (CertificateSigned)."""

    chain: str
    """PEM: its own first, then those above it."""
    is_for_contracts: bool = False
    """As in ``CertificateRequested``."""
    request_id: int | None = None
    """Likewise."""


class ChangeDynamicLimit(Operation, frozen=True, kw_only=True):
    """Moves the limit of a dynamic profile (OCPP 2.1)."""

    profile_id: int
    limit: Decimal
    """In the profile's unit; never to be exceeded."""


class UsePriorityCharging(Operation, frozen=True, kw_only=True):
    """Lets a charge have all that the station can give, or no more (OCPP 2.1)."""

    transaction_id: str
    is_active: bool


class ReportProfiles(Operation, frozen=True, kw_only=True):
    """Makes the station report its charging profiles (OCPP 2.x): they follow as ``StationReported``."""

    request_id: int
    connector_id: int | None = None
    purpose: ProfilePurpose | None = None


class CheckTransaction(Operation, frozen=True, kw_only=True):
    """Asks whether a charge goes on, and whether the station still has something to tell (OCPP 2.x)."""

    transaction_id: str | None = None
    """Absent: whether it has anything to tell of any charge."""


class UpdateCost(Operation, frozen=True, kw_only=True):
    """Tells the driver, by the station's display, what a charge costs so far, or has cost (OCPP 2.x)."""

    transaction_id: str
    total_cost: Decimal
    """With taxes, in the currency that the station is set to."""


class SetTariff(Operation, frozen=True, kw_only=True):
    """Gives a station the tariff to show and reckon by (OCPP 2.1): of a charge that runs, or of all to come. The bill
    is not made from what it reckons."""

    tariff: StationTariff
    connector_id: int | None = None
    """Its EVSE; absent: all of them."""
    transaction_id: str | None = None
    """Of this charge only."""


class ReportTariffs(Operation, frozen=True, kw_only=True):
    """Asks which tariffs a station has (OCPP 2.1)."""

    connector_id: int | None = None


class ClearTariffs(Operation, frozen=True, kw_only=True):
    """Takes tariffs away (OCPP 2.1): those that fit all that is said."""

    tariff_ids: tuple[str, ...] = ()
    connector_id: int | None = None


class ShowText(Operation, frozen=True, kw_only=True):
    """Shows a text on the station's display (OCPP 2.x). The same id again replaces."""

    text_id: int
    text: str
    priority: DisplayPriority = DisplayPriority.NORMAL_CYCLE
    language: str | None = None
    """RFC 5646, such as ``de``."""
    transaction_id: str | None = None
    """While this charge runs."""
    starts_at: datetime | None = None
    ends_at: datetime | None = None


class ClearText(Operation, frozen=True, kw_only=True):
    """Takes that away."""

    text_id: int


class ReportTexts(Operation, frozen=True, kw_only=True):
    """Makes the station report what it shows (OCPP 2.x): it follows as ``StationReported``."""

    request_id: int


class ReportCustomer(Operation, frozen=True, kw_only=True):
    """Makes the station report what it keeps about a driver, or forget it (OCPP 2.x); the report follows as
    ``StationReported``."""

    request_id: int
    token_uid: str
    is_reported: bool = True
    is_cleared: bool = False


class SetMonitor(Operation, frozen=True, kw_only=True):
    """Makes the station tell of a variable by itself (OCPP 2.x): it follows as ``StationReported``."""

    variable: str
    """``Component.Variable``, as in GET_CONFIGURATION."""
    monitor: MonitorKind
    value: Decimal
    """The threshold, the change, or the seconds."""
    severity: int = 9
    """0 (danger) to 9 (debug) (OCPP 2.0.1 part 2, N04)."""
    monitor_id: int | None = None
    """Of one that is replaced."""


class ClearMonitors(Operation, frozen=True, kw_only=True):
    """Takes monitors away (OCPP 2.x)."""

    monitor_ids: tuple[int, ...]


class ReportMonitors(Operation, frozen=True, kw_only=True):
    """Makes the station report its monitors (OCPP 2.x): they follow as ``StationReported``."""

    request_id: int
    variables: tuple[str, ...] = ()
    """As in SET_MONITOR; none: all."""


class RaiseSecurityProfile(Operation, frozen=True, kw_only=True):
    """Has the station come with a higher OCPP security profile. It is taken with the old one until it has come."""

    profile: int
    """1 to 3."""
    url: str | None = None
    """Where it then comes, without its identity. OCPP 2.x needs it, 1.6 has no word for it."""
    slot: int | None = None
    """Number of the network profile to write (2.x). Absent: the lowest that the station does not use."""
    interface: str | None = None
    """The station's line, such as ``Wireless0`` (2.x). Absent: Wired0 in 2.0.1, Any in 2.1."""


class TransferData(Operation, frozen=True, kw_only=True):
    """Says something that only this make of station understands."""

    vendor_id: str
    message_id: str | None = None
    data: str | None = None


class CallRaw(Operation, frozen=True, kw_only=True):
    """Sends a request as it stands, if its schema allows it: for what no other verb can say."""

    action: str
    payload: str
    """JSON."""


AnyOperation = (
    Reset
    | ChangeAvailability
    | Trigger
    | ClearCache
    | GetConfiguration
    | SetConfiguration
    | GetLocalListVersion
    | SendLocalList
    | SetChargingProfile
    | ClearChargingProfiles
    | GetCompositeSchedule
    | UpdateFirmware
    | UploadLog
    | SendCertificate
    | ChangeDynamicLimit
    | UsePriorityCharging
    | ReportProfiles
    | CheckTransaction
    | UpdateCost
    | SetTariff
    | ReportTariffs
    | ClearTariffs
    | ShowText
    | ClearText
    | ReportTexts
    | ReportCustomer
    | SetMonitor
    | ClearMonitors
    | ReportMonitors
    | ReportComponents
    | SetMonitoringBase
    | SetMonitoringLevel
    | ReportStreams
    | AdjustStream
    | PublishFirmware
    | UnpublishFirmware
    | ExpectPayment
    | InstallCertificate
    | GetInstalledCertificates
    | DeleteCertificate
    | RaiseSecurityProfile
    | TransferData
    | CallRaw
)


class ConfigurationValue(msgspec.Struct, frozen=True, kw_only=True):
    """A setting as it is."""

    key: str
    value: str | None = None
    """Absent: the station keeps it to itself."""
    is_readonly: bool = False


class ConfigurationTold(Told, frozen=True, kw_only=True):
    """Of GET_CONFIGURATION and REPORT_COMPONENTS."""

    values: tuple[ConfigurationValue, ...] = ()
    unknown_keys: tuple[str, ...] = ()


class ConfigurationResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one entry."""

    key: str
    outcome: OperationOutcome
    detail: str | None = None


class ConfigurationChanged(Told, frozen=True, kw_only=True):
    """Of SET_CONFIGURATION, in its order; entries after one that could not be sent are missing."""

    results: tuple[ConfigurationResult, ...]


class LocalListVersionTold(Told, frozen=True, kw_only=True):
    """Of GET_LOCAL_LIST_VERSION, and of SEND_LOCAL_LIST where its version did not fit."""

    version: int
    """0: the list is empty; -1: the station has none."""


class ScheduleTold(Told, frozen=True, kw_only=True):
    """Of GET_COMPOSITE_SCHEDULE."""

    schedule: ChargingSchedule


class LogTold(Told, frozen=True, kw_only=True):
    """Of UPLOAD_LOG."""

    file_name: str | None = None
    """Absent: there is nothing to upload."""


class DataTold(Told, frozen=True, kw_only=True):
    """Of TRANSFER_DATA."""

    data: str | None = None


class TransactionTold(Told, frozen=True, kw_only=True):
    """Of CHECK_TRANSACTION."""

    is_running: bool | None = None
    """Absent: not asked, or not known."""
    has_more: bool
    """Messages about it wait to be sent."""


class RawTold(Told, frozen=True, kw_only=True):
    """Of CALL_RAW, and of REPORT_TARIFFS, CLEAR_TARIFFS, SET_MONITOR, CLEAR_MONITORS and REPORT_STREAMS: the station's
    answer."""

    payload: str
    """JSON, cut to 65,536 characters."""


AnyTold = (
    ConfigurationTold
    | ConfigurationChanged
    | LocalListVersionTold
    | ScheduleTold
    | LogTold
    | TransactionTold
    | CertificatesTold
    | DataTold
    | RawTold
)


class OperationRequested(Message, frozen=True, kw_only=True):
    """The operator wants something of a station. Carried out once per ``operation_id``, never after ``deadline``."""

    operation_id: str
    instance: str
    """The adapter instance that owned the station's connection when this was written."""
    epoch: int
    network: str
    station_id: str
    deadline: datetime
    operation: AnyOperation


class OperationAnswered(Message, frozen=True, kw_only=True):
    """What came of it. Subject: ``network/station_id``, in order with the station's other facts."""

    operation_id: str
    network: str
    station_id: str
    outcome: OperationOutcome
    detail: str | None = None
    """The station's own word, or what went wrong."""
    told: AnyTold | None = None

"""Network-neutral words. Adapters translate their protocol into them, the service translates them into OCPI.

A foreign value that has no word here becomes ``UNKNOWN`` or ``OTHER`` and is kept as text beside it:
never success, never an error.
"""

from enum import StrEnum


class ConnectorStatus(StrEnum):
    """What a connector (or, for connector 0, the whole station) says of itself.

    The words are those of OCPP 1.6 section 7.7, the finest of the field: what a coarser protocol cannot
    tell apart it maps to the nearest of them.
    """

    AVAILABLE = "AVAILABLE"
    PREPARING = "PREPARING"
    CHARGING = "CHARGING"
    SUSPENDED_EV = "SUSPENDED_EV"
    SUSPENDED_EVSE = "SUSPENDED_EVSE"
    FINISHING = "FINISHING"
    RESERVED = "RESERVED"
    UNAVAILABLE = "UNAVAILABLE"
    FAULTED = "FAULTED"
    UNKNOWN = "UNKNOWN"


class StopReason(StrEnum):
    """Why a transaction ended. Shown to people; never priced by, since stations are not reliable here."""

    DRIVER = "DRIVER"
    REMOTE = "REMOTE"
    CAR_GONE = "CAR_GONE"
    NOT_ALLOWED = "NOT_ALLOWED"
    LIMIT = "LIMIT"
    FAULT = "FAULT"
    RESTART = "RESTART"
    RULE = "RULE"
    """Closed by a rule of ours because the station never said so."""
    OTHER = "OTHER"


class Measurand(StrEnum):
    """What a meter value measures. Units are fixed: Wh, W, A, V, percent, degrees Celsius."""

    ENERGY_REGISTER = "ENERGY_REGISTER"
    """Import register in Wh: a counter, only differences mean anything."""
    ENERGY_EXPORT_REGISTER = "ENERGY_EXPORT_REGISTER"
    ENERGY_INTERVAL = "ENERGY_INTERVAL"
    """Wh imported since the previous sample."""
    POWER = "POWER"
    POWER_OFFERED = "POWER_OFFERED"
    CURRENT = "CURRENT"
    CURRENT_OFFERED = "CURRENT_OFFERED"
    VOLTAGE = "VOLTAGE"
    STATE_OF_CHARGE = "STATE_OF_CHARGE"
    TEMPERATURE = "TEMPERATURE"
    OTHER = "OTHER"


class ReadingContext(StrEnum):
    """When in a transaction a meter value was taken (OCPP 1.6 section 7.32)."""

    BEGIN = "BEGIN"
    END = "END"
    PERIODIC = "PERIODIC"
    CLOCK = "CLOCK"
    INTERRUPTION = "INTERRUPTION"
    TRIGGER = "TRIGGER"
    OTHER = "OTHER"


class AuthorizationStatus(StrEnum):
    """May this token charge here, now? (OCPI 2.2.1 tokens, AllowedType, plus the unknown token.)"""

    ACCEPTED = "ACCEPTED"
    BLOCKED = "BLOCKED"
    EXPIRED = "EXPIRED"
    NO_CREDIT = "NO_CREDIT"
    NOT_ALLOWED = "NOT_ALLOWED"
    """A valid token in the wrong place."""
    UNKNOWN_TOKEN = "UNKNOWN_TOKEN"


class AuthorizationBasis(StrEnum):
    """What an authorisation rests on; decides the ``auth_method`` of session and CDR."""

    WHITELIST = "WHITELIST"
    """The stored token allowed the decision without asking."""
    REAL_TIME = "REAL_TIME"
    """The token's owner was asked and answered."""
    COMMAND = "COMMAND"
    """A remote start of the token's owner."""
    OFFLINE_POLICY = "OFFLINE_POLICY"
    """The owner did not answer in time; the whitelist policy of the token decided."""
    OPERATOR = "OPERATOR"
    """The central system of the station's operator decided: a station that goes through to it."""


class WhitelistPolicy(StrEnum):
    """OCPI 2.2.1 tokens section 4.5 (WhitelistType)."""

    ALWAYS = "ALWAYS"
    ALLOWED = "ALLOWED"
    ALLOWED_OFFLINE = "ALLOWED_OFFLINE"
    NEVER = "NEVER"


class CommandName(StrEnum):
    """What the service can ask a station to do."""

    START_CHARGING = "START_CHARGING"
    STOP_CHARGING = "STOP_CHARGING"
    UNLOCK_CONNECTOR = "UNLOCK_CONNECTOR"
    RESERVE = "RESERVE"
    CANCEL_RESERVATION = "CANCEL_RESERVATION"
    SET_CHARGING_PROFILE = "SET_CHARGING_PROFILE"
    """Limits one transaction."""
    CLEAR_CHARGING_PROFILE = "CLEAR_CHARGING_PROFILE"
    """Takes back what SET_CHARGING_PROFILE set for a transaction."""
    GET_COMPOSITE_SCHEDULE = "GET_COMPOSITE_SCHEDULE"
    """Asks which limits hold where a transaction runs, all told."""


class ChargingRateUnit(StrEnum):
    """What a limit is measured in (OCPI 2.2.1 and OCPP 1.6, both alike)."""

    W = "W"
    """In total."""
    A = "A"
    """Per phase."""


class CommandOutcome(StrEnum):
    """What came of a command. ``ACCEPTED`` means that the station took it, no more."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    OCCUPIED = "OCCUPIED"
    INOPERATIVE = "INOPERATIVE"
    FAILED = "FAILED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    UNKNOWN_RESERVATION = "UNKNOWN_RESERVATION"
    UNKNOWN_TRANSACTION = "UNKNOWN_TRANSACTION"
    UNKNOWN_PROFILE = "UNKNOWN_PROFILE"
    """There was nothing to clear."""
    OFFLINE = "OFFLINE"
    """The station is not connected to the addressed instance (any more)."""
    TIMEOUT = "TIMEOUT"


class OperationOutcome(StrEnum):
    """What came of an operator's request. ``ACCEPTED`` means that the station took it, no more."""

    ACCEPTED = "ACCEPTED"
    SCHEDULED = "SCHEDULED"
    """It will, when the charge that runs has ended."""
    REBOOT_REQUIRED = "REBOOT_REQUIRED"
    """Taken, and in force after the next restart."""
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    """The station has no such setting, profile, vendor or message."""
    VERSION_MISMATCH = "VERSION_MISMATCH"
    """Its list of tokens is of another version than the change was made for."""
    NOT_SUPPORTED = "NOT_SUPPORTED"
    FAILED = "FAILED"
    OFFLINE = "OFFLINE"
    """The station is not connected to the addressed instance (any more)."""
    TIMEOUT = "TIMEOUT"


class TriggeredMessage(StrEnum):
    """What a station can be made to say."""

    BOOT = "BOOT"
    STATUS = "STATUS"
    HEARTBEAT = "HEARTBEAT"
    METER_VALUES = "METER_VALUES"
    TRANSACTION = "TRANSACTION"
    """How the charge goes that runs; OCPP 1.6 has meter values only."""
    FIRMWARE_STATUS = "FIRMWARE_STATUS"
    LOG_STATUS = "LOG_STATUS"
    CERTIFICATE_REQUEST = "CERTIFICATE_REQUEST"


class CertificatePurpose(StrEnum):
    """What a station checks with a certificate that is installed there (OCPP 2.1 InstallCertificateUseEnumType and
    GetCertificateIdUseEnumType; OCPP 1.6 has the first two)."""

    CENTRAL_SYSTEM = "CENTRAL_SYSTEM"
    """That we are we: the root of our server's certificate."""
    MANUFACTURER = "MANUFACTURER"
    """That firmware is its maker's."""
    V2G = "V2G"
    """The root of ISO 15118's certificates."""
    CONTRACTS = "CONTRACTS"
    """The root of drivers' contract certificates (MO)."""
    VEHICLES = "VEHICLES"
    """The root of vehicles' certificates (OEM); OCPP 2.1."""
    V2G_CHAIN = "V2G_CHAIN"
    """The station's own for ISO 15118, and those above it: listed only."""


class TokenChoice(StrEnum):
    """What a station does with a token on its local list."""

    ACCEPTED = "ACCEPTED"
    BLOCKED = "BLOCKED"
    EXPIRED = "EXPIRED"
    INVALID = "INVALID"
    REMOVE = "REMOVE"
    """Not on the list any more."""


class ProfilePurpose(StrEnum):
    """What a charging profile limits (OCPP 1.6 section 7.10; 2.0.1 ChargingProfilePurposeEnumType)."""

    STATION_MAX = "STATION_MAX"
    """The station as a whole."""
    TRANSACTION_DEFAULT = "TRANSACTION_DEFAULT"
    """Charges that have no profile of their own."""
    TRANSACTION = "TRANSACTION"


class DisplayPriority(StrEnum):
    """How insistently a station shows a text (OCPP 2.0.1 MessagePriorityEnumType)."""

    ALWAYS_FRONT = "ALWAYS_FRONT"
    """And no other."""
    IN_FRONT = "IN_FRONT"
    NORMAL_CYCLE = "NORMAL_CYCLE"
    """In turn with others."""


class MonitorKind(StrEnum):
    """When a monitor of a variable tells (OCPP 2.0.1 MonitorEnumType)."""

    UPPER_THRESHOLD = "UPPER_THRESHOLD"
    LOWER_THRESHOLD = "LOWER_THRESHOLD"
    DELTA = "DELTA"
    """When it has changed by so much."""
    PERIODIC = "PERIODIC"
    """Every so many seconds, as the next one."""
    PERIODIC_CLOCK_ALIGNED = "PERIODIC_CLOCK_ALIGNED"


class MonitoringBase(StrEnum):
    """Which monitors are in force (OCPP 2.0.1 MonitoringBaseEnumType)."""

    ALL = "ALL"
    FACTORY_DEFAULT = "FACTORY_DEFAULT"
    HARD_WIRED_ONLY = "HARD_WIRED_ONLY"


class ComponentCriterion(StrEnum):
    """What a component is like (OCPP 2.0.1 ComponentCriterionEnumType)."""

    ACTIVE = "ACTIVE"
    AVAILABLE = "AVAILABLE"
    ENABLED = "ENABLED"
    PROBLEM = "PROBLEM"
    """It tells that something is wrong with it."""


class TariffPriceKind(StrEnum):
    """What a price is for (OCPP 2.1 TariffType)."""

    ENERGY = "ENERGY"
    """Per kWh."""
    CHARGING_TIME = "CHARGING_TIME"
    """Per minute, as the next two."""
    IDLE_TIME = "IDLE_TIME"
    RESERVATION_TIME = "RESERVATION_TIME"
    FIXED_FEE = "FIXED_FEE"
    """Once, as the next."""
    RESERVATION_FIXED = "RESERVATION_FIXED"


class Recurrence(StrEnum):
    """How often a schedule begins again."""

    DAILY = "DAILY"
    WEEKLY = "WEEKLY"


class LogKind(StrEnum):
    """Which log is uploaded."""

    DIAGNOSTICS = "DIAGNOSTICS"
    SECURITY = "SECURITY"


class FirmwareStatus(StrEnum):
    """How an update goes (the words of OCPP 2.0.1 FirmwareStatusEnumType, which has those of 1.6)."""

    IDLE = "IDLE"
    DOWNLOAD_SCHEDULED = "DOWNLOAD_SCHEDULED"
    DOWNLOADING = "DOWNLOADING"
    DOWNLOAD_PAUSED = "DOWNLOAD_PAUSED"
    DOWNLOADED = "DOWNLOADED"
    DOWNLOAD_FAILED = "DOWNLOAD_FAILED"
    SIGNATURE_VERIFIED = "SIGNATURE_VERIFIED"
    INVALID_SIGNATURE = "INVALID_SIGNATURE"
    INSTALL_SCHEDULED = "INSTALL_SCHEDULED"
    INSTALLING = "INSTALLING"
    INSTALL_REBOOTING = "INSTALL_REBOOTING"
    INSTALLED = "INSTALLED"
    INSTALL_FAILED = "INSTALL_FAILED"
    INSTALL_VERIFICATION_FAILED = "INSTALL_VERIFICATION_FAILED"
    INVALID_CERTIFICATE = "INVALID_CERTIFICATE"
    REVOKED_CERTIFICATE = "REVOKED_CERTIFICATE"
    OTHER = "OTHER"


class LogStatus(StrEnum):
    """How an upload goes (OCPP 2.0.1 UploadLogStatusEnumType, which has the words of 1.6)."""

    IDLE = "IDLE"
    UPLOADING = "UPLOADING"
    UPLOADED = "UPLOADED"
    UPLOAD_FAILED = "UPLOAD_FAILED"
    BAD_MESSAGE = "BAD_MESSAGE"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    CANCELED = "CANCELED"
    OTHER = "OTHER"

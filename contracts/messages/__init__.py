"""All messages, one file per subject. Facts are in the past tense, commands say what is wanted.

Fields may be added with a default; anything else is a new class with a higher ``VERSION``, published beside
the old one for a release (``contracts/export.py --check`` refuses the rest).
"""

from contracts.messages.authorization import (
    AuthorizationDecided,
    AuthorizationRequested,
    OperatorAgreementsChanged,
    TokenChanged,
    TokenOwner,
    token_subject,
)
from contracts.messages.billing import (
    CdrAccepted,
    CdrCredited,
    CdrDisputed,
    DisputeClosed,
    Due,
    InvoiceIssued,
    StatementClosed,
    StatementReopened,
)
from contracts.messages.charging_profile import ChargingLimit, ChargingSchedule
from contracts.messages.command import CommandAnswered, CommandRequested
from contracts.messages.connector import ConnectorStatusChanged
from contracts.messages.message import Message
from contracts.messages.metering import MeterSample, MeterValue, MeterValuesTaken, SignedReading
from contracts.messages.operation import OperationAnswered, OperationRequested
from contracts.messages.report import StationReported
from contracts.messages.roaming import CdrIssued, ReservationExpired, SessionEnded, SessionOpened
from contracts.messages.station import (
    StationAccountChanged,
    StationBooted,
    StationConnected,
    StationDeviationsCounted,
    StationDisconnected,
    StationFaultReported,
    StationFramesMissed,
    StationMessageRejected,
)
from contracts.messages.transaction import TransactionEnded, TransactionStarted, TransactionUpdated
from contracts.messages.upkeep import (
    CertificateRequested,
    FirmwareStatusReported,
    LogStatusReported,
    SecurityEventReported,
    VendorDataReceived,
)
from contracts.messages.wire import FramesSeen, WireFrame

MESSAGES: tuple[type[Message], ...] = (
    StationConnected,
    StationDeviationsCounted,
    StationDisconnected,
    StationBooted,
    StationFaultReported,
    StationMessageRejected,
    StationFramesMissed,
    StationReported,
    StationAccountChanged,
    ConnectorStatusChanged,
    TransactionStarted,
    TransactionUpdated,
    TransactionEnded,
    MeterValuesTaken,
    AuthorizationRequested,
    AuthorizationDecided,
    TokenChanged,
    OperatorAgreementsChanged,
    CommandRequested,
    CommandAnswered,
    OperationRequested,
    OperationAnswered,
    FirmwareStatusReported,
    LogStatusReported,
    SecurityEventReported,
    VendorDataReceived,
    CertificateRequested,
    SessionOpened,
    SessionEnded,
    CdrIssued,
    CdrAccepted,
    CdrDisputed,
    DisputeClosed,
    CdrCredited,
    StatementClosed,
    StatementReopened,
    InvoiceIssued,
    ReservationExpired,
    FramesSeen,
)

__all__ = [
    "MESSAGES",
    "AuthorizationDecided",
    "AuthorizationRequested",
    "CdrAccepted",
    "CdrCredited",
    "CdrDisputed",
    "CdrIssued",
    "CertificateRequested",
    "ChargingLimit",
    "ChargingSchedule",
    "CommandAnswered",
    "CommandRequested",
    "ConnectorStatusChanged",
    "DisputeClosed",
    "Due",
    "FirmwareStatusReported",
    "FramesSeen",
    "InvoiceIssued",
    "LogStatusReported",
    "Message",
    "MeterSample",
    "MeterValue",
    "MeterValuesTaken",
    "OperationAnswered",
    "OperationRequested",
    "OperatorAgreementsChanged",
    "ReservationExpired",
    "SecurityEventReported",
    "SessionEnded",
    "SessionOpened",
    "SignedReading",
    "StatementClosed",
    "StatementReopened",
    "StationAccountChanged",
    "StationBooted",
    "StationConnected",
    "StationDeviationsCounted",
    "StationDisconnected",
    "StationFaultReported",
    "StationFramesMissed",
    "StationMessageRejected",
    "StationReported",
    "TokenChanged",
    "TokenOwner",
    "TransactionEnded",
    "TransactionStarted",
    "TransactionUpdated",
    "VendorDataReceived",
    "WireFrame",
    "token_subject",
]

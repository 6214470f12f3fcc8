"""The table of topics: what travels where, by whom, for whom, for how long."""

from dataclasses import dataclass
from datetime import timedelta

from contracts.messages import (
    AuthorizationDecided,
    AuthorizationRequested,
    CdrAccepted,
    CdrCredited,
    CdrDisputed,
    CdrIssued,
    CertificateRequested,
    CommandAnswered,
    CommandRequested,
    ConnectorStatusChanged,
    DisputeClosed,
    FirmwareStatusReported,
    FramesSeen,
    InvoiceIssued,
    LogStatusReported,
    Message,
    MeterValuesTaken,
    OperationAnswered,
    OperationRequested,
    OperatorAgreementsChanged,
    ReservationExpired,
    SecurityEventReported,
    SessionEnded,
    SessionOpened,
    StatementClosed,
    StatementReopened,
    StationAccountChanged,
    StationBooted,
    StationConnected,
    StationDeviationsCounted,
    StationDisconnected,
    StationFaultReported,
    StationFramesMissed,
    StationMessageRejected,
    StationReported,
    TokenChanged,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
    VendorDataReceived,
)


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One topic. Envelopes are keyed by their ``subject``, so one subject's messages stay in order."""

    name: str
    messages: tuple[type[Message], ...]
    writer: str
    readers: tuple[str, ...]
    retention: timedelta | None
    """None: kept for ever (compacted)."""
    is_compacted: bool = False
    partitions: int = 12


EVENTS = Topic(
    name="charging.events",
    messages=(
        StationConnected,
        StationDisconnected,
        StationBooted,
        StationFaultReported,
        StationMessageRejected,
        StationFramesMissed,
        StationDeviationsCounted,
        StationReported,
        ConnectorStatusChanged,
        TransactionStarted,
        TransactionUpdated,
        TransactionEnded,
        CommandAnswered,
        OperationAnswered,
        FirmwareStatusReported,
        LogStatusReported,
        SecurityEventReported,
        VendorDataReceived,
        CertificateRequested,
    ),
    writer="adapters",
    readers=("stations", "locations", "sessions", "commands", "operations", "watching"),
    retention=timedelta(days=7),
)
METER = Topic(
    name="charging.meter",
    messages=(MeterValuesTaken,),
    writer="adapters",
    readers=("sessions", "meters"),
    retention=EVENTS.retention,
)
COMMANDS = Topic(
    name="charging.commands",
    messages=(CommandRequested, OperationRequested),
    writer="service",
    readers=("the addressed adapter instance",),
    retention=timedelta(hours=1),
)
AUTHORIZATIONS = Topic(
    name="charging.authorizations",
    messages=(AuthorizationRequested, AuthorizationDecided),
    writer="adapters ask, the service answers",
    readers=("tokens", "adapters"),
    retention=timedelta(hours=1),
)
TOKENS = Topic(
    name="charging.tokens",
    messages=(TokenChanged, OperatorAgreementsChanged),
    writer="service",
    readers=("adapters",),
    retention=None,
    is_compacted=True,
)
STATIONS = Topic(
    name="charging.stations",
    messages=(StationAccountChanged,),
    writer="service",
    readers=("adapters",),
    retention=None,
    is_compacted=True,
)
CHANGES = Topic(
    name="roaming.changes",
    messages=(SessionOpened, SessionEnded, ReservationExpired, CdrIssued),
    writer="service",
    readers=("cdrs", "commands"),
    retention=timedelta(days=7),
)
BILLING = Topic(
    name="roaming.billing",
    messages=(
        CdrAccepted,
        CdrDisputed,
        DisputeClosed,
        CdrCredited,
        StatementClosed,
        StatementReopened,
        InvoiceIssued,
    ),
    writer="service",
    readers=("ERP systems of whoever runs the hub",),
    retention=timedelta(days=30),
    partitions=6,
)

WIRE = Topic(
    name="charging.wire",
    messages=(FramesSeen,),
    writer="adapters",
    readers=("wire",),
    retention=timedelta(hours=1),
)

TOPICS: tuple[Topic, ...] = (EVENTS, METER, COMMANDS, AUTHORIZATIONS, TOKENS, STATIONS, CHANGES, BILLING, WIRE)

TOPIC_OF: dict[type[Message], Topic] = {message: topic for topic in TOPICS for message in topic.messages}
"""Every message has one topic."""

TOPIC_BY_NAME: dict[str, Topic] = {topic.name: topic for topic in TOPICS}

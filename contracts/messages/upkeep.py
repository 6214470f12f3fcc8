"""What stations say unasked of their upkeep: firmware, logs, security. Subject: ``network/station_id``."""

from datetime import datetime

from contracts.messages.message import Message
from contracts.vocabulary import FirmwareStatus, LogStatus


class FirmwareStatusReported(Message, frozen=True, kw_only=True):
    """How an update goes."""

    network: str
    station_id: str
    status: FirmwareStatus
    word: str
    """The station's own."""
    request_id: int | None = None
    """Of ``UpdateFirmware``, where the station names it."""


class LogStatusReported(Message, frozen=True, kw_only=True):
    """How an upload goes."""

    network: str
    station_id: str
    status: LogStatus
    word: str
    """The station's own."""
    request_id: int | None = None
    """Of ``UploadLog``, where the station names it."""


class SecurityEventReported(Message, frozen=True, kw_only=True):
    """Something that touches the station's security."""

    network: str
    station_id: str
    event: str
    """The station's word, such as ``InvalidFirmwareSignature`` (OCPP 1.6 security white paper, appendix; OCPP 2.0.1
    part 2, appendix 1); or the adapter's: ``SecurityProfileTooLow`` and ``RevokedCertificate`` of a station that it
    has refused, ``PasswordGuessing`` and ``TokenGuessing`` where too many were wrong, ``ConnectionsReplaceEachOther``
    where two devices come by one identity."""
    at: datetime
    info: str | None = None


class VendorDataReceived(Message, frozen=True, kw_only=True):
    """A station said what only its make understands. It was answered that nobody here does."""

    network: str
    station_id: str
    vendor_id: str
    message_id: str | None = None
    data: str | None = None
    """As it came, cut to 16,384 characters."""


class CertificateRequested(Message, frozen=True, kw_only=True):
    """A station wants a certificate for its own key."""

    network: str
    station_id: str
    signing_request: str
    """PEM (PKCS #10), as it came, cut to 16,384 characters."""
    is_for_contracts: bool = False
    """True: for ISO 15118, not for its line to us."""
    request_id: int | None = None
    """The station's number of it (OCPP 2.1)."""
    objection: str | None = None
    """Why it was refused. Absent: the station was told to wait for its certificate."""

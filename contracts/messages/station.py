"""Facts about a charging station as a whole, and the account it connects with. Subject: ``network/station_id``."""

from datetime import datetime

import msgspec

from contracts.messages.message import Message


class ShownCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """The client certificate that a station has proven itself with (security profile 3)."""

    fingerprint: str
    """SHA-256 of its octets (DER), in small hexadecimal digits."""
    serial_number: str
    """In hexadecimal digits."""
    expires_at: datetime


class StationConnected(Message, frozen=True, kw_only=True):
    """A station authenticated and its connection is owned by ``instance`` from now on."""

    network: str
    station_id: str
    instance: str
    """Name of the adapter process that owns the connection; commands are addressed to it."""
    epoch: int
    """Rises with every connection of this station, anywhere: a higher epoch fences a lower one."""
    protocol: str
    """Such as ``ocpp1.6``."""
    security_profile: int = 0
    """OCPP security profile of this connection, 0 to 3."""
    remote_address: str | None = None
    is_proxied: bool = False
    """It goes through to its operator's own central system, which answers it."""
    is_admitted: bool = True
    """False: nobody has bound this station yet; it waits in the inbox and may not charge."""
    key_digest: str | None = None
    """Keyed digest of the password it presented (``contracts.station_keys``), so that an operator can admit
    it as it stands."""
    certificate: ShownCertificate | None = None
    """With security profile 3."""


class StationDisconnected(Message, frozen=True, kw_only=True):
    """The connection with this epoch is over. Older epochs than the current one mean nothing."""

    network: str
    station_id: str
    instance: str
    epoch: int
    reason: str


class StationBooted(Message, frozen=True, kw_only=True):
    """What a station says it is. Texts are kept whole, also over the protocol's limits."""

    network: str
    station_id: str
    vendor: str
    model: str
    serial_number: str | None = None
    firmware_version: str | None = None
    iccid: str | None = None
    imsi: str | None = None
    meter_type: str | None = None
    meter_serial_number: str | None = None


class StationFaultReported(Message, frozen=True, kw_only=True):
    """An error code other than "no error", whatever the status beside it."""

    network: str
    station_id: str
    connector_id: int
    """0 is the station itself."""
    error_code: str
    info: str | None = None
    vendor_id: str | None = None
    vendor_error_code: str | None = None


class StationMessageRejected(Message, frozen=True, kw_only=True):
    """A station said something about a charge that nobody could read. It was answered, so that it would not say so for
    ever: whether energy has flowed is for a person to find out."""

    network: str
    station_id: str
    kind: str
    """The station's own name of the message, such as ``StopTransaction``."""
    reason: str
    raw: str
    """As it came, bytes that are no UTF-8 as ``\\xff``, cut to 16,384 characters. Holds personal data."""
    number: int
    """How many on this connection so far; of many only the first few and then every thousandth is told."""


class StationFramesMissed(Message, frozen=True, kw_only=True):
    """Frames between a station and its operator's own central system passed and were not read: there was no room for
    copies, or they could not be kept. What the station said of charges in that time may be missing here."""

    network: str
    station_id: str
    frames: int
    began_at: datetime
    """When the first of them passed."""
    ended_at: datetime


class StationDeviationsCounted(Message, frozen=True, kw_only=True):
    """How often a station has strayed from its specification on this connection so far, and was understood all the
    same. Told when a new kind has come up, else now and then, and when the connection ends."""

    network: str
    station_id: str
    epoch: int
    """Of the connection: another one counts from zero."""
    counts: dict[str, int]
    """By kind: see ``contracts.deviations``."""


class StationAccountChanged(Message, frozen=True, kw_only=True):
    """Who may connect as this station (compacted topic: the last one per subject counts)."""

    network: str
    station_id: str
    is_admitted: bool
    """False: its connection is closed and it is a stranger again."""
    key_digest: str | None = None
    """Keyed digest of its password. Absent: no password (security profile 0, trusted networks only)."""
    operator: str | None = None
    """The one CPO (``NL-HUB``) whose locations its connectors are bound to. Absent: none, or several."""
    minimum_profile: int = 0
    """OCPP security profile, 0 to 3, below which it is refused."""
    revoked_certificates: tuple[str, ...] = ()
    """Fingerprints of its certificates that are not taken any more, as in ``ShownCertificate``."""
    next_key_digests: tuple[str, ...] = ()
    """Keyed digests of what it may show once it has taken a password that it was given: taken beside ``key_digest``."""

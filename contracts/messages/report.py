"""What a station reports and the house has no word of its own for. Subject: ``network/station_id``."""

from contracts.messages.message import Message


class StationReported(Message, frozen=True, kw_only=True):
    """A report as it came: device model, monitors, displays, limits that others set, payments at the station."""

    network: str
    station_id: str
    kind: str
    """The protocol's own name of the message, such as ``NotifyReport``."""
    body: str
    """JSON, mended where it broke its schema. Empty: left out, as longer than 65,536 characters, or of a request that
    was declined."""
    connector_id: int | None = None
    """Whom it is about, where it says so; 0 is the station itself."""
    transaction_id: str | None = None

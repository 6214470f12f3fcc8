"""Facts about one connector. Subject: ``network/station_id``, so that order with transactions is kept."""

from contracts.messages.message import Message
from contracts.vocabulary import ConnectorStatus


class ConnectorStatusChanged(Message, frozen=True, kw_only=True):
    """A connector reported its status at the envelope's ``occurred_at``."""

    network: str
    station_id: str
    connector_id: int
    """As the station counts, from 1; 0 is the station itself."""
    status: ConnectorStatus
    info: str | None = None

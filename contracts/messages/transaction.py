"""Facts about one transaction (OCPP's word for one charge). Subject: ``network/station_id``.

A transaction is known by (network, station_id, transaction_id); the id alone means nothing, since stations
may repeat it and may name each other's.
"""

from datetime import datetime
from decimal import Decimal

from contracts.messages.authorization import TokenOwner
from contracts.messages.message import Message
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus, ConnectorStatus, StopReason


class TransactionStarted(Message, frozen=True, kw_only=True):
    """A transaction exists at the station, whether or not its token was accepted."""

    network: str
    station_id: str
    connector_id: int
    transaction_id: str
    token_uid: str
    """The token as its owner spells it (an alias sent to the station is already resolved)."""
    started_at: datetime
    register_wh: Decimal
    """Import register at the start, in Wh."""
    authorization: AuthorizationStatus
    authorization_basis: AuthorizationBasis | None = None
    authorization_reference: str | None = None
    command_id: str | None = None
    """The remote start that led to it, if one did."""
    reservation_id: str | None = None
    token_owner: TokenOwner | None = None
    """Whose token it was that was accepted: the session is theirs. Absent where nobody said."""


class TransactionUpdated(Message, frozen=True, kw_only=True):
    """The charging state of an open transaction changed."""

    network: str
    station_id: str
    connector_id: int
    transaction_id: str
    state: ConnectorStatus
    at: datetime


class TransactionEnded(Message, frozen=True, kw_only=True):
    """A transaction is over. Carries both registers, so that it can be billed without its meter values."""

    network: str
    station_id: str
    transaction_id: str
    """As the station sent it; for 0 and negative ids of OCPP 1.6 see ``is_id_known``."""
    is_id_known: bool = True
    """False: the station never learnt its transaction id; attach to its only open transaction."""
    ended_at: datetime
    register_wh: Decimal
    """Import register at the end, in Wh."""
    register_start_wh: Decimal | None = None
    """Import register at the start, where the adapter knows it."""
    reason: StopReason
    reason_text: str | None = None
    """The station's own word."""
    token_uid: str | None = None

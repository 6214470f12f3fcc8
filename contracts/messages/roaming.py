"""Facts that OCPI modules tell each other through the outbox. Subject: ``country_code/party_id/object id``."""

from datetime import datetime

from contracts.messages.authorization import TokenOwner
from contracts.messages.message import Message


class SessionOpened(Message, frozen=True, kw_only=True):
    """A session exists."""

    country_code: str
    party_id: str
    session_id: str
    token_country_code: str
    token_party_id: str
    token_uid: str
    started_at: datetime
    authorization_reference: str | None = None
    command_id: str | None = None
    network: str | None = None
    station_id: str | None = None
    transaction_id: str | None = None
    """Where it takes place, so that it can be stopped; absent for sessions of partners."""


class SessionEnded(Message, frozen=True, kw_only=True):
    """A session is COMPLETED and will not change: a CDR can be made of it."""

    country_code: str
    party_id: str
    session_id: str
    ended_at: datetime
    is_assumed: bool = False
    """Its station never told the end: the hub closed it with the last that was known."""


class ReservationExpired(Message, frozen=True, kw_only=True):
    """A driver reserved a connector and did not come: the reservation alone may have a price."""

    country_code: str
    party_id: str
    reservation_id: str
    """Of the command that made it, which is no eMSP's own word for it."""
    token_uid: str
    token_owner: TokenOwner
    authorization_reference: str | None = None
    location_id: str
    evse_uid: str
    connector_id: str
    """``Connector.id`` in OCPI."""
    began_at: datetime
    expired_at: datetime


class CdrIssued(Message, frozen=True, kw_only=True):
    """A CDR exists, for good."""

    country_code: str
    party_id: str
    cdr_id: str
    session_id: str | None
    token_country_code: str
    token_party_id: str

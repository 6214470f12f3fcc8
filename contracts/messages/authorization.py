"""Who may charge: questions, answers, and the tokens behind them.

Subject of a question and its answer: ``network/station_id``; of ``TokenChanged``: ``token/UID`` in upper case.
"""

from datetime import datetime

from contracts.messages.message import Message
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus, WhitelistPolicy


class AuthorizationRequested(Message, frozen=True, kw_only=True):
    """A driver waits at a station and the adapter's token cache may not decide."""

    request_id: str
    network: str
    station_id: str
    connector_id: int | None = None
    token_uid: str
    deadline: datetime
    """After this nobody waits for the answer any more."""


class AuthorizationDecided(Message, frozen=True, kw_only=True):
    """The answer to an ``AuthorizationRequested``, by ``request_id``."""

    request_id: str
    network: str
    station_id: str
    token_uid: str
    status: AuthorizationStatus
    basis: AuthorizationBasis
    authorization_reference: str | None = None
    group_id: str | None = None


class TokenChanged(Message, frozen=True, kw_only=True):
    """The latest state of a token, for the adapters' caches (compacted topic: the last one per subject counts)."""

    uid: str
    country_code: str
    party_id: str
    contract_id: str
    is_valid: bool
    whitelist: WhitelistPolicy
    group_id: str | None = None
    last_updated: datetime

"""Who may charge: questions, answers, and the tokens behind them.

Subject of a question and its answer: ``network/station_id``; of ``TokenChanged``: ``token_subject``; of
``OperatorAgreementsChanged``: ``agreements/NL-HUB``.
"""

from datetime import datetime

import msgspec

from contracts.messages.message import Message
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus, WhitelistPolicy


class TokenOwner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose a token is. Its uid alone does not say: two eMSPs may use the same one."""

    country_code: str
    party_id: str
    token_type: str
    """OCPI's TokenType, such as ``RFID``."""
    contract_id: str | None = None

    @property
    def party(self) -> str:
        """The eMSP as agreements name it: ``NL-TNM``, in upper case."""
        return f"{self.country_code}-{self.party_id}".upper()


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
    owner: TokenOwner | None = None
    """Who decided, or whose whitelist did. Goes into ``TransactionStarted``."""


class TokenChanged(Message, frozen=True, kw_only=True):
    """The latest state of a token, for the adapters' caches (compacted topic: the last one per subject counts)."""

    uid: str
    type: str
    """OCPI's TokenType, such as ``RFID``."""
    country_code: str
    party_id: str
    contract_id: str
    is_valid: bool
    whitelist: WhitelistPolicy
    group_id: str | None = None
    last_updated: datetime

    def owner(self) -> TokenOwner:
        """Whose it is."""
        return TokenOwner(
            country_code=self.country_code,
            party_id=self.party_id,
            token_type=self.type,
            contract_id=self.contract_id,
        )


class OperatorAgreementsChanged(Message, frozen=True, kw_only=True):
    """Whose drivers may charge with an operator (compacted topic: the last one per subject counts). An adapter decides
    on a token by itself only where its owner is among them."""

    operator: str
    """``NL-HUB``, as ``StationAccountChanged.operator``."""
    emsps: tuple[str, ...]
    """``NL-TNM``, in upper case and sorted."""


def token_subject(token: TokenChanged) -> str:
    """``token/NL-TNM/RFID/UID`` in upper case: one subject per token of an owner."""
    return "token/" + f"{token.owner().party}/{token.type}/{token.uid}".upper()

"""Parties and the roles they act in (OCPI 2.3.0, credentials)."""

from enum import StrEnum

from roaming.model.canonical import CanonicalObject
from roaming.model.place import BusinessDetails


class Role(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    CPO = "CPO"
    EMSP = "EMSP"
    NAP = "NAP"
    NSP = "NSP"
    OTHER = "OTHER"
    SCSP = "SCSP"


class InterfaceRole(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    SENDER = "SENDER"
    RECEIVER = "RECEIVER"


class CredentialsRole(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 credentials, CredentialsRole."""

    role: str
    business_details: BusinessDetails
    party_id: str
    country_code: str


class Credentials(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 credentials, Credentials."""

    token: str
    url: str
    roles: tuple[CredentialsRole, ...]
    hub_party_id: str | None = None

"""Token and what an eMSP says of it (OCPI 2.3.0, mod_tokens)."""

from datetime import datetime
from enum import StrEnum

from roaming.model.canonical import CanonicalObject
from roaming.model.location import LocationReferences
from roaming.model.text import DisplayText


class AllowedType(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    ALLOWED = "ALLOWED"
    BLOCKED = "BLOCKED"
    EXPIRED = "EXPIRED"
    NO_CREDIT = "NO_CREDIT"
    NOT_ALLOWED = "NOT_ALLOWED"


class TokenType(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    AD_HOC_USER = "AD_HOC_USER"
    APP_USER = "APP_USER"
    EMAID = "EMAID"
    OTHER = "OTHER"
    RFID = "RFID"


class WhitelistType(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    ALWAYS = "ALWAYS"
    ALLOWED = "ALLOWED"
    ALLOWED_OFFLINE = "ALLOWED_OFFLINE"
    NEVER = "NEVER"


class ProfileType(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    CHEAP = "CHEAP"
    FAST = "FAST"
    GREEN = "GREEN"
    REGULAR = "REGULAR"


class EnergyContract(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 tokens, EnergyContract."""

    supplier_name: str
    contract_id: str | None = None


class Token(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 tokens, Token."""

    country_code: str
    party_id: str
    uid: str
    type: str
    contract_id: str
    issuer: str
    valid: bool
    whitelist: str
    last_updated: datetime
    visual_number: str | None = None
    group_id: str | None = None
    language: str | None = None
    default_profile_type: str | None = None
    energy_contract: EnergyContract | None = None


class CdrToken(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 cdrs, CdrToken."""

    country_code: str
    """Of the token's eMSP: where session and CDR go."""
    party_id: str
    uid: str
    type: str
    contract_id: str


class AuthorizationInfo(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 tokens, AuthorizationInfo."""

    allowed: str
    token: Token
    location: LocationReferences | None = None
    authorization_reference: str | None = None
    info: DisplayText | None = None

"""ClientInfo: who can be reached through a hub (OCPI 2.3.0, mod_hub_client_info)."""

from datetime import datetime
from enum import StrEnum

from roaming.model.canonical import CanonicalObject


class ConnectionStatus(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    CONNECTED = "CONNECTED"
    OFFLINE = "OFFLINE"
    PLANNED = "PLANNED"
    SUSPENDED = "SUSPENDED"


class ClientInfo(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 hub client info, ClientInfo."""

    party_id: str
    country_code: str
    role: str
    """One object per role: a party that is CPO and eMSP has two."""
    status: str
    last_updated: datetime

"""Who cannot be reached just now: partners that are silent, and parties behind a hub that it says are away.

(OCPI 2.2.1, status_codes 5.4: 4003; mod_hub_client_info, ConnectionStatus)
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from roaming.hub.passage import Passage, receiver_role
from roaming.model.client_info import ConnectionStatus
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.ocpi.errors import ConnectionProblem
from roaming.ocpi.module import Services
from roaming.partners.presence import offline_partners

KEPT_SECONDS = 1.0
_AWAY = (
    "SELECT source, country_code, party_id, object_id, status FROM hubclientinfo"
    " WHERE source <> '' AND status <> 'CONNECTED'"
)
_SIDES = (Role.CPO, Role.EMSP)


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """As looked up last."""

    offline: frozenset[str] = frozenset()
    away: Mapping[tuple[str, PartyId], Mapping[str, str]] = field(default_factory=dict)
    """By hub and party: its roles with their states."""


class Reach:
    """Belongs to one process; looks once a second at most."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._seen = _Seen()
        self._until = 0.0

    async def check(self, passage: Passage) -> None:
        """Raises ``ConnectionProblem`` for a receiver to whom nothing is sent now."""
        seen = await self._look()
        if passage.partner.id in seen.offline:
            raise ConnectionProblem("the receiver is OFFLINE: GET what you missed when it is CONNECTED again")
        told = seen.away.get((passage.partner.id, passage.to_party), {})
        wanted = receiver_role(passage.module, passage.route)
        for role, status in told.items():
            if role == wanted or (role not in _SIDES and wanted == Role.EMSP):
                raise ConnectionProblem(f"the receiver is {status}, says the hub that it is behind")

    async def is_told_of(self, party: PartyId) -> bool:
        """Whether a hub says that there is such a party, though it cannot be reached."""
        return any(away == party for _, away in (await self._look()).away)

    async def _look(self) -> _Seen:
        if time.monotonic() < self._until:
            return self._seen
        reader = self._services.database.reader
        away: dict[tuple[str, PartyId], dict[str, str]] = {}
        for source, country_code, party_id, role, status in await reader.fetch(_AWAY):
            away.setdefault((source, PartyId(country_code, party_id)), {})[role] = ConnectionStatus(status).value
        self._seen = _Seen(offline=await offline_partners(reader), away=away)
        self._until = time.monotonic() + KEPT_SECONDS
        return self._seen

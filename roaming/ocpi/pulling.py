"""How a module's objects are fetched from partners: what a module folder declares beside its deliveries.

Knows no module and no table; ``roaming.hub.pulling`` does the fetching.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole, Role
from roaming.model.version import Version
from roaming.ocpi.codec import Codec, DecodeContext
from roaming.ocpi.headers import RoutingHeaders
from roaming.ocpi.wire import Wire
from roaming.partners.directory import Directory, Partner
from roaming.store.columns import storable_text
from roaming.store.database import Work
from roaming.store.documents import HERE, Documents, Origin, object_key

EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
"""Before there was any OCPI."""
MAX_KEY = 300
"""Characters; no valid object has a longer one."""


@dataclass(frozen=True, kw_only=True)
class PullPace:
    """How often and how fast partners are asked. Times of day are UTC."""

    is_on: bool = True
    requests_per_second: float = 2.0
    """To one partner."""
    page_size: int = 100
    overlap: timedelta = timedelta(minutes=5)
    """A partner's object may become visible a while after its ``last_updated``."""
    night_hour: int = 1
    night_hours: float = 4.0
    """The window in which the nightly pulls begin, spread over it."""
    full_every: timedelta = timedelta(days=7)
    first_delay: timedelta = timedelta(seconds=10)
    """After a registration, before its first pull; up to twice that."""


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """One object of a page. ``value`` is the canonical object, ``body`` what it was read from."""

    key: str
    value: Any
    body: Any
    origin: Origin = HERE


@dataclass(frozen=True, kw_only=True)
class Pulling:
    """Who is asked, and what is known of everybody at that time."""

    partner: Partner
    directory: Directory
    wire: Wire
    asked_by: PartyId | None = None
    """Our party whose list it is; ``None`` in 2.1.1."""
    asked: PartyId | None = None
    """Whose list it is there; ``None`` in 2.1.1."""


@dataclass(frozen=True, kw_only=True)
class PullRules:
    """How a module's list is pulled and its objects are stored, by the same rules as pushed ones."""

    role: str
    """Who owns such objects: an object of a party that is not the partner's in this role is refused."""
    codecs: Mapping[Version, Codec[Any]]
    documents: Documents
    take: Callable[[Work, Pulling, Incoming], Awaitable[object]]
    """Stores one object, unless the stored one is newer. Raises ``OcpiError`` for what will not be stored; then it
    has written nothing."""
    context: Callable[[AsyncConnection, Pulling, Any], Awaitable[DecodeContext]] | None = None
    """What a 2.1.1 body leaves to its surroundings. Raises ``OcpiError``."""
    drop: Callable[[Work, str, str], Awaitable[bool]] | None = None
    """What it means that a complete list lacks the object with this key from this partner; True when that changed
    anything. ``None``: nothing (sessions, CDRs)."""
    interface: InterfaceRole = InterfaceRole.SENDER
    id_fields: tuple[str, ...] = ("id",)
    """What makes the key, below the owner."""
    since: datetime | None = None
    """From when on a full pull asks where ``date_from`` is required. Partners may keep such a list short."""
    is_per_recipient: bool = False
    """Each of our parties gets another list (sessions, CDRs): all are asked for."""
    is_listed: Callable[[Any], bool] = lambda _value: True
    """Whether an object is in our lists."""
    more_roles: tuple[str, ...] = ()
    """Other roles in which parties own such objects too."""
    path: str = ""
    """Below the module's address, where it has several lists."""
    names_owner: bool = True
    """Objects say whose they are; else they are of the party whose list it is (terminals)."""
    is_for_hosted_only: bool = False
    """What partners' parties send each other of these is not kept here."""

    @property
    def roles(self) -> tuple[str, ...]:
        """All roles in which parties own such objects."""
        return (self.role, *self.more_roles)

    def owner_of(self, value: Any, pulling: Pulling) -> PartyId | None:
        """Whose a canonical object is."""
        return PartyId.of(value.country_code, value.party_id) if self.names_owner else pulling.asked

    def owner_beside(self, pulling: Pulling) -> PartyId | None:
        """Whose an object is that does not say it."""
        return self.sole_owner(pulling.partner) if self.names_owner else pulling.asked

    def key_of(self, value: Any, owner: PartyId) -> str:
        """The key of a canonical object."""
        return object_key(owner, *(str(getattr(value, name)) for name in self.id_fields))

    def key_of_body(self, body: Any, owner: PartyId | None) -> str | None:
        """The key of an object that may be unreadable otherwise; ``None`` when not even that can be read."""
        if not isinstance(body, dict):
            return None
        country_code, party_id = body.get("country_code"), body.get("party_id")
        if self.names_owner and isinstance(country_code, str) and isinstance(party_id, str):
            owner = PartyId.of(country_code, party_id)
        ids = [body.get(name) for name in self.id_fields]
        if owner is None or not all(isinstance(part, str) and part for part in ids):
            return None
        key = object_key(owner, *(str(part) for part in ids))
        return key if len(key) <= MAX_KEY and storable_text(key) == key else None

    def lines(self, directory: Directory, partner: Partner) -> list[RoutingHeaders]:
        """Who asks whom: the lists that together are the partner's, for hosted parties and, unless the list is
        ``is_for_hosted_only``, for those of other partners. None without an agreement, and of a version that does not
        have them."""
        if partner.version not in self.codecs:
            return []
        others = [other for other in directory.partners.values() if other.is_connected and other.id != partner.id]
        found: list[RoutingHeaders] = []
        for role in self.roles:
            opposite = Role.EMSP if role == Role.CPO else Role.CPO
            behind = [party for other in others for party in other.parties(opposite)]
            ours = dict.fromkeys([*directory.hosted_parties(opposite), *([] if self.is_for_hosted_only else behind)])
            for theirs in partner.parties(role):
                agreed = [party for party in ours if _may_exchange(directory, role, theirs, party)]
                wanted = agreed if self.is_per_recipient else agreed[:1]
                found.extend(RoutingHeaders(party, theirs) for party in wanted)
        if partner.version == Version.V2_1_1:
            return [RoutingHeaders()] if found else []
        return list(dict.fromkeys(found))

    def sole_owner(self, partner: Partner) -> PartyId | None:
        """Whose object it is where the body does not say (2.1.1)."""
        parties = partner.parties(*self.roles)
        return parties[0] if len(parties) == 1 else None


def module_of(name: str) -> str:
    """The module that a list belongs to.

    >>> module_of("payments/terminals")
    'payments'
    """
    return name.partition("/")[0]


def _may_exchange(directory: Directory, role: str, theirs: PartyId, ours: PartyId) -> bool:
    if role == Role.CPO:
        return directory.may_exchange(cpo=theirs, emsp=ours)
    return directory.may_exchange(cpo=ours, emsp=theirs)

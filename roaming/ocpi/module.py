"""What a module folder declares, and what its routes and deliveries are given.

``app`` mounts the routes under each version, ``worker`` runs the projections, ``hub.deliver`` sends what changed:
all from this declaration, so that a new module is a folder and nothing else.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from contracts.bus.port import Bus, Subscription
from roaming.model.identifiers import PartyId
from roaming.model.mail_server import MailServer
from roaming.model.party import InterfaceRole, Role
from roaming.model.time import Clock
from roaming.model.version import Version
from roaming.ocpi.codec import EncodeContext, Loss
from roaming.ocpi.content import Content, Parameter
from roaming.ocpi.dialect import Dialect
from roaming.ocpi.headers import RequestIds, RoutingHeaders
from roaming.ocpi.pulling import PullPace, PullRules
from roaming.ocpi.wire import Note, Wire
from roaming.partners.directory import Directory, DirectoryCache, Partner
from roaming.partners.views import NOTHING, View
from roaming.store.consume import Projection
from roaming.store.database import Database, Work
from roaming.store.journal import Journal
from roaming.store.reader import Reader, Row
from roaming.store.trimming import Trimming

if TYPE_CHECKING:
    from roaming.ocpi.client import OcpiClient
    from roaming.ocpi.secrets import Secrets

Read = TypeVar("Read")
_NOTHING_MORE = EncodeContext()
ALL_VERSIONS = (Version.V2_1_1, Version.V2_2_1, Version.V2_3_0)


@dataclass(frozen=True, kw_only=True)
class Services:
    """What every route, projection and delivery may use; made once by the composition root."""

    database: Database
    directory: DirectoryCache
    client: "OcpiClient"
    journal: Journal
    secrets: "Secrets"
    clock: Clock
    public_url: str
    """Where partners reach us, without trailing slash: ``https://hub.example/ocpi``."""
    modules: "tuple[OcpiModule, ...]"
    network: str = "main"
    """The set of stations that is meant where none is said."""
    files_url: str = ""
    """Where stations fetch firmware and lay down logs, without trailing slash and ``/files``."""
    authority_certificate: str = ""
    authority_key: str = ""
    """PEM files of the operator's own authority, which signs stations' certificates. Empty: there is none."""
    certificate_lifetime: int = 365
    """Days."""
    certificate_renewal: int = 30
    """Days before the end at which stations' certificates are renewed; 0: when somebody asks."""
    versions: tuple[Version, ...] = (Version.V2_2_1,)
    """Offered, best last."""
    hub_party: PartyId | None = None
    """The hub itself, for 2.3.0 credentials."""
    authorization_timeout: float = 5.0
    """Seconds until a partner's silence on a real-time authorisation counts as unreachable."""
    command_timeout: float = 30.0
    """Seconds a station has to answer a command."""
    commands_per_minute: int = 600
    """Of one party, in this process; 0: no limit."""
    unknown_tokens_per_minute: int = 600
    """That eMSPs are asked about, of one party, in this process; 0: no limit."""
    is_late_start_stopped: bool = False
    """Whether a charge is stopped that begins after its START_SESSION was told TIMEOUT (ocpi/ocpi#475)."""
    closing_grace: float = 1.0
    """Seconds after a transaction's end in which late meter values still count."""
    settling_grace: float = 600.0
    """Seconds in which a station may still say when a charge ended that the next on its connector has outlived."""
    silent_charge_hours: float = 48.0
    """Hours without a word of a charge, its station gone or its connector free, after which it is closed; 0: never."""
    cdr_grace: float = 600.0
    """Seconds after a session's end in which its CDR must exist; then it is looked for and issued."""
    session_push_interval: float = 60.0
    """Seconds between two updates of a running session to its owner."""
    cost_interval: float = 60.0
    """Seconds between two tellings of its cost so far to a station that shows it; 0: never."""
    offline_grace: float = 900.0
    """Seconds a station may be away before its EVSEs become UNKNOWN."""
    offline_notice: float = 120.0
    """Seconds a station may be away before those who watch are told."""
    mail_server: MailServer | None = None
    """Who takes our e-mail, if anybody."""
    wire_kilobytes: int = 5_000
    """Of frames that stay of one station."""
    wire_megabytes: int = 5_000
    """Of those of all."""
    pulling: PullPace = field(default_factory=PullPace)
    partner_silence: float = 300.0
    """Seconds without a word from a partner until it is asked whether it is there."""


@dataclass(frozen=True, kw_only=True)
class OcpiRequest:
    """An authenticated request. ``path`` holds the decoded path parameters, ``query`` the last value of each key."""

    services: Services
    version: Version
    directory: Directory
    partner: Partner
    is_registration: bool
    """The caller identified with TOKEN_A."""
    presented_token: str
    method: str
    url: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    routing: RoutingHeaders
    ids: RequestIds
    notes: list[Note] = field(default_factory=list)
    """What people should read beside this exchange in the journal."""
    beside: Sequence[Row] = ()
    """What ``Route.beside`` found."""

    def wire(self, owner: PartyId | None = None) -> Wire:
        """Reads and writes bodies of this exchange; ``owner``: whose object comes in."""
        return Wire(
            version=self.version,
            received_at=self.services.clock.now(),
            owner=owner,
            zone=dialect_of(self.partner).zone,
            text=self.body.decode("utf-8", "replace") if self.body else None,
            notes=self.notes,
        )

    def work(self) -> AbstractAsyncContextManager[Work]:
        """A transaction of this request. What partners are told because of it has the correlation id of the request
        (OCPI 2.2.1, transport_and_format 4.4)."""
        return self.services.database.work(correlation_id=self.ids.correlation_id)

    @property
    def from_parties(self) -> tuple[PartyId, ...]:
        """The party named in OCPI-from, or all parties of the caller when it names none."""
        if self.routing.from_party is not None:
            return (self.routing.from_party,)
        return self.partner.parties()


@dataclass(frozen=True, kw_only=True)
class OcpiResponse:
    """What a route answers: ``data`` is JSON text, or ``None`` for no data."""

    data: bytes | None = None
    http_status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    is_enveloped: bool = False
    """``data`` is the whole body already (lists, joined from stored texts; what somebody else answered)."""
    ocpi_status: int = 1000
    """What an enveloped body says."""
    routing: RoutingHeaders | None = None
    """Who asked whom, where the request left that open: the answer carries it swapped."""


class Clue(StrEnum):
    """By what a request without OCPI-to finds its party (OCPI 2.2.1, transport_and_format 4.3.2.3)."""

    DRIVER = "DRIVER"
    """The token in the address: whoever issued it is asked, or all that could have."""
    TOKEN_OWNER = "TOKEN_OWNER"
    """The token quoted in the object."""
    TARGET = "TARGET"
    """The location, session or reservation that is named."""
    COUNTERPART = "COUNTERPART"
    """The object is between two parties and its address says at most one of them: the other one is whoever it passed
    between before, or whom the object names, or the only one under agreement."""


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Committed rows that a route needs whoever asks: read in the statement that finds out who does, one round trip
    to the database instead of two. The route sees to it that the caller may know them."""

    sql: str
    """A SELECT whose first column is never null, with ``$1`` and so on for ``values``."""
    values: Callable[[Mapping[str, str], Mapping[str, str]], tuple[str, ...]]
    """From the decoded path parameters and the query of a request."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """One endpoint. ``path`` is below the module's address: ``/{country_code}/{party_id}/{token_uid}``."""

    method: str
    path: str
    interface: InterfaceRole
    handle: Callable[[OcpiRequest], Awaitable[OcpiResponse]]
    summary: str
    versions: tuple[Version, ...] = ALL_VERSIONS
    is_open_to_registration: bool = False
    """TOKEN_A is good here (versions and credentials only)."""
    takes: Content | None = None
    """The body of a request."""
    gives: Content | None = None
    """The ``data`` of an answer."""
    successes: tuple[int, ...] = (200,)
    """HTTP statuses of a success."""
    parameters: tuple[Parameter, ...] = ()
    """In the query, besides those of pages; or what is known of one in the path."""
    refusals: tuple[int, ...] = ()
    """HTTP statuses of refusals besides those of every route, such as 405 where it depends on the caller."""
    response_headers: tuple[str, ...] = ()
    """On a success, besides those of every answer."""
    result: Content | None = None
    """What follows at the ``response_url`` of the request."""
    clue: Clue | None = None
    """How the hub finds the party where none is named; ``None``: it does not look for one."""
    shown: Callable[[View, Mapping[str, str], Any], Any] | None = None
    """Where rules decide how an object looks: what of a pushed object, or ``Patch``, at this address a partner with
    this view is shown. Asked only for what the view sees."""
    passed_as: str = ""
    """The path as it is passed on, where this one is another way to write it; empty: as it came."""
    if_unknown: Callable[[], Any] | None = None
    """The answer's data where the receiver's version does not have this; raises an ``OcpiError`` instead."""
    beside: Beside | None = None
    """Only for a route that is alone at its address with its method."""


class DeliveryKind(StrEnum):
    """How patient a delivery is."""

    STATE = "STATE"
    """Only the latest version matters: changes coalesce, and a partner that stays away fetches what it missed."""
    RECORD = "RECORD"
    """Every one counts (CDRs, command results): patient, looked up before a repeat where that is possible."""


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """Something changed that partners may have to be told; written in the transaction of the change."""

    module: str
    object_key: str
    owner: PartyId
    part: str = ""
    """A piece of the object with a life of its own, such as an EVSE's uid."""
    order_key: str = ""
    """Deliveries with the same order key reach a partner one after the other; default: the object key."""
    detail: str = ""
    """What ``DeliveryRules.build`` needs beyond the stored object, as JSON."""
    correlation_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """Who is told, on whose behalf."""

    partner_id: str
    to_party: PartyId | None
    from_party: PartyId | None
    is_apart: bool = False
    """Other parties of the same partner are told something else, by themselves."""


@dataclass(frozen=True, kw_only=True)
class PushRequest:
    """One HTTP call that delivers something. ``url`` is complete; ``body`` is JSON."""

    method: str
    url: str
    body: bytes | None
    losses: Sequence[Loss] = ()
    """What the partner's version could not say."""


class Verdict(StrEnum):
    """What an answer means for a delivery."""

    DELIVERED = "DELIVERED"
    RETRY = "RETRY"
    """Not taken now; try again after a growing pause."""
    REPLACE = "REPLACE"
    """The partner lacks what we tried to change: build again with ``is_full``."""
    REFUSED = "REFUSED"
    """The partner will not take it, however often: shown to people."""


def dialect_of(partner: Partner, version: Version | None = None) -> Dialect:
    """What the partner's version (or the one that is being agreed on) makes us assume, corrected by what is known."""
    return Dialect.of_version(str(version or partner.version or "")).with_habits(partner.dialect)


def routing_to(partner: Partner, from_party: PartyId | None, to_party: PartyId | None) -> RoutingHeaders | None:
    """The routing headers of a request to ``partner``: none in 2.1.1."""
    return None if partner.version == Version.V2_1_1 else RoutingHeaders(from_party, to_party)


@dataclass(frozen=True, kw_only=True)
class DeliveryJob:
    """One delivery to one partner, as ``build`` sees it."""

    id: int
    module: str
    object_key: str
    owner: PartyId
    part: str
    detail: str
    partner: Partner
    recipient: Recipient
    attempts: int
    is_full: bool
    """Build the whole object: a smaller change was not understood."""
    view: View = NOTHING
    """What the partner sees of the owner now: a rule may have changed since the delivery was made."""
    context: EncodeContext = _NOTHING_MORE
    """What the partner's version wants beside the object (``DeliveryRules.surroundings``)."""

    @property
    def dialect(self) -> Dialect:
        """The partner's habits."""
        return dialect_of(self.partner)

    def address(self, endpoint: str, *parts: str) -> str:
        """An address below the partner's endpoint, as that partner likes it."""
        return self.dialect.address(endpoint, *parts)


GONE = "gone"
"""Detail of a delivery that tells a partner that it does not see something any more."""


class CopyUnknown(RuntimeError):
    """Whether the partner holds a record could not be found out now: it must not be sent again yet."""


@dataclass(frozen=True, kw_only=True)
class DeliveryRules(Generic[Read]):
    """How a module's changes reach partners. A batch is read at once (``read``); what follows is asked for each change
    and each delivery alone, so that one object that cannot be told does not hold up the others."""

    kind: DeliveryKind
    interface: InterfaceRole
    read: Callable[[Reader, Sequence[str]], Awaitable[Mapping[str, Read]]]
    """What is stored under these object keys now, as far as it exists. Raises ``StoreUnavailable``."""
    audience: Callable[[Outgoing, Read | None, Directory], Sequence[Recipient]]
    """Who may be told by the nature of the object (``None``: it is gone) and by agreement. Required: sending a
    session to every partner would be a leak."""
    build: Callable[[DeliveryJob, Read | None, str], PushRequest | None]
    """The call, from the object as it is now and the partner's endpoint; ``None`` when there is nothing to send."""
    give_up_after: timedelta
    is_evidence: bool = False
    """That the partner took the object, when, and where it keeps it, is known as long as the object is (CDRs); other
    deliveries are forgotten after a while."""
    retell: Callable[[Read, View, View], Sequence[tuple[str, str]]] | None = None
    """Where rules decide who sees an object: what a partner that had the first view of it is told, now that it has the
    second, as (``part``, ``detail``) of deliveries. A detail that begins with ``GONE``: it lost sight of it."""
    retold_at: Callable[[Reader, PartyId, Sequence[str] | None, str, int], Awaitable[Sequence[str]]] | None = None
    """Where rules do not name these objects but the Locations that they are at: the next object keys of an owner at
    Locations of these folded ids (``None``: at any) behind one key, in order, no more than so many. Raises
    ``StoreUnavailable``."""
    surroundings: Callable[[Reader, Mapping[str, Read]], Awaitable[Mapping[str, EncodeContext]]] | None = None
    """For 2.1.1, whose sessions and CDRs quote whole locations: what must be read beside the objects, by object key."""
    find_copy: Callable[[Services, DeliveryJob, str], Awaitable[str | None]] | None = None
    """Asks the partner whether it holds the object already, after an attempt whose answer was lost; its address
    there, or ``None`` when it says that it does not. Raises ``CopyUnknown``."""
    taken: Callable[[Work, Sequence[str]], Awaitable[None]] | None = None
    """What belongs to that partners took the objects under these keys, in the transaction that writes it down."""


@dataclass(frozen=True, kw_only=True)
class OcpiModule:
    """The declaration that ``roaming/modules/<module>/__init__.py`` exports as ``MODULE``."""

    id: str
    is_configuration: bool = False
    """Versions, credentials, hubclientinfo: no routing headers, never routed."""
    is_routed: bool = True
    """Requests may be for a party of another partner. Nothing of a configuration module is."""
    sender_role: Role = Role.CPO
    """Who is on the sender's side; the other one of CPO and eMSP is on the receiver's."""
    sender_words: tuple[str, ...] = ()
    """In which roles parties are there, where that is not ``sender_role``: they stand where it stands in agreements."""
    versions: tuple[Version, ...]
    interfaces: tuple[InterfaceRole, ...]
    routes: tuple[Route, ...]
    projections: Callable[[Services], Sequence[Projection]] = field(default=lambda _services: ())
    delivery: DeliveryRules[Any] | None = None
    pull: PullRules | None = None
    """How partners' lists are fetched; ``None`` where there is nothing to fetch."""
    more_pulls: tuple[PullRules, ...] = ()
    """The same of further lists below the module's address."""
    subscriptions: Callable[[Services, Bus], Sequence[Subscription]] = field(default=lambda _services, _bus: ())
    """Readers of questions with a deadline, which are answered over the bus and not kept (authorisation)."""
    tasks: Callable[[Services], Sequence[Callable[[], Awaitable[Any]]]] = field(default=lambda _services: ())
    """Long-running work of the worker, such as deadlines; each returns only when cancelled."""
    trimmings: Sequence[Trimming] = ()
    """What of its own it need not keep for ever."""
    retell: Callable[[Services], Awaitable[None]] | None = None
    """Puts into the outbox all that its compacted topics hold, for a bus that keeps nothing (decision 0060)."""


def pulled_lists(modules: Sequence[OcpiModule]) -> dict[str, PullRules]:
    """Every list that is fetched from partners, by name: the module's, with the path below it where there is one, such
    as ``payments/terminals``."""
    rules = [(module.id, each) for module in modules for each in (module.pull, *module.more_pulls) if each is not None]
    return {"/".join(filter(None, (id, each.path))): each for id, each in rules}


def module_path(version: Version, module: OcpiModule, interface: InterfaceRole) -> str:
    """Where a side of a module is mounted, below the public address. In 2.1.1 both sides have the same address."""
    if module.is_configuration or version == Version.V2_1_1:
        return f"/{version}/{module.id}"
    return f"/{version}/{interface.lower()}/{module.id}"

"""One request on its way to a party of another partner."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from roaming.hub import ruling
from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole, Role
from roaming.model.version import Version
from roaming.ocpi.errors import InvalidParameters
from roaming.ocpi.headers import RoutingHeaders
from roaming.ocpi.module import OcpiModule, OcpiRequest, Route
from roaming.partners.directory import Directory, Partner


@dataclass(frozen=True, kw_only=True)
class Passage:
    """Who asks whom for what, and through which platform the one who is asked is reached."""

    request: OcpiRequest
    module: OcpiModule
    route: Route
    partner: Partner
    """Where it goes."""
    from_party: PartyId
    to_party: PartyId

    @property
    def routing(self) -> RoutingHeaders:
        """As it was asked; the same at every hop."""
        return RoutingHeaders(self.from_party, self.to_party)

    @property
    def their_version(self) -> Version:
        """What is spoken where it goes."""
        assert self.partner.version is not None
        return self.partner.version

    @property
    def is_same_version(self) -> bool:
        """Then bodies are passed on as they are."""
        return self.partner.version == self.request.version

    @property
    def owner(self) -> PartyId:
        """Whose object the request is about, as the address says, else the one who asks."""
        return owner_in_path(self.request) or self.from_party

    @property
    def parts(self) -> list[str]:
        """The segments below the module's address, decoded."""
        path = self.request.path
        return [
            path[segment[1:-1]] if segment.startswith("{") else segment
            for segment in (self.route.passed_as or self.route.path).split("/")
            if segment
        ]

    @property
    def query(self) -> str:
        """As it came, still encoded."""
        return urlsplit(self.request.url).query


def owner_in_path(request: OcpiRequest) -> PartyId | None:
    """The party in the address of an object that its owner pushes."""
    if "country_code" in request.path and "party_id" in request.path:
        return PartyId.of(request.path["country_code"], request.path["party_id"])
    return None


def receiver_role(module: OcpiModule, route: Route) -> Role:
    """In which role the party acts that is asked."""
    if route.interface == InterfaceRole.SENDER:
        return module.sender_role
    return Role.EMSP if module.sender_role == Role.CPO else Role.CPO


def may_deal(directory: Directory, module: OcpiModule, route: Route, *, asking: PartyId, asked: PartyId) -> bool:
    """Whether ``asking`` has an agreement with ``asked`` for such requests."""
    cpo, emsp = (asked, asking) if receiver_role(module, route) == Role.CPO else (asking, asked)
    return directory.may_exchange(cpo=cpo, emsp=emsp)


async def may_pass(request: OcpiRequest, module: OcpiModule, route: Route, *, asking: PartyId, asked: PartyId) -> bool:
    """Whether ``asking`` may send this request to ``asked``, by agreement and rules. The one place where the hub asks
    for them. Raises ``OcpiError`` for a body that cannot be read, and ``StoreUnavailable``."""
    if not may_deal(request.directory, module, route, asking=asking, asked=asked):
        return False
    if not request.directory.rulebook.rules:
        return True
    is_cpo_asked = receiver_role(module, route) == Role.CPO
    cpo, emsp = (asked, asking) if is_cpo_asked else (asking, asked)
    return await ruling.permits(request, module, route, cpo=cpo, emsp=emsp)


def sender_of(request: OcpiRequest) -> PartyId:
    """Who asks. Raises ``InvalidParameters`` where it is not said and the caller speaks for several parties."""
    if request.routing.from_party is not None:
        return request.routing.from_party
    parties, owner = request.partner.parties(), owner_in_path(request)
    if len(parties) == 1:
        return parties[0]
    if owner is not None and owner in parties:
        return owner
    raise InvalidParameters("OCPI-from-country-code, OCPI-from-party-id: required, since you speak for several parties")


async def passage_to(
    request: OcpiRequest, module: OcpiModule, route: Route, *, sender: PartyId, receiver: PartyId
) -> Passage | None:
    """The way to a connected party under agreement; ``None`` where there is none. Never back to where it came from."""
    directory = request.directory
    partner = directory.partner_of(receiver)
    if partner is None or partner.id == request.partner.id:
        return None
    if not await may_pass(request, module, route, asking=owner_in_path(request) or sender, asked=receiver):
        return None
    return Passage(request=request, module=module, route=route, partner=partner, from_party=sender, to_party=receiver)

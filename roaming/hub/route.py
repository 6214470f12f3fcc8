"""Whom a request is for that is not, or perhaps not, for a hosted party: another partner's party, the hub itself, or
whoever its content leads to. (OCPI 2.2.1, transport_and_format 4.3.2)
"""

from dataclasses import replace

from roaming.hub import ruling
from roaming.hub.checking import check_owner_in_path
from roaming.hub.forward import Forwarder
from roaming.hub.open_routing import OpenRouting
from roaming.hub.passage import Passage, may_deal, may_pass, passage_to, sender_of
from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole
from roaming.ocpi.errors import ConnectionProblem, InvalidParameters, UnknownReceiver
from roaming.ocpi.headers import RoutingHeaders
from roaming.ocpi.module import Clue, OcpiModule, OcpiRequest, OcpiResponse, Route, Services
from roaming.partners.directory import Directory


class Router:
    """The body of the port ``Elsewhere``."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._forwarder = Forwarder(services)
        self._open = OpenRouting(services, self._forwarder)

    async def __call__(self, request: OcpiRequest, module: OcpiModule, route: Route) -> OcpiResponse | None:
        """See ``Elsewhere``."""
        receiver = request.routing.to_party
        if receiver is not None and receiver != self._services.hub_party:
            if await self._is_answered_here(request, module, route, receiver):
                return None
            passage = await addressed(request, module, route, receiver)
            if passage is None:
                raise await self._unreachable(request, module, route, receiver)
            return await self._forwarder.forward(passage)
        if route.clue is None:
            return None  # for the hub as a whole: GET-all and broadcasts are answered from the store
        if receiver is None:
            return await self._open.answer(request, module, route)
        if route.clue is Clue.TOKEN_OWNER:
            raise InvalidParameters(
                f"OCPI-to: {module.id} are for the eMSP of the driver and no other: name it, or leave OCPI-to out"
            )
        if route.clue is Clue.COUNTERPART and route.interface == InterfaceRole.RECEIVER:
            raise InvalidParameters(
                f"OCPI-to: these {module.id} are for one party and no other: name it, or leave OCPI-to out"
            )
        unnamed = replace(request, routing=RoutingHeaders(request.routing.from_party, None))
        return await self._open.answer(unnamed, module, route) or await route.handle(unnamed)

    async def _unreachable(
        self, request: OcpiRequest, module: OcpiModule, route: Route, receiver: PartyId
    ) -> ConnectionProblem | UnknownReceiver:
        """4003 for a party that is known to be away, of its platform or from its hub; 4001 for all others, also for one
        without an agreement."""
        directory, sender = request.directory, sender_of(request)
        if may_deal(directory, module, route, asking=sender, asked=receiver) and (
            _is_expected(directory, receiver) or await self._forwarder.reach.is_told_of(receiver)
        ):
            return ConnectionProblem(f"OCPI-to: {receiver} is not connected")
        return UnknownReceiver(f"OCPI-to: {receiver} is nobody that {sender} has an agreement with here for this")

    async def _is_answered_here(
        self, request: OcpiRequest, module: OcpiModule, route: Route, receiver: PartyId
    ) -> bool:
        """Lists and objects of an owner whom the caller sees in part, or differently, come from the hub's store: what
        passed through would show the rest."""
        if route.interface != InterfaceRole.SENDER or not ruling.is_of_places(module, route):
            return False
        asking = sender_of(request)
        return may_deal(request.directory, module, route, asking=asking, asked=receiver) and not await may_pass(
            request, module, route, asking=asking, asked=receiver
        )


async def addressed(request: OcpiRequest, module: OcpiModule, route: Route, receiver: PartyId) -> Passage | None:
    """The way to the party in OCPI-to, if there is one."""
    sender = sender_of(request)
    check_owner_in_path(request, sender)
    return await passage_to(request, module, route, sender=sender, receiver=receiver)


def _is_expected(directory: Directory, party: PartyId) -> bool:
    """Whether a platform that speaks for the party is known, though not connected."""
    return any(
        party in partner.allowed_parties or party in partner.parties()
        for partner in directory.partners.values()
        if not partner.is_connected
    )

"""Requests that name no receiver: whom their content leads to. Where that is a hosted party, or nobody, the hub's own
route answers as if it were alone. (OCPI 2.2.1, transport_and_format 4.3.2.3)
"""

from collections.abc import Sequence
from typing import Any

from roaming.hub import dealings, whereabouts
from roaming.hub.authorizing import Authorizing
from roaming.hub.checking import check_owner_in_path, owner_of
from roaming.hub.forward import Forwarder
from roaming.hub.passage import may_deal, owner_in_path, passage_to, receiver_role, sender_of
from roaming.model.identifiers import PartyId
from roaming.ocpi.codec import parse_json
from roaming.ocpi.errors import UnknownLocation
from roaming.ocpi.module import Clue, OcpiModule, OcpiRequest, OcpiResponse, Route, Services
from roaming.partners.drivers import driver_with_contract
from roaming.store.documents import keys_present, object_key


class OpenRouting:
    """Finds the receiver and has the request sent there."""

    def __init__(self, services: Services, forwarder: Forwarder) -> None:
        self._services = services
        self._forwarder = forwarder
        self._authorizing = Authorizing(services, forwarder)

    async def answer(self, request: OcpiRequest, module: OcpiModule, route: Route) -> OcpiResponse | None:
        """``None``: the hub's own route answers. Raises ``OcpiError``."""
        role = receiver_role(module, route)
        others = [party for _, party in request.directory.others_for(request.partner, role)]
        if not others:
            return None
        sender = sender_of(request)
        check_owner_in_path(request, sender)
        acting = owner_in_path(request) or sender
        everybody = [*request.directory.hosted_parties(role), *others]
        directory = request.directory
        known = [party for party in everybody if may_deal(directory, module, route, asking=acting, asked=party)]
        if route.clue is Clue.DRIVER:
            return await self._authorizing.answer(request, module, route, sender, known)
        body = parse_json(request.body) if request.body.strip() else None
        if route.clue is Clue.TOKEN_OWNER:
            receiver = await self._owner_of_token(request, acting, body, known)
        elif route.clue is Clue.COUNTERPART:
            receiver = await dealings.counterpart(request, module, route, acting, body, known)
        else:
            receiver = await self._target(request, sender, body, known)
        if receiver is None or request.directory.is_hosted(receiver):
            return None
        passage = await passage_to(request, module, route, sender=sender, receiver=receiver)
        return await self._forwarder.forward(passage) if passage is not None else None

    async def _owner_of_token(
        self, request: OcpiRequest, cpo: PartyId, body: Any, known: Sequence[PartyId]
    ) -> PartyId | None:
        """The eMSP whose driver a session or CDR is about."""
        body = body if isinstance(body, dict) else {}
        named = owner_of(body.get("cdr_token"))
        if named is not None:
            return named if named in known else None
        if isinstance(body.get("auth_id"), str):
            async with self._services.database.reading() as connection:
                driver = await driver_with_contract(connection, body["auth_id"], owners=known)
            return driver.owner if driver is not None else None
        session_id = request.path.get("session_id")
        if session_id is None:
            return None
        return await whereabouts.emsp_of_session(self._services.database.reader, cpo, session_id)

    async def _target(self, request: OcpiRequest, emsp: PartyId, body: Any, known: Sequence[PartyId]) -> PartyId | None:
        """The CPO whose location, session or reservation is meant. Raises ``UnknownLocation`` (2003) for a location
        that several have."""
        if len(known) == 1:
            return known[0]
        reader, body = self._services.database.reader, body if isinstance(body, dict) else {}
        location_id = body.get("location_id")
        if isinstance(location_id, str):
            cpo_of = {object_key(cpo, location_id): cpo for cpo in known}
            found = [cpo_of[key] for key in await keys_present(reader, "locations", cpo_of)]
            if len(found) > 1:
                raise UnknownLocation(f"location_id: several operators have {location_id}; name one in OCPI-to")
            return found[0] if found else None
        session_id = body.get("session_id") or request.path.get("session_id")
        if isinstance(session_id, str):
            found = await whereabouts.cpos_of_session(reader, emsp, session_id, known)
            return found[0] if len(found) == 1 else None
        reservation_id = body.get("reservation_id")
        if isinstance(reservation_id, str | int):
            found = await whereabouts.cpos_of_reservation(reader, emsp, str(reservation_id))
            found = [cpo for cpo in found if cpo in known]
            return found[0] if len(found) == 1 else None
        return None

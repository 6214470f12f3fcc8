"""Whether what is passed on is the sender's own, and for the party it is about: no partner acts for a party that is not
its own, and a session or CDR goes to the owner of its token only.
"""

from typing import Any

from roaming.hub import whereabouts
from roaming.hub.named import named
from roaming.hub.passage import Passage, owner_in_path
from roaming.model.identifiers import PartyId, fold
from roaming.model.party import InterfaceRole, Role
from roaming.model.token import Token
from roaming.ocpi.authorization import check_id
from roaming.ocpi.errors import InvalidParameters, NotFound
from roaming.ocpi.module import Clue, OcpiRequest, Route
from roaming.partners.directory import HUB

_FIELD_OF = {"evse_uid": "uid", "token_uid": "uid"}
"""In the body; all others are ``id``."""


def check_owner_in_path(request: OcpiRequest, sender: PartyId) -> None:
    """The address of a pushed object begins with its owner: the sender, or a party behind the sender that is a hub.

    Raises ``InvalidParameters``.
    """
    owner = owner_in_path(request)
    if owner is None or owner == sender:
        return
    if sender not in request.partner.parties(HUB) or owner not in request.partner.parties():
        raise InvalidParameters(f"{owner} in the address is not the party in OCPI-from: push objects of your own")


def check_body(passage: Passage, body: Any) -> None:
    """Owner and id as the address has them, tokens of the right eMSP, what a command is about. Raises
    ``InvalidParameters``.

    Bodies of 2.1.1 name no parties; there translation finds the token among those of the receiver only.
    """
    if passage.route.clue is Clue.TARGET:
        named(passage.request, passage.route)
    if not isinstance(body, dict):
        return
    owner = owner_in_path(passage.request)
    if passage.route.interface == InterfaceRole.RECEIVER:
        if owner is not None or passage.route.clue is Clue.TOKEN_OWNER:
            _check_fields(body, passage.owner)
        if owner is not None:
            *_, (name, there) = passage.request.path.items()
            said = body.get(_FIELD_OF.get(name, "id"))
            is_asked = name == "booking_id" and fold(str(body.get("request_id"))) == fold(there)
            if isinstance(said, str) and not is_asked:
                check_id(_FIELD_OF.get(name, "id"), said, there)
    quoted = owner_of(body.get("cdr_token"))
    if quoted is not None and quoted != passage.to_party:
        raise InvalidParameters(f"cdr_token: {passage.to_party} in OCPI-to is not the party that issued the token")
    if passage.route.clue is Clue.TARGET:
        issuer = owner_of(body.get("token"))
        if issuer is not None and issuer != passage.from_party:
            raise InvalidParameters("token: its country_code and party_id are not those of the calling eMSP")


def _check_fields(body: dict[str, Any], owner: PartyId) -> None:
    for name, there in (("country_code", owner.country_code), ("party_id", owner.party_id)):
        if isinstance(body.get(name), str):
            check_id(name, body[name], there)


def owner_of(token: Any) -> PartyId | None:
    """The party that a quoted token names."""
    if isinstance(token, Token):
        return PartyId.of(token.country_code, token.party_id)
    if not isinstance(token, dict):
        return None
    country_code, party_id = token.get("country_code"), token.get("party_id")
    if isinstance(country_code, str) and isinstance(party_id, str):
        return PartyId.of(country_code, party_id)
    return None


def is_session_push(route: Route) -> bool:
    """Whether the route takes a session at its own address."""
    return _is_charge_push(route) and "{session_id}" in route.path


def is_record_push(route: Route) -> bool:
    """Whether the route takes a CDR."""
    return _is_charge_push(route) and route.method == "POST"


def _is_charge_push(route: Route) -> bool:
    return route.clue is Clue.TOKEN_OWNER and route.interface == InterfaceRole.RECEIVER


async def check_target(passage: Passage, body: Any) -> None:
    """What is asked about a session comes from the eMSP of its driver, or from a smart charging service provider: to
    anybody else one that the hub knows is like none (OCPI 2.2.1, charging profiles, topologies 1 and 3).

    Raises ``NotFound``.
    """
    request = passage.request
    session_id = request.path.get("session_id") or (body.get("session_id") if isinstance(body, dict) else None)
    if not isinstance(session_id, str) or passage.from_party in request.partner.parties(Role.SCSP):
        return
    emsp = await whereabouts.emsp_of_session(request.services.database.reader, passage.to_party, session_id)
    if emsp is not None and emsp != passage.from_party:
        raise NotFound("there is no such session of yours")


async def check_session(passage: Passage) -> None:
    """A session stays with the eMSP it began with; a change is of a session that is known.

    Raises ``InvalidParameters``, ``NotFound``.
    """
    request = passage.request
    known = await whereabouts.emsp_of_session(
        request.services.database.reader, passage.owner, request.path["session_id"]
    )
    if known is None and request.method == "PATCH":
        raise NotFound("there is no such session: PUT it first")
    if known is not None and known != passage.to_party:
        raise InvalidParameters("cdr_token: the session is another eMSP's; end it and begin one with a new id")

"""Between whom objects went whose addresses do not say it (terminals, bookings): noted when they pass, looked up when a
request names nobody. (OCPI 2.3.0, mod_payments and mod_bookings; transport_and_format 4.3.2.3)
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from roaming.hub import whereabouts
from roaming.hub.checking import owner_of
from roaming.hub.passage import Passage
from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole
from roaming.ocpi.codec import parse_json
from roaming.ocpi.errors import InvalidParameters, NotFound, UnknownLocation
from roaming.ocpi.module import OcpiModule, OcpiRequest, OcpiResponse, Route
from roaming.partners.directory import Directory
from roaming.store.columns import storable_text
from roaming.store.database import Database
from roaming.store.documents import keys_present, object_key

_OWN_IDS = ("terminal_id", "id")
_IDS = (*_OWN_IDS, "request_id")
"""Of an object in its body. A booking is known by the id of its CPO and by that of whoever asked for it."""
_TOKENS = ("booking_tokens", "tokens")
MAX_ID = 36
"""Characters; no object of these modules has a longer one."""


async def counterpart(
    request: OcpiRequest, module: OcpiModule, route: Route, asking: PartyId, body: Any, known: Sequence[PartyId]
) -> PartyId | None:
    """Which of the parties that ``asking`` has an agreement with is meant; ``None``: that is not clear. Raises
    ``UnknownLocation`` (2003) for a location that several have."""
    reader = request.services.database.reader
    known = [party for party in known if _takes(request.directory, module, route, party)]
    for name in _names(route, request, body):
        met = [party for party in await whereabouts.others_in(reader, module.id, asking, name) if party in known]
        if len(met) == 1:
            return met[0]
    named = {party for party in _parties_in(body) if party in known and party != asking}
    if len(named) == 1:
        return named.pop()
    if len(known) == 1:
        return known[0]
    location_id = body.get("location_id") if isinstance(body, dict) else None
    if not isinstance(location_id, str) or route.interface == InterfaceRole.RECEIVER:
        return None
    cpo_of = {object_key(cpo, location_id): cpo for cpo in known}
    found = [cpo_of[key] for key in await keys_present(reader, "locations", cpo_of)]
    if len(found) > 1:
        raise UnknownLocation(f"location_id: several operators have {location_id}; name one in OCPI-to")
    return found[0] if found else None


def _takes(directory: Directory, module: OcpiModule, route: Route, party: PartyId) -> bool:
    """Whether the party has that side of the module at all."""
    if route.interface == InterfaceRole.SENDER and module.sender_words:
        return directory.has_role(party, *module.sender_words)
    if directory.is_hosted(party):
        return True
    partner = directory.partner_of(party)
    return partner is not None and partner.endpoint(module.id, route.interface) is not None


async def check(passage: Passage) -> None:
    """An object stays with whom it went to first: it is told to nobody else, and to anybody else who asks there is
    none. Raises ``InvalidParameters``, ``NotFound``."""
    request, route, reader = passage.request, passage.route, passage.request.services.database.reader
    if route.interface == InterfaceRole.SENDER:
        owner, other, names = passage.to_party, passage.from_party, _names(route, request, None)
    else:
        body = parse_json(request.body) if request.body.strip() else None
        owner, other, names = passage.owner, passage.to_party, _own_names(route, request, body)
    for name in names:
        met = await whereabouts.others_in(reader, passage.module.id, owner, name)
        if met and other not in met:
            if route.interface == InterfaceRole.SENDER or request.method == "GET":
                raise NotFound(f"there is no such object between {owner} and {other}")
            raise InvalidParameters(f"OCPI-to: {name} is between you and another party; choose another id")


async def remember(database: Database, passage: Passage, response: OcpiResponse) -> None:
    """Notes for both sides whom they had to do with, by every id that the request or its answer tells."""
    request, kind = passage.request, passage.module.id
    body = parse_json(request.body) if request.body.strip() else None
    answer = parse_json(response.data) if response.data and passage.route.gives is not None else None
    data = answer.get("data") if response.is_enveloped and isinstance(answer, dict) else answer
    names = dict.fromkeys([*_names(passage.route, request, body), *_names(passage.route, request, data)])
    for name in names:
        await whereabouts.remember(database, kind, passage.owner, name, passage.to_party)
        await whereabouts.remember(database, kind, passage.to_party, name, passage.owner)


def _names(route: Route, request: OcpiRequest, body: Any) -> Iterator[str]:
    """What the object is known by, with its kind where a module has several: ``terminals/T1``."""
    kind = next((part for part in route.path.split("/") if part and not part.startswith("{")), "")
    prefix = f"{kind}/" if kind else ""
    ids: list[Any] = [request.path[name] for name in ("id", "booking_id") if name in request.path]
    ids += [body.get(name) for name in _IDS] if isinstance(body, dict) else []
    yield from dict.fromkeys(
        prefix + id for id in ids if isinstance(id, str) and 0 < len(id) <= MAX_ID and storable_text(id) == id
    )


def _own_names(route: Route, request: OcpiRequest, body: Any) -> Iterator[str]:
    """What its owner knows it by: not the id of whoever asked, which others may have chosen too, in its body or in its
    address (``booking_id`` may be either)."""
    ids = {name: body.get(name) for name in _OWN_IDS} if isinstance(body, dict) else {}
    is_told = any(isinstance(id, str) for id in ids.values())
    return _names(route, replace(request, path={}) if is_told else request, ids)


def _parties_in(body: Any) -> Iterator[PartyId]:
    """Whom an object names, itself or by the tokens that it quotes."""
    if not isinstance(body, dict):
        return
    tokens = [token for name in _TOKENS if isinstance(body.get(name), list) for token in body[name]]
    for named in (body, *tokens):
        try:
            party = owner_of(named)
        except ValueError:
            continue
        if party is not None:
            yield party

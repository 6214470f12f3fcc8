"""Endpoints of payments: what hosted PTPs show and take (sender), and what partners' PTPs tell hosted CPOs (receiver).

Addresses have no owner: an id is looked for among what the caller may see.
"""

from typing import Any

from roaming.model.canonical import from_document
from roaming.model.party import InterfaceRole, Role
from roaming.model.version import Version
from roaming.modules.payments import service
from roaming.modules.payments.codec import v230
from roaming.modules.payments.model import FinancialAdviceConfirmation, Terminal
from roaming.modules.payments.repository import CONFIRMATIONS, TERMINALS
from roaming.ocpi.addresses import join
from roaming.ocpi.codec import Codec, DecodeContext, parse_json
from roaming.ocpi.content import Content
from roaming.ocpi.errors import NotFound
from roaming.ocpi.listing import addressed, answer_list
from roaming.ocpi.module import Clue, OcpiRequest, OcpiResponse, Route
from roaming.ocpi.wire import finding_note
from roaming.store.documents import Origin, object_key
from roaming.store.shelves import Shelf


def _read(request: OcpiRequest, codec: Codec[Any]) -> Any:
    """A body without ``last_updated`` is of now: the specification's own examples have none."""
    context = DecodeContext(received_at=request.services.clock.now())
    decoded = codec.decode(parse_json(request.body), context=context)
    request.notes.extend(finding_note(finding) for finding in decoded.findings)
    return decoded.value


def _cpos(request: OcpiRequest) -> tuple[Any, ...]:
    """The caller's CPOs that speak."""
    return tuple(party for party in request.from_parties if party in request.partner.parties(Role.CPO))


async def _list(request: OcpiRequest, shelf: Shelf) -> OcpiResponse:
    directory, cpos = request.directory, _cpos(request)
    providers = {
        provider: ""
        for provider in directory.hosted_parties(*service.PROVIDERS)
        if any(directory.may_exchange(cpo=cpo, emsp=provider) for cpo in cpos)
    }
    return await answer_list(
        request,
        shelf.documents,
        service.CODECS[shelf.path],
        shelf.of,
        owners=addressed(request, providers),
        scopes=tuple(str(cpo) for cpo in cpos),
    )


async def list_terminals(request: OcpiRequest) -> OcpiResponse:
    return await _list(request, TERMINALS)


async def list_confirmations(request: OcpiRequest) -> OcpiResponse:
    return await _list(request, CONFIRMATIONS)


async def _get_hosted(request: OcpiRequest, shelf: Shelf) -> OcpiResponse:
    providers = request.directory.hosted_parties(*service.PROVIDERS)
    keys = [object_key(provider, request.path["id"]) for provider in providers]
    found = await shelf.documents.read_many(request.services.database.reader, keys)
    scopes = {str(cpo) for cpo in _cpos(request)}
    for stored in found.values():
        may = not stored.source and stored.scope in scopes
        if may and any(request.directory.may_exchange(cpo=cpo, emsp=stored.owner) for cpo in _cpos(request)):
            value = from_document(shelf.of, stored.document)
            return OcpiResponse(data=request.wire().encode(service.CODECS[shelf.path], value))
    raise NotFound("there is no such object for you")


async def get_terminal(request: OcpiRequest) -> OcpiResponse:
    return await _get_hosted(request, TERMINALS)


async def get_confirmation(request: OcpiRequest) -> OcpiResponse:
    return await _get_hosted(request, CONFIRMATIONS)


async def activate(request: OcpiRequest) -> OcpiResponse:
    terminal: Terminal = _read(request, service.TO_ACTIVATE)
    provider, cpo = service.hosted_provider(request.directory, _cpos(request), request.routing.to_party)
    async with request.work() as work:
        await service.activate(work, terminal, provider=provider, cpo=cpo)
    return OcpiResponse()


async def deactivate(request: OcpiRequest) -> OcpiResponse:
    async with request.work() as work:
        kept = await service.hosted_terminal(work, request.directory, request.path["id"], _cpos(request))
        await service.change(work, kept, kept.value, is_listed=False)
    return OcpiResponse()


async def put_terminal(request: OcpiRequest) -> OcpiResponse:
    terminal: Terminal = _read(request, v230.TERMINAL_CODEC)
    async with request.work() as work:
        kept = await service.hosted_terminal(work, request.directory, request.path["id"], _cpos(request))
        await service.change(work, kept, terminal, is_listed=kept.stored.is_listed)
    return OcpiResponse()


async def patch_terminal(request: OcpiRequest) -> OcpiResponse:
    change = v230.TERMINAL_CODEC.decode_patch(parse_json(request.body))
    request.notes.extend(finding_note(finding) for finding in change.findings)
    async with request.work() as work:
        kept = await service.hosted_terminal(work, request.directory, request.path["id"], _cpos(request))
        await service.change(work, kept, change.apply(kept.value), is_listed=kept.stored.is_listed)
    return OcpiResponse()


async def _post(request: OcpiRequest, shelf: Shelf) -> OcpiResponse:
    value = _read(request, service.CODECS[shelf.path][request.version])
    owner = service.provider_of(request.directory, request.partner, request.routing.from_party)
    cpo = service.cpo_for(request.directory, owner, request.routing.to_party, value)
    async with request.work() as work:
        is_new = await service.take(
            work,
            shelf,
            value,
            owner=owner,
            source=request.partner.id,
            cpo=cpo,
            origin=Origin(request.version),
        )
    address = join(request.url.partition("?")[0], shelf.id_of(value))
    return OcpiResponse(http_status=201 if is_new else 200, headers={"Location": address})


async def post_terminal(request: OcpiRequest) -> OcpiResponse:
    return await _post(request, TERMINALS)


async def post_confirmation(request: OcpiRequest) -> OcpiResponse:
    return await _post(request, CONFIRMATIONS)


async def _get_told(request: OcpiRequest, shelf: Shelf) -> OcpiResponse:
    owners = [party for party in request.from_parties if party in request.partner.parties(*service.PROVIDERS)]
    keys = [object_key(owner, request.path["id"]) for owner in owners]
    found = await shelf.documents.read_many(request.services.database.reader, keys)
    for stored in found.values():
        if stored.source == request.partner.id:
            value = from_document(shelf.of, stored.document)
            return OcpiResponse(data=request.wire().encode(service.CODECS[shelf.path], value))
    raise NotFound("you told of no such object")


async def get_told_terminal(request: OcpiRequest) -> OcpiResponse:
    return await _get_told(request, TERMINALS)


async def get_told_confirmation(request: OcpiRequest) -> OcpiResponse:
    return await _get_told(request, CONFIRMATIONS)


_SENDER, _RECEIVER = InterfaceRole.SENDER, InterfaceRole.RECEIVER
_TERMINAL, _CONFIRMATION = Content.of(service.CODECS[TERMINALS.path]), Content.of(service.CODECS[CONFIRMATIONS.path])
_TO_ACTIVATE = Content.of({Version.V2_3_0: service.TO_ACTIVATE})
_NOTHING = Content.of(service.CODECS[TERMINALS.path], is_required=False)
_TERMINALS, _ADVICE = "/terminals", "/financial-advice-confirmations"


def _route(method: str, path: str, interface: InterfaceRole, handle: Any, summary: str, **more: Any) -> Route:
    """Lists are of the hub as a whole, where they name nobody; all else is between one PTP and one CPO."""
    gives = more.get("gives")
    clue = None if gives is not None and gives.is_list else Clue.COUNTERPART
    return Route(method=method, path=path, interface=interface, handle=handle, summary=summary, clue=clue, **more)


def _posted(path: str, handle: Any, summary: str, takes: Content) -> Route:
    more = {"takes": takes, "successes": (200, 201), "response_headers": ("Location",)}
    return _route("POST", path, _RECEIVER, handle, summary, **more)


_TERMINAL_NAME, _CONFIRMATION_NAME = Terminal.__name__, FinancialAdviceConfirmation.__name__

ROUTES: tuple[Route, ...] = (
    _route("GET", _TERMINALS, _SENDER, list_terminals, "List Terminals for your CPOs", gives=_TERMINAL.listed),
    _route("GET", f"{_TERMINALS}/{{id}}", _SENDER, get_terminal, "A Terminal for one of your CPOs", gives=_TERMINAL),
    _route(
        "POST", f"{_TERMINALS}/activate", _SENDER, activate, "Ask for a Terminal to be activated", takes=_TO_ACTIVATE
    ),
    _route("POST", f"{_TERMINALS}/{{id}}/deactivate", _SENDER, deactivate, "Give a Terminal up", takes=_NOTHING),
    _route("PUT", f"{_TERMINALS}/{{id}}", _SENDER, put_terminal, "Say where a Terminal is", takes=_TERMINAL),
    _route(
        "PATCH",
        f"{_TERMINALS}/{{id}}",
        _SENDER,
        patch_terminal,
        "Assign locations and EVSEs to a Terminal",
        takes=_TERMINAL.partial,
    ),
    _route("GET", _ADVICE, _SENDER, list_confirmations, f"List {_CONFIRMATION_NAME}s", gives=_CONFIRMATION.listed),
    _route("GET", f"{_ADVICE}/{{id}}", _SENDER, get_confirmation, f"A {_CONFIRMATION_NAME}", gives=_CONFIRMATION),
    _route("GET", f"{_TERMINALS}/{{id}}", _RECEIVER, get_told_terminal, "A Terminal as stored here", gives=_TERMINAL),
    _posted(_TERMINALS, post_terminal, f"Tell of a {_TERMINAL_NAME}", _TERMINAL),
    _route(
        "GET",
        f"{_ADVICE}/{{id}}",
        _RECEIVER,
        get_told_confirmation,
        f"A {_CONFIRMATION_NAME} as stored here",
        gives=_CONFIRMATION,
    ),
    _posted(_ADVICE, post_confirmation, "Tell what was captured for a charge", _CONFIRMATION),
)

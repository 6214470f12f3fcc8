"""Requests to the addresses of ``callbacks``: a result for whoever asked, the next page of a list, a CDR as whoever
received it has it.
"""

from dataclasses import replace
from typing import Any

from roaming.hub import callbacks
from roaming.hub.callbacks import Callback, Kind
from roaming.hub.forward import Forwarder
from roaming.hub.passage import Passage, may_pass
from roaming.hub.translating import NotInTheirVersion, Side, translate
from roaming.model.party import InterfaceRole
from roaming.ocpi.answers import Outcome
from roaming.ocpi.codec import EncodeError, dump_json, parse_json
from roaming.ocpi.errors import ConnectionProblem, HubError, NotFound
from roaming.ocpi.module import ALL_VERSIONS, OcpiModule, OcpiRequest, OcpiResponse, Route
from roaming.ocpi.wire import Note


async def take_result(request: OcpiRequest) -> OcpiResponse:
    """The result of a command or charging profile, passed on once to the address that was asked for."""
    services, id = request.services, request.path["callback_id"]
    callback = await callbacks.find(services, id, Kind.RESULT, holder=request.partner.id)
    asked = _passage(request, callback)
    notes: list[Note] = []
    body = await _result(asked, parse_json(request.body), notes)
    passage = replace(asked, route=replace(asked.route, takes=None, gives=None, clue=None))
    if not await callbacks.claim(services.database, id):
        if callback.state == "DONE":
            request.notes.append("passed on before")
            return OcpiResponse()
        raise HubError("this result is being passed on just now: if you hear nothing, send it again in a minute")
    is_done = False
    try:
        forwarder = Forwarder(services)
        await forwarder.reach.check(passage)
        answer = await forwarder.call(passage, callback.url, body, notes=notes)
        is_done = answer.outcome in (Outcome.DELIVERED, Outcome.REFUSED)
        return await forwarder.read(passage, callback.url, answer)
    finally:
        await callbacks.settle(services.database, id, is_done=is_done)


async def get(request: OcpiRequest) -> OcpiResponse:
    """What stands at an address of the far side."""
    services, id = request.services, request.path["callback_id"]
    try:
        callback = await callbacks.find(services, id, Kind.PAGE, holder=request.partner.id)
    except NotFound:
        callback = await callbacks.find(services, id, Kind.RECORD, holder=request.partner.id)
    passage = _passage(request, callback)
    if not await may_pass(request, passage.module, passage.route, asking=passage.from_party, asked=passage.to_party):
        raise NotFound("what you may see has changed since: GET the list anew")
    forwarder = Forwarder(services)
    await forwarder.reach.check(passage)
    return await forwarder.exchange(passage, callback.url, None)


def _passage(request: OcpiRequest, callback: Callback) -> Passage:
    """Raises ``NotFound``, ``ConnectionProblem``."""
    module, route = callbacks.route_of(request.services, callback)
    partner = request.directory.partners.get(callback.target)
    if partner is None or not partner.is_connected or partner.version is None:
        raise ConnectionProblem("whoever this is for is not connected")
    routing = callback.routing
    assert routing.from_party is not None
    assert routing.to_party is not None
    return Passage(
        request=request,
        module=module,
        route=route,
        partner=partner,
        from_party=routing.from_party,
        to_party=routing.to_party,
    )


async def _result(passage: Passage, body: Any, notes: list[Note]) -> bytes:
    """Bare, as the specification wants it, however it came."""
    request, payload = passage.request, passage.route.result
    assert payload is not None, "only routes with results hand out such addresses"
    is_wrapped = isinstance(body, dict) and "result" not in body and isinstance(body.get("data"), dict)
    if passage.is_same_version:
        return dump_json(body["data"]) if is_wrapped else request.body
    source = Side(
        version=request.version,
        partner_id=request.partner.id,
        owner=passage.from_party,
        readers=(passage.to_party,),
    )
    try:
        said = await translate(
            passage,
            payload,
            body["data"] if is_wrapped else body,
            source=source,
            target=passage.their_version,
            notes=notes,
        )
    except (NotInTheirVersion, EncodeError) as error:
        raise HubError(f"OCPI {passage.their_version} cannot say this result: {error}") from None
    return dump_json(said)


MODULE = OcpiModule(
    id=callbacks.MODULE_ID,
    is_routed=False,
    versions=ALL_VERSIONS,
    interfaces=(),
    routes=(
        Route(
            method="POST",
            path="/{callback_id}",
            interface=InterfaceRole.SENDER,
            handle=take_result,
            summary="The result of a request that the hub passed on",
        ),
        Route(
            method="GET",
            path="/{callback_id}",
            interface=InterfaceRole.SENDER,
            handle=get,
            summary="A page or a record of a partner behind the hub",
        ),
    ),
)

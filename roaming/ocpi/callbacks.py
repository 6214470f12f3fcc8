"""Requests whose result comes later, at a ``response_url``: whether a partner's may be called, and how ours are sent.

Knows no module's content. (OCPI 2.2.1, commands and charging profiles: both have a response and a result.)
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole
from roaming.ocpi import sent
from roaming.ocpi.addresses import is_on_known_host
from roaming.ocpi.client import Outcome
from roaming.ocpi.codec import DecodeError
from roaming.ocpi.errors import AddressRefused, InvalidParameters, NotFound
from roaming.ocpi.headers import RoutingHeaders
from roaming.ocpi.module import OcpiRequest, PushRequest, Services, module_path, routing_to
from roaming.ocpi.partner_call import ask_partner, call_to, parties_of
from roaming.partners.directory import Partner

KEPT = timedelta(hours=24)
"""How long a result may come; a reservation may be cancelled hours later."""
TIMEOUT_SECONDS = 10.0


class NotSent(RuntimeError):
    """The partner cannot be asked. The text says why."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A request of a hosted party to a partner, before it is sent."""

    module: str
    name: str
    partner: Partner
    from_party: PartyId
    to_party: PartyId
    path: tuple[str, ...]
    """Of our address for the result, below the module's: the id comes last."""
    build: Callable[[str, str], PushRequest]
    """The call, from the partner's endpoint and the ``response_url``. Raises ``NotSent``."""
    read_response: Callable[[Any], str]
    """The word of the direct answer. Raises ``DecodeError``."""


@dataclass(frozen=True, kw_only=True)
class AskedOfPartner:
    """A request that is with the partner. ``response``: what it said at once, or what went wrong."""

    id: str
    response: str


def check_response_url(request: OcpiRequest, url: str) -> None:
    """Raises ``InvalidParameters`` for an address that we would not call, or that is not the caller's."""
    try:
        request.services.client.check(url)
    except AddressRefused as error:
        raise InvalidParameters(f"response_url: {error.message}") from None
    known = [request.partner.versions_url, *(endpoint.url for endpoint in request.partner.endpoints)]
    if not is_on_known_host(url, known):
        raise InvalidParameters("response_url: its host is none of those in your version details")


async def ask(services: Services, asking: Asking) -> AskedOfPartner:
    """Writes down what is asked, then asks. Raises ``NotSent``; nothing was sent then."""
    partner = asking.partner
    endpoint = partner.endpoint(asking.module, InterfaceRole.RECEIVER)
    if endpoint is None or partner.version is None:
        raise NotSent(f"{partner.id} offers no {asking.module}")
    id = str(uuid.uuid4())
    module = next(module for module in services.modules if module.id == asking.module)
    base = services.public_url + module_path(partner.version, module, InterfaceRole.SENDER)
    push = asking.build(endpoint, "/".join((base, *asking.path, id)))
    async with services.database.work() as work:
        values = {
            "id": id,
            "module": asking.module,
            "partner_id": partner.id,
            "name": asking.name,
            "response": "",
            "result": "",
            "document": "",
            "created_at": work.now,
            "expires_at": work.now + KEPT,
        }
        await sent.insert(work.connection, values)
    response = await _send(services, asking, push)
    async with services.database.work() as work:
        await sent.note_response(work.connection, id, response)
    return AskedOfPartner(id=id, response=response)


async def _send(services: Services, asking: Asking, push: PushRequest) -> str:
    routing = RoutingHeaders(asking.from_party, asking.to_party)
    call = call_to(
        services,
        asking.partner,
        push.method,
        push.url,
        routing=routing_to(asking.partner, routing.from_party, routing.to_party),
        body=push.body,
        timeout=TIMEOUT_SECONDS,
    )
    answer = await ask_partner(services, call, module=asking.module, parties=parties_of(routing), notes=push.losses)
    if answer.outcome != Outcome.DELIVERED:
        return answer.error or f"HTTP {answer.http_status}"
    try:
        return asking.read_response(answer.data)
    except DecodeError as error:
        return f"REJECTED: {error}"


def unwrapped(body: Any) -> Any:
    """A result that came bare, as it should, or wrapped in an envelope, as some partners have it."""
    if isinstance(body, dict) and "result" not in body and isinstance(body.get("data"), dict):
        return body["data"]
    return body


async def asked_name(request: OcpiRequest, module: str, id: str) -> str:
    """What the caller was asked under this id. Raises ``NotFound``."""
    async with request.services.database.reading() as connection:
        name = await sent.name_of(
            connection, id, module=module, partner_id=request.partner.id, now=request.services.clock.now()
        )
    if name is None:
        raise NotFound("nothing that we asked of you waits for this result")
    return name


async def take_result(
    request: OcpiRequest, id: str, result: str, *, document: str = "", is_later: bool = False
) -> None:
    """Keeps the result of what ``asked_name`` knows."""
    async with request.services.database.work() as work:
        await sent.note_result(work.connection, id, result, work.now, document=document, is_later=is_later)

"""Endpoints of credentials (OCPI 2.2.1, credentials). Open to TOKEN_A."""

from typing import Any

from roaming.model.party import InterfaceRole
from roaming.modules.credentials import service
from roaming.ocpi.codec import parse_json
from roaming.ocpi.content import Content
from roaming.ocpi.errors import MethodNotAllowed
from roaming.ocpi.module import OcpiRequest, OcpiResponse, Route


async def get(request: OcpiRequest) -> OcpiResponse:
    """Our credentials, with the token that the caller uses: only its digest is stored here."""
    return OcpiResponse(
        data=service.encode_ours(
            request.services, request.directory, request.partner, request.version, request.presented_token
        )
    )


async def post(request: OcpiRequest) -> OcpiResponse:
    if not request.is_registration:
        raise MethodNotAllowed("you are registered already: PUT to change your credentials", allowed=("PUT", "DELETE"))
    data = await service.accept(request, parse_json(request.body))
    return OcpiResponse(data=data, http_status=201)


async def put(request: OcpiRequest) -> OcpiResponse:
    _must_be_registered(request)
    return OcpiResponse(data=await service.accept(request, parse_json(request.body)))


async def delete(request: OcpiRequest) -> OcpiResponse:
    _must_be_registered(request)
    await service.forget(request.services, request.partner.id)
    return OcpiResponse()


def _must_be_registered(request: OcpiRequest) -> None:
    if request.is_registration or not request.partner.is_connected:
        raise MethodNotAllowed("you are not registered: POST your credentials first", allowed=("POST",))


_OURS = Content.of(service.CODECS)


def _route(method: str, handle: object, summary: str, **declared: Any) -> Route:
    return Route(
        method=method,
        path="",
        interface=InterfaceRole.SENDER,
        handle=handle,  # type: ignore[arg-type]
        summary=summary,
        is_open_to_registration=True,
        **declared,
    )


ROUTES: tuple[Route, ...] = (
    _route("GET", get, "Our credentials", gives=_OURS),
    _route("POST", post, "Register", takes=_OURS, gives=_OURS, successes=(201,), refusals=(405,)),
    _route("PUT", put, "Renew a registration", takes=_OURS, gives=_OURS, refusals=(405,)),
    _route("DELETE", delete, "Leave", refusals=(405,)),
)

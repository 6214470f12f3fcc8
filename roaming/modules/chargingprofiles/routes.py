"""Endpoints of charging profiles: wishes about charges here (receiver), and what partners tell of theirs (sender)."""

import re

from roaming.model.charging_profile import ChargingProfileResponse, ChargingProfileResponseType
from roaming.model.party import InterfaceRole
from roaming.modules.chargingprofiles import sending, service
from roaming.modules.chargingprofiles.model import ProfileRequest
from roaming.modules.chargingprofiles.schedules import Unfit, to_schedule
from roaming.ocpi.codec import parse_json
from roaming.ocpi.content import Content, Parameter
from roaming.ocpi.errors import InvalidParameters
from roaming.ocpi.kinds import COUNT, URL
from roaming.ocpi.module import Clue, OcpiRequest, OcpiResponse, Route

LONGEST = 7 * 86_400
_RESPONSE_URL = re.compile(r"(?:^|[?&])response_url=(.*)$")
_DURATION_BEHIND = re.compile(r"&duration=\d*$")


async def get(request: OcpiRequest) -> OcpiResponse:
    duration = request.query.get("duration", "")
    if not (duration.isascii() and duration.isdigit()) or not 0 < int(duration[:9]) <= LONGEST:
        raise InvalidParameters(f"duration: required, seconds from 1 to {LONGEST}")
    answer = await service.receive(request, ProfileRequest.GET, _response_url(request), duration=int(duration[:9]))
    return OcpiResponse(data=answer)


async def put(request: OcpiRequest) -> OcpiResponse:
    wish = request.wire().decode(service.SET_CODECS, parse_json(request.body))
    try:
        schedule = to_schedule(wish.charging_profile)
    except Unfit as error:
        raise InvalidParameters(str(error)) from None
    answer = await service.receive(request, ProfileRequest.PUT, wish.response_url, schedule=schedule)
    return OcpiResponse(data=answer)


async def delete(request: OcpiRequest) -> OcpiResponse:
    return OcpiResponse(data=await service.receive(request, ProfileRequest.DELETE, _response_url(request)))


async def post_result(request: OcpiRequest) -> OcpiResponse:
    await sending.receive_result(request, request.path["request_id"], parse_json(request.body))
    return OcpiResponse()


async def put_changed(request: OcpiRequest) -> OcpiResponse:
    await sending.receive_changed(request, request.path["session_id"], parse_json(request.body))
    return OcpiResponse()


def _response_url(request: OcpiRequest) -> str:
    """From the query. The example of the specification is not percent-encoded: then all that follows belongs to it,
    its own ``?`` and ``&`` too (OCPI 2.2.1, charging profiles, GET)."""
    _, _, query = request.url.partition("?")
    found = _RESPONSE_URL.search(query)
    if found is None or not found[1]:
        raise InvalidParameters("response_url: required, percent-encoded in the query")
    raw = _DURATION_BEHIND.sub("", found[1])
    return raw if "://" in raw and re.search("[?&]", raw) else request.query["response_url"]


_SENDER, _RECEIVER = InterfaceRole.SENDER, InterfaceRole.RECEIVER
_RESPONSE = Content.of(service.RESPONSE_CODECS)
_AT = Parameter(name="response_url", kind=URL, description="Where the result is to be sent.")
_RESULTS = Content.one_of(
    {
        version: (
            service.ACTIVE_RESULT_CODECS[version],
            service.SET_RESULT_CODECS[version],
            service.CLEAR_RESULT_CODECS[version],
        )
        for version in service.ACTIVE_CODECS
    }
)


def _not_supported() -> ChargingProfileResponse:
    return ChargingProfileResponse(result=ChargingProfileResponseType.NOT_SUPPORTED, timeout=0)


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/{session_id}",
        interface=_RECEIVER,
        handle=get,
        summary="Ask which charging profile holds for a session",
        result=Content.of(service.ACTIVE_RESULT_CODECS),
        clue=Clue.TARGET,
        if_unknown=_not_supported,
        gives=_RESPONSE,
        parameters=(
            Parameter(name="duration", kind=COUNT, description="Seconds that are asked about."),
            _AT,
        ),
    ),
    Route(
        method="PUT",
        path="/{session_id}",
        interface=_RECEIVER,
        handle=put,
        summary="Limit a running charge",
        result=Content.of(service.SET_RESULT_CODECS),
        clue=Clue.TARGET,
        if_unknown=_not_supported,
        takes=Content.of(service.SET_CODECS),
        gives=_RESPONSE,
    ),
    Route(
        method="DELETE",
        path="/{session_id}",
        interface=_RECEIVER,
        handle=delete,
        summary="Take limits back",
        result=Content.of(service.CLEAR_RESULT_CODECS),
        clue=Clue.TARGET,
        if_unknown=_not_supported,
        gives=_RESPONSE,
        parameters=(_AT,),
    ),
    Route(
        method="POST",
        path="/results/{request_id}",
        interface=_SENDER,
        handle=post_result,
        summary="The result of a wish of ours",
        takes=_RESULTS,
    ),
    Route(
        method="PUT",
        path="/{session_id}",
        clue=Clue.TOKEN_OWNER,
        interface=_SENDER,
        handle=put_changed,
        summary="The charging profile of a session has changed",
        takes=Content.of(service.ACTIVE_CODECS),
    ),
)

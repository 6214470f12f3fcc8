"""Endpoints of commands: taking one (receiver), taking the result of one we sent (sender)."""

from roaming.model.command import CommandResponse, CommandResponseType, CommandType
from roaming.model.party import InterfaceRole
from roaming.modules.commands import sending, service
from roaming.ocpi.codec import parse_json
from roaming.ocpi.content import Content, Parameter
from roaming.ocpi.errors import NotFound
from roaming.ocpi.kinds import Choice
from roaming.ocpi.module import Clue, OcpiRequest, OcpiResponse, Route


async def post(request: OcpiRequest) -> OcpiResponse:
    name = _name(request)
    return OcpiResponse(data=await service.receive(request, name, parse_json(request.body)))


async def post_result(request: OcpiRequest) -> OcpiResponse:
    _name(request)
    await sending.receive_result(request, request.path["command_id"], parse_json(request.body))
    return OcpiResponse()


def _name(request: OcpiRequest) -> CommandType:
    name = request.path["command"]
    if name not in CommandType.__members__:
        raise NotFound(f"there is no command {name}; there are {', '.join(CommandType)}")
    return CommandType(name)


_COMMAND = Content.chosen("command", {version: codecs.CODECS for version, codecs in service.CODECS.items()})
_NAMES = tuple(
    Parameter(
        name="command",
        kind=Choice(frozenset(codecs.CODECS)),
        description="What the station is to do.",
        versions=(version,),
    )
    for version, codecs in service.CODECS.items()
)


def _not_supported() -> CommandResponse:
    return CommandResponse(result=CommandResponseType.NOT_SUPPORTED, timeout=0)


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/{command}",
        interface=InterfaceRole.RECEIVER,
        handle=post,
        summary="Ask a station to do something",
        takes=_COMMAND,
        gives=Content.of(service.RESPONSE_CODECS),
        result=Content.of(service.RESULT_CODECS),
        clue=Clue.TARGET,
        if_unknown=_not_supported,
        parameters=_NAMES,
    ),
    Route(
        method="POST",
        path="/{command}/{command_id}",
        interface=InterfaceRole.SENDER,
        handle=post_result,
        summary="The result of a command of ours",
        takes=Content.of(service.RESULT_CODECS),
        parameters=_NAMES,
    ),
)

"""A hosted eMSP's command to a partner CPO: sent, answered at once, and again when the station has spoken."""

from functools import partial
from typing import Any

import msgspec

from roaming.model.command import CommandResultType, CommandType
from roaming.model.identifiers import PartyId
from roaming.modules.commands.service import RESPONSE_CODECS, RESULT_CODECS, codec_of
from roaming.ocpi.callbacks import AskedOfPartner, Asking, NotSent, ask, asked_name, take_result, unwrapped
from roaming.ocpi.codec import EncodeError, dump_json
from roaming.ocpi.module import OcpiRequest, PushRequest, Services, dialect_of
from roaming.partners.directory import Partner


async def send(
    services: Services, partner: Partner, name: CommandType, command: Any, *, emsp: PartyId, cpo: PartyId
) -> AskedOfPartner:
    """Sends ``command`` (``response_url`` is set here). Raises ``NotSent``."""
    return await ask(
        services,
        Asking(
            module="commands",
            name=name.value,
            partner=partner,
            from_party=emsp,
            to_party=cpo,
            path=(name.value,),
            build=partial(_build, partner, name, command),
            read_response=partial(_read_response, partner),
        ),
    )


def _build(partner: Partner, name: CommandType, command: Any, endpoint: str, response_url: str) -> PushRequest:
    assert partner.version is not None
    try:
        encoded = codec_of(partner.version, name).encode(msgspec.structs.replace(command, response_url=response_url))
    except EncodeError as error:
        raise NotSent(f"{partner.id}: {error}") from None
    url = dialect_of(partner).address(endpoint, name.value)
    return PushRequest(method="POST", url=url, body=dump_json(encoded.body), losses=encoded.losses)


def _read_response(partner: Partner, data: Any) -> str:
    assert partner.version is not None
    return str(RESPONSE_CODECS[partner.version].decode(data).value.result)


async def receive_result(request: OcpiRequest, command_id: str, body: Any) -> None:
    """A partner tells what came of a command we sent; bare or wrapped in an envelope. A reservation may be cancelled
    long after it was made. Raises ``NotFound``."""
    await asked_name(request, "commands", command_id)
    result = str(request.wire().decode(RESULT_CODECS, unwrapped(body)).result)
    await take_result(request, command_id, result, is_later=result == CommandResultType.CANCELED_RESERVATION)

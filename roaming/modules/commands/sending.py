"""A hosted eMSP's command to a partner CPO: sent, answered at once, and again when the station has spoken."""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from roaming.model.command import CommandResponseType, CommandType
from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole
from roaming.modules.commands import repository
from roaming.modules.commands.service import RESPONSE_CODECS, RESULT_CODECS, codec_of
from roaming.ocpi.client import Outcome
from roaming.ocpi.codec import DecodeError, Encoded, EncodeError, dump_json
from roaming.ocpi.errors import NotFound
from roaming.ocpi.headers import RoutingHeaders
from roaming.ocpi.module import OcpiRequest, Services, dialect_of, module_path, routing_to
from roaming.ocpi.partner_call import ask_partner, call_to, parties_of
from roaming.ocpi.wire import loss_note
from roaming.partners.directory import Partner

KEPT = timedelta(hours=24)
"""How long a result may come; a reservation may be cancelled hours later."""
TIMEOUT_SECONDS = 10.0


class CommandNotSent(RuntimeError):
    """The partner cannot be asked. The text says why."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A command that is with the partner. ``response`` is a CommandResponseType, or what went wrong."""

    id: str
    response: str


async def send(
    services: Services, partner: Partner, name: CommandType, command: Any, *, emsp: PartyId, cpo: PartyId
) -> Sent:
    """Sends ``command`` (``response_url`` is set here). Raises ``CommandNotSent``."""
    endpoint = partner.endpoint("commands", InterfaceRole.RECEIVER)
    if endpoint is None or partner.version is None:
        raise CommandNotSent(f"{partner.id} offers no commands")
    command_id = str(uuid.uuid4())
    module = next(module for module in services.modules if module.id == "commands")
    base = services.public_url + module_path(partner.version, module, InterfaceRole.SENDER)
    response_url = f"{base}/{name}/{command_id}"
    try:
        encoded = codec_of(partner.version, name).encode(msgspec.structs.replace(command, response_url=response_url))
    except EncodeError as error:
        raise CommandNotSent(f"{partner.id}: {error}") from None
    async with services.database.work() as work:
        values = {
            "id": command_id,
            "partner_id": partner.id,
            "name": name.value,
            "response": "",
            "result": "",
            "created_at": work.now,
            "expires_at": work.now + KEPT,
        }
        await repository.insert_sent(work.connection, values)
    response = await _post(services, partner, endpoint, name, encoded, RoutingHeaders(emsp, cpo))
    async with services.database.work() as work:
        await repository.note_response(work.connection, command_id, response)
    return Sent(id=command_id, response=response)


async def _post(
    services: Services, partner: Partner, endpoint: str, name: CommandType, encoded: Encoded, routing: RoutingHeaders
) -> str:
    call = call_to(
        services,
        partner,
        "POST",
        dialect_of(partner).address(endpoint, name.value),
        routing=routing_to(partner, routing.from_party, routing.to_party),
        body=dump_json(encoded.body),
        timeout=TIMEOUT_SECONDS,
    )
    notes = [loss_note(loss) for loss in encoded.losses]
    answer = await ask_partner(services, call, module="commands", parties=parties_of(routing), notes=notes)
    if answer.outcome != Outcome.DELIVERED:
        return answer.error or f"HTTP {answer.http_status}"
    try:
        assert partner.version is not None
        return str(RESPONSE_CODECS[partner.version].decode(answer.data).value.result)
    except DecodeError as error:
        return f"{CommandResponseType.REJECTED}: {error}"


async def take_result(request: OcpiRequest, command_id: str, body: Any) -> None:
    """A partner tells what came of a command we sent; bare or wrapped in an envelope. Raises ``NotFound``."""
    if isinstance(body, dict) and "result" not in body and isinstance(body.get("data"), dict):
        body = body["data"]
    result = request.wire().decode(RESULT_CODECS, body)
    async with request.services.database.work() as work:
        is_known = await repository.note_result(
            work.connection, command_id, request.partner.id, str(result.result), work.now
        )
    if not is_known:
        raise NotFound("no command of yours waits for this result")

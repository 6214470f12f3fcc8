"""A partner eMSP's command to a station of a hosted CPO: who may, which station, and what is told when.

The answer to the partner says only that the command is on its way; what the station said follows at ``response_url``.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages import CommandRequested, TokenOwner
from contracts.vocabulary import CommandName, CommandOutcome
from roaming.model.command import (
    CancelReservation,
    CommandResponse,
    CommandResponseType,
    CommandResult,
    CommandResultType,
    CommandType,
    ReserveNow,
    StartSession,
    StopSession,
    UnlockConnector,
)
from roaming.model.identifiers import PartyId, fold
from roaming.model.location import Location
from roaming.model.party import Role
from roaming.model.text import DisplayText
from roaming.model.token import Token
from roaming.model.version import Version
from roaming.modules.commands import repository, reserved
from roaming.modules.commands.codec import v211, v221, v230
from roaming.modules.commands.permitting import check_station, is_seen, usable
from roaming.modules.commands.reaching import Refused, reach
from roaming.modules.commands.repeats import earlier_start, follow, forget, key_of
from roaming.modules.commands.repository import Reservation
from roaming.ocpi.asked import Asked, insert_asked
from roaming.ocpi.callbacks import check_response_url
from roaming.ocpi.codec import Codec, EncodeError, dump_json
from roaming.ocpi.errors import InvalidParameters, NotFound, UnknownLocation
from roaming.ocpi.module import DeliveryJob, OcpiRequest, PushRequest
from roaming.partners.drivers import driver_of, remember
from roaming.stations.bindings import Binding
from roaming.stations.presence import Presence, presence_of
from roaming.stations.running import find_running, scopes_at
from roaming.store.database import Work
from roaming.store.documents import object_key, read_object

logger = structlog.get_logger(__name__)

CODECS = {Version.V2_1_1: v211, Version.V2_2_1: v221, Version.V2_3_0: v230}
RESPONSE_CODECS = {version: codecs.COMMAND_RESPONSE_CODEC for version, codecs in CODECS.items()}
RESULT_CODECS = {version: codecs.COMMAND_RESULT_CODEC for version, codecs in CODECS.items()}

RESULT_OF = {
    CommandOutcome.ACCEPTED: CommandResultType.ACCEPTED,
    CommandOutcome.REJECTED: CommandResultType.REJECTED,
    CommandOutcome.OCCUPIED: CommandResultType.EVSE_OCCUPIED,
    CommandOutcome.INOPERATIVE: CommandResultType.EVSE_INOPERATIVE,
    CommandOutcome.FAILED: CommandResultType.FAILED,
    CommandOutcome.NOT_SUPPORTED: CommandResultType.NOT_SUPPORTED,
    CommandOutcome.UNKNOWN_RESERVATION: CommandResultType.UNKNOWN_RESERVATION,
    CommandOutcome.UNKNOWN_TRANSACTION: CommandResultType.REJECTED,
    CommandOutcome.UNKNOWN_PROFILE: CommandResultType.FAILED,
    CommandOutcome.OFFLINE: CommandResultType.FAILED,
    CommandOutcome.TIMEOUT: CommandResultType.TIMEOUT,
}


@dataclass(frozen=True, kw_only=True)
class Target:
    """Which station is asked to do what, on whose behalf."""

    emsp: PartyId
    cpo: PartyId
    network: str
    station_id: str
    presence: Presence
    request: CommandRequested


def codec_of(version: Version, name: CommandType) -> Codec[Any]:
    """The codec of a command. Raises ``EncodeError`` for one that the version does not have."""
    codec: Codec[Any] | None = CODECS[version].CODECS.get(name)
    if codec is None:
        raise EncodeError("", f"OCPI {version} has no {name}")
    return codec


async def receive(request: OcpiRequest, name: CommandType, body: Any) -> bytes:
    """Checks a command, writes it with what the adapter will get, and returns the JSON of a CommandResponse.

    Raises ``UnknownLocation`` (2003), ``InvalidParameters`` (2001), ``NotFound`` for a command the version lacks.
    """
    emsps = request.partner.parties(Role.EMSP)
    wire = request.wire(emsps[0] if len(emsps) == 1 else None)
    try:
        command: Any = wire.decode({request.version: codec_of(request.version, name)}, body)
    except EncodeError as error:
        raise NotFound(error.reason) from None
    check_response_url(request, command.response_url)
    timeout = int(request.services.command_timeout)
    try:
        async with request.services.database.work() as work:
            target = await _target(work, request, command)
            row = Asked(
                id=target.request.command_id,
                module="commands",
                state="REQUESTED",
                name=name.value,
                partner_id=request.partner.id,
                emsp=str(target.emsp),
                cpo=str(target.cpo),
                version=request.version.value,
                response_url=command.response_url,
                network=target.network,
                station_id=target.station_id,
                correlation_id=request.ids.correlation_id,
                created_at=work.now,
                deadline=target.request.deadline,
            )
            await _ask(work, command, target, row)
        response = CommandResponse(result=CommandResponseType.ACCEPTED, timeout=timeout)
    except Refused as refusal:
        text = DisplayText(language="en", text=refusal.message)
        response = CommandResponse(result=refusal.result, timeout=timeout, message=(text,))
    return wire.encode(RESPONSE_CODECS, response)


async def _ask(work: Work, command: Any, target: Target, row: Asked) -> None:
    """Writes what goes to the station; nothing for a start that is on its way there already."""
    if isinstance(command, StartSession):
        first = await earlier_start(work, key_of(target.emsp, target.cpo, command), row)
        if first is not None:
            await follow(work, first, row)
            return
    elif isinstance(command, StopSession):
        ends = str(target.request.transaction_id)
        await forget(work.connection, network=target.network, station_id=target.station_id, transaction_id=ends)
    await insert_asked(work.connection, row)
    work.outbox.add(target.request, subject=target.presence.instance, id=row.id, correlation_id=row.correlation_id)


async def _target(work: Work, request: OcpiRequest, command: Any) -> Target:
    match command:
        case StartSession():
            return await _start(work, request, command)
        case ReserveNow():
            return await _reserve(work, request, command)
        case StopSession():
            return await _stop(work, request, command)
        case UnlockConnector():
            return await _unlock(work, request, command)
        case CancelReservation():
            return await _cancel(work, request, command)
        case _:
            raise NotFound("there is no such command")


async def _start(work: Work, request: OcpiRequest, command: StartSession) -> Target:
    cpo, location = await _location(work.connection, request, command)
    emsp = await _driver(work, request, command.token, cpo)
    if command.connector_id is not None and command.evse_uid is None:
        raise InvalidParameters("evse_uid: required together with connector_id")
    binding, presence = await reach(
        work.connection,
        cpo,
        location,
        command.evse_uid,
        command.connector_id,
        may_use=usable(request, CommandType.START_SESSION, [emsp], cpo, location.id, is_charging=True),
    )
    asked = _requested(request, binding, presence, CommandName.START_CHARGING)
    asked = msgspec.structs.replace(
        asked,
        token_uid=command.token.uid,
        group_id=command.token.group_id,
        token_owner=_owner(command.token),
        authorization_reference=command.authorization_reference,
    )
    return _to(emsp, cpo, binding, presence, asked)


async def _reserve(work: Work, request: OcpiRequest, command: ReserveNow) -> Target:
    cpo, location = await _location(work.connection, request, command)
    emsp = await _driver(work, request, command.token, cpo)
    if command.expiry_date <= work.now:
        raise Refused(CommandResponseType.REJECTED, "expiry_date has passed")
    binding, presence = await reach(
        work.connection,
        cpo,
        location,
        command.evse_uid,
        None,
        may_use=usable(request, CommandType.RESERVE_NOW, [emsp], cpo, location.id, is_charging=True),
    )
    name = f"{emsp}/{cpo}/{fold(command.reservation_id)}/{fold(location.id)}"
    station_reservation_id = uuid.uuid5(uuid.NAMESPACE_OID, name).hex
    reservation = Reservation(
        emsp=str(emsp),
        cpo=str(cpo),
        reservation_id=command.reservation_id,
        station_reservation_id=station_reservation_id,
        network=binding.network,
        station_id=binding.station_id,
        connector_id=binding.connector_id,
        expires_at=command.expiry_date,
    )
    await _free_replaced(work, request, reservation)
    await repository.keep_reservation(work.connection, reservation)
    asked = _requested(request, binding, presence, CommandName.RESERVE)
    await reserved.keep(work.connection, _reserved(asked.command_id, reservation, command, binding, now=work.now))
    asked = msgspec.structs.replace(
        asked,
        token_uid=command.token.uid,
        group_id=command.token.group_id,
        token_owner=_owner(command.token),
        reservation_id=station_reservation_id,
        reservation_expires_at=command.expiry_date,
        authorization_reference=command.authorization_reference,
    )
    return _to(emsp, cpo, binding, presence, asked)


def _reserved(
    command_id: str, reservation: Reservation, command: ReserveNow, binding: Binding, *, now: datetime
) -> reserved.Reserved:
    return reserved.Reserved(
        command_id=command_id,
        emsp=reservation.emsp,
        cpo=reservation.cpo,
        station_reservation_id=reservation.station_reservation_id,
        network=binding.network,
        station_id=binding.station_id,
        uid=command.token.uid,
        token_type=command.token.type,
        contract_id=command.token.contract_id,
        reference=command.authorization_reference or "",
        location_id=binding.location_id,
        evse_uid=binding.evse_uid,
        connector_id=binding.evse_connector_id,
        made_at=now,
        expires_at=command.expiry_date,
    )


async def _free_replaced(work: Work, request: OcpiRequest, new: Reservation) -> None:
    """Lets another station go that the caller reserved under the same id before: the new reservation replaces that one
    (OCPI 2.2.1, commands, ReserveNow). A station replaces its own by itself."""
    old = await repository.find_reservation(work.connection, new.emsp, new.cpo, new.reservation_id)
    if old is None or old.expires_at <= work.now:
        return
    await reserved.let_go(work.connection, old.station_reservation_id)
    if (old.network, old.station_id) == (new.network, new.station_id):
        return
    presence = await presence_of(work.connection, old.network, old.station_id)
    if presence is None or not presence.is_connected:
        logger.warning("replaced_reservation_stays", station=old.station_id, until=old.expires_at.isoformat())
        return
    asked = _asked_to_cancel(request, old, presence)
    work.outbox.add(asked, subject=presence.instance, id=asked.command_id, correlation_id=request.ids.correlation_id)


async def _stop(work: Work, request: OcpiRequest, command: StopSession) -> Target:
    for cpo in _cpos(request):
        running = await find_running(work.connection, object_key(cpo, command.session_id))
        if running is None:
            continue
        emsp = PartyId.parse(running.scope)
        if emsp not in _emsps(request):
            break  # the same answer as for a session that does not exist
        await check_station(
            work.connection, request, CommandType.STOP_SESSION, emsp, cpo, running.network, running.station_id
        )
        presence = await _present(work.connection, running.network, running.station_id)
        asked = CommandRequested(
            command_id=str(uuid.uuid4()),
            instance=presence.instance,
            epoch=presence.epoch,
            network=running.network,
            station_id=running.station_id,
            name=CommandName.STOP_CHARGING,
            deadline=_deadline(request),
            transaction_id=running.transaction_id,
        )
        return Target(
            emsp=emsp,
            cpo=cpo,
            network=running.network,
            station_id=running.station_id,
            presence=presence,
            request=asked,
        )
    raise Refused(CommandResponseType.UNKNOWN_SESSION, "no session of yours with this id is running")


async def _unlock(work: Work, request: OcpiRequest, command: UnlockConnector) -> Target:
    cpo, location = await _location(work.connection, request, command)
    binding, presence = await reach(
        work.connection,
        cpo,
        location,
        command.evse_uid,
        command.connector_id,
        may_use=usable(request, CommandType.UNLOCK_CONNECTOR, _emsps(request), cpo, location.id),
    )
    others = await scopes_at(work.connection, binding.network, binding.station_id)
    if others - {str(emsp) for emsp in _emsps(request)}:
        raise Refused(CommandResponseType.REJECTED, "somebody else is charging there")
    asked = _requested(request, binding, presence, CommandName.UNLOCK_CONNECTOR)
    return _to(_emsps(request)[0], cpo, binding, presence, asked)


async def _cancel(work: Work, request: OcpiRequest, command: CancelReservation) -> Target:
    for emsp in _emsps(request):
        for cpo in _cpos(request):
            found = await repository.find_reservation(work.connection, str(emsp), str(cpo), command.reservation_id)
            if found is None:
                continue
            if found.expires_at <= work.now:
                raise Refused(CommandResponseType.REJECTED, "this reservation has expired")
            await check_station(
                work.connection, request, CommandType.CANCEL_RESERVATION, emsp, cpo, found.network, found.station_id
            )
            presence = await _present(work.connection, found.network, found.station_id)
            asked = _asked_to_cancel(request, found, presence)
            await reserved.cancelled_by(work.connection, found.station_reservation_id, asked.command_id)
            return Target(
                emsp=emsp,
                cpo=cpo,
                network=found.network,
                station_id=found.station_id,
                presence=presence,
                request=asked,
            )
    raise Refused(CommandResponseType.REJECTED, "no reservation of yours has this id")


def _asked_to_cancel(request: OcpiRequest, reservation: Reservation, presence: Presence) -> CommandRequested:
    return CommandRequested(
        command_id=str(uuid.uuid4()),
        instance=presence.instance,
        epoch=presence.epoch,
        network=reservation.network,
        station_id=reservation.station_id,
        name=CommandName.CANCEL_RESERVATION,
        deadline=_deadline(request),
        reservation_id=reservation.station_reservation_id,
    )


def _cpos(request: OcpiRequest) -> tuple[PartyId, ...]:
    wanted = request.routing.to_party
    found = request.directory.hosted_cpos_for(request.partner)
    found = found if wanted is None else tuple(cpo for cpo in found if cpo == wanted)
    if not found:
        raise Refused(CommandResponseType.REJECTED, "you have no agreement with a CPO of this hub")
    return found


def _emsps(request: OcpiRequest) -> tuple[PartyId, ...]:
    ours = request.partner.parties(Role.EMSP)
    found = tuple(party for party in request.from_parties if party in ours)
    if not found:
        raise Refused(CommandResponseType.REJECTED, "commands come from a party in role EMSP")
    return found


async def _location(
    connection: AsyncConnection, request: OcpiRequest, command: StartSession | ReserveNow | UnlockConnector
) -> tuple[PartyId, Location]:
    """What the caller does not see does not exist for it."""
    location_id = command.location_id
    for cpo in _cpos(request):
        if not is_seen(request, cpo, location_id, command.evse_uid):
            continue
        location = await read_object(connection, "locations", object_key(cpo, location_id), Location)
        if location is not None:
            return cpo, location
    raise UnknownLocation(f"location_id: {location_id} is not known")


async def _driver(work: Work, request: OcpiRequest, token: Token, cpo: PartyId) -> PartyId:
    """The eMSP whose token it is, which must be the caller; the token is remembered for session and CDR."""
    emsp = PartyId.of(token.country_code, token.party_id)
    if emsp not in _emsps(request):
        raise InvalidParameters("token: its country_code and party_id are not those of the calling eMSP")
    if not request.directory.may_exchange(cpo=cpo, emsp=emsp):
        raise Refused(CommandResponseType.REJECTED, "there is no agreement with this CPO")
    await remember(work, driver_of(token, source=request.partner.id, now=work.now), is_used=True)
    return emsp


async def _present(connection: AsyncConnection, network: str, station_id: str) -> Presence:
    presence = await presence_of(connection, network, station_id)
    if presence is None or not presence.is_connected:
        raise Refused(CommandResponseType.REJECTED, "the station is not connected at the moment")
    return presence


def _deadline(request: OcpiRequest) -> datetime:
    return request.services.clock.now() + timedelta(seconds=request.services.command_timeout)


def _requested(request: OcpiRequest, binding: Binding, presence: Presence, name: CommandName) -> CommandRequested:
    return CommandRequested(
        command_id=str(uuid.uuid4()),
        instance=presence.instance,
        epoch=presence.epoch,
        network=binding.network,
        station_id=binding.station_id,
        name=name,
        deadline=_deadline(request),
        connector_id=binding.connector_id,
    )


def _owner(token: Token) -> TokenOwner:
    return TokenOwner(
        country_code=token.country_code,
        party_id=token.party_id,
        token_type=token.type,
        contract_id=token.contract_id,
    )


def _to(emsp: PartyId, cpo: PartyId, binding: Binding, presence: Presence, asked: CommandRequested) -> Target:
    return Target(
        emsp=emsp,
        cpo=cpo,
        network=binding.network,
        station_id=binding.station_id,
        presence=presence,
        request=asked,
    )


def build(_job: DeliveryJob, command: Asked | None, _endpoint: str) -> PushRequest | None:
    """POST of the bare CommandResult to ``response_url``; the endpoint of version details is never used for it."""
    if command is None or not command.outcome:
        return None
    result = RESULT_OF[CommandOutcome(command.outcome)]
    message = (DisplayText(language="en", text=command.detail[:512]),) if command.detail else ()
    encoded = RESULT_CODECS[Version(command.version)].encode(CommandResult(result=result, message=message))
    return PushRequest(method="POST", url=command.response_url, body=dump_json(encoded.body), losses=encoded.losses)

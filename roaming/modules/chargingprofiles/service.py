"""A partner's wish about the limits of a running charge at a station of a hosted CPO: who may, and what is told when.

The answer to the partner says only that its wish is on its way; what the station said follows at ``response_url``.
"""

import uuid
from datetime import timedelta

import msgspec

from contracts.messages import ChargingSchedule, CommandRequested
from contracts.vocabulary import CommandName, CommandOutcome
from roaming.model.charging_profile import (
    ActiveChargingProfileResult,
    ChargingProfileResponse,
    ChargingProfileResponseType,
    ChargingProfileResult,
    ChargingProfileResultType,
    ClearProfileResult,
)
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.model.session import Session
from roaming.model.version import Version
from roaming.modules.chargingprofiles.codec import v221, v230
from roaming.modules.chargingprofiles.model import ProfileRequest
from roaming.modules.chargingprofiles.schedules import from_schedule, result_of
from roaming.ocpi.asked import Asked, count_since, insert_asked
from roaming.ocpi.callbacks import check_response_url
from roaming.ocpi.codec import dump_json
from roaming.ocpi.module import DeliveryJob, OcpiRequest, PushRequest
from roaming.partners.agreements import CHARGING_PROFILE, Kind, Thing
from roaming.stations.presence import presence_of
from roaming.stations.running import RunningSession, find_running
from roaming.store.database import Work
from roaming.store.documents import object_key, read_object

RESPONSE_CODECS = {Version.V2_2_1: v221.RESPONSE_CODEC, Version.V2_3_0: v230.RESPONSE_CODEC}
SET_CODECS = {Version.V2_2_1: v221.SET_CHARGING_PROFILE_CODEC, Version.V2_3_0: v230.SET_CHARGING_PROFILE_CODEC}
ACTIVE_CODECS = {
    Version.V2_2_1: v221.ACTIVE_CHARGING_PROFILE_CODEC,
    Version.V2_3_0: v230.ACTIVE_CHARGING_PROFILE_CODEC,
}
SET_RESULT_CODECS = {Version.V2_2_1: v221.SET_RESULT_CODEC, Version.V2_3_0: v230.SET_RESULT_CODEC}
CLEAR_RESULT_CODECS = {Version.V2_2_1: v221.CLEAR_RESULT_CODEC, Version.V2_3_0: v230.CLEAR_RESULT_CODEC}
ACTIVE_RESULT_CODECS = {Version.V2_2_1: v221.ACTIVE_RESULT_CODEC, Version.V2_3_0: v230.ACTIVE_RESULT_CODEC}

COMMAND_OF = {
    ProfileRequest.GET: CommandName.GET_COMPOSITE_SCHEDULE,
    ProfileRequest.PUT: CommandName.SET_CHARGING_PROFILE,
    ProfileRequest.DELETE: CommandName.CLEAR_CHARGING_PROFILE,
    ProfileRequest.CHANGED: CommandName.GET_COMPOSITE_SCHEDULE,
}
OFTEN = 10
"""So many wishes of one partner about one session within ``OFTEN_WITHIN`` are enough."""
OFTEN_WITHIN = timedelta(minutes=1)


class Refused(Exception):
    """The wish ends here; the partner is told at once."""

    def __init__(self, result: ChargingProfileResponseType) -> None:
        super().__init__(result.value)
        self.result = result


async def receive(
    request: OcpiRequest,
    name: ProfileRequest,
    response_url: str,
    *,
    schedule: ChargingSchedule | None = None,
    duration: int | None = None,
) -> bytes:
    """Checks a wish, writes it with what the adapter will get, and returns the JSON of a ChargingProfileResponse.
    ``schedule``: to be set; ``duration``: seconds that are asked about. Raises ``InvalidParameters``."""
    check_response_url(request, response_url)
    timeout = int(request.services.command_timeout)
    result = ChargingProfileResponseType.ACCEPTED
    try:
        async with request.services.database.work() as work:
            cpo, party, running = await _running(work, request)
            asked = Asked(
                id=str(uuid.uuid4()),
                module="chargingprofiles",
                state="REQUESTED",
                name=name.value,
                partner_id=request.partner.id,
                emsp=str(party),
                cpo=str(cpo),
                version=request.version.value,
                response_url=response_url,
                network=running.network,
                station_id=running.station_id,
                session_key=running.session_key,
                session_id=request.path["session_id"],
                correlation_id=request.ids.correlation_id,
                created_at=work.now,
                deadline=work.now + timedelta(seconds=request.services.command_timeout),
            )
            await _check_rate(work, asked)
            if not await command(work, asked, running, schedule=schedule, duration=duration):
                raise Refused(ChargingProfileResponseType.REJECTED)
    except Refused as refusal:
        result = refusal.result
    return request.wire().encode(RESPONSE_CODECS, ChargingProfileResponse(result=result, timeout=timeout))


async def command(
    work: Work,
    asked: Asked,
    running: RunningSession,
    *,
    schedule: ChargingSchedule | None = None,
    duration: int | None = None,
) -> bool:
    """Writes a request down together with what the adapter gets; False, and nothing is written, while the station is
    away."""
    presence = await presence_of(work.connection, running.network, running.station_id)
    if presence is None or not presence.is_connected:
        return False
    await insert_asked(work.connection, asked)
    message = CommandRequested(
        command_id=asked.id,
        instance=presence.instance,
        epoch=presence.epoch,
        network=running.network,
        station_id=running.station_id,
        name=COMMAND_OF[ProfileRequest(asked.name)],
        deadline=asked.deadline,
        transaction_id=running.transaction_id,
        schedule=schedule,
        schedule_duration=duration,
    )
    work.outbox.add(message, subject=presence.instance, id=asked.id, correlation_id=asked.correlation_id)
    return True


async def _running(work: Work, request: OcpiRequest) -> tuple[PartyId, PartyId, RunningSession]:
    """The CPO, the party that asks and the session. Another driver's session is answered like one that does not exist.
    Raises ``Refused``."""
    for cpo in _cpos(request):
        running = await find_running(work.connection, object_key(cpo, request.path["session_id"]))
        party = await _who_may(work, request, cpo, running) if running is not None else None
        if running is not None and party is not None:
            return cpo, party, running
    raise Refused(ChargingProfileResponseType.UNKNOWN_SESSION)


def _cpos(request: OcpiRequest) -> tuple[PartyId, ...]:
    wanted = request.routing.to_party
    hosted = request.directory.hosted_parties(Role.CPO)
    return hosted if wanted is None else tuple(cpo for cpo in hosted if cpo == wanted)


async def _who_may(work: Work, request: OcpiRequest, cpo: PartyId, running: RunningSession) -> PartyId | None:
    """The owner of the token, or a party in role SCSP, under agreement with the CPO, by the rules about the place where
    the session is and about the driver whose it is (OCPI 2.2.1, charging profiles, topologies 1 and 3)."""
    directory, driver = request.directory, PartyId.parse(running.scope) if running.scope else None
    has_rules = bool(directory.rulebook.rules)
    session = await read_object(work.connection, "sessions", running.session_key, Session) if has_rules else None
    location_id, uid = (session.location_id, session.evse_uid) if session is not None else ("", "")
    thing = Thing(kind=Kind.COMMANDS, owner=cpo, object_id=location_id, evse_uid=uid, command=CHARGING_PROFILE)
    if (
        has_rules
        and driver is not None
        and not directory.may_charge(cpo=cpo, emsp=driver, location_id=location_id, evse_uids=[uid])
    ):
        return None
    for party in request.from_parties:
        is_owner = party == driver and party in request.partner.parties(Role.EMSP)
        is_provider = party in request.partner.parties(Role.SCSP)
        if (is_owner or is_provider) and directory.decide_for(party, thing).is_allowed:
            return party
    return None


async def _check_rate(work: Work, asked: Asked) -> None:
    count = await count_since(work.connection, asked.partner_id, asked.session_key, work.now - OFTEN_WITHIN)
    if count >= OFTEN:
        raise Refused(ChargingProfileResponseType.TOO_OFTEN)


def build(job: DeliveryJob, asked: Asked | None, endpoint: str) -> PushRequest | None:
    """POST of the bare result to ``response_url``, or PUT of a profile that has changed to the partner's endpoint."""
    if asked is None or not asked.outcome:
        return None
    if asked.name == ProfileRequest.CHANGED:
        return _build_changed(job, asked, endpoint)
    version, result = Version(asked.version), result_of(CommandOutcome(asked.outcome))
    match ProfileRequest(asked.name):
        case ProfileRequest.PUT:
            encoded = SET_RESULT_CODECS[version].encode(ChargingProfileResult(result=result))
        case ProfileRequest.DELETE:
            encoded = CLEAR_RESULT_CODECS[version].encode(ClearProfileResult(result=result))
        case _:
            encoded = ACTIVE_RESULT_CODECS[version].encode(_active_result(asked, result))
    return PushRequest(method="POST", url=asked.response_url, body=dump_json(encoded.body), losses=encoded.losses)


def _active_result(asked: Asked, result: ChargingProfileResultType) -> ActiveChargingProfileResult:
    schedule = schedule_of(asked)
    if result is not ChargingProfileResultType.ACCEPTED or schedule is None:
        is_promised = result is ChargingProfileResultType.ACCEPTED
        return ActiveChargingProfileResult(result=ChargingProfileResultType.UNKNOWN if is_promised else result)
    profile = from_schedule(schedule, told_at=asked.answered_at or asked.created_at)
    return ActiveChargingProfileResult(result=result, profile=profile)


def _build_changed(job: DeliveryJob, asked: Asked, endpoint: str) -> PushRequest | None:
    schedule, version = schedule_of(asked), job.partner.version
    if schedule is None or not endpoint or version not in ACTIVE_CODECS:
        return None
    profile = from_schedule(schedule, told_at=asked.answered_at or asked.created_at)
    encoded = ACTIVE_CODECS[version].encode(profile)
    url = job.address(endpoint, asked.session_id)
    return PushRequest(method="PUT", url=url, body=dump_json(encoded.body), losses=encoded.losses)


def schedule_of(asked: Asked) -> ChargingSchedule | None:
    """What the station told."""
    return msgspec.json.decode(asked.answer, type=ChargingSchedule) if asked.answer else None

"""A hosted eMSP's (or SCSP's) wish about a charge at a partner's: asked, answered at once, and again by the station.

And what partners tell of profiles that changed.
"""

from functools import partial
from typing import Any

from roaming.model.canonical import to_document
from roaming.model.charging_profile import ChargingProfile, SetChargingProfile
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.model.session import Session
from roaming.model.version import Version
from roaming.modules.chargingprofiles import repository
from roaming.modules.chargingprofiles.model import ProfileRequest
from roaming.modules.chargingprofiles.service import (
    ACTIVE_CODECS,
    ACTIVE_RESULT_CODECS,
    CLEAR_RESULT_CODECS,
    RESPONSE_CODECS,
    SET_CODECS,
    SET_RESULT_CODECS,
)
from roaming.ocpi.addresses import with_query
from roaming.ocpi.callbacks import AskedOfPartner, Asking, NotSent, ask, asked_name, take_result, unwrapped
from roaming.ocpi.codec import dump_json
from roaming.ocpi.errors import NotFound
from roaming.ocpi.module import OcpiRequest, PushRequest, Services, dialect_of
from roaming.partners.directory import Partner
from roaming.store.documents import object_key, read_object


async def send(
    services: Services,
    partner: Partner,
    name: ProfileRequest,
    session_id: str,
    *,
    from_party: PartyId,
    to_party: PartyId,
    profile: ChargingProfile | None = None,
    duration: int = 0,
) -> AskedOfPartner:
    """Asks for the limits of a partner's session, sets (``profile``) or clears them. ``duration``: seconds that are
    asked about. Raises ``NotSent``."""
    if partner.version not in ACTIVE_CODECS:
        raise NotSent(f"{partner.id} speaks OCPI {partner.version}, which has no charging profiles")
    return await ask(
        services,
        Asking(
            module="chargingprofiles",
            name=name.value,
            partner=partner,
            from_party=from_party,
            to_party=to_party,
            path=("results",),
            build=partial(_build, partner, partner.version, name, session_id, profile, duration),
            read_response=lambda data: str(RESPONSE_CODECS[Version(str(partner.version))].decode(data).value.result),
        ),
    )


def _build(
    partner: Partner,
    version: Version,
    name: ProfileRequest,
    session_id: str,
    profile: ChargingProfile | None,
    duration: int,
    endpoint: str,
    response_url: str,
) -> PushRequest:
    url = dialect_of(partner).address(endpoint, session_id)
    if name is ProfileRequest.PUT:
        if profile is None:
            raise NotSent("there is no profile to set")
        wish = SetChargingProfile(charging_profile=profile, response_url=response_url)
        encoded = SET_CODECS[version].encode(wish)
        return PushRequest(method="PUT", url=url, body=dump_json(encoded.body), losses=encoded.losses)
    asked = {"duration": duration or None, "response_url": response_url}
    return PushRequest(method=name.value, url=with_query(url, asked), body=None)


async def receive_result(request: OcpiRequest, id: str, body: Any) -> None:
    """A partner tells what came of a wish of ours; bare or wrapped in an envelope. Raises ``NotFound``."""
    name = await asked_name(request, "chargingprofiles", id)
    wire, said, document = request.wire(), unwrapped(body), ""
    if name == ProfileRequest.PUT:
        result = wire.decode(SET_RESULT_CODECS, said).result
    elif name == ProfileRequest.DELETE:
        result = wire.decode(CLEAR_RESULT_CODECS, said).result
    else:
        active = wire.decode(ACTIVE_RESULT_CODECS, said)
        result, document = active.result, to_document(active)
    await take_result(request, id, str(result), document=document)


async def receive_changed(request: OcpiRequest, session_id: str, body: Any) -> None:
    """A partner tells which profile holds now for a session of its. Raises ``NotFound`` for a session that is not one
    of a hosted eMSP's tokens."""
    profile = request.wire().decode(ACTIVE_CODECS, body)
    owners = request.directory.hosted_emsps_for(request.partner)
    async with request.services.database.work() as work:
        for cpo in request.partner.parties(Role.CPO):
            key = object_key(cpo, session_id)
            session = await read_object(work.connection, "sessions", key, Session)
            if session is None:
                continue
            if PartyId.of(session.cdr_token.country_code, session.cdr_token.party_id) in owners:
                await repository.keep_active(work.connection, key, request.partner.id, profile, now=work.now)
                return
    raise NotFound("no session of yours has this id here: push the session first")

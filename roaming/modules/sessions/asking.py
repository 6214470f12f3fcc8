"""A hosted eMSP's driver at a partner's station: the partner is told what the driver wants (OCPI 2.2.1, sessions, Set:
Charging Preferences). Knows no price.
"""

from dataclasses import dataclass
from typing import Any

from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole
from roaming.model.session import ChargingPreferences, ChargingPreferencesResponse
from roaming.model.version import Version
from roaming.modules.sessions import repository
from roaming.modules.sessions.service import PREFERENCES_CODECS
from roaming.ocpi.client import Outcome
from roaming.ocpi.codec import dump_json
from roaming.ocpi.headers import RoutingHeaders
from roaming.ocpi.module import Services, dialect_of, routing_to
from roaming.ocpi.partner_call import ask_partner, call_to, parties_of
from roaming.partners.directory import Partner

TIMEOUT_SECONDS = 10.0


class NotTold(RuntimeError):
    """The partner could not be told. The text says why."""


@dataclass(frozen=True, kw_only=True)
class Charge:
    """A session of a partner's CPO, with the token of a hosted eMSP."""

    session_id: str
    cpo: PartyId
    emsp: PartyId


async def tell_preferences(
    services: Services, partner: Partner, charge: Charge, preferences: ChargingPreferences
) -> str:
    """What the partner answers, a ``ChargingPreferencesResponse`` as a rule; what it accepts is kept for whoever checks
    its CDR. Raises ``NotTold``."""
    endpoint = partner.endpoint("sessions", InterfaceRole.SENDER)
    codec = PREFERENCES_CODECS.get(Version(partner.version)) if partner.version is not None else None
    if endpoint is None or codec is None:
        raise NotTold(f"{partner.id} takes no charging preferences: its OCPI is {partner.version or 'not known'}")
    call = call_to(
        services,
        partner,
        "PUT",
        dialect_of(partner).address(endpoint, charge.session_id, "charging_preferences"),
        routing=routing_to(partner, charge.emsp, charge.cpo),
        body=dump_json(codec.encode(preferences).body),
        timeout=TIMEOUT_SECONDS,
    )
    parties = parties_of(RoutingHeaders(charge.emsp, charge.cpo))
    answer = await ask_partner(services, call, module="sessions", parties=parties)
    if answer.outcome != Outcome.DELIVERED:
        raise NotTold(answer.message or answer.error or f"HTTP {answer.http_status}")
    said = _word(answer.data)
    if said == ChargingPreferencesResponse.ACCEPTED:
        key = repository.key_of(charge.cpo, charge.session_id)
        async with services.database.work() as work:
            await repository.load(work.connection, key, for_update=True)
            await repository.keep_preferences(work.connection, key, preferences, now=work.now)
    return said


def _word(data: Any) -> str:
    """The answer is one word as it is; some have it in an object, as the answers of commands are."""
    said = data.get("result") if isinstance(data, dict) else data
    if not isinstance(said, str):
        raise NotTold("what it answered is no ChargingPreferencesResponse")
    return said

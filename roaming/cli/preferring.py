"""Charging preferences from the command line: what a hosted driver wants of a charge at a partner's."""

from decimal import Decimal, InvalidOperation
from typing import Any

from roaming.cli.database import services_of_now
from roaming.cli.output import fail
from roaming.cli.profiles import find_charge
from roaming.model.session import ChargingPreferences, ChargingPreferencesResponse
from roaming.model.time import parse_timestamp
from roaming.model.token import ProfileType
from roaming.modules.sessions.asking import Charge, NotTold, tell_preferences
from roaming.store.columns import MAX_EXACT


async def prefer(session_id: str, *, profile: str, until: str, kwh: str, party: str) -> tuple[dict[str, Any], bool]:
    """Tells the partner; what it said, and whether it will."""
    if profile.upper() not in ProfileType.__members__:
        fail(f"--profile {profile}: {', '.join(each.lower() for each in ProfileType)}")
    try:
        departure = parse_timestamp(until) if until else None
    except ValueError as error:
        fail(f"--until: {error}")
    try:
        need = Decimal(kwh) if kwh else None
    except InvalidOperation:
        need = Decimal(0)
    if need is not None and not (need.is_finite() and 0 < need <= MAX_EXACT):
        fail(f"--kwh {kwh}: more than 0 and at most {MAX_EXACT}")
    wanted = ChargingPreferences(profile_type=profile.upper(), departure_time=departure, energy_need=need)
    async with services_of_now() as services:
        found = await find_charge(services, session_id, party)
        charge = Charge(session_id=found.session_id, cpo=found.cpo, emsp=found.emsp)
        try:
            said = await tell_preferences(services, found.partner, charge, wanted)
        except NotTold as error:
            fail(f"{found.partner.id}: {error}")
    values = {"session": found.session_id, "CPO": str(found.cpo), "for": str(found.emsp), "said": said}
    return values, said == ChargingPreferencesResponse.ACCEPTED

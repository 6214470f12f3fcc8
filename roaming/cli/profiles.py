"""Charging profiles from the command line: a wish of a hosted driver's eMSP about a charge at a partner's."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from roaming.cli.asking import result_of
from roaming.cli.database import services_of_now
from roaming.cli.output import fail
from roaming.cli.registering import party_of
from roaming.model.canonical import from_document
from roaming.model.charging_profile import (
    ActiveChargingProfileResult,
    ChargingProfile,
    ChargingProfilePeriod,
    ChargingProfileResponseType,
    ChargingProfileResultType,
    ChargingRateUnit,
)
from roaming.model.identifiers import PartyId, fold
from roaming.model.time import format_timestamp, parse_timestamp
from roaming.modules.chargingprofiles.model import ProfileRequest
from roaming.modules.chargingprofiles.schedules import Unfit, to_schedule
from roaming.modules.chargingprofiles.sending import send
from roaming.ocpi.callbacks import NotSent
from roaming.ocpi.module import Services
from roaming.partners.directory import Partner

Told = tuple[dict[str, Any], bool]
"""What is shown, and whether the wish was met."""


@dataclass(frozen=True, kw_only=True)
class Charge:
    """A session at a partner's."""

    session_id: str
    cpo: PartyId
    emsp: PartyId
    partner: Partner


async def set_profile(
    session_id: str, limits: Sequence[str], *, unit: str, start: str, duration: int, party: str, wait: float
) -> Told:
    """Limits a charge. ``limits``: ``SECONDS:LIMIT``."""
    profile = read_profile(limits, unit=unit, start=start, duration=duration)
    return await _ask(session_id, ProfileRequest.PUT, party=party, wait=wait, profile=profile)


async def clear_profile(session_id: str, *, party: str, wait: float) -> Told:
    """Takes limits back."""
    return await _ask(session_id, ProfileRequest.DELETE, party=party, wait=wait)


async def get_profile(session_id: str, *, duration: int, party: str, wait: float) -> Told:
    """Asks which limits hold for the next ``duration`` seconds."""
    return await _ask(session_id, ProfileRequest.GET, party=party, wait=wait, duration=duration)


def read_profile(limits: Sequence[str], *, unit: str, start: str, duration: int) -> ChargingProfile:
    """The profile that these words mean, or the end of the command."""
    if unit.upper() not in set(ChargingRateUnit):
        fail(f"--unit {unit}: W or A")
    periods: list[ChargingProfilePeriod] = []
    for text in limits:
        seconds, colon, limit = text.partition(":")
        try:
            period = ChargingProfilePeriod(start_period=int(seconds), limit=Decimal(limit))
        except (ValueError, InvalidOperation):
            period = None
        if not colon or period is None or not period.limit.is_finite():
            fail(f"--limit {text}: write SECONDS:LIMIT, such as 0:11000 or 900:10.5")
        periods.append(period)
    try:
        profile = ChargingProfile(
            charging_rate_unit=unit.upper(),
            start_date_time=parse_timestamp(start) if start else None,
            duration=duration or None,
            charging_profile_period=tuple(sorted(periods, key=lambda period: period.start_period)),
        )
        to_schedule(profile)
    except (Unfit, ValueError) as error:
        fail(str(error))
    return profile


async def _ask(
    session_id: str,
    name: ProfileRequest,
    *,
    party: str,
    wait: float,
    profile: ChargingProfile | None = None,
    duration: int = 0,
) -> Told:
    async with services_of_now() as services:
        charge = await find_charge(services, session_id, party)
        try:
            asked = await send(
                services,
                charge.partner,
                name,
                charge.session_id,
                from_party=charge.emsp,
                to_party=charge.cpo,
                profile=profile,
                duration=duration,
            )
        except NotSent as error:
            fail(str(error))
        is_accepted = asked.response == ChargingProfileResponseType.ACCEPTED
        kept = await result_of(services, asked.id, wait) if is_accepted else None
    values = {
        "session": charge.session_id,
        "CPO": str(charge.cpo),
        "for": str(charge.emsp),
        "partner": charge.partner.id,
        "said at once": asked.response,
        "said by the station": kept.result if kept is not None else "",
    }
    if is_accepted and kept is None:
        values["said by the station"] = f"nothing within {wait:g} s; the hub still takes it"
    if kept is not None and kept.document:
        values |= _lines(from_document(ActiveChargingProfileResult, kept.document))
    return values, is_accepted and kept is not None and kept.result == ChargingProfileResultType.ACCEPTED


async def find_charge(services: Services, session_id: str, party: str) -> Charge:
    """A hosted driver's session at a partner's; or the end of the command."""
    rows = await services.database.reader.fetch(
        "SELECT country_code, party_id, object_id, source, scope FROM sessions WHERE lower(object_id) = $1",
        fold(session_id),
    )
    if party:
        rows = [row for row in rows if (row[0], row[1]) == party_of(party)]
    if not rows:
        fail(f"no session {session_id}: see `roaming session list`")
    if len(rows) > 1:
        fail(f"{len(rows)} parties have a session {session_id}: say which CPO's with --party")
    (row,) = rows
    if not row[3]:
        fail(f"session {session_id} is at a station of yours: this is a wish about a partner's")
    directory = await services.directory.current()
    partner, emsp = directory.partners.get(row[3]), PartyId.parse(row[4])
    if partner is None or not partner.is_connected:
        fail(f"{row[3]} is not connected: see `roaming partner list`")
    if not directory.is_hosted(emsp):
        fail(f"session {session_id} is a driver's of {emsp}, which is not hosted here")
    return Charge(session_id=row[2], cpo=PartyId(row[0], row[1]), emsp=emsp, partner=partner)


def _lines(result: ActiveChargingProfileResult) -> dict[str, Any]:
    if result.profile is None:
        return {}
    profile = result.profile.charging_profile
    return {
        "holds from": format_timestamp(result.profile.start_date_time),
        "limits": [
            f"from {period.start_period} s: {period.limit} {profile.charging_rate_unit}"
            for period in profile.charging_profile_period
        ],
    }

"""A CDR of ours that was wrong: taken back and issued anew in one step, from what the session and its frozen tariff
say, or from what a person wrote.
"""

from dataclasses import dataclass

import msgspec

from roaming.billing.announcing import credited
from roaming.billing.disputes import close_disputes
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId, fold
from roaming.model.location import Location
from roaming.model.session import Session
from roaming.model.signed_records import SignedRecords
from roaming.model.version import Version
from roaming.modules.cdrs import repository
from roaming.modules.cdrs.crediting import NotCreditable, credit, reissue, replacement_id
from roaming.modules.cdrs.frozen import frozen_tariffs
from roaming.modules.cdrs.issuing import PlaceUnknown, issue
from roaming.modules.cdrs.service import CODECS
from roaming.modules.cdrs.signing import with_signed
from roaming.ocpi.codec import DecodeError, MalformedJson, parse_json
from roaming.partners.agreed_readings import readings_between
from roaming.rating import DEFAULT_READINGS, RatingError, Readings, rate, relevant_tariffs
from roaming.rating.readings import ChosenReadings
from roaming.store.database import Work
from roaming.store.documents import object_key, read_object


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """What was issued."""

    credit: CDR
    replacement: CDR | None
    is_new: bool
    """False: it was done before."""


async def correct(
    work: Work, party: PartyId, cdr_id: str, *, reason: str, is_replaced: bool, replacement: CDR | None = None
) -> Corrected:
    """Takes back a CDR of a hosted party and, where ``is_replaced``, issues a new one: ``replacement``, which must be
    of the same driver, place and currency, or what the session comes to. An open dispute about it is closed. Done
    before, it changes nothing. Raises ``NotCreditable`` naming the field."""
    key = repository.key_of(party, cdr_id)
    kept = await repository.load(work.connection, key)
    if kept is None:
        raise NotCreditable(f"{party} has issued no CDR {cdr_id} here")
    cdr = kept.cdr
    earlier = await repository.load(work.connection, repository.key_of(party, f"{cdr.id}-C"))
    if earlier is not None and not cdr.credit and not earlier.stored.source:
        issued = earlier.cdr
    else:
        earlier, issued = None, await credit(work, party, cdr_id, reason=reason)
    new = await repository.load(work.connection, repository.key_of(party, replacement_id(cdr.id)))
    is_new = earlier is None
    made = new.cdr if new is not None else None
    if is_replaced and made is None:
        if replacement is not None:
            await _must_be_of(work, cdr, replacement)
        wanted = replacement if replacement is not None else await _from_session(work, cdr)
        made, is_new = await reissue(work, party, cdr_id, wanted), True
    await close_disputes(work, key, f"taken back by CDR {issued.id}")
    if earlier is None:
        await credited(work, issued, replacement_id=made.id if made is not None else None)
    return Corrected(credit=issued, replacement=made, is_new=is_new)


def read_replacement(content: bytes) -> CDR:
    """A CDR as JSON of OCPI 2.3.0, or of 2.2.1 where it is that. Raises ``NotCreditable`` naming the field."""
    try:
        body = parse_json(content)
        cost = body.get("total_cost") if isinstance(body, dict) else None
        is_newest = isinstance(cost, dict) and "before_taxes" in cost
        return CODECS[Version.V2_3_0 if is_newest else Version.V2_2_1].decode(body).value
    except (DecodeError, MalformedJson) as error:
        raise NotCreditable(f"replacement: {error}") from error


async def _must_be_of(work: Work, cdr: CDR, replacement: CDR) -> None:
    """What a person writes corrects a charge; it is none of another driver, place or currency. What the session here
    says of these is as good as what the CDR says: either may be what was wrong. Raises ``NotCreditable``."""
    owner = PartyId.of(cdr.country_code, cdr.party_id)
    session = await read_object(work.connection, "sessions", object_key(owner, cdr.session_id or ""), Session)
    place_id, token = replacement.cdr_location.id, replacement.cdr_token
    place = await read_object(work.connection, "locations", object_key(owner, place_id), Location)
    tokens, currencies, places = [cdr.cdr_token], [cdr.currency], [cdr.cdr_location.id]
    if session is not None:
        tokens.append(session.cdr_token)
        currencies.append(session.currency)
        places.append(session.location_id)
    if place is not None:
        places.append(place.id)
    parts = ("country_code", "party_id", "uid", "contract_id")
    for field, value, right in (
        *((f"cdr_token.{name}", getattr(token, name), [getattr(each, name) for each in tokens]) for name in parts),
        ("currency", replacement.currency, currencies),
        ("cdr_location.id", place_id, places),
    ):
        if fold(value) not in map(fold, right):
            raise NotCreditable(
                f"replacement: {field}: {value} is not that of CDR {cdr.id} ({right[0]}): what comes in its place is of"
                " the same charge; leave it as it is, or credit without a replacement"
            )


async def _from_session(work: Work, cdr: CDR) -> CDR:
    """As the session would be billed now, with its tariff and place as they were at its start; a CDR without a session
    here is priced anew from its own periods."""
    owner = PartyId.of(cdr.country_code, cdr.party_id)
    session_key = object_key(owner, cdr.session_id or "")
    session = await read_object(work.connection, "sessions", session_key, Session)
    tariffs = await frozen_tariffs(work.connection, session_key, session) if session is not None else ()
    place = await read_object(work.connection, "session_snapshots", f"{session_key}#location", Location)
    chosen = await read_object(work.connection, "session_snapshots", f"{session_key}#readings", ChosenReadings)
    if session is not None and tariffs and place is not None:
        readings = chosen.readings if chosen else DEFAULT_READINGS
        signed = await read_object(work.connection, "session_snapshots", f"{session_key}#signed", SignedRecords)
        try:
            return with_signed(issue(session, place, tariffs, now=work.now, readings=readings), signed)
        except (PlaceUnknown, RatingError) as error:
            raise NotCreditable(
                f"session {session.id} cannot be billed anew: {error}; give --replacement FILE (`replacement` over"
                " HTTP)"
            ) from error
    if not cdr.tariffs:
        raise NotCreditable(
            f"neither session nor tariff of CDR {cdr.id} is here: give --replacement FILE (`replacement` over HTTP)"
        )
    if chosen is None and not tariffs:  # nothing of its start is here: as the two parties agree now
        emsp = PartyId.of(cdr.cdr_token.country_code, cdr.cdr_token.party_id)
        chosen = ChosenReadings(chosen=await readings_between(work.connection, cpo=owner, emsp=emsp))
    location = await read_object(work.connection, "locations", object_key(owner, cdr.cdr_location.id), Location)
    time_zone = location.time_zone if location is not None else "UTC"
    return repriced(cdr, time_zone, chosen.readings if chosen else DEFAULT_READINGS)


def repriced(cdr: CDR, time_zone: str, readings: Readings) -> CDR:
    """The same charge at what its own tariffs, read as the two parties agreed, make of its periods. Raises
    ``NotCreditable``."""
    start, end = cdr.start_date_time, cdr.end_date_time
    tariffs = relevant_tariffs(cdr.tariffs, cdr.charging_periods)
    try:
        rated = rate(tariffs, cdr.charging_periods, start=start, end=end, time_zone=time_zone, readings=readings)
    except RatingError as error:
        raise NotCreditable(
            f"CDR {cdr.id} cannot be priced anew: {error}; give --replacement FILE (`replacement` over HTTP)"
        ) from error
    return msgspec.structs.replace(
        cdr,
        currency=rated.currency,
        tariffs=tariffs,
        total_cost=rated.total,
        total_fixed_cost=rated.fixed,
        total_energy_cost=rated.energy,
        total_time_cost=rated.time,
        total_parking_cost=rated.parking,
        total_reservation_cost=rated.reservation if cdr.total_reservation_cost is not None else None,
    )

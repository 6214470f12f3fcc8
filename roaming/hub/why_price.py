"""Why a charge has its tariff: one that began, by what was kept at its start; one that might begin, by the rules that
would decide. The same decision as the one that charges are priced by."""

from dataclasses import dataclass, replace
from datetime import datetime

from roaming.hub.why import NotKnown
from roaming.model.canonical import from_document
from roaming.model.identifiers import PartyId, fold
from roaming.model.location import EVSE, Connector, Location
from roaming.model.party import Role
from roaming.model.price_reason import PriceReason
from roaming.model.profile_tariffs import ProfileTariffs
from roaming.model.session import Session
from roaming.model.tariff import Tariff
from roaming.model.time import format_timestamp
from roaming.model.token import ProfileType
from roaming.ocpi.module import Services
from roaming.ocpi.offered import pick, price_reason, profile_at_start, tariffs_at
from roaming.partners.agreements import ChargeBegun
from roaming.partners.drivers import Driver, find_drivers
from roaming.rating.readings import ChosenReadings
from roaming.rating.switching import preferred_in, tariffs_over_time
from roaming.store.documents import id_of_key, object_key, read_object


@dataclass(frozen=True, kw_only=True)
class WhyPrice:
    """``tariff``: empty where none of the offered ones is stored and holds, so that the charge has no price.
    ``rule``: the number of the price rule that decided, ``None`` where none did."""

    tariff: str
    because: str
    rule: int | None
    offered: tuple[str, ...]
    also: tuple[str, ...]
    """Other price rules that fitted, and lost."""
    profile: str
    """Which the charge begins with (OCPI 2.2.1, sessions, ProfileType)."""
    profile_from: str
    """Where that comes from."""
    preferred: tuple[str, ...] = ()
    """Profiles that the driver's accepted preferences named since, each with its time."""
    later: tuple[str, ...] = ()
    """Tariffs that these led to, each with the time from which on it prices the charge."""


async def why_of_session(services: Services, session_id: str) -> WhyPrice:
    """Of a charge at a station of ours, whatever rules and tariffs say by now. Raises ``NotKnown``."""
    reader = services.database.reader
    rows = await reader.fetch("SELECT key FROM sessions WHERE source = '' AND key LIKE $1", f"%/{fold(session_id)}")
    keys = [row[0] for row in rows if id_of_key(row[0]) == fold(session_id)]
    if len(keys) != 1:
        raise NotKnown(f"no session {session_id} began at a station of ours: see `roaming session list`")
    async with services.database.reading() as connection:
        session = await read_object(connection, "sessions", keys[0], Session)
        tariff = await read_object(connection, "session_snapshots", f"{keys[0]}#tariff", Tariff)
        location = await read_object(connection, "session_snapshots", f"{keys[0]}#location", Location)
        reason = await read_object(connection, "session_snapshots", f"{keys[0]}#price_reason", PriceReason)
        profiles = await read_object(connection, "session_snapshots", f"{keys[0]}#profiles", ProfileTariffs)
        chosen = await read_object(connection, "session_snapshots", f"{keys[0]}#readings", ChosenReadings)
    if session is None:
        raise NotKnown(f"no session {session_id} is stored here any more")
    if reason is None:
        connectors = [each for evse in location.evses for each in evse.connectors] if location is not None else []
        reason = price_reason((), connectors[0].tariff_ids if len(connectors) == 1 else ())
    told = _told(reason, tariff)
    sql = "SELECT profiles FROM charging_preferences WHERE session_key = $1"
    preferred = [each for row in await reader.fetch(sql, keys[0]) for each in preferred_in(row[0])]
    if not preferred:
        return told
    change = (chosen or ChosenReadings()).readings.profile_change
    known = profiles.tariffs if profiles is not None else {}
    first, later = tariffs_over_time(tariff, known, preferred, change, until=session.end_date_time)
    because = told.because
    if first is not None and (tariff is None or first.id != tariff.id):
        because = f"{because}; then what was preferred since (profile_change {change})"
    return replace(
        told,
        tariff=first.id if first is not None else "",
        because=because,
        preferred=tuple(f"{each.profile_type} at {format_timestamp(each.at)}" for each in preferred),
        later=tuple(f"{each.tariff.id} from {format_timestamp(each.at)} on" for each in later),
    )


async def why_there(
    services: Services,
    owner: PartyId,
    place: str,
    *,
    at: datetime | None,
    token: str = "",
    emsp: PartyId | None = None,
    profile: str = "",
) -> WhyPrice:
    """Of a charge that would begin ``at`` (``None``: now) at ``place``, ``LOCATION/EVSE`` or with a third part the id
    of the connector, with ``token`` or, without one, some token of ``emsp``. ``profile``: as if the driver's
    preferences named it, in place of what the token says. Raises ``NotKnown``."""
    if profile and profile not in ProfileType.__members__:
        raise NotKnown(f"profile: {profile} is none of {', '.join(ProfileType)}")
    directory = await services.directory.current()
    at = at or services.clock.now()
    driver = await _driver(services, token, emsp) if token else None
    issuer = driver.owner if driver is not None else emsp
    if issuer is None:
        raise NotKnown("name a token, or the eMSP whose driver charges")
    async with services.database.reading() as connection:
        location, evse, connector = await _connector(services, owner, place)
        begun = ChargeBegun(at=at, token_uid=token, group_id=driver.group_id if driver is not None else None)
        rules = directory.rulebook.pricing(directory.viewer(issuer), owner, location.id, evse.uid, begun)
        held = await tariffs_at(connection, owner, price_reason(rules, connector.tariff_ids).tariff_ids, at)
        wanted = profile or (driver.default_profile_type if driver is not None else None)
        begins = profile_at_start(
            wanted, evse, held, whose=f"preferences for {profile} are asked for" if profile else ""
        )
        kind = driver.type if driver is not None else ""
        tariff = pick(held, token_type=kind, profile=begins.type)
        return _told(price_reason(rules, connector.tariff_ids, begins), tariff)


def _told(reason: PriceReason, tariff: Tariff | None) -> WhyPrice:
    profile_from = reason.profile_says or "nobody named one"
    because = reason.says
    if reason.profile != ProfileType.REGULAR and tariff is not None:
        which = f"of type {tariff.type}" if tariff.type is not None else "without type, as none is for this profile"
        because = f"{because}; of these the one {which}: {profile_from}"
    return WhyPrice(
        tariff=tariff.id if tariff is not None else "",
        because=because,
        rule=reason.rule,
        offered=reason.tariff_ids,
        also=reason.also,
        profile=reason.profile,
        profile_from=profile_from,
    )


async def _driver(services: Services, uid: str, emsp: PartyId | None) -> Driver:
    found = [each for each in await find_drivers(services.database, uid) if emsp in (None, each.owner)]
    owners = list(dict.fromkeys(str(each.owner) for each in found))
    if not found:
        raise NotKnown(f"nobody has told of a token {uid}: see `roaming token list`")
    if len(owners) > 1:
        raise NotKnown(f"several have a token {uid} ({', '.join(owners)}): name its eMSP")
    return found[0]


async def _connector(services: Services, owner: PartyId, place: str) -> tuple[Location, EVSE, Connector]:
    directory = await services.directory.current()
    if owner not in directory.hosted_parties(Role.CPO):
        raise NotKnown(f"{owner} is no CPO of this hub: only what is charged at its stations is priced here")
    id, _, rest = place.partition("/")
    uid, _, connector_id = rest.partition("/")
    rows = await services.database.reader.fetch("SELECT document FROM locations WHERE key = $1", object_key(owner, id))
    if not rows:
        raise NotKnown(f"{owner} has no location {id}: see `roaming location list`")
    location = from_document(Location, rows[0][0])
    evse = next((each for each in location.evses if fold(each.uid) == fold(uid)), None)
    if evse is None:
        named = ", ".join(f"{location.id}/{each.uid}" for each in location.evses) or "it has none yet"
        raise NotKnown(f"location {location.id} has no EVSE {uid!r}: name one, {named}")
    fitting = [each for each in evse.connectors if not connector_id or fold(each.id) == fold(connector_id)]
    if not fitting or len({each.tariff_ids for each in fitting}) > 1:
        named = ", ".join(f"{location.id}/{evse.uid}/{each.id}" for each in evse.connectors)
        raise NotKnown(f"name a connector of EVSE {evse.uid}, as their tariffs differ: {named}")
    return location, evse, fitting[0]

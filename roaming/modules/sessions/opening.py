"""From a transaction to its Session: who charges, where, at which price. Reads other modules' objects, never tables."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.envelope import message_id
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus
from roaming.model.canonical import from_document
from roaming.model.identifiers import PartyId, fold
from roaming.model.location import EVSE, Connector, Location
from roaming.model.price_reason import PriceReason
from roaming.model.profile_tariffs import ProfileTariffs
from roaming.model.session import AuthMethod, Session, SessionStatus
from roaming.model.tariff import Tariff
from roaming.model.time import next_update
from roaming.model.token import CdrToken, ProfileType
from roaming.modules.sessions import repository
from roaming.modules.sessions.course import Course, priced, settled, with_readings
from roaming.modules.sessions.model import UNPLACED
from roaming.modules.sessions.repository import Kept, Snapshots, Transaction, TransactionKey
from roaming.ocpi import offered
from roaming.ocpi.offered import pick, price_reason, profile_at_start, tariffs_at
from roaming.partners.agreements import ChargeBegun, Rule
from roaming.partners.directory import Directory
from roaming.partners.drivers import Driver, driver_who_charges, find_driver
from roaming.rating.readings import ChosenReadings
from roaming.rating.switching import Preferred, Since, tariffs_over_time
from roaming.stations.bindings import Binding, bindings_of_stations
from roaming.store.documents import object_key, read_object

logger = structlog.get_logger(__name__)

AUTH_METHODS = {
    AuthorizationBasis.REAL_TIME.value: AuthMethod.AUTH_REQUEST,
    AuthorizationBasis.COMMAND.value: AuthMethod.COMMAND,
    AuthorizationBasis.WHITELIST.value: AuthMethod.WHITELIST,
    AuthorizationBasis.OFFLINE_POLICY.value: AuthMethod.WHITELIST,
    AuthorizationBasis.OPERATOR.value: AuthMethod.WHITELIST,
}
DEFAULT_CURRENCY = "EUR"
"""Where no tariff applies there is no price, but a session must name a currency."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Everything about a session that its transaction does not say."""

    token: CdrToken
    binding: Binding
    location: Location | None
    tariff: Tariff | None
    time_zone: str
    chosen: ChosenReadings = field(default_factory=ChosenReadings)
    """How CPO and eMSP read tariffs."""
    reason: PriceReason | None = None
    """Why it is this tariff; only at the start."""
    of_profile: ProfileTariffs | None = None
    """Which tariffs the driver's preferences may lead to, where these are several; only at the start."""
    later: tuple[Since, ...] = ()
    """Those that they did lead to, and from when on."""


def session_id_of(transaction: Transaction) -> str:
    """Our id of the session, the same however often it is made (36 characters at most)."""
    assert transaction.course.start is not None
    return message_id("session", *transaction.key, transaction.course.start.at.isoformat())


def is_billable(course: Course) -> bool:
    """Whether a session is made of it: it began, with an accepted token."""
    return course.start is not None and course.start.authorization == AuthorizationStatus.ACCEPTED


def settled_by_readings(transaction: Transaction) -> Course:
    """The course as it is stored, an end that was assumed settled by the transaction's readings."""
    course = settled(with_readings(transaction.course, transaction.readings))
    return msgspec.structs.replace(course, readings=transaction.course.readings)


class Unplaced(LookupError):
    """A charge's connector is not bound, or its driver is not known. The text says which, for people to read."""


class OperatorsOwn(LookupError):
    """A charge that the operator's own central system has allowed to a driver whom no eMSP here knows: it is not
    roaming."""


async def unbound(connection: AsyncConnection, transactions: Sequence[Transaction]) -> dict[TransactionKey, str]:
    """Of these transactions, with a start, those whose connector is not bound, each with that in words."""
    bindings = await bindings_of_stations(connection, sorted({entry.key[:2] for entry in transactions}))
    found: dict[TransactionKey, str] = {}
    for entry in transactions:
        start = entry.course.start
        assert start is not None
        if (entry.key[0], entry.key[1], start.connector_id) not in bindings:
            found[entry.key] = f"{UNPLACED}: connector {start.connector_id} of station {entry.key[1]} is not bound"
    return found


async def find_setting(connection: AsyncConnection, transaction: Transaction, directory: Directory) -> Setting:
    """Driver, place and tariff of a transaction: of the tariffs that the driver's eMSP is offered there by
    ``directory``'s price rules, else of the connector's own. Raises ``Unplaced`` and ``OperatorsOwn``."""
    start = transaction.course.start
    assert start is not None
    network, station_id, _ = transaction.key
    bindings = await bindings_of_stations(connection, [(network, station_id)])
    binding = bindings.get((network, station_id, start.connector_id))
    if binding is None:
        raise Unplaced((await unbound(connection, [transaction]))[transaction.key])
    if start.owner is not None:
        # Whoever let this driver charge, and nobody else with the same uid
        driver = await driver_who_charges(connection, start.token_uid, start.owner)
    else:
        driver = await find_driver(connection, start.token_uid, cpo=binding.party)
    if driver is None and start.basis == AuthorizationBasis.OPERATOR:
        raise OperatorsOwn
    if driver is None:
        raise Unplaced(f"{UNPLACED}: no eMSP has told of the token of a charge at station {station_id}")
    location = await read_object(connection, "locations", object_key(binding.party, binding.location_id), Location)
    begun = ChargeBegun(at=start.at, token_uid=driver.uid, group_id=driver.group_id)
    viewer = directory.viewer(driver.owner)
    rules = directory.rulebook.pricing(viewer, binding.party, binding.location_id, binding.evse_uid, begun)
    rule = next(iter(rules), None)
    if location is not None and rule is not None:
        location = _offering(location, binding, rule)
    evse, connector = find_connector(location, binding) if location is not None else (None, None)
    tariff_ids = connector.tariff_ids if connector is not None else ()
    held = await tariffs_at(connection, binding.party, tariff_ids, start.at)
    profile = profile_at_start(driver.default_profile_type, evse, held)
    tariff = pick(held, token_type=driver.type, profile=profile.type)
    if rule is not None and tariff is None:
        logger.warning("offered_tariff_is_missing", rule=rule.id, tariffs=rule.tariff_ids, station=station_id)
    time_zone = location.time_zone if location is not None else "UTC"
    return Setting(
        token=driver.cdr_token(),
        binding=binding,
        location=location,
        tariff=tariff,
        time_zone=time_zone,
        chosen=ChosenReadings(chosen=directory.readings_between(cpo=binding.party, emsp=driver.owner)),
        reason=price_reason(rules, tariff_ids, profile),
        of_profile=_of_profile(held, driver),
    )


def _of_profile(held: Sequence[Tariff], driver: Driver) -> ProfileTariffs | None:
    """``None`` where all profiles come to the same: one of them may have a tariff, and REGULAR none."""
    picked = {profile.value: pick(held, token_type=driver.type, profile=profile) for profile in ProfileType}
    tariffs = {profile: tariff for profile, tariff in picked.items() if tariff is not None}
    ways = {fold(each.id) if each is not None else None for each in picked.values()}
    return ProfileTariffs(tariffs=tariffs) if len(ways) > 1 else None


def frozen_setting(
    transaction: Transaction, kept: Kept, snapshots: Snapshots, preferred: Sequence[Preferred] = ()
) -> Setting:
    """The same for a session that exists: driver, place and tariffs are those of its start, whatever was bound or
    changed since. ``preferred``: the profiles that were accepted since, which choose among these tariffs."""
    session = kept.session
    chosen = from_document(ChosenReadings, snapshots.readings or "{}")
    tariff = from_document(Tariff, snapshots.tariff) if snapshots.tariff is not None else None
    later: tuple[Since, ...] = ()
    if preferred and snapshots.profiles is not None:
        of_profile = from_document(ProfileTariffs, snapshots.profiles).tariffs
        end = transaction.course.end
        until = end.at if end is not None else None
        change = chosen.readings.profile_change
        tariff, later = tariffs_over_time(tariff, of_profile, preferred, change, until=until)
    location = from_document(Location, snapshots.location) if snapshots.location is not None else None
    network, station_id, _ = transaction.key
    start = transaction.course.start
    binding = Binding(
        network=network,
        station_id=station_id,
        connector_id=start.connector_id if start is not None else 0,
        party=owner_of(session),
        location_id=session.location_id,
        evse_uid=session.evse_uid,
        evse_connector_id=session.connector_id,
    )
    return Setting(
        token=session.cdr_token,
        binding=binding,
        location=location,
        tariff=tariff,
        time_zone=location.time_zone if location is not None else "UTC",
        chosen=chosen,
        later=later,
    )


def make_session(
    transaction: Transaction, setting: Setting, kept: Kept | None, *, is_closed: bool, now: datetime
) -> Session:
    """The Session as the course stands now; ``is_closed``: it will not change any more. The transaction's readings
    must have been read."""
    course, binding = transaction.course, setting.binding
    assert course.start is not None
    known, readings = with_readings(course, transaction.readings), setting.chosen.readings
    outcome = priced(known, setting.tariff, setting.time_zone, readings, setting.later)
    return Session(
        country_code=binding.party.country_code,
        party_id=binding.party.party_id,
        id=session_id_of(transaction),
        start_date_time=outcome.start_date_time,
        end_date_time=outcome.end_date_time if is_closed else None,
        kwh=outcome.total_energy,
        cdr_token=setting.token,
        auth_method=AUTH_METHODS.get(course.start.basis or "", AuthMethod.WHITELIST),
        authorization_reference=course.start.reference,
        location_id=binding.location_id,
        evse_uid=binding.evse_uid,
        connector_id=binding.evse_connector_id,
        currency=setting.tariff.currency if setting.tariff is not None else DEFAULT_CURRENCY,
        charging_periods=outcome.periods,
        total_cost=outcome.total_cost,
        status=SessionStatus.COMPLETED if is_closed else SessionStatus.ACTIVE,
        last_updated=next_update(kept.session.last_updated if kept is not None else None, now),
    )


async def freeze(connection: AsyncConnection, session_key: str, setting: Setting) -> None:
    """Keeps tariff, place and readings as they are at the start, and the rule and profile that chose the tariff."""
    if setting.tariff is not None:
        await repository.keep_snapshot(connection, session_key, "tariff", setting.tariff)
    if setting.location is not None:
        await repository.keep_snapshot(connection, session_key, "location", _only(setting.location, setting.binding))
    if setting.of_profile is not None:
        await repository.keep_snapshot(connection, session_key, "profiles", setting.of_profile)
    if setting.chosen.chosen:
        await repository.keep_snapshot(connection, session_key, "readings", setting.chosen)
    if setting.reason is not None and (setting.reason.rule is not None or setting.reason.profile_says):
        await repository.keep_snapshot(connection, session_key, "price_reason", setting.reason)


def _only(location: Location, binding: Binding) -> Location:
    """The location with the one EVSE and connector used."""
    evse, connector = find_connector(location, binding)
    if evse is None or connector is None:
        return location
    evse = msgspec.structs.replace(evse, connectors=(connector,))
    return msgspec.structs.replace(location, evses=(evse,))


def _offering(location: Location, binding: Binding, rule: Rule) -> Location:
    """The location with what a price rule offers at the EVSE of a binding, as its eMSP was shown it: 2.1.1 quotes the
    location with the session."""
    evses = []
    for evse in location.evses:
        if fold(evse.uid) == fold(binding.evse_uid):
            connectors = tuple(msgspec.structs.replace(each, tariff_ids=rule.tariff_ids) for each in evse.connectors)
            evse = msgspec.structs.replace(evse, connectors=connectors)
        evses.append(evse)
    return msgspec.structs.replace(location, evses=tuple(evses))


def find_connector(location: Location, binding: Binding) -> tuple[EVSE | None, Connector | None]:
    """The EVSE and connector of a binding in its location."""
    return offered.find_connector(location, binding.evse_uid, binding.evse_connector_id)


def owner_of(session: Session) -> PartyId:
    """The CPO whose session it is."""
    return PartyId.of(session.country_code, session.party_id)

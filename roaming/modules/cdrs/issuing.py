"""From a session that is over to its CDR: the place and the tariff as they were at the start, the periods of the
session, every total rated from them. Pure."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from contracts.envelope import message_id
from roaming.model.cdr import CDR, CdrLocation
from roaming.model.identifiers import fold
from roaming.model.location import EVSE, Connector, Location
from roaming.model.money import Price
from roaming.model.session import CdrDimension, CdrDimensionType, ChargingPeriod, Session
from roaming.model.tariff import Tariff
from roaming.model.time import next_update
from roaming.rating.engine import rate
from roaming.rating.readings import DEFAULT_READINGS, Readings

NOT_APPLICABLE = "#NA"
NO_TARIFF = "this connector has no tariff"
FREE = Price(before_taxes=Decimal(0), taxes=())
CDR_DIMENSIONS = frozenset(
    {
        CdrDimensionType.ENERGY,
        CdrDimensionType.TIME,
        CdrDimensionType.PARKING_TIME,
        CdrDimensionType.RESERVATION_TIME,
        CdrDimensionType.MAX_CURRENT,
        CdrDimensionType.MIN_CURRENT,
        CdrDimensionType.MAX_POWER,
        CdrDimensionType.MIN_POWER,
    }
)
"""Others are for sessions only (OCPI 2.2.1, cdrs 10.4.2)."""
HOUR = Decimal(3600)


class PlaceUnknown(ValueError):
    """The session's location, EVSE or connector is not known: a CDR must name them."""


def cdr_id_of(session: Session) -> str:
    """The id of the session's CDR, the same however often it is made (32 characters)."""
    return message_id("cdr", session.country_code, session.party_id, fold(session.id))


def issue(
    session: Session,
    location: Location | None,
    tariffs: Sequence[Tariff],
    *,
    now: datetime,
    remark: str | None = None,
    readings: Readings = DEFAULT_READINGS,
) -> CDR:
    """The CDR of a COMPLETED session; ``tariffs``: those that price its periods, none where it has no price;
    ``remark``: what its readers should know besides; ``readings``: how the two parties read tariffs. Raises
    ``PlaceUnknown``."""
    end = session.end_date_time or session.last_updated
    periods = tuple(_for_cdr(period) for period in session.charging_periods) or (_whole(session, end),)
    time_zone = location.time_zone if location is not None else "UTC"
    rated = None
    if tariffs:
        rated = rate(tariffs, periods, start=session.start_date_time, end=end, time_zone=time_zone, readings=readings)
    seconds = Decimal((end - session.start_date_time).total_seconds())
    charging = _sum(periods, CdrDimensionType.TIME)
    total_time = (seconds / HOUR).quantize(Decimal("0.0001"))
    return CDR(
        country_code=session.country_code,
        party_id=session.party_id,
        id=cdr_id_of(session),
        start_date_time=session.start_date_time,
        end_date_time=end,
        session_id=session.id,
        cdr_token=session.cdr_token,
        auth_method=session.auth_method,
        authorization_reference=session.authorization_reference,
        cdr_location=_place(session, location),
        meter_id=session.meter_id,
        currency=session.currency,
        tariffs=tuple(tariffs),
        charging_periods=periods,
        total_cost=rated.total if rated is not None else FREE,
        total_fixed_cost=rated.fixed if rated is not None else None,
        total_energy=session.kwh,
        total_energy_cost=rated.energy if rated is not None else None,
        total_time=total_time,
        total_time_cost=rated.time if rated is not None else None,
        total_parking_time=max(Decimal(0), total_time - charging),
        total_parking_cost=rated.parking if rated is not None else None,
        remark="; ".join(filter(None, (remark, None if tariffs else _unpriced(session, location)))) or None,
        last_updated=next_update(None, now),
    )


def _for_cdr(period: ChargingPeriod) -> ChargingPeriod:
    kept = tuple(entry for entry in period.dimensions if entry.type in CDR_DIMENSIONS)
    return ChargingPeriod(
        start_date_time=period.start_date_time, dimensions=kept or period.dimensions[:1], tariff_id=period.tariff_id
    )


def _whole(session: Session, end: datetime) -> ChargingPeriod:
    """One period for a session too short to have any."""
    hours = (Decimal((end - session.start_date_time).total_seconds()) / HOUR).quantize(Decimal("0.0001"))
    return ChargingPeriod(
        start_date_time=session.start_date_time,
        dimensions=(
            CdrDimension(type=CdrDimensionType.ENERGY, volume=session.kwh),
            CdrDimension(type=CdrDimensionType.TIME, volume=hours),
        ),
    )


def _sum(periods: Sequence[ChargingPeriod], dimension: str) -> Decimal:
    volumes = [entry.volume for period in periods for entry in period.dimensions if entry.type == dimension]
    return sum(volumes, Decimal(0))


def _place(session: Session, location: Location | None) -> CdrLocation:
    if location is None:
        raise PlaceUnknown(f"location {session.location_id} of session {session.id} is not known")
    return place_of(location, *_find(location, session))


def place_of(location: Location, evse: EVSE | None, connector: Connector) -> CdrLocation:
    """As it stands in a CDR; without ``evse`` of a reservation that was never used: it names neither EVSE nor
    connector (OCPI 2.2.1, cdrs: ``#NA``)."""
    return CdrLocation(
        id=location.id,
        name=location.name,
        address=location.address,
        city=location.city,
        postal_code=location.postal_code,
        state=location.state,
        country=location.country,
        coordinates=location.coordinates,
        evse_uid=evse.uid if evse is not None else NOT_APPLICABLE,
        evse_id=(evse.evse_id if evse is not None else "") or NOT_APPLICABLE,
        connector_id=connector.id if evse is not None else NOT_APPLICABLE,
        connector_standard=connector.standard,
        connector_format=connector.format,
        connector_power_type=connector.power_type,
    )


def _unpriced(session: Session, location: Location | None) -> str:
    """Why nothing is charged: a price that is not known is not free (ocpi/ocpi#415)."""
    named = _find(location, session)[1].tariff_ids if location is not None else ()
    if not named:
        return NO_TARIFF
    return f"the price is not known: tariff {', '.join(named)} of this connector was not in force or never told"[:200]


def _find(location: Location, session: Session) -> tuple[EVSE, Connector]:
    for evse in location.evses:
        if fold(evse.uid) == fold(session.evse_uid):
            for connector in evse.connectors:
                if fold(connector.id) == fold(session.connector_id):
                    return evse, connector
    raise PlaceUnknown(f"EVSE {session.evse_uid} connector {session.connector_id} is not in location {location.id}")

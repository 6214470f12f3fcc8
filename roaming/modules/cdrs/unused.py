"""The CDR of a reservation that nobody came for: only where the tariff has a price for that (OCPI 2.2.1, tariffs,
ReservationRestrictionType). Pure."""

from datetime import datetime
from decimal import Decimal

from contracts.envelope import message_id
from contracts.messages import ReservationExpired
from roaming.model.cdr import CDR
from roaming.model.location import Connector, Location
from roaming.model.session import AuthMethod, CdrDimension, CdrDimensionType, ChargingPeriod
from roaming.model.tariff import Tariff
from roaming.model.time import next_update
from roaming.model.token import CdrToken
from roaming.modules.cdrs.issuing import HOUR, NOT_APPLICABLE, place_of
from roaming.rating.engine import rate
from roaming.rating.readings import DEFAULT_READINGS, Readings

REMARK = "a reservation that was not used"


def prices_reservations(tariff: Tariff) -> bool:
    """Whether it has an element about reservations."""
    return any(each.restrictions is not None and each.restrictions.reservation for each in tariff.elements)


def cdr_id_of(message: ReservationExpired) -> str:
    """The same however often it is made (32 characters)."""
    return message_id("cdr-of-reservation", message.country_code, message.party_id, message.reservation_id)


def bill(
    message: ReservationExpired,
    location: Location,
    connector: Connector,
    tariff: Tariff,
    *,
    now: datetime,
    readings: Readings = DEFAULT_READINGS,
) -> CDR:
    """Its CDR, without a session, EVSE and connector (OCPI 2.2.1, cdrs: ``#NA`` for a reservation that was never
    used). Raises ``RatingError``."""
    start, end = message.began_at, message.expired_at
    hours = (Decimal((end - start).total_seconds()) / HOUR).quantize(Decimal("0.0001"))
    dimension = CdrDimension(type=CdrDimensionType.RESERVATION_TIME, volume=hours)
    period = ChargingPeriod(start_date_time=start, dimensions=(dimension,), tariff_id=tariff.id)
    rated = rate(
        tariff,
        (period,),
        start=start,
        end=end,
        time_zone=location.time_zone,
        readings=readings,
        is_reservation_expired=True,
    )
    return CDR(
        country_code=message.country_code,
        party_id=message.party_id,
        id=cdr_id_of(message),
        start_date_time=start,
        end_date_time=end,
        cdr_token=_token(message),
        auth_method=AuthMethod.COMMAND,
        authorization_reference=message.authorization_reference,
        cdr_location=place_of(location, None, connector),
        currency=tariff.currency,
        tariffs=(tariff,),
        charging_periods=(period,),
        total_cost=rated.total,
        total_energy=Decimal(0),
        total_time=Decimal(0),
        total_reservation_cost=rated.reservation,
        remark=REMARK,
        last_updated=next_update(None, now),
    )


def _token(message: ReservationExpired) -> CdrToken:
    owner = message.token_owner
    return CdrToken(
        country_code=owner.country_code,
        party_id=owner.party_id,
        uid=message.token_uid,
        type=owner.token_type,
        contract_id=owner.contract_id or NOT_APPLICABLE,
    )

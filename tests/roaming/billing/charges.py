"""A CDR that nothing is wrong with, its tariff, session and place; to be bent by tests."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from roaming.billing.checks import Known
from roaming.billing.checks.known import TokenKnown
from roaming.model.cdr import CDR, CdrLocation
from roaming.model.location import EVSE, Connector, Location
from roaming.model.place import GeoLocation
from roaming.model.session import CdrDimension, ChargingPeriod, Session
from roaming.model.tariff import PriceComponent, Tariff, TariffElement, TariffRestrictions
from roaming.model.token import CdrToken
from roaming.rating import rate

START = datetime(2026, 7, 6, 17, 30, tzinfo=UTC)
"""A Monday, 19:30 in Paris."""
END = START + timedelta(hours=2)
LONG_AGO = START - timedelta(days=30)
KEY = "FR/CPO/c1"


def component(type: str, price: str, step: int = 1, vat: str | None = "20") -> PriceComponent:
    return PriceComponent(type=type, price=Decimal(price), step_size=step, vat=None if vat is None else Decimal(vat))


def a_tariff(*elements: TariffElement, **changes: Any) -> Tariff:
    """1.00 a session, 0.5055 per kWh until 20:00 and 0.3055 from then on, 1.20 per hour of parking by quarter hours."""
    day = TariffRestrictions(start_time="08:00", end_time="20:00")
    standard = (
        TariffElement(price_components=(component("FLAT", "1.00"), component("PARKING_TIME", "1.20", 900))),
        TariffElement(price_components=(component("ENERGY", "0.5055", 1000),), restrictions=day),
        TariffElement(price_components=(component("ENERGY", "0.3055", 1000),)),
    )
    values: dict[str, Any] = {
        "country_code": "FR",
        "party_id": "CPO",
        "id": "T1",
        "currency": "EUR",
        "elements": elements or standard,
        "tax_included": "NO",
        "last_updated": LONG_AGO,
    }
    return Tariff(**values | changes)


def period(minutes: int, kwh: str = "", hours: str = "", parking: str = "") -> ChargingPeriod:
    volumes = (("ENERGY", kwh), ("TIME", hours), ("PARKING_TIME", parking))
    return ChargingPeriod(
        start_date_time=START + timedelta(minutes=minutes),
        dimensions=tuple(CdrDimension(type=name, volume=Decimal(volume)) for name, volume in volumes if volume),
    )


PERIODS = (period(0, "5.4", "0.5"), period(30, "9.3", "1"), period(90, parking="0.5"))


def priced(cdr: CDR, tariff: Tariff, time_zone: str = "Europe/Paris") -> CDR:
    """With the amounts that follow from ``tariff``."""
    rated = rate(tariff, cdr.charging_periods, start=cdr.start_date_time, end=cdr.end_date_time, time_zone=time_zone)
    return msgspec.structs.replace(
        cdr,
        tariffs=(tariff,),
        total_cost=rated.total,
        total_fixed_cost=rated.fixed,
        total_energy_cost=rated.energy,
        total_time_cost=rated.time,
        total_parking_cost=rated.parking,
    )


TOKEN = CdrToken(country_code="DE", party_id="HME", uid="CARD1", type="RFID", contract_id="DE-HME-C00000001")


def a_cdr(tariff: Tariff | None = None, **changes: Any) -> CDR:
    tariff = tariff or a_tariff()
    values: dict[str, Any] = {
        "country_code": "FR",
        "party_id": "CPO",
        "id": "C1",
        "start_date_time": START,
        "end_date_time": END,
        "cdr_token": TOKEN,
        "auth_method": "WHITELIST",
        "cdr_location": CdrLocation(
            id="L1",
            address="Quai 1",
            city="Lyon",
            country="FRA",
            coordinates=GeoLocation(latitude="45.764043", longitude="4.835659"),
            evse_uid="E1",
            evse_id="FR*CPO*E1",
            connector_id="1",
            connector_standard="IEC_62196_T2",
            connector_format="SOCKET",
            connector_power_type="AC_3_PHASE",
        ),
        "currency": "EUR",
        "charging_periods": PERIODS,
        "total_cost": None,
        "total_energy": Decimal("14.7"),
        "total_time": Decimal(2),
        "total_parking_time": Decimal("0.5"),
        "session_id": "S1",
        "last_updated": END,
    }
    made = CDR(**values | {name: value for name, value in changes.items() if name != "total_cost"})
    made = priced(made, tariff)
    return msgspec.structs.replace(made, **{name: changes[name] for name in changes if name == "total_cost"})


def a_session(**changes: Any) -> Session:
    values: dict[str, Any] = {
        "country_code": "FR",
        "party_id": "CPO",
        "id": "S1",
        "start_date_time": START,
        "end_date_time": END,
        "kwh": Decimal("14.7"),
        "cdr_token": TOKEN,
        "auth_method": "WHITELIST",
        "location_id": "L1",
        "evse_uid": "E1",
        "connector_id": "1",
        "currency": "EUR",
        "status": "COMPLETED",
        "last_updated": END,
    }
    return Session(**values | changes)


def a_location(**changes: Any) -> Location:
    connector = Connector(
        id="1",
        standard="IEC_62196_T2",
        format="SOCKET",
        power_type="AC_3_PHASE",
        max_voltage=230,
        max_amperage=32,
        last_updated=LONG_AGO,
    )
    evse = EVSE(uid="E1", status="AVAILABLE", connectors=(connector,), last_updated=LONG_AGO)
    values: dict[str, Any] = {
        "country_code": "FR",
        "party_id": "CPO",
        "id": "L1",
        "publish": True,
        "address": "Quai 1",
        "city": "Lyon",
        "country": "FRA",
        "coordinates": GeoLocation(latitude="45.764043", longitude="4.835659"),
        "time_zone": "Europe/Paris",
        "evses": (evse,),
        "last_updated": LONG_AGO,
    }
    return Location(**values | changes)


def known(**changes: Any) -> Known:
    values: dict[str, Any] = {
        "key": KEY,
        "received_at": END + timedelta(minutes=5),
        "now": END + timedelta(hours=1),
        "session": a_session(),
        "tariff": a_tariff(),
        "location": a_location(),
        "token": TokenKnown("DE-HME-C00000001", True),
    }
    return Known(**values | changes)

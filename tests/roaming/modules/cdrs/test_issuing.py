"""From a session that is over to its CDR."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from roaming.model.location import Location
from roaming.model.session import CdrDimension, ChargingPeriod, Session
from roaming.model.tariff import Tariff
from roaming.model.time import parse_timestamp
from roaming.modules.cdrs.issuing import NO_TARIFF, issue
from roaming.modules.locations.service import LOCATION_CODECS
from roaming.modules.sessions.service import CODECS as SESSION_CODECS
from roaming.modules.tariffs.service import CODECS as TARIFF_CODECS
from tests.kit import ocpi_bodies as bodies
from tests.kit.hub_in_process import decoded

START, PARKED, END = "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z", "2026-11-23T11:30:00Z"


def period(start: str, **volumes: str) -> ChargingPeriod:
    dimensions = tuple(CdrDimension(type=name, volume=Decimal(volume)) for name, volume in volumes.items())
    return ChargingPeriod(start_date_time=parse_timestamp(start), dimensions=dimensions)


def parked_for_half_an_hour() -> Session:
    session: Session = decoded(SESSION_CODECS, bodies.session(status="COMPLETED", end_date_time=END))
    periods = (period(START, ENERGY="10", TIME="1"), period(PARKED, PARKING_TIME="0.5"))
    return msgspec.structs.replace(session, charging_periods=periods, kwh=Decimal(10))


def at(*tariff_ids: str) -> Location:
    connector = bodies.connector(tariff_ids=list(tariff_ids))
    found: Location = decoded(LOCATION_CODECS, bodies.location(evses=[bodies.evse(connectors=[connector])]))
    return found


def tariff(**prices: float) -> Tariff:
    components = [{"type": name, "price": price, "step_size": 1} for name, price in prices.items()]
    body = bodies.tariff(elements=[{"price_components": components}], min_price=None)
    found: Tariff = decoded(TARIFF_CODECS, body)
    return found


@pytest.mark.parametrize(
    ("prices", "parking_cost"),
    [({"ENERGY": 0.5}, None), ({"ENERGY": 0.5, "PARKING_TIME": 0}, "0"), ({"PARKING_TIME": 2}, "1")],
    ids=["no price", "free", "priced"],
)
def test_all_parking_counts_free_or_not(prices: dict[str, Any], parking_cost: str | None) -> None:
    """ocpi/ocpi#385: ``total_parking_time`` is the sum of the periods, whatever it costs."""
    cdr = issue(parked_for_half_an_hour(), at("T1"), [tariff(**prices)], now=parse_timestamp(END))
    assert (cdr.total_time, cdr.total_parking_time) == (Decimal("1.5"), Decimal("0.5"))
    assert [entry.type for each in cdr.charging_periods for entry in each.dimensions].count("PARKING_TIME") == 1
    costs = cdr.total_parking_cost.before_taxes if cdr.total_parking_cost is not None else None
    assert (costs or None) == (Decimal(parking_cost) if parking_cost and Decimal(parking_cost) else None)


def test_a_connector_without_tariff_is_told_from_one_whose_tariff_is_not_known() -> None:
    """ocpi/ocpi#415: neither costs anything, and only the first is free."""
    session, now = parked_for_half_an_hour(), parse_timestamp(END)
    assert issue(session, at(), (), now=now).remark == NO_TARIFF
    unknown = issue(session, at("T1", "T2"), (), now=now, remark="closed by the hub")
    assert unknown.remark is not None
    assert unknown.remark.startswith("closed by the hub; the price is not known: tariff T1, T2 of this connector")

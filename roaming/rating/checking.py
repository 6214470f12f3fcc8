"""Whether the totals of a CDR follow from its tariff and its charging periods.

Pure; says which totals do not agree and by how much, not what to do about it.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

import msgspec

from roaming.model.cdr import CDR
from roaming.model.money import Price
from roaming.model.session import CdrDimensionType
from roaming.model.tariff import Tariff
from roaming.rating.engine import rate
from roaming.rating.exact import ZERO
from roaming.rating.price_list import PriceList
from roaming.rating.readings import DEFAULT_READINGS, Credit, Readings

MINOR_UNIT: Final = Decimal("0.01")
_VOLUME: Final = Decimal("0.001")
_HOUR: Final = timedelta(hours=1)


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """A total of the CDR that tariff and periods do not support."""

    field: str
    stated: Decimal
    expected: Decimal


def check_totals(
    cdr: CDR,
    tariff: Tariff | PriceList | Sequence[Tariff],
    time_zone: str,
    readings: Readings = DEFAULT_READINGS,
    *,
    tolerance: Decimal = MINOR_UNIT,
    is_reservation_expired: bool = False,
) -> tuple[Mismatch, ...]:
    """The totals that differ: amounts by more than ``tolerance``, kWh and hours by more than 0.001.

    Of several tariffs each prices the periods that name it. A total that the CDR leaves out, or whose taxes either
    side does not know, is not compared. In a credit CDR ``total_cost`` alone is negative
    (OCPI 2.2.1 mod_cdrs, Credit CDRs). Raises ``RatingError``.
    """
    rated = rate(
        tariff,
        cdr.charging_periods,
        start=cdr.start_date_time,
        end=cdr.end_date_time,
        time_zone=time_zone,
        readings=readings,
        is_reservation_expired=is_reservation_expired,
    )
    sign = -1 if cdr.credit else 1
    chosen = tariff.readings if isinstance(tariff, PriceList) else readings
    of_parts = sign if chosen.credit is Credit.ALL_COSTS else 1
    amounts = (
        ("total_cost", cdr.total_cost, rated.total, sign),
        ("total_fixed_cost", cdr.total_fixed_cost, rated.fixed, of_parts),
        ("total_energy_cost", cdr.total_energy_cost, rated.energy, of_parts),
        ("total_time_cost", cdr.total_time_cost, rated.time, of_parts),
        ("total_parking_cost", cdr.total_parking_cost, rated.parking, of_parts),
        ("total_reservation_cost", cdr.total_reservation_cost, rated.reservation, of_parts),
    )
    found: list[Mismatch] = []
    for field, stated, expected, factor in amounts:
        if stated is not None:
            found.extend(_amounts(field, stated, expected, factor, tolerance, rated.is_net_known))
    found.extend(_volumes(cdr))
    return tuple(found)


def _amounts(
    field: str, stated: Price, expected: Price, sign: int, tolerance: Decimal, is_net_known: bool
) -> Iterator[Mismatch]:
    stated_gross, expected_gross = _gross(stated), _gross(expected)
    if not is_net_known:
        expected_gross = expected.before_taxes
    elif abs(stated.before_taxes - sign * expected.before_taxes) > tolerance:
        yield Mismatch(field=field, stated=stated.before_taxes, expected=sign * expected.before_taxes)
        return
    if stated_gross is None or expected_gross is None:
        return
    if abs(stated_gross - sign * expected_gross) > tolerance:
        yield Mismatch(field=field, stated=stated_gross, expected=sign * expected_gross)


def _gross(price: Price) -> Decimal | None:
    if price.taxes is None:
        return None
    return price.before_taxes + sum((tax.amount for tax in price.taxes), ZERO)


def _volumes(cdr: CDR) -> Iterator[Mismatch]:
    kind = CdrDimensionType
    sums = {
        dimension: sum(
            (each.volume for period in cdr.charging_periods for each in period.dimensions if each.type == dimension),
            ZERO,
        )
        for dimension in (kind.ENERGY, kind.TIME, kind.PARKING_TIME, kind.RESERVATION_TIME)
    }
    duration = (cdr.end_date_time - cdr.start_date_time) // timedelta(milliseconds=1)
    hours = Decimal(duration) / (_HOUR // timedelta(milliseconds=1))
    yield from _volume("total_energy", cdr.total_energy, sums[kind.ENERGY], sums[kind.ENERGY])
    charged = hours - sums[kind.RESERVATION_TIME]
    yield from _volume("total_time", cdr.total_time, charged, hours)
    if cdr.total_parking_time is not None:
        # Time in which the station withholds power is in no dimension, yet no energy flows in it.
        idle = charged - sums[kind.TIME]
        yield from _volume("total_parking_time", cdr.total_parking_time, sums[kind.PARKING_TIME], idle)


def _volume(field: str, stated: Decimal, expected: Decimal, other: Decimal) -> Iterator[Mismatch]:
    if abs(stated - expected) > _VOLUME and abs(stated - other) > _VOLUME:
        yield Mismatch(field=field, stated=stated, expected=expected)

"""Which tariffs price which periods of a charge (OCPI 2.2.1 cdrs, CDR ``tariffs`` and ChargingPeriod ``tariff_id``).
Pure."""

from collections.abc import Sequence

from roaming.model.identifiers import fold
from roaming.model.session import ChargingPeriod
from roaming.model.tariff import Tariff
from roaming.rating.errors import MalformedPeriods, MalformedTariff
from roaming.rating.price_list import PriceList, price_list, price_lists
from roaming.rating.readings import Readings


def named_tariffs(periods: Sequence[ChargingPeriod]) -> dict[str, str]:
    """Folded id → id as written of each tariff that a period names, in the order of the first that does."""
    found: dict[str, str] = {}
    for period in periods:
        if period.tariff_id is not None:
            found.setdefault(fold(period.tariff_id), period.tariff_id)
    return found


def relevant_tariffs(tariffs: Sequence[Tariff], periods: Sequence[ChargingPeriod]) -> tuple[Tariff, ...]:
    """Of the ``tariffs`` of a CDR those that price it: each that a period names, in that order. Where periods name one
    that is not there, or none, the first. Empty where there is none at all."""
    by_id = {fold(tariff.id): tariff for tariff in reversed(tariffs)}
    return tuple(by_id[id] for id in named_tariffs(periods) if id in by_id) or tuple(tariffs[:1])


def lists_of(
    tariff: Tariff | PriceList | Sequence[Tariff] | Sequence[PriceList], readings: Readings
) -> tuple[PriceList, ...]:
    """Ready for pricing, whatever they were. Raises ``MalformedTariff`` where there is none."""
    if isinstance(tariff, PriceList):
        return (tariff,)
    if isinstance(tariff, Tariff):
        return (price_list(tariff, readings),)
    if not tariff:
        raise MalformedTariff("tariffs: none is given; give one at least")
    ready = tuple(each for each in tariff if isinstance(each, PriceList))
    return ready or price_lists([each for each in tariff if isinstance(each, Tariff)], readings)


def chosen_lists(lists: Sequence[PriceList], periods: Sequence[ChargingPeriod]) -> tuple[PriceList, ...]:
    """Those of ``lists`` that price ``periods``. Raises ``MalformedPeriods`` where several are named and one is not
    there."""
    if len(lists) < 2:
        return tuple(lists)
    by_id = {fold(each.tariff.id): each for each in reversed(lists)}
    named = named_tariffs(periods)
    if len(named) < 2:
        return tuple(by_id[id] for id in named if id in by_id) or (lists[0],)
    for id, written in named.items():
        if id not in by_id:
            there = ", ".join(each.tariff.id for each in lists)
            raise MalformedPeriods(f"charging_periods: tariff {written} is none of the tariffs given, {there}; add it")
    return tuple(by_id[id] for id in named)

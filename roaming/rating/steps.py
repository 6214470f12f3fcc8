"""``step_size``: what is added to the consumed volume, and to which line.

Once a session for ENERGY and once for TIME and PARKING_TIME together, on the whole volume of the dimension, with
the step of the component that priced it last, at that component's price (OCPI 2.2.1 mod_cdrs, step_size).
A reservation's time is rounded by itself.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from roaming.rating.exact import ZERO
from roaming.rating.price_list import ENERGY, PARKING_TIME, TIME, PricedComponent
from roaming.rating.rated import Part
from roaming.rating.readings import Readings, StepScope, StepTime, StepVolume
from roaming.rating.restrictions import Moment


class Draft(NamedTuple):
    """A line before ``step_size`` and amounts."""

    part: Part
    dimension: str
    period: int
    quantity: Decimal
    component: PricedComponent | None
    moment: Moment


def step_additions(drafts: Sequence[Draft], readings: Readings) -> dict[int, Decimal]:
    """Index of a draft → what its billed volume gains. Drafts are in the order of time."""
    if readings.step_scope is StepScope.PERIOD:
        return _additions_by_period(drafts)
    last: dict[tuple[Part, str], int] = {}
    for index, draft in enumerate(drafts):
        if draft.component is not None and draft.quantity:
            last[(draft.part, draft.dimension)] = index
    energy = last.get((Part.ENERGY, ENERGY))
    reserved = last.get((Part.RESERVATION, TIME))
    chosen = (energy, _time_to_round(last, readings), reserved)
    return _additions(drafts, (index for index in chosen if index is not None), readings)


def _additions_by_period(drafts: Sequence[Draft]) -> dict[int, Decimal]:
    additions = {}
    for index, draft in enumerate(drafts):
        step = draft.component.step if draft.component is not None else ZERO
        rest = draft.quantity % step if step else ZERO
        if rest and draft.quantity > 0:
            additions[index] = step - rest
    return additions


def _time_to_round(last: dict[tuple[Part, str], int], readings: Readings) -> int | None:
    charging = last.get((Part.TIME, TIME))
    parking = last.get((Part.PARKING_TIME, PARKING_TIME))
    if charging is None or parking is None:
        return charging if parking is None else parking
    return max(charging, parking) if readings.step_time is StepTime.LAST_ACTIVE else parking


def _additions(drafts: Sequence[Draft], indices: Iterable[int], readings: Readings) -> dict[int, Decimal]:
    additions = {}
    is_all = readings.step_volume is StepVolume.ALL
    for index in indices:
        part, dimension, _, _, component, _ = drafts[index]
        if component is None or not component.step:
            continue
        volume = ZERO
        for draft in drafts:
            if draft.part is part and draft.dimension == dimension and (is_all or draft.component is not None):
                volume += draft.quantity
        rest = volume % component.step
        if rest and volume > 0:
            additions[index] = component.step - rest
    return additions

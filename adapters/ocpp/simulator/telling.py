"""How simulated stations tell of their charges when they do it wrongly: what they say of a charge in place of the truth
that their books hold. Pure; ``Unanswered.body`` is in the words of OCPP 1.6, so that each holds in every version."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from adapters.ocpp.simulator.charge import Charge
from adapters.ocpp.simulator.queue import Unanswered

START, VALUES, STOP = "StartTransaction", "MeterValues", "StopTransaction"
_REGISTER = "Energy.Active.Import.Register"


class Telling:
    """One station's; this one tells everything once, in order, as it is."""

    def of(self, item: Unanswered, charge: Charge) -> Sequence[Unanswered]:
        """What is said in place of ``item``, in this order."""
        return (item,)


class Repeating(Telling):
    """Everything three times, each time with a new message id: as if the first answers had been lost."""

    def of(self, item: Unanswered, charge: Charge) -> Sequence[Unanswered]:
        """See ``Telling``; so are the others."""
        return (item, item, item)


class ValuesLast(Telling):
    """Meter values after the stop, the last of them first."""

    def __init__(self) -> None:
        self._kept: dict[int, list[Unanswered]] = {}

    def of(self, item: Unanswered, charge: Charge) -> Sequence[Unanswered]:
        if item.action == VALUES:
            self._kept.setdefault(item.charge, []).append(item)
            return ()
        if item.action == STOP:
            return (item, *reversed(self._kept.pop(item.charge, [])))
        return (item,)


class WithoutStop(Telling):
    """No end of any charge: the power failed, or its queue was wiped."""

    def of(self, item: Unanswered, charge: Charge) -> Sequence[Unanswered]:
        return () if item.action == STOP else (item,)


class LeavingOut(Telling):
    """Every second of the meter values is lost; its number in the charge was counted."""

    def of(self, item: Unanswered, charge: Charge) -> Sequence[Unanswered]:
        return () if item.action == VALUES and item.number % 2 else (item,)


class InKilowattHours(Telling):
    """Registers in kWh, and Wh written beside them."""

    def of(self, item: Unanswered, charge: Charge) -> Sequence[Unanswered]:
        return (_metered(item, lambda wh: wh // 1000),)


class RestartingAtZero(Telling):
    """The register starts at zero again when the car is half full."""

    def of(self, item: Unanswered, charge: Charge) -> Sequence[Unanswered]:
        half = charge.register_start_wh + int(charge.power_w * charge.planned.total_seconds() / 7200)
        return (_metered(item, lambda wh: wh - half if wh >= half else wh),)


def _metered(item: Unanswered, told: Callable[[int], int]) -> Unanswered:
    """With other registers, power as it is."""
    body: dict[str, Any] = dict(item.body)
    for name in ("meter_start", "meter_stop"):
        if name in body:
            body[name] = told(body[name])
    if "meter_value" in body:
        body["meter_value"] = [
            moment | {"sampled_value": [_sampled(value, told) for value in moment["sampled_value"]]}
            for moment in body["meter_value"]
        ]
    return replace(item, body=body)


def _sampled(value: dict[str, Any], told: Callable[[int], int]) -> dict[str, Any]:
    return value | {"value": str(told(int(value["value"])))} if value["measurand"] == _REGISTER else value

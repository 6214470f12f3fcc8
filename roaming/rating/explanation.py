"""Why a session costs what it costs: the lines of a ``Rated`` in amounts and words.

Every shown amount is the difference of two rounded running sums, so the column adds up to the rounded total to
the last digit; each differs from its exact value by less than one unit of the last decimal.
"""

from decimal import Decimal, localcontext
from typing import Any, Final

import msgspec

from roaming.rating.exact import EXACT, ZERO, rounded
from roaming.rating.price_list import ENERGY, FLAT, PARKING_TIME, TIME, PricedComponent
from roaming.rating.rated import FindingCode, Line, Part, Rated

_UNITS: Final = {ENERGY: ("kWh", "per kWh"), TIME: ("s", "per h"), PARKING_TIME: ("s", "per h"), FLAT: ("", "flat")}
_RESERVATION_KINDS: Final = ("RESERVATION", "RESERVATION_EXPIRES")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line for people and for JSON. ``None`` in an amount: not known."""

    part: Part
    tariff: str
    """Its id."""
    period: int | None
    quantity: Decimal
    step_added: Decimal
    unit: str
    price: Decimal | None
    price_unit: str
    element: int | None
    component: int | None
    vat: Decimal | None
    before_taxes: Decimal | None
    after_taxes: Decimal | None
    running_before_taxes: Decimal | None
    running_after_taxes: Decimal | None
    reason: str


def explain(rated: Rated) -> tuple[Row, ...]:
    """A row per line of ``rated``, in order."""
    rows = []
    net: Decimal | None = ZERO
    gross: Decimal | None = ZERO
    shown_net: Decimal | None = ZERO
    shown_gross: Decimal | None = ZERO
    with localcontext(EXACT):
        for line in rated.lines:
            net, gross = _plus(net, line.net), _plus(gross, line.gross)
            running_net, running_gross = _shown(net, rated), _shown(gross, rated)
            rows.append(
                _row(
                    line,
                    rated,
                    before_taxes=_minus(running_net, shown_net),
                    after_taxes=_minus(running_gross, shown_gross),
                    running_before_taxes=running_net,
                    running_after_taxes=running_gross,
                )
            )
            shown_net, shown_gross = running_net, running_gross
    return tuple(rows)


def _plus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other


def _minus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one - other


def _shown(numerator: Decimal | None, rated: Rated) -> Decimal | None:
    prices = rated.price_list
    if numerator is None:
        return None
    return rounded(numerator, prices.denominator, prices.readings.decimals, prices.readings.rounding)


def _row(
    line: Line,
    rated: Rated,
    *,
    before_taxes: Decimal | None,
    after_taxes: Decimal | None,
    running_before_taxes: Decimal | None,
    running_after_taxes: Decimal | None,
) -> Row:
    component = line.component
    unit, price_unit = _UNITS.get(line.dimension, ("", ""))
    return Row(
        part=line.part,
        tariff=line.tariff_id,
        period=line.period,
        quantity=line.quantity,
        step_added=line.step_added,
        unit=unit,
        price=None if component is None else component.price,
        price_unit=price_unit,
        element=None if component is None else component.element,
        component=None if component is None else component.component,
        vat=None if component is None else component.vat,
        before_taxes=before_taxes,
        after_taxes=after_taxes,
        running_before_taxes=running_before_taxes,
        running_after_taxes=running_after_taxes,
        reason=_reason(line, rated),
    )


def _reason(line: Line, rated: Rated) -> str:
    named = f"tariff {line.tariff_id}: " if len(rated.price_lists) > 1 else ""
    return named + _why(line, rated)


def _why(line: Line, rated: Rated) -> str:
    if line.part is Part.LIMIT:
        return _limit_reason(line)
    if line.component is None and any(
        each.code is FindingCode.NO_TARIFF and each.period == line.period for each in rated.findings
    ):
        return "the period names no tariff, as others do: it costs nothing"
    kinds = _RESERVATION_KINDS if line.part is Part.RESERVATION else ("",)
    refused = [
        text
        for kind in kinds
        for candidate in rated.price_list_of(line).candidates(line.dimension, kind)
        if (text := _refusal(candidate, line)) is not None
    ]
    component = line.component
    if component is None:
        parts = [f"no element with {line.dimension} holds: it costs nothing", *refused]
    else:
        held = ", ".join(f"{each.field} {each.value}" for each in component.conditions) or "no restrictions"
        parts = [f"element {component.element} holds ({held})", *refused]
    if line.step_added and component is not None:
        parts.append(f"step_size {_step_size(component)} adds {line.step_added.normalize():f}")
    return "; ".join(parts)


def _step_size(component: PricedComponent) -> str:
    step = component.step.scaleb(3) if component.dimension == ENERGY else component.step
    return f"{step.normalize():f}"


def _refusal(candidate: PricedComponent, line: Line) -> str | None:
    """Why an element that comes before the chosen one did not price the line."""
    chosen = line.component
    if line.moment is None or (chosen is not None and candidate.element >= chosen.element):
        return None
    for condition in candidate.conditions:
        if not condition.holds(line.moment):
            return f"element {candidate.element} does not: {condition.field} {condition.value}"
    return None


def _limit_reason(line: Line) -> str:
    amount = line.net if line.net else line.gross
    if amount is None:
        return "min_price or max_price; what it changed is not known"
    return "raised to min_price" if amount > 0 else "cut down to max_price"


def for_people(row: Row) -> dict[str, Any]:
    """A row as a table shows it, by the heads of its columns."""
    return {
        "period": "" if row.period is None else row.period + 1,
        "part": row.part,
        "quantity": f"{_plain(row.quantity)} {row.unit}".strip(),
        "step adds": _plain(row.step_added) if row.step_added else "",
        "price": "" if row.price is None else f"{row.price} {row.price_unit}",
        "VAT %": row.vat,
        "before taxes": row.before_taxes,
        "after taxes": row.after_taxes,
        "sum before taxes": row.running_before_taxes,
        "sum after taxes": row.running_after_taxes,
        "why": row.reason,
    }


def _plain(number: Decimal) -> str:
    """Without zeros at the end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

"""Whether the amounts of a CDR follow from its tariff and its periods. Pure."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from roaming.billing.checks.amounts import ZERO, gross_of, shown
from roaming.billing.checks.finding import Finding, Kind
from roaming.billing.checks.known import Known
from roaming.billing.checks.readings_tried import Case, explaining_reading
from roaming.billing.checks.rules import CheckRules
from roaming.model.cdr import CDR
from roaming.model.identifiers import fold
from roaming.model.tariff import Tariff
from roaming.rating import Mismatch, RatingError, check_totals, named_tariffs, relevant_tariffs

COSTS = ("total_fixed_cost", "total_energy_cost", "total_time_cost", "total_parking_cost", "total_reservation_cost")
VOLUMES = frozenset({"total_energy", "total_time", "total_parking_time"})


def check_prices(cdr: CDR, known: Known, rules: CheckRules) -> Iterator[Finding]:
    """Findings about costs, volumes, tariff and currency."""
    yield from _sums(cdr, rules)
    yield from _currency(cdr, known, rules)
    yield from _priceless(cdr)
    tariffs = _tariffs_of(cdr, known)
    if not tariffs:
        if cdr.total_cost.before_taxes:
            text = "the CDR quotes no tariff, and its owner told us of none: nobody can say what it should cost"
            yield Finding(
                kind=Kind.TARIFF_MISSING, field="tariffs", text=text, at_stake=abs(cdr.total_cost.before_taxes)
            )
        return
    named = named_tariffs(cdr.charging_periods)
    quoted = {fold(tariff.id) for tariff in tariffs}
    missing = [written for id, written in named.items() if id not in quoted]
    if len(named) > 1 and missing:
        text = f"its periods name {len(named)} tariffs, and it does not quote {', '.join(missing)}: ask for it"
        yield Finding(kind=Kind.TARIFF, field="tariffs", text=text)
        return
    yield from _totals(cdr, known, rules, tariffs)
    yield from _version(cdr, known, rules, tariffs)


def per_kwh(cdr: CDR) -> Decimal:
    """What a kWh of this CDR comes to on average, before taxes."""
    return abs(cdr.total_cost.before_taxes) / cdr.total_energy if cdr.total_energy > 0 else ZERO


def _tariffs_of(cdr: CDR, known: Known) -> tuple[Tariff, ...]:
    """Those that it quotes and that have prices, else the one that its owner told."""
    quoted = [tariff for tariff in cdr.tariffs if _has_prices(tariff)]
    return relevant_tariffs(quoted, cdr.charging_periods) or tuple(filter(None, [known.tariff]))


def _has_prices(tariff: Tariff) -> bool:
    return any(element.price_components for element in tariff.elements)


def _priceless(cdr: CDR) -> Iterator[Finding]:
    """Such a CDR is a claim all the same: taken, and looked at (decision 0115)."""
    for index, tariff in enumerate(cdr.tariffs):
        if not _has_prices(tariff):
            text = f"quotes tariff {tariff.id} without any price, which is none: free is a price of 0"
            yield Finding(
                kind=Kind.TARIFF_MISSING,
                field=f"tariffs[{index}]",
                text=text,
                at_stake=abs(cdr.total_cost.before_taxes),
            )


def _totals(cdr: CDR, known: Known, rules: CheckRules, tariffs: Sequence[Tariff]) -> Iterator[Finding]:
    try:
        found = check_totals(cdr, tariffs, known.time_zone, known.readings, tolerance=rules.tolerance)
    except RatingError as error:
        yield Finding(kind=Kind.PERIODS, field="charging_periods", text=f"it cannot be priced: {error}")
        return
    for mismatch in found:
        if mismatch.field in VOLUMES:
            yield _volume(cdr, mismatch)
        else:
            yield _price(cdr, known, rules, tariffs, mismatch)


def _volume(cdr: CDR, mismatch: Mismatch) -> Finding:
    unit = "kWh" if mismatch.field == "total_energy" else "h"
    difference = abs(mismatch.stated - mismatch.expected)
    expected = shown(mismatch.expected if unit == "kWh" else round(mismatch.expected, 4))
    return Finding(
        kind=Kind.VOLUMES,
        field=mismatch.field,
        text=f"says {shown(mismatch.stated)} {unit}, its periods add up to {expected} {unit}",
        stated=shown(mismatch.stated),
        expected=expected,
        at_stake=difference * per_kwh(cdr) if unit == "kWh" else ZERO,
    )


def _price(cdr: CDR, known: Known, rules: CheckRules, tariffs: Sequence[Tariff], mismatch: Mismatch) -> Finding:
    difference = mismatch.stated - mismatch.expected
    reading = ""
    if mismatch.field == "total_cost":
        case = Case(cdr=cdr, tariffs=tariffs, time_zone=known.time_zone, readings=known.readings)
        reading = explaining_reading(case, tolerance=rules.tolerance)
    because = f"; the difference vanishes under the reading: {reading}" if reading else ""
    text = (
        f"says {shown(mismatch.stated)} {cdr.currency}, {_named(tariffs)} and the periods come to"
        f" {shown(mismatch.expected)} ({difference:+f}){because}"
    )
    return Finding(
        kind=Kind.PRICE,
        field=mismatch.field,
        text=text,
        stated=shown(mismatch.stated),
        expected=shown(mismatch.expected),
        at_stake=abs(difference),
        reading=reading,
    )


def _named(tariffs: Sequence[Tariff]) -> str:
    ids = [tariff.id for tariff in tariffs]
    return f"tariff {ids[0]}" if len(ids) == 1 else f"tariffs {', '.join(ids)}"


def _version(cdr: CDR, known: Known, rules: CheckRules, tariffs: Sequence[Tariff]) -> Iterator[Finding]:
    """The tariff that the CDR quotes beside the one that was told before the session began."""
    told = known.tariff
    if told is None or told.last_updated > cdr.start_date_time:
        return
    quoted = next((each for each in tariffs if fold(each.id) == fold(told.id)), None)
    if quoted is None or quoted is told:
        return
    if _priced_by(told) == _priced_by(quoted):
        return
    at_stake = ZERO
    try:
        instead = [told if each is quoted else each for each in tariffs]
        for mismatch in check_totals(cdr, instead, known.time_zone, known.readings, tolerance=ZERO):
            if mismatch.field == "total_cost":
                at_stake = abs(mismatch.stated - mismatch.expected)
    except RatingError:
        pass
    text = (
        f"quotes another version of tariff {told.id} than the one of {told.last_updated:%Y-%m-%d %H:%M} UTC, which was"
        f" in force when the session began; by that one the total differs by {shown(at_stake)} {cdr.currency}"
    )
    yield Finding(kind=Kind.TARIFF, field="tariffs", text=text, at_stake=at_stake)


def _priced_by(tariff: Tariff) -> tuple[object, ...]:
    return tariff.currency, tariff.elements, tariff.min_price, tariff.max_price, tariff.tax_included


def _currency(cdr: CDR, known: Known, rules: CheckRules) -> Iterator[Finding]:
    tariffs = _tariffs_of(cdr, known)
    others = (
        *(("its tariff", tariff.currency) for tariff in tariffs),
        ("its session", known.session.currency if known.session is not None else cdr.currency),
    )
    for where, currency in others:
        if fold(currency) != fold(cdr.currency):
            yield Finding(
                kind=Kind.CURRENCY,
                field="currency",
                text=f"is in {cdr.currency}, {where} in {currency}",
                stated=cdr.currency,
                expected=currency,
                at_stake=abs(cdr.total_cost.before_taxes),
            )
            return
    if rules.currencies and cdr.currency.upper() not in rules.currencies:
        yield Finding(
            kind=Kind.CURRENCY,
            field="currency",
            text=f"is in {cdr.currency}; agreed are {', '.join(rules.currencies)}",
            stated=cdr.currency,
            expected=" ".join(rules.currencies),
            at_stake=abs(cdr.total_cost.before_taxes),
        )


def _sums(cdr: CDR, rules: CheckRules) -> Iterator[Finding]:
    total = cdr.total_cost
    parts = sum((cost.before_taxes for name in COSTS if (cost := getattr(cdr, name)) is not None), ZERO)
    is_limited = any(tariff.max_price is not None for tariff in cdr.tariffs)
    if parts - total.before_taxes > rules.tolerance and not is_limited:
        text = f"says {shown(total.before_taxes)} {cdr.currency}, its parts alone add up to {shown(parts)}"
        yield Finding(
            kind=Kind.SUM,
            field="total_cost",
            text=text,
            stated=shown(total.before_taxes),
            expected=shown(parts),
            at_stake=parts - total.before_taxes,
        )
    taxes = total.taxes or ()
    if len(taxes) == 1 and taxes[0].percentage is not None:
        due = total.before_taxes * taxes[0].percentage / 100
        if abs(due - taxes[0].amount) > rules.tolerance:
            yield Finding(
                kind=Kind.SUM,
                field="total_cost.taxes",
                text=f"{shown(taxes[0].percentage)} % of {shown(total.before_taxes)} is {shown(due)}, not"
                f" {shown(taxes[0].amount)}",
                stated=shown(taxes[0].amount),
                expected=shown(due),
                at_stake=abs(due - taxes[0].amount),
            )
    if total.taxes and gross_of(total) is not None and any(tax.amount < 0 for tax in total.taxes):
        yield Finding(
            kind=Kind.SUM, field="total_cost.taxes", text="a tax is negative", at_stake=abs(total.taxes[0].amount)
        )

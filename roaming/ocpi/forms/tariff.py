"""Tariff on the wire. In forms because CDRs quote whole Tariffs."""

from decimal import Decimal
from typing import Any

import msgspec

from roaming.model.money import TaxIncluded
from roaming.model.tariff import (
    BookingRestrictionType,
    DayOfWeek,
    PriceComponent,
    ReservationRestrictionType,
    Tariff,
    TariffDimensionType,
    TariffElement,
    TariffRestrictions,
    TariffType,
)
from roaming.ocpi.fields import Form
from roaming.ocpi.forms.money import PRICE_LIMIT_221, PRICE_LIMIT_230
from roaming.ocpi.forms.place import ENERGY_MIX_211, ENERGY_MIX_230
from roaming.ocpi.forms.text import DISPLAY_TEXT
from roaming.ocpi.kinds import (
    CLOCK_TIME,
    COUNT,
    COUNTRY_CODE,
    ID_36,
    LINK,
    LOCAL_DATE,
    NUMBER,
    PARTY_ID,
    TIMESTAMP,
    Choice,
    Id,
)
from roaming.ocpi.rules import Assumed, FromContext, Given, ListOf, constant, many, maybe, one, some
from roaming.ocpi.translation import EncodeError, Writing

PRICE_DECIMALS = Decimal("0.000001")
"""To what a price is rounded when tax is taken out of it: finer than any price that is agreed on."""

PRICE_COMPONENT_230 = Form(
    PriceComponent,
    one("type", Choice.of(TariffDimensionType)),
    one("price", NUMBER),
    maybe("vat", NUMBER),
    one("step_size", COUNT),
)
PRICE_COMPONENT_211 = PRICE_COMPONENT_230.without("vat", because="2.1.1 prices are without VAT")

TARIFF_RESTRICTIONS_230 = Form(
    TariffRestrictions,
    maybe("start_time", CLOCK_TIME),
    maybe("end_time", CLOCK_TIME),
    maybe("start_date", LOCAL_DATE),
    maybe("end_date", LOCAL_DATE),
    maybe("min_kwh", NUMBER),
    maybe("max_kwh", NUMBER),
    maybe("min_current", NUMBER),
    maybe("max_current", NUMBER),
    maybe("min_power", NUMBER),
    maybe("max_power", NUMBER),
    maybe("min_duration", COUNT),
    maybe("max_duration", COUNT),
    many("day_of_week", Choice.of(DayOfWeek)),
    maybe("reservation", Choice.of(ReservationRestrictionType)),
    maybe("booking", Choice.of(BookingRestrictionType)),
)
TARIFF_RESTRICTIONS_221 = TARIFF_RESTRICTIONS_230.refusing(
    "booking", because="bookings came with 2.3.0, and without it the price would apply always"
)
TARIFF_RESTRICTIONS_211 = TARIFF_RESTRICTIONS_221.refusing(
    "min_current", "max_current", "reservation", because="2.1.1 lacks it, and without it the price would apply always"
)

TARIFF_ELEMENT_230 = Form(
    TariffElement,
    some("price_components", PRICE_COMPONENT_230),
    maybe("restrictions", TARIFF_RESTRICTIONS_230),
)
TARIFF_ELEMENT_221 = TARIFF_ELEMENT_230.retype(restrictions=TARIFF_RESTRICTIONS_221)
TARIFF_ELEMENT_211 = TARIFF_ELEMENT_230.retype(
    price_components=PRICE_COMPONENT_211, restrictions=TARIFF_RESTRICTIONS_211
)

TARIFF_230 = Form(
    Tariff,
    one("country_code", COUNTRY_CODE),
    one("party_id", PARTY_ID),
    one("id", ID_36),
    one("currency", Id(3)),
    maybe("type", Choice.of(TariffType)),
    many("tariff_alt_text", DISPLAY_TEXT),
    maybe("tariff_alt_url", LINK),
    maybe("min_price", PRICE_LIMIT_230),
    maybe("max_price", PRICE_LIMIT_230),
    some("elements", TARIFF_ELEMENT_230),
    # Tariffs written for 2.2.1, where prices never contain tax, are sent on without it.
    one("tax_included", Choice.of(TaxIncluded), otherwise=constant(TaxIncluded.NO.value)),
    maybe("start_date_time", TIMESTAMP),
    maybe("end_date_time", TIMESTAMP),
    maybe("energy_mix", ENERGY_MIX_230),
    maybe("preauthorize_amount", NUMBER),
    one("last_updated", TIMESTAMP, otherwise=FromContext("received_at")),
)


def without_tax(tariff: Tariff, writing: Writing, prefix: str) -> Tariff:
    """``tariff`` with prices that contain no tax, as versions before 2.3.0 know them only. Raises ``EncodeError`` for a
    price that contains tax of an unknown rate."""
    if tariff.tax_included != TaxIncluded.YES:
        return tariff
    elements = []
    for place, element in enumerate(tariff.elements):
        components = []
        for index, component in enumerate(element.price_components):
            path = f"{prefix}elements[{place}].price_components[{index}]."
            components.append(_component_without_tax(component, writing, path))
        elements.append(msgspec.structs.replace(element, price_components=tuple(components)))
    writing.lose(f"{prefix}tax_included", f"prices in {writing.version} are without tax: it was taken out")
    return msgspec.structs.replace(tariff, elements=tuple(elements), tax_included=TaxIncluded.NO.value)


def _component_without_tax(component: PriceComponent, writing: Writing, prefix: str) -> PriceComponent:
    if not component.price:
        return component
    if component.vat is None:
        raise EncodeError(f"{prefix}vat", f"the price contains tax of unknown rate, {writing.version} wants it without")
    price = (component.price / (1 + component.vat / 100)).quantize(PRICE_DECIMALS).normalize()
    writing.lose(f"{prefix}price", f"{component.price} with tax became {price:f} without")
    return msgspec.structs.replace(component, price=price)


def _prices_a_booking(element: Any) -> str | None:
    """An element for bookings says nothing of charges: a version without bookings does well without it."""
    if element.restrictions is None or element.restrictions.booking is None:
        return None
    return "bookings came with 2.3.0"


TARIFF_221 = (
    TARIFF_230.retype(min_price=PRICE_LIMIT_221, max_price=PRICE_LIMIT_221)
    .change("elements", kind=ListOf(TARIFF_ELEMENT_221, omit=_prices_a_booking))
    .without("preauthorize_amount", because="payments came with 2.3.0")
    .replace(Assumed("tax_included", TaxIncluded.NO.value, because="prices are without tax before 2.3.0"))
    .prepared(without_tax)
)


def _prices_a_reservation(element: Any) -> str | None:
    """An element for reservations says nothing of sessions: a version without reservations does well without it."""
    if element.restrictions is None or element.restrictions.reservation is None:
        return _prices_a_booking(element)
    return "2.1.1 has no prices for reservations"


TARIFF_211 = (
    TARIFF_221.replace(
        Given("country_code", FromContext("country_code")),
        Given("party_id", FromContext("party_id")),
    )
    .change("elements", kind=ListOf(TARIFF_ELEMENT_211, omit=_prices_a_reservation))
    .retype(energy_mix=ENERGY_MIX_211)
    .without(
        "type", "min_price", "max_price", "start_date_time", "end_date_time", because="2.1.1 tariffs do not have it"
    )
)

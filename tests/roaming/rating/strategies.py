"""Random tariffs and timelines: every restriction, every dimension, days of clock changes, odd registers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from roaming.model.money import PriceLimit
from roaming.model.tariff import DayOfWeek, PriceComponent, Tariff, TariffElement, TariffRestrictions
from roaming.rating import ChargingState, Reading, StateChange, Timeline
from tests.roaming.rating.building import tariff

ZONES = ("Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")
_DAYS = (
    datetime(2026, 1, 12, 20, tzinfo=UTC),
    datetime(2026, 3, 28, 22, tzinfo=UTC),
    datetime(2026, 10, 24, 21, tzinfo=UTC),
)


def amounts(low: str, high: str, places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(Decimal(low), Decimal(high), places=places, allow_nan=False, allow_infinity=False)


components = st.builds(
    PriceComponent,
    type=st.sampled_from(("ENERGY", "TIME", "PARKING_TIME", "FLAT")),
    price=amounts("0", "12", 3),
    vat=st.none() | st.sampled_from([Decimal(rate) for rate in ("0", "5.2", "7", "19", "21")]),
    step_size=st.sampled_from((0, 1, 60, 300, 900, 1000)),
)
times = st.sampled_from(("00:00", "02:00", "02:30", "08:00", "17:15", "23:59"))
restrictions = st.fixed_dictionaries(
    {},
    optional={
        "start_time": times,
        "end_time": times,
        "start_date": st.sampled_from(("2026-01-13", "2026-03-29", "2026-10-25")),
        "end_date": st.sampled_from(("2026-01-13", "2026-03-29", "2026-10-25")),
        "min_kwh": amounts("0", "40", 1),
        "max_kwh": amounts("1", "60", 2),
        "min_power": amounts("0", "50", 1),
        "max_power": amounts("1", "100", 1),
        "min_duration": st.integers(0, 20000),
        "max_duration": st.integers(1, 40000),
        "day_of_week": st.lists(st.sampled_from(list(DayOfWeek)), min_size=1, max_size=4, unique=True).map(tuple),
    },
).map(lambda fields: TariffRestrictions(**fields))
elements = st.builds(
    TariffElement,
    price_components=st.lists(components, min_size=1, max_size=3).map(tuple),
    restrictions=st.none() | restrictions,
)


@st.composite
def limits(draw: st.DrawFn) -> PriceLimit:
    before = draw(amounts("0", "30", 2))
    return PriceLimit(before_taxes=before, after_taxes=draw(st.none() | st.just(before * 2)))


unrestricted = st.builds(
    TariffElement, price_components=st.lists(components, min_size=1, max_size=3).map(tuple), restrictions=st.none()
)


@st.composite
def tariffs(draw: st.DrawFn, *, is_restricted: bool = True) -> Tariff:
    return tariff(
        *draw(st.lists(elements if is_restricted else unrestricted, min_size=1, max_size=4)),
        min_price=draw(st.none() | limits()),
        max_price=draw(st.none() | limits()),
        tax_included=draw(st.sampled_from(("NO", "NO", "YES"))),
    )


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Rising registers with an odd one now and then; states or none."""
    start = draw(st.sampled_from(_DAYS)) + timedelta(seconds=draw(st.integers(0, 7200)))
    length = draw(st.integers(1, 50000))
    moments = sorted({0, length, *draw(st.lists(st.integers(0, length), max_size=8))})
    register = draw(amounts("0", "100000", 1))
    readings = []
    for moment in moments:
        readings.append(Reading(start + timedelta(seconds=moment), register))
        register += draw(st.sampled_from((Decimal(0), Decimal("0.4"))) | amounts("0", "30000", 1))
    states = [
        StateChange(start + timedelta(seconds=moment), draw(st.sampled_from(list(ChargingState))))
        for moment in sorted(draw(st.sets(st.integers(0, length), max_size=4)))
    ]
    return Timeline(start=start, end=start + timedelta(seconds=length), readings=tuple(readings), states=tuple(states))

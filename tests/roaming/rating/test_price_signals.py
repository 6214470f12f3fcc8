"""Prices of a day as a tariff: every hour and quarter at its price, on days of clock changes as well."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from roaming.model.identifiers import PartyId
from roaming.rating import Rated, RatingError, price_session
from roaming.rating.constant_power import of_phases
from roaming.rating.engine import zone_of
from roaming.rating.lint import LintCode, lint
from roaming.rating.price_signal_files import read_prices
from roaming.rating.price_signals import Made, Repeated, Signal, TariffFrame, tariff_of_prices

ZONE = "Europe/Amsterdam"
TERMS = {"party": PartyId("NL", "TNM"), "id": "SPOT", "currency": "EUR", "time_zone": ZONE}
NOW = datetime(2026, 1, 11, 13, tzinfo=UTC)
HOUR = 3_600_000_000


def made_of(text: str, *, per_mwh: bool = False, day: str = "", **terms: Any) -> Made:
    chosen = TariffFrame(**{**TERMS, **terms})
    signals = read_prices(text, time_zone=chosen.time_zone, per_mwh=per_mwh, day=day)
    return tariff_of_prices(signals, chosen, now=NOW)


def charged(made: Made, start: datetime, hours: int, *, zone: str = ZONE) -> Rated:
    """At 10 kW throughout."""
    rated = price_session(of_phases(start, [(hours * HOUR, Decimal(10))]), made.tariff, zone).rated
    assert rated is not None
    return rated


def midnight(day: str, zone: str = ZONE) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=zone_of(zone)).astimezone(UTC)


def bare(count: int) -> str:
    """Prices that are all different, in steps of 0.002."""
    return str([float(Decimal(100 + 2 * number) / 1000) for number in range(count)])


@pytest.mark.parametrize(
    ("day", "zone", "count", "hours"),
    [
        ("2026-01-12", ZONE, 24, 24),
        ("2026-01-12", ZONE, 96, 24),
        ("2026-03-29", ZONE, 23, 23),
        ("2026-03-29", ZONE, 92, 23),
        ("2026-10-25", ZONE, 25, 25),
        ("2026-10-25", ZONE, 100, 25),
        ("2026-04-05", "Australia/Lord_Howe", 49, 24),
    ],
)
def test_a_whole_day_costs_what_its_prices_say(day: str, zone: str, count: int, hours: int) -> None:
    """Exactly, on days of clock changes too: an hour that comes twice has the mean of its two prices, twice."""
    made = made_of(bare(count), day=day, time_zone=zone)
    minutes = {24: 60, 96: 15, 23: 60, 92: 15, 25: 60, 100: 15, 49: 30}[count]
    story = of_phases(midnight(day, zone), [(count * minutes * 60_000_000, Decimal(10))])
    rated = price_session(story, made.tariff, zone).rated
    assert rated is not None
    exact = sum(Decimal(100 + 2 * number) / 1000 for number in range(count)) * 10 * minutes / 60
    assert rated.total.before_taxes == exact
    assert made.tariff.start_date_time == midnight(day, zone)
    assert made.tariff.end_date_time == story.end
    is_longer = hours == 25 or zone != ZONE
    assert any("comes twice" in note for note in made.notes) == is_longer
    found = {each.code for each in lint(made.tariff, time_zone=zone)}
    assert found == ({LintCode.CLOCK_CHANGE} if is_longer else set())


@pytest.mark.parametrize(("repeated", "price"), [("MEAN", "0.105"), ("LOWER", "0.104"), ("HIGHER", "0.106")])
def test_the_hour_that_comes_twice(repeated: str, price: str) -> None:
    made = made_of(bare(25), day="2026-10-25", repeated=Repeated(repeated))
    rated = charged(made, midnight("2026-10-25") + timedelta(hours=2), 2)
    assert rated.total.before_taxes == Decimal(price) * 20


def test_mark_up_floor_taxes_fees_and_all_other_time() -> None:
    """By hand: 80 and -300 per MWh are 0.08 and -0.3 per kWh; with 10 % and 0.05 they are 0.138 and -0.28, which is 0
    by the floor. The charge goes on for two hours after the last price."""
    text = "start,price\n2026-01-12T22:00,80\n2026-01-12T23:00,-300\n"
    wishes: dict[str, Any] = {
        "percent": Decimal(10),
        "markup": Decimal("0.05"),
        "floor": Decimal(0),
        "vat": Decimal(21),
        "fee": Decimal("0.5"),
        "parking": Decimal(2),
        "otherwise": Decimal("0.4"),
    }
    made = made_of(text, per_mwh=True, **wishes)
    rated = charged(made, midnight("2026-01-12") + timedelta(hours=22), 4)
    assert rated.total.before_taxes == Decimal("1.38") + 0 + 8 + Decimal("0.5")
    assert {tax.percentage for tax in rated.total.taxes or ()} == {21}
    parked = price_session(of_phases(midnight("2026-01-12"), [(HOUR, Decimal(0))]), made.tariff, ZONE).rated
    assert parked is not None
    assert parked.parking.before_taxes == 2
    assert any("2.1.1" in note for note in made.notes)
    assert lint(made.tariff, time_zone=ZONE) == ()
    by_mean = made_of(text, per_mwh=True, **{**wishes, "otherwise": None, "floor": None})
    assert by_mean.tariff.elements[-1].price_components[0].price == Decimal("-0.071")
    assert LintCode.PRICE in {each.code for each in lint(by_mean.tariff)}, "a price below nothing is pointed out"


TWICE = ("2026-10-25T01:00", "2026-10-25T02:00", "2026-10-25T02:00", "2026-10-25T03:00")


@pytest.mark.parametrize(
    "text",
    [
        "start,price\n" + "".join(f"{start},0.{number}\n" for number, start in enumerate(TWICE, 1)),
        "From;To;Price\n2026-10-25 01:00;2026-10-25 02:00;0,1\n2026-10-25 02:00;2026-10-25 03:00;0,2\n"
        "2026-10-25 02:00;2026-10-25 03:00;0,3\n2026-10-25 03:00;2026-10-25 04:00;0,4\n",
        "\ufeffend\tstart\tprice\n2026-10-25T00:00Z\t2026-10-24T23:00Z\t0.1\n2026-10-25T02:00+01:00\t2026-10-25T00:00Z\t.2\n"
        "2026-10-25T02:00Z\t2026-10-25T01:00Z\t0.3\n2026-10-25T03:00Z\t2026-10-25T02:00Z\t0.4\n\n",
        '{"prices": [{"start": "2026-10-24T23:00Z", "price": 0.1}, {"start": "2026-10-25T00:00Z", "price": 0.2},'
        ' {"start": "2026-10-25T01:00Z", "value": "0.3"}, {"from": "2026-10-25T02:00Z", "price": 0.40}]}',
    ],
)
def test_files_say_the_same_in_many_ways(text: str) -> None:
    begin = datetime(2026, 10, 24, 23, tzinfo=UTC)
    hours = [begin + timedelta(hours=number) for number in range(5)]
    expected = [Signal(hours[place], hours[place + 1], Decimal(place + 1) / 10) for place in range(4)]
    assert list(read_prices(text, time_zone=ZONE)) == expected


def test_what_no_price_is_given_for_is_said() -> None:
    made = made_of("start,price\n2026-01-12T10:00,0.1\n2026-01-12T11:00,0.1\n2026-01-12T13:00,0.4\n")
    assert [len(made.tariff.elements), made.tariff.elements[-1].restrictions] == [3, None]
    assert "no price is given from 2026-01-12 12:00 to 2026-01-12 13:00" in made.notes
    assert any("a kWh costs 0.2000: the mean" in note for note in made.notes)
    whole = made_of(f"[{'0.3, ' * 23}0.3]", day="2026-01-12").tariff.elements[0].restrictions
    assert whole is not None
    assert (whole.start_date, whole.start_time) == ("2026-01-12", None)


@pytest.mark.parametrize(
    ("text", "wishes", "said"),
    [
        ("", {}, "line 1: expected a header"),
        ("start,price\n", {}, "prices: none is given"),
        ("when,price\nx,1\n", {}, "columns start and price"),
        ("start,price\n2026-01-12T10:00,x\n", {}, "line 2: price 'x' is no number"),
        ("start,price\n2026-01-12T10:00,1e99\n", {}, "line 2: price 1e99 is no amount"),
        ("start,price\nnoon,1\n", {}, "line 2: start 'noon' is no time"),
        ("start,price\n2026-01-12T10:00,1\n", {}, "line 2: end is missing"),
        ("start,price\n2026-03-29T02:00,1\n2026-03-29T03:00,1\n", {}, "does not come in Europe/Amsterdam"),
        ("start,end,price\n2026-01-12T10:00,2026-01-12T12:00,1\n2026-01-12T11:00,2026-01-12T12:00,1", {}, "leave one"),
        ("start,end,price\n2026-01-12T10:00,2026-01-12T10:00:30,1\n", {}, "no whole minutes"),
        ("start,end,price\n2026-01-12T10:00,2026-02-12T10:00,1\n", {}, "more than 8 days"),
        ("start,end,price\n2026-01-12T10:00Z,2026-01-12T09:00Z,1\n", {}, "not after it"),
        ("[1, 2", {}, "no JSON"),
        ('{"a": 1}', {}, "a list of prices"),
        ('[{"price": 1}]', {}, r"prices\[0\].start: a time"),
        ("[true]", {}, r"prices\[0\]: a price, or an object"),
        (bare(24), {}, "day: bare prices need"),
        (bare(24), {"day": "2026-03-29"}, "has 23 hours: give 23 prices, or 92"),
        (bare(24), {"day": "2026-01-12", "time_zone": "Mars/Olympus"}, "no IANA time zone"),
        (bare(24), {"day": "2026-01-12", "vat": Decimal("NaN")}, "vat: NaN is no amount"),
        (bare(24), {"day": "2026-01-12", "id": "x" * 37}, "id: 1 to 36"),
        (bare(24), {"day": "2026-01-12", "step_size": 0}, "step_size"),
        (str([1] * 4000), {"day": "2026-01-12"}, "more than 3000"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, wishes: dict[str, Any], said: str) -> None:
    with pytest.raises(RatingError, match=said):
        made_of(text, **wishes)

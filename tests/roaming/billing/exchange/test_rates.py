"""Rates are read as central banks write them, convert to the last digit; what is missing is said with what to do."""

from datetime import date
from decimal import Decimal

import pytest

from roaming.billing.exchange.rates import MissingRate, Rates, converted
from roaming.billing.exchange.reading import MalformedRates, read_rate, read_rates

HISTORY = "Date,USD,JPY,CHF,RUB,\n2026-07-03,1.0815,164.90,0.9412,N/A,\n2026-07-02,1.0790,164.10,0.9400,N/A,\n"
DAILY = "Date, USD, CHF, \n3 July 2026, 1.0815, 0.9412, \n"
PORTAL = (
    "KEY,FREQ,CURRENCY,CURRENCY_DENOM,EXR_TYPE,TIME_PERIOD,OBS_VALUE\n"
    "EXR.D.CHF.EUR.SP00.A,D,CHF,EUR,SP00,2026-07-03,0.9412\nEXR.D.CHF.EUR.SP00.A,D,CHF,EUR,SP00,2026-07-04,\n"
)
OWN = "\ufeffdate;currency;rate\n2026-07-03;chf;0.9412\n"


@pytest.mark.parametrize(
    ("text", "count"), [(HISTORY, 6), (DAILY, 2), (PORTAL, 1), (OWN, 1)], ids=["history", "daily", "portal", "own"]
)
def test_files_of_rates(text: str, count: int) -> None:
    found = read_rates(text)
    assert len(found) == count
    assert read_rate("CHF", "0.9412", "2026-07-03") in found


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a,b\n1,2\n", "line 1: expected the ECB's header"),
        ("", "line 1: expected the ECB's header"),
        ("Date,CHF\n", "holds no rate"),
        ("Date,CHF\n2026-02-30,0.94\n", "line 2: day: '2026-02-30'; write it as 2026-10-30"),
        ("Date,CHF\n2026-07-03,0\n", "line 2: rate: '0'; a number above 0"),
        ("Date,CHF\n2026-07-03,1e99\n", "line 2: rate"),
        ("Date,CHF\n2026-07-03,NaN0\n", "line 2: rate"),
        ("Date,CHF\n2026-07-03,0.94\n2026-07-03,0.95\n", "line 3: CHF: 2026-07-03 is there twice"),
        ("Date,EUR\n2026-07-03,1\n", "line 2: currency: EUR against itself"),
        ("Date,FRANC\n2026-07-03,1\n", "line 2: currency: 'FRANC'; write the three letters"),
        ("date,currency,rate\n2026-07-03\n", "line 2: 1 columns, the header has 3"),
        ("date,currency,rate,base\n2026-07-03,CHF,1,EUR\n2026-07-03,SEK,1,USD\n", "base: EUR and USD"),
    ],
)
def test_files_that_cannot_be_read(text: str, hint: str) -> None:
    with pytest.raises(MalformedRates) as caught:
        read_rates(text)
    assert hint in str(caught.value)


def test_conversion() -> None:
    rates = Rates(read_rates(HISTORY))
    monday = date(2026, 7, 6)
    for one, other, expected in (
        ("CHF", "EUR", "10.6247"),
        ("EUR", "CHF", "9.4120"),
        ("CHF", "USD", "11.4907"),  # 10 / 0.9412 * 1.0815, rounded once
        ("EUR", "EUR", "10.0000"),
    ):
        found = rates.between("ECB", one, other, monday)
        assert converted(Decimal(10), found, other) == Decimal(expected), (one, other)
    assert {rate.day for rate in found} <= {date(2026, 7, 3)}, "the last before a weekend"
    assert rates.between("ECB", "CHF", "EUR", date(2026, 7, 2))[0].value == Decimal("0.9400")
    assert converted(Decimal("-1.00005"), (), "EUR") == Decimal("-1.0001")
    assert converted(Decimal("1." + "1" * 60), rates.between("ECB", "EUR", "JPY", monday), "JPY") == Decimal("183.2222")


def test_what_is_missing_is_said() -> None:
    known = read_rates(HISTORY)
    for rates, day in (
        (Rates(known), date(2026, 7, 1)),
        (Rates(known), date(2026, 7, 11)),
        (Rates(), date(2026, 7, 3)),
    ):
        with pytest.raises(
            MissingRate, match=rf"ECB has no rate of CHF for {day} .*settle rates import FILE --source ECB"
        ):
            rates.between("ECB", "CHF", "EUR", day)
    with pytest.raises(MissingRate, match=r"MINE has no rate of CHF.*\nMINE has no rate of USD"):
        Rates(known).between("MINE", "CHF", "USD", date(2026, 7, 3))
    assert Rates(known, today=date(2026, 7, 4)).between("ECB", "CHF", "EUR", date(2026, 7, 31)), "so far"

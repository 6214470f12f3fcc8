"""A CDR is priced for the profile that its driver chose: found where it is not, with what is at stake."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from roaming.billing.checks import CheckRules, Finding, Kind, Known, Outcome, check
from roaming.billing.checks.known import TokenKnown
from roaming.model.cdr import CDR
from roaming.model.tariff import Tariff, TariffElement
from roaming.rating import rate, relevant_tariffs
from roaming.rating.readings import DEFAULT_READINGS, ProfileChange
from roaming.rating.switching import Preferred
from tests.roaming.billing.charges import END, PERIODS, START, a_cdr, a_tariff, component, known

changed = msgspec.structs.replace
RULES = CheckRules()


def of(id: str, kind: str | None, price: str) -> Tariff:
    return a_tariff(TariffElement(price_components=(component("ENERGY", price),)), id=id, type=kind)


R, F, C = of("R", "REGULAR", "0.50"), of("F", "PROFILE_FAST", "0.80"), of("C", "PROFILE_CHEAP", "0.30")
ALL, CARD = of("ALL", None, "0.40"), of("CARD", "AD_HOC_PAYMENT", "0.90")
KRONOR = changed(F, id="KRONOR", currency="SEK")
BY_ID = {each.id: each for each in (R, F, C, ALL, CARD, KRONOR)}


def cdr_by(names: str) -> CDR:
    """5.4 kWh from the start, 9.3 after half an hour, parked after one and a half: each by the tariff named."""
    ids = names.split() * (3 if " " not in names else 1)
    periods = tuple(changed(each, tariff_id=id) for each, id in zip(PERIODS, ids, strict=True))
    tariffs = relevant_tariffs(tuple(BY_ID.values()), periods)
    rated = rate(tariffs, periods, start=START, end=END, time_zone="Europe/Paris")
    made = changed(a_cdr(tariffs[0]), charging_periods=periods, tariffs=tariffs, total_fixed_cost=None)
    return changed(made, total_cost=rated.total, total_energy_cost=rated.energy, total_parking_cost=rated.parking)


def beside(
    default: str | None = None, *preferred: tuple[int, str], offered: str = "R F C", change: str = "FROM_THEN"
) -> Known:
    """``preferred``: minutes after the start, and the profile."""
    return known(
        tariff=None,
        token=TokenKnown("DE-HME-C00000001", True, default),
        offered=tuple(BY_ID[id] for id in offered.split()),
        preferred=tuple(Preferred(START + timedelta(minutes=minutes), profile) for minutes, profile in preferred),
        readings=changed(DEFAULT_READINGS, profile_change=ProfileChange(change)),
    )


def found(cdr: CDR, around: Known) -> tuple[Finding, ...]:
    return check(cdr, around, RULES).findings


@pytest.mark.parametrize(
    ("names", "around"),
    [
        ("R", beside()),
        ("ALL", beside("FAST")),
        ("CARD", beside("FAST", offered="CARD R")),
        ("F", beside("FAST")),
        ("R", beside("FAST")),
        ("R F F", beside(None, (30, "FAST"))),
        ("R F F", beside(None, (29, "FAST"))),
        ("R R F", beside(None, (31, "FAST"))),
        ("F R R", beside("FAST", (30, "REGULAR"))),
        ("F C C", beside("FAST", (30, "CHEAP"))),
        ("R ALL ALL", beside(None, (30, "FAST"), offered="R ALL")),
        ("R", beside(None, (30, "FAST"), offered="R ALL")),
        ("F", beside(None, (30, "FAST"), change="WHOLE")),
        ("R", beside(None, (30, "FAST"), change="NEVER")),
        ("R", beside(None, (120, "FAST"), change="WHOLE")),
        ("F", beside(None, (20, "FAST"), offered="F C")),
        ("R", beside(None, (30, "FAST"), offered="R KRONOR")),
        ("R C C", beside(None, (30, "CHEAP"), (40, "FAST"), offered="R C KRONOR")),
        ("F", beside("FAST", (30, "REGULAR"), offered="F")),
        ("F", beside("FAST", (30, "CHEAP"), offered="F", change="WHOLE")),
        ("F", known(tariff=None, token=None, is_session_expected=False)),
    ],
)
def test_what_the_driver_chose_is_no_matter(names: str, around: Known) -> None:
    assert found(cdr_by(names), around) == ()


@pytest.mark.parametrize(
    ("names", "around", "kind", "field", "stake", "says", "reading"),
    [
        ("F", beside(), Kind.PROFILE_UNKNOWN, 0, "4.41", "nobody told us of a preference", ""),
        ("F", beside("CHEAP"), Kind.PROFILE, 0, "7.35", "the token's default_profile_type is CHEAP", ""),
        ("F", beside("CHEAP", offered=""), Kind.PROFILE, 0, "11.76", "of type PROFILE_FAST", ""),
        ("F", beside("CHEAP", offered="R ALL"), Kind.PROFILE, 0, "5.88", "", ""),
        ("F", beside("SOLAR"), Kind.PROFILE, 0, "11.76", "default_profile_type is SOLAR", ""),
        (
            "R C C",
            beside(None, (30, "FAST")),
            Kind.PROFILE,
            1,
            "4.65",
            "preferences named FAST at 2026-07-06 18:00",
            "",
        ),
        ("R", beside(None, (20, "FAST")), Kind.PROFILE, 1, "2.79", "", "profile_change=NEVER"),
        ("F", beside(None, (20, "FAST")), Kind.PROFILE, 0, "1.62", "", "profile_change=WHOLE"),
        ("R F F", beside(None, (20, "FAST"), change="NEVER"), Kind.PROFILE, 1, "2.79", "", "profile_change=FROM_THEN"),
        ("R R F", beside(None, (20, "FAST")), Kind.PROFILE, 1, "2.79", "1 of its 3 periods", ""),
    ],
)
def test_another_profile_is_found(
    names: str, around: Known, kind: Kind, field: int, stake: str, says: str, reading: str
) -> None:
    cdr = cdr_by(names)
    (finding,) = found(cdr, around)
    assert (finding.kind, finding.field) == (kind, f"charging_periods[{field}].tariff_id")
    assert finding.at_stake == Decimal(stake)
    assert says in finding.text
    assert finding.reading == reading
    assert reading in finding.text
    assert finding.outcome is (Outcome.HOLD if kind is Kind.PROFILE_UNKNOWN else Outcome.DISPUTE)


def test_a_tariff_that_cannot_say_its_type_is_the_one_that_was_told() -> None:
    """OCPI 2.1.1 has no types."""
    untyped = changed(F, type=None)
    cdr = changed(cdr_by("F"), tariffs=(untyped,))
    assert found(cdr, beside("CHEAP", offered="R C")) == ()
    assert [each.kind for each in found(cdr, beside("CHEAP"))] == [Kind.PROFILE]

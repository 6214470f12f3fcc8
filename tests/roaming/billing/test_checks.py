"""Each thing that can be wrong with a CDR is found, with its outcome and the money; nothing is found in a right one."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from roaming.billing.checks import CheckRules, Finding, Kind, Known, MalformedRule, Outcome, check, rules_with
from roaming.billing.checks.known import Sibling, TokenKnown
from roaming.billing.checks.rules import DEFAULT_OUTCOMES
from roaming.model.cdr import CDR
from roaming.model.money import Price, PriceLimit, TaxAmount
from roaming.model.tariff import TariffElement
from roaming.rating import Readings, rate
from roaming.rating.readings import StepScope
from tests.roaming.billing.charges import (
    END,
    KEY,
    LONG_AGO,
    START,
    a_cdr,
    a_location,
    a_session,
    a_tariff,
    component,
    known,
    period,
    priced,
)
from tests.roaming.rating.test_signed_data import reading, record, signed

changed = msgspec.structs.replace
RULES = CheckRules()


def findings(cdr: CDR, beside: Known, rules: CheckRules = RULES) -> tuple[Finding, ...]:
    return check(cdr, beside, rules).findings


def cost(net: str, gross: str | None = None) -> Price:
    taxes = None if gross is None else (TaxAmount(name="VAT", amount=Decimal(gross) - Decimal(net)),)
    return Price(before_taxes=Decimal(net), taxes=taxes)


def test_a_right_one_is_accepted() -> None:
    cdr = a_cdr()
    assert cdr.total_cost.before_taxes > 0
    verdict = check(cdr, known(), RULES)
    assert (verdict.outcome, verdict.findings, verdict.at_stake) == (Outcome.ACCEPT, (), 0)


def sibling(cdr: CDR, key: str = "FR/CPO/c0", *, is_credited: bool = False) -> Sibling:
    return Sibling(key, cdr, is_credited)


EARLIER = timedelta(minutes=-1)
TWIN = a_cdr(id="C0", last_updated=END + EARLIER)
ELSEWHERE = a_cdr(
    id="C0",
    session_id="S0",
    start_date_time=START - timedelta(hours=1),
    cdr_location=changed(a_cdr().cdr_location, evse_uid="E9"),
)
FAST = a_cdr(a_tariff(type="PROFILE_FAST"))
Case = Callable[[], tuple[CDR, Known]]


LONG_BEFORE = "2026-01-12T09:00:00,000+0000 S"


def signed_cdr(*readings: str, key: str | None = "", spoils: bool = False) -> CDR:
    """With signed readings such as ``B 100``: the reason and kWh."""
    records = [record(reading(*each.split())) for each in readings]
    if spoils:
        records[-1] = records[-1].replace("114.7", "114.8")
    return changed(a_cdr(), signed_data=signed(*records, key=key))


CASES: dict[str, tuple[Kind, str, Case]] = {
    "too dear": (Kind.PRICE, "total_cost", lambda: (a_cdr(total_cost=cost("99.00")), known())),
    "too cheap": (Kind.PRICE, "total_cost", lambda: (a_cdr(total_cost=cost("2.00")), known())),
    "tax": (
        Kind.SUM,
        "total_cost.taxes",
        lambda: (
            changed(
                a_cdr(),
                total_cost=changed(
                    a_cdr().total_cost, taxes=(TaxAmount(name="VAT", amount=Decimal(5), percentage=Decimal(20)),)
                ),
            ),
            known(),
        ),
    ),
    "parts above the whole": (Kind.SUM, "total_cost", lambda: (a_cdr(total_cost=cost("1.00")), known())),
    "energy above the periods": (
        Kind.VOLUMES,
        "total_energy",
        lambda: (changed(a_cdr(), total_energy=Decimal(16)), known()),
    ),
    "time above the periods": (Kind.VOLUMES, "total_time", lambda: (changed(a_cdr(), total_time=Decimal(3)), known())),
    "periods out of order": (
        Kind.PERIODS,
        "charging_periods",
        lambda: (changed(a_cdr(), charging_periods=a_cdr().charging_periods[::-1]), known()),
    ),
    "period before the start": (
        Kind.PERIODS,
        "charging_periods",
        lambda: (a_cdr(charging_periods=(period(-90, "14.7", "2"),)), known()),
    ),
    "negative period": (
        Kind.PERIODS,
        "charging_periods",
        lambda: (changed(a_cdr(), charging_periods=(period(0, "-14.7", "2"),)), known()),
    ),
    "another version of the tariff": (
        Kind.TARIFF,
        "tariffs",
        lambda: (a_cdr(a_tariff(TariffElement(price_components=(component("ENERGY", "0.90"),)))), known()),
    ),
    "several tariffs, one of them not quoted": (
        Kind.TARIFF,
        "tariffs",
        lambda: (
            changed(
                a_cdr(),
                charging_periods=tuple(
                    changed(each, tariff_id=f"T{index}") for index, each in enumerate(a_cdr().charging_periods)
                ),
            ),
            known(),
        ),
    ),
    "no tariff": (Kind.TARIFF_MISSING, "tariffs", lambda: (changed(a_cdr(), tariffs=()), known(tariff=None))),
    "another profile": (
        Kind.PROFILE,
        "charging_periods[0].tariff_id",
        lambda: (FAST, known(tariff=None, token=TokenKnown("DE-HME-C00000001", True, "CHEAP"))),
    ),
    "a profile that nobody chose": (
        Kind.PROFILE_UNKNOWN,
        "charging_periods[0].tariff_id",
        lambda: (FAST, known(tariff=None)),
    ),
    "currency of the tariff": (Kind.CURRENCY, "currency", lambda: (changed(a_cdr(), currency="SEK"), known())),
    "session had less energy": (
        Kind.SESSION,
        "total_energy",
        lambda: (a_cdr(), known(session=a_session(kwh=Decimal("11.7")))),
    ),
    "session ended before": (
        Kind.SESSION,
        "end_date_time",
        lambda: (a_cdr(), known(session=a_session(end_date_time=END - timedelta(hours=1)))),
    ),
    "another EVSE than the session": (
        Kind.SESSION,
        "cdr_location.evse_uid",
        lambda: (a_cdr(), known(session=a_session(evse_uid="E7"))),
    ),
    "session missing": (Kind.SESSION_MISSING, "session_id", lambda: (a_cdr(), known(session=None))),
    "token unknown": (Kind.TOKEN, "cdr_token.uid", lambda: (a_cdr(), known(token=None))),
    "token blocked": (
        Kind.TOKEN_INVALID,
        "cdr_token.uid",
        lambda: (a_cdr(), known(token=TokenKnown("DE-HME-C00000001", False))),
    ),
    "contract": (
        Kind.CONTRACT,
        "cdr_token.contract_id",
        lambda: (a_cdr(), known(token=TokenKnown("DE-HME-C00000002", True))),
    ),
    "location unknown": (Kind.LOCATION, "cdr_location.id", lambda: (a_cdr(), known(location=None))),
    "EVSE unknown": (
        Kind.LOCATION,
        "cdr_location.evse_uid",
        lambda: (a_cdr(), known(location=a_location(evses=()))),
    ),
    "the same charge twice": (Kind.DUPLICATE, "session_id", lambda: (a_cdr(), known(siblings=(sibling(TWIN),)))),
    "one card at two places": (
        Kind.OVERLAP,
        "start_date_time",
        lambda: (a_cdr(), known(siblings=(sibling(ELSEWHERE),))),
    ),
    "one EVSE twice at a time": (
        Kind.OVERLAP,
        "start_date_time",
        lambda: (
            a_cdr(),
            known(
                siblings=(
                    sibling(
                        a_cdr(
                            id="C0",
                            session_id="S0",
                            start_date_time=START - timedelta(hours=1),
                            cdr_token=changed(a_cdr().cdr_token, uid="CARD2"),
                        )
                    ),
                )
            ),
        ),
    ),
    "more than the connector gives": (
        Kind.POWER,
        "total_energy",
        lambda: (
            a_cdr(charging_periods=(period(0, "90", "2"),), total_energy=Decimal(90), total_parking_time=None),
            known(session=a_session(kwh=Decimal(90))),
        ),
    ),
    "three days": (
        Kind.DURATION,
        "end_date_time",
        lambda: (
            changed(a_cdr(), end_date_time=START + timedelta(days=3)),
            known(received_at=START + timedelta(days=4)),
        ),
    ),
    "ends before it begins": (
        Kind.DURATION,
        "end_date_time",
        lambda: (changed(a_cdr(), end_date_time=START - timedelta(hours=1)), known()),
    ),
    "more than a battery": (
        Kind.ENERGY,
        "total_energy",
        lambda: (changed(a_cdr(), total_energy=Decimal(400)), known()),
    ),
    "late": (Kind.LATE, "end_date_time", lambda: (a_cdr(), known(received_at=END + timedelta(days=8)))),
    "signed otherwise": (Kind.SIGNED_ENERGY, "total_energy", lambda: (signed_cdr("B 100", "E 114.6"), known())),
    "signature of another": (
        Kind.SIGNATURE,
        "signed_data",
        lambda: (signed_cdr("B 100", "E 114.7", spoils=True), known()),
    ),
    "signed in another charge": (
        Kind.SIGNATURE,
        "signed_data",
        lambda: (
            changed(
                a_cdr(),
                signed_data=signed(
                    record(reading("B", "100", at=LONG_BEFORE)), record(reading("E", "114.7", at=LONG_BEFORE))
                ),
            ),
            known(),
        ),
    ),
    "signed, without a key": (
        Kind.SIGNATURE_UNKNOWN,
        "signed_data",
        lambda: (signed_cdr("B 100", "E 114.7", key=None), known()),
    ),
    "signed, the end alone": (Kind.SIGNATURE_UNKNOWN, "signed_data", lambda: (signed_cdr("E 114.7"), known())),
    "from the future": (Kind.FUTURE, "end_date_time", lambda: (a_cdr(), known(received_at=START))),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_found(name: str) -> None:
    kind, field, make = CASES[name]
    cdr, beside = make()
    verdict = check(cdr, beside, RULES)
    found = [each for each in verdict.findings if (each.kind, each.field) == (kind, field)]
    assert found, [(each.kind, each.field, each.text) for each in verdict.findings]
    assert found[0].outcome == DEFAULT_OUTCOMES[kind]
    assert found[0].text
    assert 0 <= verdict.at_stake <= abs(cdr.total_cost.before_taxes)
    assert "CARD1" not in " ".join(each.text for each in verdict.findings), "a driver's token is not for reports"


def test_signed_energy_is_billed_within_what_is_rounded() -> None:
    assert findings(signed_cdr("B 100", "E 114.7"), known()) == ()
    assert findings(signed_cdr("B 100", "E 114.71"), known()) == ()
    unknown = check(signed_cdr("B 100", "E 114.7", key=None), known(), RULES)
    assert (unknown.outcome, unknown.at_stake) == (Outcome.ACCEPT, 0), "it is said, and paid"
    (off,) = findings(signed_cdr("B 100", "E 114.71"), known(), rules_with(RULES, ["signed_tolerance=0.001"]))
    assert (off.kind, off.stated, off.expected) == (Kind.SIGNED_ENERGY, "14.7", "14.71")


def test_every_kind_has_a_case() -> None:
    assert {kind for kind, _, _ in CASES.values()} | {Kind.CREDIT} == set(Kind)


def test_only_the_later_of_two_is_a_duplicate() -> None:
    later = sibling(a_cdr(id="C2", last_updated=END + timedelta(days=1)), "FR/CPO/c2")
    assert findings(a_cdr(), known(siblings=(later, sibling(a_cdr(), KEY)))) == ()
    assert findings(a_cdr(), known(siblings=(sibling(TWIN, is_credited=True),))) == (), "replaced by this one"


def test_what_the_hub_passed_on_is_not_set_against_what_it_never_keeps() -> None:
    assert findings(a_cdr(), known(session=None, token=None, is_session_expected=False)) == ()


def test_the_amount_at_stake() -> None:
    cdr = a_cdr()
    dear = changed(cdr, total_cost=Price(before_taxes=cdr.total_cost.before_taxes + Decimal("2.50")))
    verdict = check(dear, known(), RULES)
    assert verdict.at_stake == Decimal("2.50")
    assert "+2.5" in verdict.findings[0].text
    assert check(dear, known(), rules_with(RULES, ["least_at_stake=3"])).outcome is Outcome.ACCEPT


def test_a_credit_is_set_against_its_original_alone() -> None:
    original = a_cdr()
    minus = Price(before_taxes=-original.total_cost.before_taxes)
    credit = changed(original, id="C1-C", credit=True, credit_reference_id="C1", total_cost=minus)
    beside = known(key="FR/CPO/c1-c", session=None, credited=original, received_at=END + timedelta(days=60))
    assert findings(credit, beside) == ()
    (missing,) = findings(credit, known(key="FR/CPO/c1-c", credited=None))
    assert (missing.kind, missing.field) == (Kind.CREDIT, "credit_reference_id")
    (half,) = findings(changed(credit, total_cost=Price(before_taxes=Decimal(-1))), beside)
    assert (half.field, half.at_stake) == ("total_cost", original.total_cost.before_taxes - 1)
    first = sibling(changed(credit, id="X", last_updated=END + EARLIER), "FR/CPO/x")
    (second,) = findings(credit, known(key="FR/CPO/c1-c", credited=original, siblings=(first,)))
    assert "taken back before, by X" in second.text


def test_rules_change_the_outcome_and_say_what_they_do_not_know() -> None:
    late = known(received_at=END + timedelta(days=8))
    assert check(a_cdr(), late, RULES).outcome is Outcome.HOLD
    assert check(a_cdr(), late, rules_with(RULES, ["late_days=9"])).findings == ()
    assert check(a_cdr(), late, rules_with(RULES, ["LATE=dispute"])).outcome is Outcome.DISPUTE
    assert check(a_cdr(), late, rules_with(RULES, ["LATE = accept"])).at_stake == 0
    assert check(a_cdr(), known(), rules_with(RULES, ["currencies=sek,NOK"])).findings[0].kind is Kind.CURRENCY
    for change, reason in (
        ("late_days", "NAME=VALUE"),
        ("late_days=soon", "no number"),
        ("late_days=-1", "no number"),
        ("LATE=perhaps", "none of accept"),
        ("colour=red", "none of tolerance"),
    ):
        with pytest.raises(MalformedRule, match=reason):
            rules_with(RULES, [change])


LIMITED = a_tariff(
    TariffElement(price_components=(component("ENERGY", "0.5055", vat="20"), component("TIME", "0.60", vat="10"))),
    min_price=PriceLimit(before_taxes=Decimal(20), after_taxes=Decimal(30)),
)


def stated(net: str | Decimal, gross: str | Decimal | None = None) -> CDR:
    return a_cdr(total_cost=cost(str(net), None if gross is None else str(gross)))


def in_utc() -> CDR:
    return changed(a_cdr(), total_cost=priced(a_cdr(), a_tariff(), "UTC").total_cost)


def scaled(after_taxes: Decimal) -> CDR:
    cdr = a_cdr(changed(LIMITED, min_price=PriceLimit(before_taxes=Decimal(20), after_taxes=after_taxes)))
    free = priced(cdr, changed(LIMITED, min_price=None)).total_cost
    tax = sum((each.amount for each in free.taxes or ()), Decimal(0)) * 20 / free.before_taxes
    return changed(cdr, total_cost=Price(before_taxes=Decimal(20), taxes=(TaxAmount(name="VAT", amount=tax),)))


# By hand. Periods: 5.4 and 9.3 kWh, half an hour of parking; steps of 1 kWh on the sum, 15 minutes of parking.
NET = Decimal("1.00") + Decimal("5.4") * Decimal("0.5055") + Decimal("9.6") * Decimal("0.3055") + Decimal("0.60")
READINGS: dict[str, Callable[[], CDR]] = {
    # 6 kWh and 10 kWh
    "step_size in every period": lambda: stated(1 + 6 * Decimal("0.5055") + 10 * Decimal("0.3055") + Decimal("0.60")),
    "step_size left out": lambda: stated(NET - Decimal("0.3") * Decimal("0.3055")),
    "FLAT charged twice": lambda: stated(NET + 1),
    "FLAT charged in every period": lambda: stated(NET + 2),
    "taxes counted as part of the price before taxes": lambda: stated(NET * Decimal("1.2")),
    "only the energy": lambda: stated(NET - Decimal("1.60")),
    "wrong time zone: UTC": in_utc,
    "tax scaled with min_price or max_price": lambda: scaled(Decimal(21)),
    "tax scaled past what min_price or max_price says with taxes": lambda: scaled(Decimal(30)),
}


@pytest.mark.parametrize("name", READINGS)
def test_the_reading_that_makes_a_difference_vanish_is_named(name: str) -> None:
    cdr = READINGS[name]()
    tariff = cdr.tariffs[0]
    found = [
        each for each in findings(cdr, known(tariff=tariff)) if each.field == "total_cost" and each.kind is Kind.PRICE
    ]
    assert [each.reading for each in found] == [name]
    assert name in found[0].text


def test_a_cdr_with_several_tariffs_is_checked_by_all_of_them() -> None:
    """Its periods name them; one that is wrong is found with what is at stake, whichever prices it."""
    day, night = a_tariff(id="DAY"), a_tariff(TariffElement(price_components=(component("ENERGY", "0.10"),)), id="N")
    periods = tuple(
        changed(each, tariff_id=id) for each, id in zip(a_cdr().charging_periods, ("day", "N", "DAY"), strict=True)
    )
    cdr = changed(a_cdr(day), charging_periods=periods, tariffs=(day, night))
    times = {"start": START, "end": END, "time_zone": "Europe/Paris"}
    rated = rate((day, night), periods, **times)  # type: ignore[arg-type]
    # By hand: fee 1.00, 5.4 kWh at 0.5055, half an hour of parking 0.60; 9.3 kWh at 0.10, in steps of 1 Wh
    assert rated.total.before_taxes == Decimal("1.00") + Decimal("5.4") * Decimal("0.5055") + Decimal("0.60") + Decimal(
        "0.93"
    )
    right = changed(cdr, total_cost=rated.total, total_energy_cost=rated.energy)
    assert findings(right, known(tariff=day)) == ()
    assert "tariffs DAY, N and the periods" in findings(cdr, known(tariff=day))[0].text
    by_each = rate((day, night), periods, readings=Readings(step_scope=StepScope.TARIFF), **times)  # type: ignore[arg-type]
    stepped = changed(right, total_cost=by_each.total)
    said = {each.reading for each in findings(stepped, known(tariff=day)) if each.field == "total_cost"}
    assert said == {"step_size for each tariff by itself"}
    dear = changed(night, elements=(TariffElement(price_components=(component("ENERGY", "0.20"),)),))
    other = [each for each in findings(right, known(tariff=dear)) if each.kind is Kind.TARIFF]
    assert [each.at_stake for each in other] == [Decimal("0.93")], "another version of the second one"
    foreign = changed(right, tariffs=(day, changed(night, currency="SEK")))
    assert {each.kind for each in findings(foreign, known(tariff=day))} >= {Kind.CURRENCY}


def test_rounding_per_line_is_named() -> None:
    """Many short periods at a third of a cent: each line is rounded up, the sum is not."""
    tariff = a_tariff(TariffElement(price_components=(component("ENERGY", "0.335", vat=None),)))
    periods = tuple(period(minutes, "0.1") for minutes in range(0, 100, 2))
    cdr = a_cdr(tariff, charging_periods=periods, total_energy=Decimal(5))
    assert cdr.total_cost.before_taxes == Decimal("1.675")
    (found,) = [
        each
        for each in findings(changed(cdr, total_cost=cost("1.50")), known(tariff=tariff))
        if each.kind is Kind.PRICE and each.field == "total_cost"
    ]
    assert (found.reading, found.at_stake) == ("rounding per line", Decimal("0.175"))


def test_no_reading_is_named_where_none_fits() -> None:
    found = [each for each in findings(stated("99.00"), known()) if each.field == "total_cost"]
    assert [each.reading for each in found] == [""]


@given(some.decimals(min_value=Decimal("0.02"), max_value=1000, places=2))
def test_any_amount_too_much_is_at_stake_to_the_cent(much: Decimal) -> None:
    cdr = a_cdr()
    dear = changed(cdr, total_cost=Price(before_taxes=cdr.total_cost.before_taxes + much))
    verdict = check(dear, known(), RULES)
    assert verdict.outcome is Outcome.DISPUTE
    assert verdict.at_stake == much


def test_the_price_by_hand() -> None:
    cdr = a_cdr()
    zone = "Europe/Paris"
    rated = rate(a_tariff(), cdr.charging_periods, start=START, end=END, time_zone=zone)
    assert rated.total.before_taxes == NET
    assert LONG_AGO < START

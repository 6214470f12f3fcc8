"""Sums of statements, ledgers and CDRs are equal to the last digit, whatever the CDRs; both sides get the same text."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal, localcontext

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from roaming.billing.checks.amounts import SUMS
from roaming.billing.exchange.rates import MissingRate, Rates
from roaming.billing.exchange.reading import read_rates
from roaming.billing.ledger import (
    DUE,
    PAYABLE,
    RECEIVABLE,
    REVENUE,
    balances_of,
    posting_of_cdr,
    postings_of_closing,
    reversal_of,
)
from roaming.billing.months import bounds_of
from roaming.billing.rows import lines_of
from roaming.billing.statement import Billed, Statement, Status, minor_unit, pair_of, state, taxes_of
from roaming.billing.terms import Disputed, Exchange, MalformedTerms, Terms, read_exchange, read_fee, read_terms
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId
from roaming.model.money import Price, TaxAmount
from roaming.modules.cdrs.crediting import credit_of
from roaming.rating.readings import Rounding
from tests.roaming.billing.charges import END, TOKEN, a_cdr, a_tariff

changed = msgspec.structs.replace
A, B, HUB = PartyId("FR", "CPO"), PartyId("DE", "HME"), "NL-HUB"
PAIR = pair_of(A, B)
PLAIN = a_cdr()


def a_bill(
    number: int, net: Decimal, rate: str | None = "20", currency: str = "EUR", *, is_turned: bool = False
) -> CDR:
    """From A to B, or the other way round."""
    taxes = (
        None if rate is None else (TaxAmount(name="VAT", amount=net * Decimal(rate) / 100, percentage=Decimal(rate)),)
    )
    made = changed(
        PLAIN,
        id=f"C{number}",
        currency=currency,
        total_cost=Price(before_taxes=net, taxes=taxes),
        end_date_time=END + timedelta(minutes=number),
    )
    if is_turned:
        made = changed(
            made,
            country_code=B.country_code,
            party_id=B.party_id,
            cdr_token=changed(TOKEN, country_code=A.country_code, party_id=A.party_id),
        )
    return made


def billed(cdr: CDR, *, is_disputed: bool = False) -> Billed:
    return Billed(f"{cdr.country_code}/{cdr.party_id}/{cdr.id.lower()}", cdr, is_disputed)


AMOUNTS = some.decimals(min_value=0, max_value=10_000, places=7)
BILLS = some.lists(
    some.tuples(
        AMOUNTS, some.sampled_from(["20", "7", None]), some.sampled_from(["EUR", "SEK", "JPY", "CHF"]), some.booleans()
    ),
    max_size=12,
)
FEES = [
    read_fee("session 0.25 EUR emsp>hub vat 21"),
    read_fee("kwh 0.013 SEK emsp>cpo"),
    read_fee("percent 2.5 cpo>emsp vat 7"),
]
TERMS = {(str(A), str(B)): Terms(fees=tuple(FEES), hub=HUB), (str(B), str(A)): Terms(fees=tuple(FEES[2:]), hub=HUB)}

RATES = Rates(read_rates("Date,SEK,JPY,CHF\n2026-07-03,11.237,164.1,0.9412\n"))
IN_FRANCS = {
    (str(A), str(B)): Terms(fees=(FEES[2],), exchange=Exchange(currency="CHF")),
    (str(B), str(A)): Terms(exchange=Exchange(currency="EUR")),
}
AGREED = (TERMS, IN_FRANCS)


def a_month(bills: list[tuple[Decimal, str | None, str, bool]]) -> list[Billed]:
    """Every third bill is credited, every fourth disputed."""
    found = []
    for number, (net, rate, currency, is_turned) in enumerate(bills):
        cdr = a_bill(number, net, rate, currency, is_turned=is_turned)
        found.append(billed(cdr, is_disputed=number % 4 == 3))
        if number % 3 == 2:
            found.append(billed(credit_of(cdr, reason="wrong")))
    return found


@given(BILLS, some.randoms())
def test_both_sides_get_the_same_whatever_the_order(
    bills: list[tuple[Decimal, str | None, str, bool]], order: object
) -> None:
    month = a_month(bills)
    mine = state(PAIR, "2026-07", month, IN_FRANCS, RATES)
    order.shuffle(month)  # type: ignore[attr-defined]
    theirs = state(pair_of(B, A), "2026-07", month, IN_FRANCS, RATES)
    assert mine == theirs
    assert mine.digest == theirs.digest


@given(BILLS)
def test_the_ledger_is_equal_to_the_cdrs(bills: list[tuple[Decimal, str | None, str, bool]]) -> None:
    for terms in AGREED:
        check_ledger(state(PAIR, "2026-07", a_month(bills), terms, RATES))


def check_ledger(statement: Statement) -> None:
    cdrs = [posting_of_cdr(line) for line in statement.lines]
    closing = postings_of_closing(statement, 1)
    with localcontext(SUMS):
        for posting in [*cdrs, *closing]:
            sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
            for entry in posting.entries:
                assert entry.debit >= 0
                assert entry.credit >= 0
                sums[entry.book, entry.currency] += entry.debit - entry.credit
            assert not any(sums.values()), posting
        balances = balances_of(entry for posting in cdrs for entry in posting.entries)
        for cpo, emsp in (PAIR, PAIR[::-1]):
            for currency in ("EUR", "SEK", "JPY", "CHF"):
                own = [
                    line.stated
                    for line in statement.lines
                    if (line.cpo, line.emsp, line.stated.currency) == (str(cpo), str(emsp), currency)
                ]
                net, gross = sum(line.net for line in own), sum(line.gross for line in own)
                assert -balances.get((str(cpo), REVENUE, str(emsp), currency), Decimal(0)) == net
                assert balances.get((str(cpo), RECEIVABLE, str(emsp), currency), Decimal(0)) == gross
                assert -balances.get((str(emsp), PAYABLE, str(cpo), currency), Decimal(0)) == gross


@given(BILLS)
def test_closing_moves_all_that_is_counted_to_what_is_due(bills: list[tuple[Decimal, str | None, str, bool]]) -> None:
    for terms in AGREED:
        check_closing(state(PAIR, "2026-07", a_month(bills), terms, RATES))


def check_closing(statement: Statement) -> None:
    counted = [posting_of_cdr(line) for line in statement.lines if line.status is Status.COUNTED]
    closing = postings_of_closing(statement, 1)
    after = balances_of(entry for posting in [*counted, *closing] for entry in posting.entries)
    assert not any(balance for (_, account, *_), balance in after.items() if account in (RECEIVABLE, PAYABLE))
    due = {place: balance for place, balance in after.items() if place[1] == DUE and balance}
    expected = {
        (book, DUE, other, balance.currency): sign * balance.payable
        for balance in statement.balances
        for book, other, sign in ((balance.creditor, balance.debtor, 1), (balance.debtor, balance.creditor, -1))
        if balance.payable
    }
    assert due == expected
    reversed_too = [*counted, *closing, *map(reversal_of, closing)]
    undone = balances_of(entry for posting in reversed_too for entry in posting.entries)
    before = balances_of(entry for posting in counted for entry in posting.entries)
    assert {place: each for place, each in undone.items() if each} == {
        place: each for place, each in before.items() if each
    }


@given(BILLS)
def test_what_is_payable_is_the_exact_sum_rounded_once(bills: list[tuple[Decimal, str | None, str, bool]]) -> None:
    statement = state(PAIR, "2026-07", a_month(bills), TERMS)
    with localcontext(SUMS):
        for balance in statement.balances:
            assert balance.payable == balance.exact + balance.rounding
            assert abs(balance.rounding) <= minor_unit(balance.currency) / 2
            assert balance.payable == balance.payable.quantize(minor_unit(balance.currency))


def test_a_month_by_hand() -> None:
    wrong, right = a_bill(1, Decimal("10.005")), a_bill(2, Decimal("8.00"))
    month = [
        billed(wrong),
        billed(credit_of(wrong, reason="x")),
        billed(right),
        billed(a_bill(3, Decimal(5)), is_disputed=True),
        billed(a_bill(4, Decimal("1.99"), is_turned=True)),
    ]
    made = state(PAIR, "2026-07", month, TERMS)
    (back, there) = made.totals
    assert (there.cpo, there.cdrs, there.credits, there.disputed) == ("FR-CPO", 3, 1, 1)
    assert (there.issued, there.credited, there.withheld, there.net) == tuple(
        map(Decimal, ("23.005", "-10.005", "5", "8"))
    )
    assert (there.gross, back.gross) == (Decimal("9.6"), Decimal("2.388"))
    assert [(part.rate, part.base, part.amount) for part in there.taxes] == [("20", Decimal(8), Decimal("1.6"))]
    fees = [(fee.payer, fee.payee, fee.net, fee.tax) for fee in made.fees]
    assert fees == [
        ("DE-HME", "FR-CPO", Decimal("0.04975"), Decimal("0.0034825")),
        ("DE-HME", HUB, Decimal("0.25"), Decimal("0.0525")),
        ("FR-CPO", "DE-HME", Decimal("0.20"), Decimal("0.014")),
    ]
    # B owes 9.6 and a fee back of 0.0532325; A owes 2.388 and a fee of 0.214
    net, hub = made.balances
    assert (net.debtor, net.creditor, net.exact, net.payable) == (
        "DE-HME",
        "FR-CPO",
        Decimal("7.0512325"),
        Decimal("7.05"),
    )
    assert (hub.debtor, hub.creditor, hub.exact, hub.payable) == ("DE-HME", HUB, Decimal("0.3025"), Decimal("0.30"))


def test_a_month_in_another_currency() -> None:
    wrong = a_bill(1, Decimal("10.005"), currency="SEK")
    month = [billed(wrong), billed(credit_of(wrong, reason="x")), billed(a_bill(2, Decimal(100), currency="SEK"))]
    month += [billed(a_bill(3, Decimal(5), currency="CHF")), billed(a_bill(4, Decimal(8), is_turned=True))]
    made = state(PAIR, "2026-07", month, IN_FRANCS, RATES)
    (back, there) = made.totals
    # 100 / 11.237 * 0.9412 and 20 % tax of 100, each rounded by itself; the credit takes back to the last digit
    assert (there.currency, there.net, there.gross) == ("CHF", Decimal("13.3759"), Decimal("16.0511"))
    assert (back.currency, back.gross) == ("EUR", Decimal("9.6"))
    assert [line.conversion is None for line in made.lines] == [False, False, False, True, True]
    row = lines_of(made)[2]
    assert (row["billed currency"], row["billed after taxes"], row["before taxes"]) == ("SEK", 120, Decimal("8.3759"))
    assert (row["rate"], row["rate date"]) == ("1 EUR = 11.237 SEK, 1 EUR = 0.9412 CHF", "2026-07-03")
    assert [(each.currency, each.payable) for each in made.balances] == [
        ("CHF", Decimal("15.69")),  # less 2.5 % and 7 % tax on that
        ("EUR", Decimal("9.60")),
    ]
    assert msgspec.json.decode(msgspec.json.encode(made), type=Statement) == made
    with pytest.raises(MissingRate, match="no rate of SEK for 2026-07-06") as caught:
        state(PAIR, "2026-07", month, IN_FRANCS)
    assert len(str(caught.value).splitlines()) == 2, "each rate once, SEK and CHF"


def test_a_disputed_one_may_be_paid_by_agreement() -> None:
    month = [billed(a_bill(1, Decimal(5)), is_disputed=True)]
    withheld = state(PAIR, "2026-07", month, {})
    paid = state(PAIR, "2026-07", month, {(str(A), str(B)): Terms(disputed=Disputed.PAID)})
    assert [balance.payable for balance in withheld.balances] == [0]
    assert [balance.payable for balance in paid.balances] == [6]


def test_the_digest_is_of_numbers_not_of_how_they_are_written() -> None:
    one, other = a_bill(1, Decimal("5.00")), a_bill(1, Decimal(5))
    assert state(PAIR, "2026-07", [billed(one)], {}).digest == state(PAIR, "2026-07", [billed(other)], {}).digest
    assert state(PAIR, "2026-08", [billed(one)], {}).digest != state(PAIR, "2026-07", [billed(one)], {}).digest


@pytest.mark.parametrize(
    ("taxes", "parts"),
    [
        (None, [("unknown", "5", "0")]),
        ((), [("0", "5", "0")]),
        ((TaxAmount(name="VAT", amount=Decimal(1), percentage=Decimal("20.0")),), [("20", "5", "1")]),
        ((TaxAmount(name="VAT", amount=Decimal(1)),), [("20", "5", "1")]),
        ((TaxAmount(name="VAT", amount=Decimal(2)),), [("not stated", "5", "2")]),
        (
            (
                TaxAmount(name="VAT", amount=Decimal("0.4"), percentage=Decimal(10)),
                TaxAmount(name="VAT", amount=Decimal("0.2"), percentage=Decimal(20)),
            ),
            [("10", "4", "0.4"), ("20", "1", "0.2")],
        ),
    ],
)
def test_taxes_by_rate(taxes: tuple[TaxAmount, ...] | None, parts: list[tuple[str, str, str]]) -> None:
    cdr = changed(PLAIN, total_cost=Price(before_taxes=Decimal(5), taxes=taxes), tariffs=(a_tariff(),))
    expected = [(rate, Decimal(base), Decimal(amount)) for rate, base, amount in parts]
    assert [(part.rate, part.base, part.amount) for part in taxes_of(cdr)] == expected


def test_terms_as_people_write_them() -> None:
    texts = ["session 0.25 EUR emsp>hub vat 21", "percent 2 cpo>emsp"]
    terms = read_terms(texts, currencies=["eur"], disputed="paid", rounding="half-even", hub=HUB)
    assert [str(fee) for fee in terms.fees] == texts
    assert (terms.currencies, terms.disputed, terms.rounding) == (("EUR",), Disputed.PAID, Rounding.HALF_EVEN)
    for fee, reason in (
        ("session 1 emsp>cpo", "needs its currency"),
        ("percent 2 cpo>cpo", "to itself"),
        ("two percent", "is no fee"),
    ):
        with pytest.raises(MalformedTerms, match=reason):
            read_fee(fee)
    with pytest.raises(MalformedTerms, match="--hub"):
        read_terms(texts, currencies=[], disputed="paid", rounding="half_up", hub="")
    with pytest.raises(MalformedTerms, match="settled in SEK"):
        read_terms(
            texts, currencies=[], disputed="paid", rounding="half_up", hub=HUB, exchange=read_exchange(settle_in="sek")
        )
    with pytest.raises(MalformedTerms, match="settle_in"):
        read_exchange(settle_in="francs")
    with pytest.raises(MalformedTerms, match="rate_day"):
        read_exchange(rate_day="day")
    with pytest.raises(MalformedTerms, match="withheld or paid"):
        read_terms([], currencies=[], disputed="forgotten", rounding="half_up", hub="")


def test_months() -> None:
    for text in ("2026-13", "2026", "October", "0000-01", "2026-1"):
        with pytest.raises(ValueError, match="2026-10"):
            bounds_of(text)


def test_a_statement_survives_the_store() -> None:
    made = state(PAIR, "2026-07", [billed(a_bill(1, Decimal("1.23456789012345678901234567890")))], TERMS)
    assert msgspec.json.decode(msgspec.json.encode(made), type=Statement) == made

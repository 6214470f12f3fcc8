"""Invoices of a statement come to its balances to the cent, whatever the CDRs, and say why where they round."""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given

from roaming.billing.invoices.invoice import Invoice, Kind, NotInvoiceable, Preceding, reversal_of
from roaming.billing.invoices.making import invoices_of
from roaming.billing.invoices.parties import BillingParty, MalformedParty, missing_of, read_party
from roaming.billing.statement import Statement, Status, pair_of, state
from roaming.billing.terms import MalformedTerms, Terms, VatCategory, read_fee, read_invoicing
from roaming.model.identifiers import PartyId
from roaming.model.money import Price, TaxAmount
from roaming.modules.cdrs.crediting import credit_of
from tests.roaming.billing.test_statement import BILLS, HUB, PAIR, TERMS, A, B, a_bill, a_month, billed

changed = msgspec.structs.replace
DAY = date(2026, 8, 1)
PARTIES = {
    str(A): read_party({"name": "Ampère SAS", "country": "FR", "city": "Paris", "vat_id": "FR12345678901"}),
    str(B): read_party({"name": "Fahrstrom GmbH", "country": "DE", "city": "Berlin", "vat_id": "DE123456789"}),
    HUB: read_party({"name": "Hub BV", "country": "NL", "vat_id": "NL123456782B90"}),
}
REVERSE = {place: changed(terms, invoicing=read_invoicing(untaxed="ae")) for place, terms in TERMS.items()}
BY_CDR = {place: changed(terms, invoicing=read_invoicing(untaxed="z", lines="cdr")) for place, terms in TERMS.items()}


def made(statement: Statement, **changes: Any) -> list[Invoice]:
    values: dict[str, Any] = {"parties": PARTIES, "terms": REVERSE, "issued_on": DAY} | changes
    return invoices_of(statement, **values)


def test_tax_in_the_sellers_currency_needs_its_rate() -> None:
    parties = PARTIES | {str(A): changed(PARTIES[str(A)], vat_currency="PLN")}
    statement = state(PAIR, "2026-07", [billed(a_bill(1, Decimal(10)))], {})
    with pytest.raises(NotInvoiceable, match=r"ECB has no rate of PLN for 2026-07-31.*settle rates import"):
        made(statement, parties=parties)
    (at_home,) = made(statement, parties=PARTIES | {str(A): changed(PARTIES[str(A)], vat_currency="EUR")})
    assert (at_home.vat_currency, at_home.vat_total) == ("", None)
    with pytest.raises(MalformedParty, match="vat_currency"):
        read_party({"name": "x", "country": "PL", "vat_currency": "zloty"})


@given(BILLS)
def test_the_invoices_come_to_the_balance_to_the_cent(bills: list[tuple[Decimal, str | None, str, bool]]) -> None:
    statement = state(PAIR, "2026-07", a_month(bills), TERMS)
    for terms in (REVERSE, BY_CDR):
        invoices = made(statement, terms=terms)
        assert len({invoice.number for invoice in invoices}) == len(invoices)
        for balance in statement.balances:
            owed = Decimal(0)
            for invoice in invoices:
                if {invoice.seller_id, invoice.buyer_id, invoice.currency} == {
                    balance.creditor,
                    balance.debtor,
                    balance.currency,
                }:
                    sign = 1 if invoice.seller_id == balance.creditor else -1
                    owed += invoice.payable * (sign if invoice.kind is Kind.INVOICE else -sign)
            assert owed == balance.payable, balance
        for invoice in invoices:
            check_sums(invoice)
        counted = sorted(line.cdr_id for line in statement.lines if line.status is Status.COUNTED and line.net)
        on_lines = sorted(cdr_id for each in invoices for line in each.lines for cdr_id in line.cdr_ids)
        assert [cdr_id for cdr_id in on_lines if cdr_id in counted] == counted


def check_sums(invoice: Invoice) -> None:
    """BR-CO-10, 13, 14, 15, 16 and 17."""
    assert invoice.net == sum(line.net for line in invoice.lines) == sum(part.base for part in invoice.vat)
    assert invoice.tax == sum(part.tax for part in invoice.vat)
    assert invoice.payable == invoice.total + invoice.rounding
    for part in invoice.vat:
        assert abs(part.base * part.rate / 100 - part.tax) <= Decimal("0.5")
        assert bool(part.reason) == (part.category is VatCategory.AE)
    assert bool(invoice.rounding) == any("rounds once" in note for note in invoice.notes)
    assert abs(invoice.payable - invoice.exact) <= (2 if invoice.currency == "JPY" else Decimal("0.02"))


def test_a_credit_names_what_it_takes_back() -> None:
    wrong, right, old = (a_bill(number, Decimal(10)) for number in (1, 2, 3))
    bills = [billed(each) for each in (wrong, right, credit_of(wrong, reason="x"), credit_of(old, reason="x"))]
    before = Preceding(number="2026-06-FR-CPO-DE-HME-EUR", issued_on=date(2026, 7, 2))
    invoice, note = made(state(PAIR, "2026-07", bills, {}), preceding={(str(A), "C3"): [before]})
    assert (invoice.kind, invoice.payable, note.kind, note.payable) == (Kind.INVOICE, 24, Kind.CREDIT_NOTE, 24)
    assert note.preceding == (before, Preceding(number=invoice.number, issued_on=DAY))
    assert note.lines[0].name.startswith("Credits")
    back = reversal_of(note, issued_on=date(2026, 9, 1), why="y")
    assert (back.kind, back.payable, back.cancels, back.preceding[0].number) == (
        Kind.INVOICE,
        24,
        note.number,
        note.number,
    )


def test_a_disputed_cdr_is_on_no_invoice() -> None:
    statement = state(PAIR, "2026-07", [billed(a_bill(1, Decimal(1)), is_disputed=True)], {})
    assert made(statement) == []


def test_taxes_of_several_rates_are_split() -> None:
    taxes = (
        TaxAmount(name="VAT", amount=Decimal("1.20"), percentage=Decimal(20)),
        TaxAmount(name="VAT", amount=Decimal("0.21"), percentage=Decimal(7)),
    )
    cdr = changed(a_bill(1, Decimal(0)), total_cost=Price(before_taxes=Decimal(11), taxes=taxes))
    (invoice,) = made(state(PAIR, "2026-07", [billed(cdr)], {}))
    assert [(part.rate, part.base, part.tax, part.category.value) for part in invoice.vat] == [
        (20, 6, Decimal("1.20"), "S"),
        (7, 3, Decimal("0.21"), "S"),
        (0, 2, 0, "AE"),
    ]
    assert invoice.payable == Decimal("12.41")


def test_what_is_missing_is_said_all_at_once() -> None:
    wrong = Price(before_taxes=Decimal(100), taxes=(TaxAmount(name="VAT", amount=Decimal(19), percentage=Decimal(20)),))
    without_rate = Price(before_taxes=Decimal(1), taxes=(TaxAmount(name="VAT", amount=Decimal("0.5")),))
    bills = [
        billed(a_bill(1, Decimal(1), None)),
        billed(changed(a_bill(2, Decimal(1)), total_cost=wrong)),
        billed(changed(a_bill(3, Decimal(1)), total_cost=without_rate)),
        billed(a_bill(4, Decimal(1), currency="KWD")),
    ]
    statement = state(PAIR, "2026-07", bills, {})
    with pytest.raises(NotInvoiceable) as found:
        made(statement, parties={}, terms={})
    for hint in ("--untaxed", "CDR C3 states tax", "settle party set FR-CPO", "settle party set DE-HME", "KWD"):
        assert hint in str(found.value)
    with pytest.raises(NotInvoiceable, match="look at C2 first"):
        made(state(PAIR, "2026-07", bills[1:2], {}))
    nobody = PARTIES | {str(B): changed(PARTIES[str(B)], vat_id="")}
    with pytest.raises(NotInvoiceable, match=r"DE-HME: reverse charge needs vat_id"):
        made(state(PAIR, "2026-07", bills[:1], {}), parties=nobody)


def test_a_fee_without_tax_needs_its_category() -> None:
    terms = {(str(A), str(B)): Terms(fees=(read_fee("session 0.10 EUR cpo>emsp"),))}
    statement = state(PAIR, "2026-07", [billed(a_bill(1, Decimal(1)))], terms)
    with pytest.raises(NotInvoiceable, match="billed without tax"):
        made(statement, terms=terms)
    exempt = changed(terms[str(A), str(B)], invoicing=read_invoicing(untaxed="e", reason="Art. 135"))
    invoice, fee = made(statement, terms={(str(A), str(B)): exempt})
    assert (invoice.seller_id, fee.seller_id, fee.vat[0].reason) == ("FR-CPO", "DE-HME", "Art. 135")
    assert invoice.payable - fee.payable == statement.balances[0].payable == Decimal("1.10")


def test_fees_of_two_statements_to_one_hub_are_two_invoices() -> None:
    fee = Terms(fees=(read_fee("session 0.25 EUR emsp>hub vat 21"),), hub=HUB)
    other = PartyId("NL", "TNM")
    numbers = []
    for cpo in (A, other):
        cdr = changed(a_bill(1, Decimal(1)), country_code=cpo.country_code, party_id=cpo.party_id)
        statement = state(pair_of(cpo, B), "2026-07", [billed(cdr)], {(str(cpo), str(B)): fee})
        numbers += [each.number for each in made(statement, parties=PARTIES | {str(other): PARTIES[str(A)]})]
    assert sorted(numbers) == [
        "2026-07-FR-CPO-DE-HME-EUR",
        "2026-07-NL-HUB-DE-HME-EUR-FR-CPO",
        "2026-07-NL-HUB-DE-HME-EUR-NL-TNM",
        "2026-07-NL-TNM-DE-HME-EUR",
    ]


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"country": "NL"}, "name"),
        ({"name": "x", "country": "Holland"}, "country"),
        ({"name": "x", "country": "NL", "vat_id": "123"}, "vat_id"),
        ({"name": "x", "country": "NL", "iban": "NL91ABNA0417164301"}, "iban"),
        ({"name": "x", "country": "NL", "electronic_address": "a"}, "electronic_scheme"),
        ({"name": "x", "country": "NL", "payment_days": -1}, "payment_days"),
        ({"name": "x\0", "country": "NL"}, "name"),
        ({"name": "x", "country": "NL", "colour": "red"}, "colour"),
    ],
)
def test_what_a_party_is_not(values: dict[str, Any], hint: str) -> None:
    with pytest.raises(MalformedParty, match=hint):
        read_party(values)


def test_what_people_write_is_read() -> None:
    party = read_party({"name": " A  B ", "country": "nl", "iban": "NL91 ABNA 0417 1643 00", "vat_id": "nl 1234567b01"})
    assert (party.name, party.iban, party.vat_id) == ("A B", "NL91ABNA0417164300", "NL1234567B01")
    assert missing_of("NL-A", BillingParty(name="x", country="NL"), "NL-B", party)[0].startswith("NL-A: a seller")
    for untaxed, lines in (("x", "rate"), ("e", "rate"), ("z", "page")):
        with pytest.raises(MalformedTerms):
            read_invoicing(untaxed=untaxed, lines=lines)

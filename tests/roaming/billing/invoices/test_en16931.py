"""Invoices are valid by schema and rules of EN 16931 in both syntaxes, and the check finds what is broken."""

from decimal import Decimal

import msgspec
import pytest

from roaming.billing.exchange.rates import Rates
from roaming.billing.exchange.reading import read_rates
from roaming.billing.invoices import en16931
from roaming.billing.invoices.en16931 import InvalidInvoice, Syntax, check, written
from roaming.billing.invoices.invoice import Invoice, Kind
from roaming.billing.statement import state
from roaming.billing.terms import Exchange, Terms, read_invoicing
from tests.roaming.billing.invoices.test_making import PARTIES, made
from tests.roaming.billing.test_statement import PAIR, TERMS, A, B, a_bill, a_month, billed

changed = msgspec.structs.replace
BILLS = [
    (Decimal("10.1234567"), "20", "EUR", False),
    (Decimal("3.3333"), "7", "EUR", False),
    (Decimal("5.005"), None, "EUR", False),
    (Decimal("100.5"), "20", "JPY", True),
    (Decimal("7.77"), "7", "SEK", True),
    (Decimal("0.004"), "20", "SEK", True),
]
RICH = changed(
    PARTIES[str(A)],
    iban="FR1420041010050500013M02606",
    bic="PSSTFRPPPAR",
    email="factures@ampere.example",
    phone="+33 1 00 00 00 00",
    contact="Comptabilité",
    electronic_address="12345678901234",
    electronic_scheme="0009",
    register_id="123456789",
    street="1 rue de l'Été",
)


def documents() -> list[Invoice]:
    """Reverse charge by rate; exempt, one seller without a VAT id; zero rated, a line for each CDR."""
    statement = state(PAIR, "2026-07", a_month(BILLS), TERMS)
    exempt, zero = (
        {place: changed(terms, invoicing=read_invoicing(**how)) for place, terms in TERMS.items()}
        for how in ({"untaxed": "e", "reason": "a < b & c"}, {"untaxed": "z", "lines": "cdr"})
    )
    untaxed = PARTIES | {str(B): changed(PARTIES[str(B)], vat_id="", tax_number="12/3")}
    return [
        *made(statement, parties=PARTIES | {str(A): RICH}),
        *made(statement, terms=exempt, parties=untaxed)[:2],
        *made(statement, terms=zero)[:2],
        *accounted_in_zloty(),
    ]


def accounted_in_zloty() -> list[Invoice]:
    """Sold in euro and kronor, settled in euro, taxed in zloty."""
    terms = {(str(A), str(B)): Terms(exchange=Exchange(currency="EUR"), invoicing=read_invoicing(untaxed="z"))}
    rates = Rates(read_rates("Date,SEK,PLN\n2026-07-30,11.237,4.2815\n2026-07-03,11.2,4.3\n"))
    cdrs = [a_bill(1, Decimal("10.1234567")), a_bill(2, Decimal(112), currency="SEK")]
    statement = state(PAIR, "2026-07", map(billed, cdrs), terms, rates)
    parties = PARTIES | {str(A): changed(RICH, vat_currency="PLN")}
    return made(statement, parties=parties, terms=terms, rates=rates)


def test_what_is_written_is_valid() -> None:
    found = documents()
    assert {invoice.kind for invoice in found} == set(Kind)
    assert {part.category.value for invoice in found for part in invoice.vat} == {"S", "AE", "E", "Z"}
    zloty = found[-1]
    assert (zloty.net, zloty.tax, zloty.vat_total) == tuple(map(Decimal, ("20.12", "4.02", "17.21")))
    assert zloty.notes[-1] == "Tax in PLN: 17.21, 1 EUR = 4.2815 PLN (ECB, 2026-07-30)."
    assert zloty.lines[0].note == "Billed as 112 SEK, converted at 1 EUR = 11.2 SEK (ECB, 2026-07-03)."
    for syntax, code in ((Syntax.CII, "TaxCurrencyCode>PLN<"), (Syntax.UBL, "TaxCurrencyCode>PLN<")):
        xml = written(zloty, syntax).decode()
        assert code in xml
        assert 'currencyID="PLN">17.21<' in xml
        assert zloty.lines[0].note in xml
    for invoice in found:
        for syntax in Syntax:
            xml = written(invoice, syntax).decode()
            assert invoice.number in xml
            assert f"{invoice.payable:.2f}" in xml


@pytest.mark.parametrize("syntax", Syntax)
def test_a_broken_one_is_found(syntax: Syntax) -> None:
    invoice = documents()[0]
    xml = written(invoice, syntax)
    for old, new, hint in (
        (f"{invoice.payable:.2f}", f"{invoice.payable + 1:.2f}", "BR-CO-16"),
        (f"{invoice.net:.2f}", f"{invoice.net + 1:.2f}", "BR-CO-10"),
        ("EUR", "EUX", "BR-CL-0|CurrencyCode"),
        ("<ram:ID>" if syntax is Syntax.CII else "<cbc:ID>", "<ram:Sorry>", "no XML"),
    ):
        assert old.encode() in xml
        with pytest.raises(InvalidInvoice, match=hint):
            check(xml.replace(old.encode(), new.encode()), syntax)
    with pytest.raises(InvalidInvoice, match="schema"):
        check(xml.replace(b"IssueDate", b"IssueDay"), syntax)


def test_no_entity_is_fetched() -> None:
    xml = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'
    with pytest.raises(InvalidInvoice, match="schema"):
        check(xml, Syntax.CII)


def test_terms_of_the_standard() -> None:
    terms = en16931.terms_of(documents()[0])
    assert (terms["BT-81"], terms["BT-84"], terms["BG-4"]["identifiers"]) == (
        "58",
        "FR1420041010050500013M02606",
        {None: "FR-CPO"},
    )
    assert terms["BG-24"][0]["BT-125"].startswith(b"CPO,eMSP,id,kind")

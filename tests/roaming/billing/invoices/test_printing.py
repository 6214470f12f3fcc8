"""An invoice as PDF/A-3 that people read and programs take the XML from; a long statement stays short."""

import importlib
import io
from decimal import Decimal
from typing import Any

import msgspec

from roaming.billing import paper
from roaming.billing.invoices.en16931 import Syntax, written
from roaming.billing.invoices.printing import to_factur_x
from roaming.billing.printing import to_pdf
from roaming.billing.statement import Standing, state
from tests.roaming.billing.invoices.test_en16931 import documents
from tests.roaming.billing.test_statement import PAIR, TERMS, a_month


def read(content: bytes) -> Any:
    return importlib.import_module("pypdf").PdfReader(io.BytesIO(content))


def text_of(content: bytes) -> str:
    return "".join(page.extract_text() for page in read(content).pages)


def test_people_and_programs_read_the_same() -> None:
    invoice = documents()[0]
    made = to_factur_x(
        msgspec.structs.replace(invoice, seller=msgspec.structs.replace(invoice.seller, city="Łódź Αθήνα"))
    )
    document = read(made)
    printed = "".join(page.extract_text() for page in document.pages)
    for text in (invoice.number, "Łódź Αθήνα", f"{invoice.payable:.2f}", "Reverse charge", "rounds once", "C1"):
        assert text in printed, (text, printed)
    assert document.attachments["factur-x.xml"][0].startswith(b"<?xml")
    assert document.root_object["/OutputIntents"][0]["/S"] == "/GTS_PDFA1"
    metadata = document.root_object["/Metadata"].get_data().decode()
    assert "<pdfaid:part>3</pdfaid:part>" in metadata
    assert "<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>" in metadata
    assert read(to_factur_x(invoice)).attachments["factur-x.xml"][0] == written(invoice, Syntax.CII)


def test_a_long_one_is_cut_and_says_so(monkeypatch: Any) -> None:
    monkeypatch.setattr(paper, "MOST_ROWS", 3)
    bills: list[Any] = [(Decimal(1), "20", "EUR", False)] * 4
    printed = "".join(
        page.extract_text()
        for page in read(to_pdf(state(PAIR, "2026-07", a_month(bills), TERMS), Standing("OPEN"))).pages
    )
    assert "The first 3 of 5" in printed
    assert "DE-HME owes FR-CPO" in printed

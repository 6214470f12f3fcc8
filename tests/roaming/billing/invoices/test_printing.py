"""An invoice as PDF/A-3 that people read and programs take the XML from; a long statement stays short."""

import importlib
import io
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from roaming.billing import paper
from roaming.billing.invoices.en16931 import Syntax, written
from roaming.billing.invoices.printing import to_factur_x
from roaming.billing.invoices.printing import to_pdf as to_pdf_of_invoice
from roaming.billing.printing import to_pdf
from roaming.billing.statement import Edition, state
from tests.kit import tools
from tests.roaming.billing.invoices.test_en16931 import accounted_in_zloty, documents
from tests.roaming.billing.test_statement import PAIR, TERMS, a_month

OPEN = Edition("OPEN")


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


def test_what_was_converted_can_be_printed() -> None:
    """Its CDRs have more columns than any others: the narrow ones still take a word."""
    (invoice,) = accounted_in_zloty()
    printed = text_of(to_pdf_of_invoice(invoice))
    for text in (invoice.number, "2026-07-06 19:31:00", "1 EUR = 11.2 SEK", *invoice.lines[0].cdr_ids):
        assert text in printed, (text, printed)


@pytest.mark.outside
def test_it_is_pdf_a_3_in_the_eyes_of_others(tmp_path: Path) -> None:
    command = tools.verapdf()
    if command is None:
        pytest.skip(f"veraPDF is not here: {tools.verapdf.__doc__}")
    bills: list[Any] = [(Decimal(1), "20", "EUR", False), (Decimal("2.5"), "0", "SEK", True)] * 40
    statement = state(PAIR, "2026-07", a_month(bills), TERMS)
    made = {
        "statement": to_pdf(statement, Edition("CLOSED", 2)),
        "empty": to_pdf(state(PAIR, "2026-07", [], {}), OPEN),
    }
    made |= {f"invoice{number}": to_factur_x(invoice) for number, invoice in enumerate(documents())}
    for name, content in made.items():
        (tmp_path / f"{name}.pdf").write_bytes(content)
    told = subprocess.run(
        [*command, "--flavour", "3b", "--format", "text", str(tmp_path)], capture_output=True, text=True, check=False
    )
    verdicts = sorted(line.split()[0] for line in told.stdout.splitlines() if line.strip())
    assert verdicts == ["PASS"] * len(made), told.stdout + told.stderr


def test_a_long_one_is_cut_and_says_so(monkeypatch: Any) -> None:
    monkeypatch.setattr(paper, "MOST_ROWS", 3)
    bills: list[Any] = [(Decimal(1), "20", "EUR", False)] * 4
    printed = "".join(
        page.extract_text() for page in read(to_pdf(state(PAIR, "2026-07", a_month(bills), TERMS), OPEN)).pages
    )
    assert "The first 3 of 5" in printed
    assert "DE-HME owes FR-CPO" in printed

"""An invoice as EN 16931-1 has it, in CII (UN/CEFACT D22B, as Factur-X 1.0 EN 16931 profiles it) or UBL 2.1; and the
check of the written XML: its schema, and the schematron rules of that syntax. Needs the extra ``invoices``."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from enum import StrEnum
from functools import cache
from importlib.resources import as_file, files
from typing import Any

from roaming.billing.checks.amounts import shown
from roaming.billing.invoices.invoice import Invoice, InvoiceLine, Kind
from roaming.billing.invoices.parties import BillingParty, is_iban
from roaming.billing.rows import CannotExport

SPECIFICATION = "urn:cen.eu:en16931:2017"
"""BT-24."""
_TYPES = {Kind.INVOICE: "380", Kind.CREDIT_NOTE: "381"}
MISSING = "e-invoices need libraries that are not installed: pip install 'roaming-hub[invoices]'"
_SVRL = "{http://purl.oclc.org/dsdl/svrl}"


class Syntax(StrEnum):
    """How an invoice is written."""

    CII = "cii"
    UBL = "ubl"


_RULES = {
    Syntax.CII: "facturx-en16931/FACTUR-X_EN16931.xslt",
    Syntax.UBL: "ubl-2.1/EN16931-UBL-validation.xslt",
}
_SCHEMAS = {
    (Syntax.CII, False): "facturx-en16931/Factur-X_EN16931.xsd",
    (Syntax.UBL, False): "ubl-2.1/maindoc/UBL-Invoice-2.1.xsd",
    (Syntax.UBL, True): "ubl-2.1/maindoc/UBL-CreditNote-2.1.xsd",
}
"""By syntax, and whether the document's root says that it is a credit note."""


class InvalidInvoice(ValueError):
    """The XML breaks its schema or a rule of EN 16931. The text names each rule."""


def _library() -> Any:
    try:
        import facturx
    except ImportError:
        raise CannotExport(
            "e-invoices need libraries that are not installed: pip install 'roaming-hub[invoices]'"
        ) from None
    return facturx


def written(invoice: Invoice, syntax: Syntax) -> bytes:
    """The XML, checked by ``check``. Raises ``InvalidInvoice`` and ``CannotExport``; blocks as long as that."""
    library = _library()
    flavor = "factur-x" if syntax is Syntax.CII else "ubl-2.1"
    try:
        xml: bytes = library.generate_xml(
            terms_of(invoice), flavor=flavor, level="en16931", check_xsd=False, check_schematron=None
        )
    except ValueError as error:
        raise InvalidInvoice(f"{invoice.number}: {error}") from error
    check(xml, syntax)
    return xml


def terms_of(invoice: Invoice) -> dict[str, Any]:
    """The invoice by business terms, as the library takes them."""
    terms: dict[str, Any] = {
        "BT-1": invoice.number,
        "BT-2": invoice.issued_on,
        "BT-3": _TYPES[invoice.kind],
        "BT-5": invoice.currency,
        "BT-24": SPECIFICATION,
        "BT-72": invoice.until,
        "BT-73": invoice.since,
        "BT-74": invoice.until,
        "BT-106": _amount(invoice.net),
        "BT-109": _amount(invoice.net),
        "BT-110": _amount(invoice.tax),
        "BT-112": _amount(invoice.total),
        "BT-115": _amount(invoice.payable),
        "BG-1": [{"BT-22": note} for note in invoice.notes],
        "BG-4": _party(invoice.seller_id, invoice.seller),
        "BG-7": _party(invoice.buyer_id, invoice.buyer),
        "BG-23": [
            {
                "BT-116": _amount(part.base),
                "BT-117": _amount(part.tax),
                "BT-118": part.category.value,
                "BT-119": shown(part.rate),
                **({"BT-120": part.reason} if part.reason else {}),
            }
            for part in invoice.vat
        ],
        "BG-25": [_line(number, line) for number, line in enumerate(invoice.lines, start=1)],
    }
    if invoice.vat_total is not None:
        terms |= {"BT-6": invoice.vat_currency, "BT-111": _amount(invoice.vat_total)}
    if invoice.rounding:
        terms["BT-114"] = _amount(invoice.rounding)
    if invoice.buyer_reference:
        terms["BT-10"] = invoice.buyer_reference
    if invoice.preceding:
        terms["BG-3"] = [{"BT-25": earlier.number, "BT-26": earlier.issued_on} for earlier in invoice.preceding]
    if invoice.cdr_list:
        terms["BG-24"] = [
            {
                "BT-122": "CDRs",
                "BT-123": "All CDRs of this document",
                "BT-125": invoice.cdr_list.encode(),
                "BT-125-1": "text/csv",
                "BT-125-2": f"{invoice.number}.csv",
            }
        ]
    return terms | _payment(invoice)


def payment_words(invoice: Invoice) -> list[str]:
    """How it is paid, for people: an invoice to the seller, less what the statement nets; a credit note is set against
    that."""
    if invoice.kind is Kind.CREDIT_NOTE:
        return ["Set against what is due between both by the statement."]
    seller = invoice.seller
    words = [f"Due {invoice.due_on}, less what the statement nets."]
    if seller.iban:
        parts = (seller.account_name or seller.name, seller.iban, seller.bic, f"reference {invoice.number}")
        words.append(f"To {', '.join(part for part in parts if part)}")
    return words


def _payment(invoice: Invoice) -> dict[str, Any]:
    terms: dict[str, Any] = {"BT-20": payment_words(invoice)[0]}
    seller = invoice.seller
    if invoice.kind is Kind.INVOICE:
        terms["BT-9"] = invoice.due_on
        if seller.iban:
            is_sepa = is_iban(seller.iban) and invoice.currency == "EUR"
            terms |= {"BT-81": "58" if is_sepa else "30", "BT-83": invoice.number, "BT-84": seller.iban}
            terms |= {"BT-85": seller.account_name or seller.name} | ({"BT-86": seller.bic} if seller.bic else {})
    return terms


def _amount(value: Decimal) -> str:
    return f"{value:.2f}"


def _party(party: str, data: BillingParty) -> dict[str, Any]:
    """OCPI's party id is an identifier of its own, without a scheme (BT-29, BT-46)."""
    told = {
        "addr_l1": data.street,
        "addr_l2": data.more_address,
        "postcode": data.postcode,
        "city": data.city,
        "vat_identifier": data.vat_id,
        "tax_identifier": data.tax_number,
        "legal_identifier": data.register_id,
        "einvoicing_addr": data.electronic_address,
        "einvoicing_addr_schemeid": data.electronic_scheme,
    }
    found: dict[str, Any] = {"name": data.name, "country_code": data.country, "identifiers": {None: party}}
    found |= {name: value for name, value in told.items() if value}
    contact = {"name": data.contact, "phone": data.phone, "email": data.email}
    if any(contact.values()):
        found["contacts"] = [{name: value for name, value in contact.items() if value}]
    return found


def _line(number: int, line: InvoiceLine) -> dict[str, Any]:
    """One piece at the net amount: what a CDR comes to follows from its own periods, not from one price. A price is
    never negative (BR-27); a quantity may be."""
    found: dict[str, Any] = {
        "BT-126": str(number),
        "BT-129": "1" if line.net >= 0 else "-1",
        "BT-130": "C62",
        "BT-131": _amount(line.net),
        "BT-146": _amount(abs(line.net)),
        "BT-151": line.category.value,
        "BT-152": shown(line.rate),
        "BT-153": line.name,
    }
    if line.since is not None:
        found |= {"BT-134": line.since, "BT-135": line.until}
    if line.note:
        found["BT-127-00"] = [{"BT-127": line.note}]
    if line.cdrs:
        told = (("CDRs", str(line.cdrs)), ("kWh", shown(line.kwh)))
        found["BG-32"] = [{"BT-160": name, "BT-161": value} for name, value in told]
    return found


_SAXON = ThreadPoolExecutor(1, thread_name_prefix="saxon")
"""Saxon keeps to the thread that started it."""


def check(xml: bytes, syntax: Syntax) -> None:
    """Holds an invoice against its schema and the schematron rules; blocks for a tenth of a second, the first time for
    some seconds. Raises ``InvalidInvoice`` naming each rule that is broken, and ``CannotExport``."""
    _library()
    broken = _SAXON.submit(_broken, xml, syntax).result()
    if broken:
        raise InvalidInvoice("\n".join(broken))


def _broken(xml: bytes, syntax: Syntax) -> list[str]:
    from lxml import etree

    safely = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(xml, safely)
    except etree.XMLSyntaxError as error:
        return [f"no XML: {error}"]
    is_credit_note = etree.QName(root).localname == "CreditNote"
    schema = _schema(_SCHEMAS[syntax, is_credit_note])
    if not schema.validate(root):
        return [f"schema, line {error.line}: {error.message}" for error in schema.error_log]
    report = etree.fromstring(_rules(_RULES[syntax])(xml).encode(), safely)
    return [
        " ".join("".join(found.itertext()).split())
        for name in ("failed-assert", "successful-report")
        for found in report.iter(f"{_SVRL}{name}")
        if found.get("flag", "fatal") != "warning"
    ]


@cache
def _schema(name: str) -> Any:
    from lxml import etree

    with as_file(files("facturx") / "xsd_and_schematron") as folder:
        return etree.XMLSchema(file=str(folder / name))


@cache
def _rules(name: str) -> Callable[[bytes], str]:
    try:
        from saxonche import PySaxonProcessor
    except ImportError:
        raise CannotExport(MISSING) from None
    processor = PySaxonProcessor(license=False)
    with as_file(files("facturx") / "xsd_and_schematron") as folder:
        compiled = processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(folder / name))

    def run(xml: bytes) -> str:
        report: str = compiled.transform_to_string(xdm_node=processor.parse_xml(xml_text=xml.decode()))
        return report

    return run

"""Who a party is on an invoice: name, address, tax ids, account. Pure."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from roaming.billing.exchange.rates import ECB

_COUNTRY = re.compile(r"[A-Z]{2}\Z", re.ASCII)
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{10,30}\Z", re.ASCII)
_VAT_ID = re.compile(r"[A-Z]{2}[A-Z0-9+*.]{2,18}\Z", re.ASCII)
_SCHEME = re.compile(r"\d{4}\Z|[A-Z]{2}\Z", re.ASCII)
LONGEST = 300
PAYMENT_DAYS = 30


class MalformedParty(ValueError):
    """What was said of a party cannot stand on an invoice. The text names the field and says what to write."""


class BillingParty(msgspec.Struct, frozen=True, kw_only=True):
    """One party. In brackets the terms of EN 16931-1 for a seller and a buyer."""

    name: str
    """Legal name (BT-27, BT-44)."""
    street: str = ""
    more_address: str = ""
    postcode: str = ""
    city: str = ""
    country: str
    """ISO 3166-1 alpha-2 (BT-40, BT-55)."""
    vat_id: str = ""
    """With its prefix, such as NL123456782B90 (BT-31, BT-48)."""
    tax_number: str = ""
    """Of a seller without a VAT id (BT-32)."""
    register_id: str = ""
    """In the register of companies (BT-30, BT-47)."""
    email: str = ""
    phone: str = ""
    contact: str = ""
    electronic_address: str = ""
    """Where it takes electronic invoices (BT-34, BT-49)."""
    electronic_scheme: str = ""
    """Which kind of address that is, of the list EAS, such as 0088, or EM for e-mail."""
    iban: str = ""
    """Where it is paid (BT-84); another account number where there is no IBAN."""
    bic: str = ""
    account_name: str = ""
    payment_days: int = PAYMENT_DAYS
    """After the date of an invoice, what it is owed is due (BT-9)."""
    vat_currency: str = ""
    """In which it accounts for tax, where it sells in others too (BT-6), such as PLN."""
    vat_rates: str = ECB
    """Whose rates of exchange its tax office takes."""
    series: str = ""
    """What stands before the count in the numbers of its invoices, such as R{year}-; {seller} and {month} may too."""
    credit_series: str = ""
    """The same of credit notes; empty: they are counted with the invoices."""


FIELDS = BillingParty.__struct_fields__


def read_party(values: Mapping[str, Any]) -> BillingParty:
    """A party as people write it. Raises ``MalformedParty``.

    >>> read_party({"name": "Ampère NV", "country": "be", "iban": "BE71 0961 2345 6769"}).iban
    'BE71096123456769'
    """
    unknown = sorted(set(values) - set(FIELDS))
    if unknown:
        raise MalformedParty(f"{unknown[0]}: no such field; there are {', '.join(FIELDS)}")
    read = {name: _text(name, value) for name, value in values.items() if name != "payment_days"}
    for name in ("country", "vat_id", "iban", "bic", "electronic_scheme", "vat_currency", "vat_rates"):
        read[name] = "".join(read.get(name, "").split()).upper()
    days = values.get("payment_days", PAYMENT_DAYS)
    if type(days) is not int or not 0 <= days <= 3650:
        raise MalformedParty(f"payment_days: {days!r} is no number of days from 0 to 3650")
    if not read.get("name"):
        raise MalformedParty("name: an invoice needs the legal name")
    if not _COUNTRY.match(read["country"]):
        raise MalformedParty(f"country: {read['country'] or 'none'}; write the two letters of ISO 3166, such as NL")
    if read["vat_id"] and not _VAT_ID.match(read["vat_id"]):
        raise MalformedParty(f"vat_id: {read['vat_id']}; write it with the prefix of its country, such as DE123456789")
    if re.match(r"[A-Z]{2}\d{2}", read["iban"]) and not is_iban(read["iban"]):
        raise MalformedParty(f"iban: {read['iban']} has a wrong check digit or length: look it up again")
    if bool(read.get("electronic_address")) != bool(read["electronic_scheme"]):
        raise MalformedParty("electronic_address, electronic_scheme: give both, or neither")
    if read["electronic_scheme"] and not _SCHEME.match(read["electronic_scheme"]):
        raise MalformedParty(
            f"electronic_scheme: {read['electronic_scheme']}; write a code of the list EAS, such as 0088 or EM"
        )
    if read["vat_currency"] and not re.fullmatch(r"[A-Z]{3}", read["vat_currency"], re.ASCII):
        raise MalformedParty(f"vat_currency: {read['vat_currency']}; write the three letters of ISO 4217, such as PLN")
    for name in ("series", "credit_series"):
        _check_series(name, read.get(name, ""))
    read["vat_rates"] = read["vat_rates"] or ECB
    return BillingParty(**read, payment_days=days)


def _check_series(name: str, pattern: str) -> None:
    bare = re.sub(r"\{(seller|year|month)\}", "", pattern)
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,40}", bare, re.ASCII):
        raise MalformedParty(
            f"{name}: {pattern[:60]}; letters, digits, dots, hyphens, {{seller}}, {{year}} and {{month}}"
        )
    if pattern and not re.search(r"[A-Za-z._-]\Z", pattern, re.ASCII):
        raise MalformedParty(
            f"{name}: {pattern[:60]}; end it with a hyphen, a dot or a letter: the count comes behind it"
        )


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST:
        raise MalformedParty(f"{name}: a text of at most {LONGEST} characters")
    text = " ".join(value.split())
    if not text.isprintable():
        raise MalformedParty(f"{name}: it holds characters that nobody can read")
    return text


def is_iban(text: str) -> bool:
    """ISO 13616: the letters as numbers, the first four characters last, modulo 97."""
    if not _IBAN.match(text):
        return False
    return int("".join(str(int(each, 36)) for each in text[4:] + text[:4])) % 97 == 1


def missing_of(seller: str, seller_data: BillingParty | None, buyer: str, buyer_data: BillingParty | None) -> list[str]:
    """What an invoice of the one to the other lacks, whatever its lines are; empty: nothing."""
    lacks = [
        f"{party}: nothing is known for invoices; `roaming settle party set {party} --name … --country …` (PUT"
        f" /api/billing-parties/{party}) says it"
        for party, data in ((seller, seller_data), (buyer, buyer_data))
        if data is None
    ]
    if seller_data is not None and not (seller_data.vat_id or seller_data.tax_number):
        lacks.append(f"{seller}: a seller needs vat_id or tax_number (EN 16931, BR-S-02, BR-Z-02, BR-E-02)")
    return lacks

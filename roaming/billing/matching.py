"""A partner's list of CDRs beside ours: what is on both, on one only, and where amounts differ. Pure."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

import msgspec

from roaming.billing.checks.amounts import ZERO, shown
from roaming.billing.statement import Line
from roaming.model.identifiers import PartyId, fold
from roaming.ocpi.codec import MalformedJson, parse_json

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "cdr_id", "cdr", "cdrid"),
    "currency": ("billed_currency", "currency"),
    "net": ("billed_before_taxes", "net", "before_taxes", "excl_vat", "total_cost", "amount", "total_excl_vat"),
    "gross": ("billed_after_taxes", "gross", "after_taxes", "incl_vat", "total_incl_vat"),
    "kwh": ("kwh", "energy", "total_energy"),
    "cpo": ("cpo",),
}
"""Names that a column may have, without case, blanks and hyphens: the first that is there counts."""


class MalformedList(ValueError):
    """A list that cannot be read. The text names the line and field."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One CDR on a partner's list; what it does not say is ``None``."""

    cdr_id: str
    cpo: str | None = None
    """Who issued it, such as NL-TNM: two parties that bill each other may use one id."""
    currency: str | None = None
    net: Decimal | None = None
    gross: Decimal | None = None
    kwh: Decimal | None = None


class Match(StrEnum):
    """How a CDR is here and there."""

    MATCHED = "MATCHED"
    DIFFERS = "DIFFERS"
    MISSING_HERE = "MISSING_HERE"
    MISSING_THERE = "MISSING_THERE"
    REPEATED = "REPEATED"
    """It stands on their list before."""


class Matched(msgspec.Struct, frozen=True, kw_only=True):
    """One CDR of either list. Amounts before taxes, in the currency of the CDR; ``difference``: theirs less ours."""

    cdr_id: str
    match: Match
    currency: str
    ours: Decimal | None
    theirs: Decimal | None
    difference: Decimal
    text: str


def match(lines: Iterable[Line], listed: Iterable[Listed], *, tolerance: Decimal = ZERO) -> list[Matched]:
    """Every CDR of both lists, ours in their order, then what only they have."""
    theirs: dict[str, list[Listed]] = {}
    for each in listed:
        theirs.setdefault(fold(each.cdr_id), []).append(each)
    known: set[tuple[str, str | None]] = set()
    found = []
    for line in lines:
        others, ours = theirs.get(fold(line.cdr_id), []), line.stated
        other = _same(line, others, tolerance)
        if other is None:
            text = "is not on their list"
            found.append(_found(line.cdr_id, Match.MISSING_THERE, ours.currency, ours.net, None, text))
            continue
        others.remove(other)
        known |= {(fold(line.cdr_id), line.cpo), (fold(line.cdr_id), None)}
        texts = list(_differences(line, other, tolerance))
        result = Match.DIFFERS if texts else Match.MATCHED
        found.append(_found(line.cdr_id, result, ours.currency, ours.net, other.net, "; ".join(texts)))
    return found + _only_theirs([each for others in theirs.values() for each in others], known)


def _same(line: Line, others: Iterable[Listed], tolerance: Decimal) -> Listed | None:
    """Of the entries of its id the one of its CPO; of those that name none the one that fits best."""

    def distance(other: Listed) -> tuple[bool, bool, Decimal]:
        is_other = any(_differences(line, other, tolerance))
        return other.cpo is None, is_other, abs((other.net or ZERO) - line.stated.net)

    return min((each for each in others if each.cpo in (None, line.cpo)), key=distance, default=None)


def _only_theirs(left: Iterable[Listed], known: set[tuple[str, str | None]]) -> list[Matched]:
    missing, repeated = [], []
    for other in left:
        about = other.cdr_id, other.currency or "", other.net
        if (place := (fold(other.cdr_id), other.cpo)) in known:
            repeated.append(_found(about[0], Match.REPEATED, about[1], None, about[2], "stands on their list twice"))
        else:
            known.add(place)
            missing.append(_found(about[0], Match.MISSING_HERE, about[1], None, about[2], "is not here"))
    return missing + repeated


def _found(
    cdr_id: str, result: Match, currency: str, ours: Decimal | None, theirs: Decimal | None, text: str
) -> Matched:
    is_told = theirs is not None or (result is not Match.MATCHED and result is not Match.DIFFERS)
    difference = (theirs or ZERO) - (ours or ZERO) if is_told else ZERO
    return Matched(
        cdr_id=cdr_id, match=result, currency=currency, ours=ours, theirs=theirs, difference=difference, text=text
    )


def _differences(line: Line, other: Listed, tolerance: Decimal) -> Iterable[str]:
    stated = line.stated
    if other.currency is not None and other.currency.upper() != stated.currency:
        yield f"currency: {stated.currency} here, {other.currency} there"
    for name, ours, theirs in (
        ("before taxes", stated.net, other.net),
        ("after taxes", stated.gross, other.gross),
        ("kWh", abs(line.kwh), None if other.kwh is None else abs(other.kwh)),
    ):
        if theirs is not None and abs(theirs - ours) > tolerance:
            yield f"{name}: {shown(ours)} here, {shown(theirs)} there ({theirs - ours:+f})"


def read_list(text: str) -> list[Listed]:
    """From JSON (OCPI CDRs of any version, or a statement of this hub) or CSV with a header. Raises
    ``MalformedList``."""
    if text.lstrip("\ufeff \t\r\n").startswith(("[", "{")):
        return _from_json(text)
    return _from_csv(text)


def _from_json(text: str) -> list[Listed]:
    try:
        body = parse_json(text.lstrip("\ufeff").encode())
    except MalformedJson as error:
        raise MalformedList(f"it is no JSON: {error}") from error
    if isinstance(body, dict):
        body = body.get("lines", body.get("data", body))
    entries = body if isinstance(body, list) else [body]
    return [_from_object(entry, number) for number, entry in enumerate(entries, start=1)]


def _from_object(entry: Any, number: int) -> Listed:
    if not isinstance(entry, dict):
        raise MalformedList(f"entry {number}: expected a CDR")
    if isinstance(conversion := entry.get("conversion"), dict):
        entry = entry | {name: conversion.get(name) for name in ("currency", "net", "gross")}
    cost = entry.get("total_cost", entry.get("net"))
    net, gross = cost, entry.get("gross")
    if isinstance(cost, dict):
        net = cost.get("before_taxes", cost.get("excl_vat"))
        gross = cost.get("incl_vat")
        if isinstance(cost.get("taxes"), list) and net is not None:
            amounts = [_number(tax.get("amount"), f"entry {number}: taxes") or ZERO for tax in cost["taxes"]]
            gross = sum(amounts, _number(net, f"entry {number}: total_cost") or ZERO)
    party = f"{entry['country_code']}-{entry.get('party_id')}" if "country_code" in entry else entry.get("cpo")
    return _listed(
        {
            "id": entry.get("cdr_id", entry.get("id")),
            "cpo": party,
            "currency": entry.get("currency"),
            "net": net,
            "gross": gross,
            "kwh": entry.get("total_energy", entry.get("kwh")),
        },
        f"entry {number}",
    )


def _from_csv(text: str) -> list[Listed]:
    text = text.lstrip("\ufeff")
    header = text.split("\n", 1)[0]
    delimiter = max((";", "\t", ","), key=header.count)
    rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    names = [re.sub(r"[\s-]+", "_", name.strip().lower()) for name in next(rows, [])]
    places = {
        field: next((names.index(name) for name in known if name in names), None) for field, known in COLUMNS.items()
    }
    if places["id"] is None:
        raise MalformedList(f"line 1: no column for the CDR; name one of {', '.join(COLUMNS['id'])}")
    if places["net"] is None and places["gross"] is None:
        raise MalformedList(f"line 1: no column for the amount; name one of {', '.join(COLUMNS['net'][1:])}")
    found = []
    for number, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        values = {
            field: row[place] if place is not None and place < len(row) else None for field, place in places.items()
        }
        found.append(_listed(values, f"line {number}"))
    return found


def _listed(values: Mapping[str, Any], where: str) -> Listed:
    cdr_id = str(values["id"] or "").strip().lstrip("'")
    if not cdr_id:
        raise MalformedList(f"{where}: id is empty")
    currency = str(values["currency"] or "").strip().upper() or None
    numbers = {name: _number(values[name], f"{where}: {name}") for name in ("net", "gross", "kwh")}
    return Listed(cdr_id=cdr_id, cpo=_party(values["cpo"]), currency=currency, **numbers)


def _party(value: Any) -> str | None:
    """A column of that name may hold a company's name as well, which says nothing to us."""
    try:
        return str(PartyId.parse(str(value or "")))
    except ValueError:
        return None


def _number(value: Any, where: str) -> Decimal | None:
    """As programs and people write it: ``1234.5``, ``1.234,50``, ``1 234,50``, ``1,234.50``."""
    if value is None or isinstance(value, Decimal):
        return value
    text = re.sub(r"[\s\u00a0']", "", str(value))
    if not text:
        return None
    if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})*,\d+|[+-]?\d+,\d+|[+-]?\d{1,3}(\.\d{3}){2,}", text):
        text = text.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+\.\d+|[+-]?\d{1,3}(,\d{3}){2,}", text):
        text = text.replace(",", "")
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise MalformedList(f"{where}: {str(value)[:40]!r} is no number; write it as 1234.50")
    return number


def sums_of(found: Sequence[Matched]) -> list[tuple[str, Match, int, Decimal]]:
    """(currency, result, how many, difference) together."""
    sums: dict[tuple[str, Match], tuple[int, Decimal]] = {}
    for each in found:
        count, difference = sums.get((each.currency, each.match), (0, ZERO))
        sums[each.currency, each.match] = (count + 1, difference + each.difference)
    return [(currency, result, *sums[currency, result]) for currency, result in sorted(sums)]

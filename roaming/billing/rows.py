"""The rows of a statement, as every form shows them. Pure.

Text that a spreadsheet would take for a formula is made harmless.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from roaming.billing.checks.amounts import shown
from roaming.billing.exchange.rates import told
from roaming.billing.statement import Line, Statement

Row = Mapping[str, Any]
NUMBERS = frozenset(
    {"kWh", "before taxes", "taxes", "after taxes", "CDRs", "credits", "disputed", "issued", "credited", "withheld"}
    | {"quantity", "exact", "rounding", "payable", "base", "tax", "billed before taxes", "billed after taxes"}
)
CONVERSION = frozenset(
    {"billed currency", "billed before taxes", "billed after taxes", "rate", "rate date", "rate source"}
)
"""Columns of lines that say something only where CDRs are settled in another currency than their own."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "|")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?\Z", re.ASCII)


class CannotExport(ValueError):
    """This file cannot be written here. The text says what to do."""


def harmless(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula, behind an apostrophe; anything else as it is.

    >>> harmless("=1+1"), harmless("L1"), harmless("-4.50")
    ("'=1+1", 'L1', '-4.50')
    """
    is_formula = isinstance(value, str) and value.startswith(_FORMULA) and not _NUMBER.match(value)
    return f"'{value}" if is_formula else value


def lines_of(statement: Statement) -> list[dict[str, Any]]:
    """A row per CDR."""
    return [{"statement": statement.id, **row} for row in rows_of(statement.lines)]


def rows_of(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """The same without the statement."""
    return [
        {
            "CPO": line.cpo,
            "eMSP": line.emsp,
            "id": line.cdr_id,
            "kind": "CREDIT" if line.is_credit else "CDR",
            "credit of": line.credits,
            "session": line.session_id,
            "ended": line.ended,
            "location": line.location,
            "kWh": line.kwh,
            "currency": line.currency,
            "before taxes": line.net,
            "taxes": line.gross - line.net,
            "after taxes": line.gross,
            "status": line.status.value,
            "month": line.month,
            "billed currency": line.stated.currency,
            "billed before taxes": line.stated.net,
            "billed after taxes": line.stated.gross,
            **told(line.conversion.rates if line.conversion is not None else ()),
        }
        for line in lines
    ]


def for_people(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Lines without the columns of conversion, where nothing was converted."""
    without = frozenset() if any(row["rate"] for row in rows) else CONVERSION
    return [{name: value for name, value in row.items() if name not in without} for row in rows]


def totals_of(statement: Statement) -> list[dict[str, Any]]:
    """A row per direction and currency."""
    return [
        {
            "CPO": total.cpo,
            "eMSP": total.emsp,
            "currency": total.currency,
            "CDRs": total.cdrs,
            "credits": total.credits,
            "disputed": total.disputed,
            "kWh": total.kwh,
            "issued": total.issued,
            "credited": total.credited,
            "withheld": total.withheld,
            "before taxes": total.net,
            "taxes": total.gross - total.net,
            "after taxes": total.gross,
        }
        for total in statement.totals
    ]


def taxes_of(statement: Statement) -> list[dict[str, Any]]:
    """A row per direction, currency and rate."""
    return [
        {
            "CPO": total.cpo,
            "eMSP": total.emsp,
            "currency": total.currency,
            "rate %": part.rate,
            "base": part.base,
            "tax": part.amount,
        }
        for total in statement.totals
        for part in total.taxes
    ]


def fees_of(statement: Statement) -> list[dict[str, Any]]:
    """A row per fee."""
    return [
        {
            "fee": fee.fee,
            "payer": fee.payer,
            "payee": fee.payee,
            "currency": fee.currency,
            "quantity": fee.quantity,
            "before taxes": fee.net,
            "rate %": fee.rate,
            "tax": fee.tax,
            "after taxes": fee.net + fee.tax,
        }
        for fee in statement.fees
    ]


def balances_of(statement: Statement) -> list[dict[str, Any]]:
    """A row per debtor, creditor and currency: what is paid in the end."""
    return [
        {
            "debtor": balance.debtor,
            "creditor": balance.creditor,
            "currency": balance.currency,
            "exact": balance.exact,
            "rounding": balance.rounding,
            "payable": balance.payable,
        }
        for balance in statement.balances
    ]


def money_or_shown(name: str, value: Decimal) -> str:
    """What is payable in the decimals of its currency, anything else without zeros that say nothing."""
    return f"{value:f}" if name == "payable" else shown(value)


def plain(row: Row) -> dict[str, Any]:
    return {
        name: money_or_shown(name, value)
        if isinstance(value, Decimal)
        else value.isoformat()
        if isinstance(value, datetime)
        else value
        for name, value in row.items()
    }


def to_csv_of(rows: Sequence[Row]) -> bytes:
    """Rows of one shape."""
    out = io.StringIO()
    names = list(rows[0]) if rows else ["statement"]
    writer = csv.DictWriter(out, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: harmless(value) for name, value in plain(row).items()} for row in rows)
    return out.getvalue().encode()

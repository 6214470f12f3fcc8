"""A statement as a file: CSV, JSON, HTML, XLSX or Parquet, by the ending of its name. All hold the same rows and sums.

Text that a spreadsheet would take for a formula is made harmless. XLSX and Parquet need the extra ``exports``.
"""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from roaming.billing.checks.amounts import shown
from roaming.billing.statement import Statement

Row = Mapping[str, Any]
NUMBERS = frozenset(
    {"kWh", "before taxes", "taxes", "after taxes", "CDRs", "credits", "disputed", "issued", "credited", "withheld"}
    | {"quantity", "exact", "rounding", "payable", "base", "tax"}
)
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
    return [
        {
            "statement": statement.id,
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
        }
        for line in statement.lines
    ]


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


def _plain(row: Row) -> dict[str, Any]:
    return {
        name: shown(value)
        if isinstance(value, Decimal)
        else value.isoformat()
        if isinstance(value, datetime)
        else value
        for name, value in row.items()
    }


def to_csv(statement: Statement, _state: str) -> bytes:
    """The lines, with a header."""
    rows, out = lines_of(statement), io.StringIO()
    names = list(rows[0]) if rows else ["statement"]
    writer = csv.DictWriter(out, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: harmless(value) for name, value in _plain(row).items()} for row in rows)
    return out.getvalue().encode()


def to_json(statement: Statement, state: str) -> bytes:
    """All of it, amounts as text; another hub reconciles with it."""
    body = msgspec.to_builtins(statement) | {"state": state}
    return msgspec.json.format(msgspec.json.encode(body), indent=1)


def to_html(statement: Statement, state: str) -> bytes:
    """For people, and for printing."""
    tables = (
        ("Payable", balances_of(statement)),
        ("Charging", totals_of(statement)),
        ("Taxes", taxes_of(statement)),
        ("Fees", fees_of(statement)),
        ("CDRs", lines_of(statement)),
    )
    shown_tables = [(title, [_plain(row) for row in rows]) for title, rows in tables]
    return str(_template().render(statement=statement, state=state, tables=shown_tables, numbers=NUMBERS)).encode()


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent / "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template("statement.html")


def to_xlsx(statement: Statement, _state: str) -> bytes:
    """A sheet per table; times are times and amounts are numbers."""
    try:
        import xlsxwriter
    except ImportError:
        raise CannotExport("XLSX needs a library that is not installed: pip install 'roaming-hub[exports]'") from None
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "remove_timezone": True, "strings_to_formulas": False})
    moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    sheets: tuple[tuple[str, Sequence[Row]], ...] = (
        ("CDRs", lines_of(statement)),
        ("Charging", totals_of(statement)),
        ("Taxes", taxes_of(statement)),
        ("Fees", fees_of(statement)),
        ("Payable", balances_of(statement)),
    )
    for title, rows in sheets:
        sheet = book.add_worksheet(title)
        for column, name in enumerate(rows[0] if rows else ()):
            sheet.write_string(0, column, name)
        for number, row in enumerate(rows, start=1):
            for column, value in enumerate(row.values()):
                if isinstance(value, datetime):
                    sheet.write_datetime(number, column, value.astimezone(UTC), moment)
                elif isinstance(value, Decimal | int):
                    sheet.write_number(number, column, value)
                else:
                    sheet.write_string(number, column, str(value))
    book.close()
    return out.getvalue()


def to_parquet(statement: Statement, _state: str) -> bytes:
    """The lines; amounts are exact decimals."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise CannotExport(
            "Parquet needs a library that is not installed: pip install 'roaming-hub[exports]'"
        ) from None
    rows = lines_of(statement)
    fields = []
    for name in rows[0] if rows else ("statement",):
        values = [row[name] for row in rows]
        if name in NUMBERS:
            scale = max((-int(value.as_tuple().exponent) for value in values), default=2)
            kind = pyarrow.decimal128(38, max(scale, 2)) if scale <= 20 else pyarrow.string()
        else:
            kind = pyarrow.timestamp("us", tz="UTC") if name == "ended" else pyarrow.string()
        fields.append(pyarrow.field(name, kind))
    texts = {field.name for field in fields if field.type == pyarrow.string()}
    plain = [{name: str(value) if name in texts else value for name, value in row.items()} for row in rows]
    out = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(plain, schema=pyarrow.schema(fields)), out)
    return out.getvalue()


FORMATS: Mapping[str, Callable[[Statement, str], bytes]] = {
    ".csv": to_csv,
    ".json": to_json,
    ".html": to_html,
    ".xlsx": to_xlsx,
    ".parquet": to_parquet,
}


def exported(statement: Statement, state: str, name: str) -> bytes:
    """The file that a name such as ``october.xlsx`` asks for. Raises ``CannotExport``."""
    ending = Path(name).suffix.lower()
    if ending not in FORMATS:
        raise CannotExport(f"{name}: the ending says the form; give one of {', '.join(FORMATS)}")
    return FORMATS[ending](statement, state)

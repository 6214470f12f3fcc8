"""A statement as a file: CSV, JSON, HTML, PDF, XLSX or Parquet, by the ending of its name. All hold the same rows and
sums. PDF, XLSX and Parquet need the extra ``exports``.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from roaming.billing.printing import to_pdf
from roaming.billing.rows import (
    NUMBERS,
    CannotExport,
    Row,
    balances_of,
    fees_of,
    for_people,
    lines_of,
    plain,
    taxes_of,
    to_csv_of,
    totals_of,
)
from roaming.billing.statement import Edition, Statement


def to_csv(statement: Statement, _edition: Edition) -> bytes:
    """The lines, with a header."""
    return to_csv_of(lines_of(statement))


def to_json(statement: Statement, edition: Edition) -> bytes:
    """All of it, amounts as text; another hub reconciles with it."""
    body = msgspec.to_builtins(statement) | {"number": edition.number(statement), **edition._asdict()}
    return msgspec.json.format(msgspec.json.encode(body), indent=1)


def to_html(statement: Statement, edition: Edition) -> bytes:
    """For people, and for printing."""
    tables = (
        ("Payable", balances_of(statement)),
        ("Charging", totals_of(statement)),
        ("Taxes", taxes_of(statement)),
        ("Fees", fees_of(statement)),
        ("CDRs", for_people(lines_of(statement))),
    )
    shown_tables = [(title, [plain(row) for row in rows]) for title, rows in tables]
    told = {"statement": statement, "state": edition.state, "number": edition.number(statement)}
    return str(_template().render(**told, tables=shown_tables, numbers=NUMBERS)).encode()


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent / "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template("statement.html")


def to_xlsx(statement: Statement, edition: Edition) -> bytes:
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
        ("Statement", [{"number": edition.number(statement), **edition._asdict(), "digest": statement.digest}]),
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


def to_parquet(statement: Statement, _edition: Edition) -> bytes:
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


FORMATS: Mapping[str, Callable[[Statement, Edition], bytes]] = {
    ".csv": to_csv,
    ".json": to_json,
    ".html": to_html,
    ".pdf": to_pdf,
    ".xlsx": to_xlsx,
    ".parquet": to_parquet,
}


def exported(statement: Statement, edition: Edition, name: str) -> bytes:
    """The file that a name such as ``october.xlsx`` asks for. Raises ``CannotExport``."""
    ending = Path(name).suffix.lower()
    if ending not in FORMATS:
        raise CannotExport(f"{name}: the ending says the form; give one of {', '.join(FORMATS)}")
    return FORMATS[ending](statement, edition)

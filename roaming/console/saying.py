"""How the API for operators answers: JSON that nobody keeps, or rows for a spreadsheet."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from starlette.responses import JSONResponse, Response

import contracts

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def said(error: str, http_status: int, headers: Mapping[str, str] | None = None, *, field: str = "") -> Response:
    """What is wrong and what to do next; ``field``: with which part of the request."""
    body = {"error": error} | ({"field": field} if field else {})
    return JSONResponse(body, http_status, headers=HEADERS | dict(headers or {}))


def answered(body: Any, http_status: int = 200) -> Response:
    """A JSON body."""
    return JSONResponse(body, http_status, headers=HEADERS)


def given(body: msgspec.Struct, http_status: int = 200) -> Response:
    """A JSON body; amounts are text."""
    return answered(msgspec.to_builtins(body), http_status)


def committed(name: str) -> Response:
    """A document of ``contracts/api``."""
    text = (Path(contracts.__file__).parent / "api" / name).read_text()
    return Response(text, media_type="application/json", headers=HEADERS)


def as_csv(rows: Sequence[Mapping[str, Any]]) -> Response:
    """Rows with a header line. Texts of stations do not become formulas of whoever opens it."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return Response(text.getvalue(), media_type="text/csv", headers=HEADERS)


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

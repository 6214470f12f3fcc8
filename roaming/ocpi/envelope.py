"""The response envelope: ours is written from texts that are JSON already, a partner's is read leniently.

Knows nothing of HTTP beyond the status number. (OCPI 2.2.1, transport_and_format 4.1.7)::

    {"data": ..., "status_code": 1000, "status_message": "Success", "timestamp": "2026-11-23T10:00:00Z"}
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from roaming.model.time import format_timestamp, parse_timestamp
from roaming.ocpi.errors import SUCCESS, OcpiError, code_in_2_1_1
from roaming.ocpi.exact_json import parse_json

CONTENT_TYPE = "application/json"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DIGITS = re.compile(r"[0-9]{1,9}")
_MAX_MESSAGE = 500


def success(data: bytes | str | None, now: datetime) -> bytes:
    """An envelope with status 1000 around ``data``, which is JSON text; ``None`` leaves it out."""
    if data is None:
        return f"{{{_success_tail(now)}".encode()
    if isinstance(data, str):
        data = data.encode()
    return b'{"data":' + data + b"," + _success_tail(now).encode()


def success_list(texts: Sequence[str], now: datetime) -> bytes:
    """An envelope around a list of objects, each given as its JSON text. The texts are joined, never read."""
    # One large block of memory instead of three: a page of 100 locations has 300 kB
    parts = [text.encode() for text in texts] or [b""]
    parts[0] = b'{"data":[' + parts[0]
    parts[-1] += f"],{_success_tail(now)}".encode()
    return b",".join(parts)


def failure(error: OcpiError, now: datetime, *, version: str = "") -> bytes:
    """An envelope without data. ``version`` 2.1.1 has fewer status codes: the nearest one is sent."""
    code = code_in_2_1_1(error.status_code) if version == "2.1.1" else error.status_code
    # ASCII escapes: a message may quote what came in, surrogates and all
    return (
        f'{{"status_code":{code},"status_message":{json.dumps(error.message)},"timestamp":"{_timestamp(now)}"}}'
    ).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerEnvelope:
    """What a partner answered. Every liberty it took is named in ``findings``."""

    status_code: int | None
    """``None``: there was no envelope or no OCPI status in it, the HTTP status decides."""
    status_message: str | None = None
    data: Any = None
    """Parsed JSON; the whole body when it is JSON without an envelope."""
    timestamp: datetime | None = None
    is_json: bool
    findings: tuple[str, ...] = ()


def read_envelope(http_status: int, body: bytes) -> PartnerEnvelope:
    """Reads an answer on any HTTP status. Never raises.

    Findings: ``empty_body``, ``not_json``, ``no_envelope``, ``byte_order_mark``, ``status_code_is_text``,
    ``status_code_is_http`` (such as 200), ``status_code_out_of_range``, ``success_on_http_error``,
    ``timestamp_missing``, ``timestamp_unreadable``.
    """
    findings: list[str] = []
    if body.startswith(_BYTE_ORDER_MARK):
        body = body[len(_BYTE_ORDER_MARK) :]
        findings.append("byte_order_mark")
    if not body.strip():
        return PartnerEnvelope(status_code=None, is_json=False, findings=(*findings, "empty_body"))
    try:
        value = parse_json(body)
    except ValueError:
        return PartnerEnvelope(status_code=None, is_json=False, findings=(*findings, "not_json"))
    if not isinstance(value, dict) or "status_code" not in value:
        return PartnerEnvelope(status_code=None, data=value, is_json=True, findings=(*findings, "no_envelope"))

    status_code = _status_code(value["status_code"], findings)
    if status_code is not None and status_code < 2000 and http_status >= 400:
        findings.append("success_on_http_error")
        status_code = None
    message = value.get("status_message")
    return PartnerEnvelope(
        status_code=status_code,
        status_message=message[:_MAX_MESSAGE] if isinstance(message, str) else None,
        data=value.get("data"),
        timestamp=_read_timestamp(value.get("timestamp"), findings),
        is_json=True,
        findings=tuple(findings),
    )


def _success_tail(now: datetime) -> str:
    return f'"status_code":{SUCCESS},"status_message":"Success","timestamp":"{_timestamp(now)}"}}'


def _timestamp(now: datetime) -> str:
    # Whole seconds suit every version: 2.1.1 knows no fractions
    return format_timestamp(now, is_fraction_allowed=False)


def _status_code(value: object, findings: list[str]) -> int | None:
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        findings.append("status_code_is_text")
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 1000 <= value <= 4999:
        return value
    is_http_success = isinstance(value, int) and 200 <= value <= 299
    findings.append("status_code_is_http" if is_http_success else "status_code_out_of_range")
    return None


def _read_timestamp(value: object, findings: list[str]) -> datetime | None:
    if value is None:
        findings.append("timestamp_missing")
        return None
    try:
        return parse_timestamp(str(value))
    except (ValueError, OverflowError):
        findings.append("timestamp_unreadable")
        return None

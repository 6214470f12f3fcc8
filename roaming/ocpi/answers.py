"""What became of a request to a partner: one outcome out of five, for whatever the partner did.

Pure: status numbers and bodies in, judgement out. (OCPI 2.2.1, transport_and_format 4.1.7; status_codes)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

from roaming.ocpi.envelope import PartnerEnvelope

MAX_RETRY_AFTER = 86_400.0


class Outcome(StrEnum):
    """What the caller may conclude."""

    DELIVERED = "DELIVERED"
    """The partner said OCPI 1xxx, or HTTP 2xx without an envelope."""
    REFUSED = "REFUSED"
    """The partner said OCPI 2xxx, or HTTP 4xx (but 401, 403): the same request will be refused again."""
    FAILED = "FAILED"
    """The partner said it could not (OCPI 3xxx or 4xxx, HTTP 5xx, 429, 401 or 403, a redirect): worth repeating
    later, as nothing is wrong with the request."""
    UNREACHABLE = "UNREACHABLE"
    """The request never left: repeating is safe."""
    UNKNOWN = "UNKNOWN"
    """The request left and no answer could be read: perhaps received. Look up before repeating a record."""


class Trouble(StrEnum):
    """Why there is no orderly answer; bounded, fit for a metric."""

    ADDRESS = "ADDRESS"
    """The address policy forbids the URL or what its name leads to."""
    CONNECTION = "CONNECTION"
    """No such name, connection refused or reset, TLS failed."""
    TIMEOUT = "TIMEOUT"
    PROTOCOL = "PROTOCOL"
    """What came back is no complete HTTP answer, or what we wanted to send is no HTTP."""
    REDIRECT = "REDIRECT"
    """Never followed: a redirect drops bodies and headers, and leads to where the policy did not look."""
    TOO_LARGE = "TOO_LARGE"
    NOT_JSON = "NOT_JSON"
    """A page of some proxy, mostly."""
    CREDENTIALS = "CREDENTIALS"
    """The partner does not know our credentials token: people must act, what we sent may be right."""
    HTTP_STATUS = "HTTP_STATUS"
    """An HTTP error without an envelope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The end of a request. ``error`` is for people and holds neither token nor body."""

    outcome: Outcome
    http_status: int | None = None
    ocpi_status: int | None = None
    message: str | None = None
    """The partner's ``status_message``: for people, never to be parsed."""
    data: Any = None
    """Parsed JSON, numbers with a fraction as Decimal."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = field(default=b"", repr=False)
    """As received, inflated, never over the limit."""
    elapsed: float = 0.0
    """Seconds."""
    error: str | None = None
    trouble: Trouble | None = None
    retry_after: float | None = None
    """Seconds the partner asks us to wait."""
    findings: tuple[str, ...] = ()
    """Liberties the partner took (``roaming.ocpi.envelope.read_envelope``)."""

    @property
    def is_delivered(self) -> bool:
        return self.outcome is Outcome.DELIVERED


@dataclass(frozen=True, slots=True)
class Judgement:
    """How an HTTP answer that was read to its end is to be taken."""

    outcome: Outcome
    trouble: Trouble | None = None
    error: str | None = None


def judge(http_status: int, envelope: PartnerEnvelope, *, is_by_http: bool = False) -> Judgement:
    """The envelope decides where there is one, on any HTTP status; else the HTTP status does, which ``is_by_http``
    decides always: some partners' envelopes say nothing that is true."""
    if is_by_http and envelope.is_json and 200 <= http_status <= 299:
        return Judgement(Outcome.DELIVERED)
    code = None if is_by_http else envelope.status_code
    if 300 <= http_status <= 399:
        return Judgement(Outcome.FAILED, Trouble.REDIRECT, "the partner redirects; its address must be corrected")
    if http_status == 429:
        return Judgement(Outcome.FAILED, Trouble.HTTP_STATUS, "too many requests, says the partner")
    if http_status in (401, 403):
        error = f"HTTP {http_status}: the partner does not accept our credentials token"
        return Judgement(Outcome.FAILED, Trouble.CREDENTIALS, error)
    if code is not None:
        return _judge_code(code, envelope.status_message)
    if 200 <= http_status <= 299:
        if "status_code_out_of_range" in envelope.findings:
            return Judgement(Outcome.UNKNOWN, Trouble.PROTOCOL, "the answer's status_code is none of OCPI's")
        if envelope.is_json or "empty_body" in envelope.findings:
            return Judgement(Outcome.DELIVERED)
        # Success from something that does not speak OCPI: never taken for a success, perhaps received all the same
        return Judgement(Outcome.UNKNOWN, Trouble.NOT_JSON, f"HTTP {http_status}, but the body is no JSON")
    error = f"HTTP {http_status} without an OCPI answer"
    if http_status in (502, 504):
        # A gateway that lost the partner's answer: the partner may have acted
        return Judgement(Outcome.UNKNOWN, Trouble.HTTP_STATUS, error)
    if 400 <= http_status <= 499 and http_status not in (408, 425):
        return Judgement(Outcome.REFUSED, Trouble.HTTP_STATUS, error)
    return Judgement(Outcome.FAILED, Trouble.HTTP_STATUS, error)


def read_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header, number or date; at most a day, ``None`` when absent or unreadable."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        seconds = float(value)
    else:
        try:
            date = parsedate_to_datetime(value)
        except (ValueError, TypeError, OverflowError):
            return None
        seconds = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _judge_code(code: int, message: str | None) -> Judgement:
    if code < 2000:
        return Judgement(Outcome.DELIVERED)
    error = f"OCPI status {code}: {message}" if message else f"OCPI status {code}"
    return Judgement(Outcome.REFUSED if code < 3000 else Outcome.FAILED, None, error)

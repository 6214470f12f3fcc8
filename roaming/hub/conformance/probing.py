"""One GET at a platform, and what every answer must have: envelope, status, headers. Sends nothing but GET."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from roaming.hub.conformance.report import Report, Verdict
from roaming.model.identifiers import PartyId
from roaming.model.time import Clock
from roaming.model.version import Version
from roaming.ocpi.answers import Answer, Outcome
from roaming.ocpi.client import Call, OcpiClient
from roaming.ocpi.credentials_token import TokenEncoding, header_value
from roaming.ocpi.habits import Habit, habits_of_answer
from roaming.ocpi.headers import ROUTING_HEADERS, RequestIds, RoutingHeaders

TIMEOUT_SECONDS = 30.0
CONFIGURATION = frozenset({"versions", "credentials", "hubclientinfo"})
_ENVELOPE = {
    "empty_body": (Verdict.FAIL, "the body is empty"),
    "not_json": (Verdict.FAIL, "the body is no JSON"),
    "no_envelope": (Verdict.FAIL, "there is no envelope: data, status_code, timestamp"),
    "byte_order_mark": (Verdict.WARN, "the body begins with a byte order mark"),
    "status_code_is_text": (Verdict.FAIL, "status_code: text, expected a number"),
    "status_code_is_http": (Verdict.FAIL, "status_code: an HTTP status, expected one of OCPI's such as 1000"),
    "status_code_out_of_range": (Verdict.FAIL, "status_code: none of OCPI's"),
    "success_on_http_error": (Verdict.WARN, "status_code: success, with an HTTP error"),
    "timestamp_missing": (Verdict.FAIL, "timestamp: required"),
    "timestamp_unreadable": (Verdict.FAIL, "timestamp: expected a time such as 2026-01-31T12:00:00Z"),
}

OnExchange = Callable[[Call, Answer, datetime, str], Awaitable[None]]
"""Call, answer, when it began, module."""


@dataclass(kw_only=True)
class Prober:
    """Asks one platform, and writes into ``report`` what its answers lack."""

    client: OcpiClient
    clock: Clock
    report: Report
    key: str
    """Of the connections; the partner's id where it has one."""
    token: str = field(repr=False)
    token_encoding: TokenEncoding = "base64"
    version: Version | None = None
    from_party: PartyId | None = None
    to_party: PartyId | None = None
    on_exchange: OnExchange | None = None
    habits: list[Habit] = field(default_factory=list)

    async def get(self, module: str, url: str, *, token: str | None = None, is_judged: bool = True) -> Answer:
        """The answer to a GET; ``token`` instead of the platform's own. Never raises for what the platform does."""
        ids, at = RequestIds.fresh(), self.clock.now()
        call = Call(
            partner_key=self.key,
            method="GET",
            url=url,
            token_header=header_value(token or self.token, self.token_encoding),
            headers=self._routing(module),
            ids=ids,
            timeout=TIMEOUT_SECONDS,
        )
        answer = await self.client.request(call)
        if self.on_exchange is not None and token is None:
            await self.on_exchange(call, answer, at, module)
        if is_judged and answer.http_status is not None:
            self.habits += habits_of_answer("GET", url, module, answer)
            self._judge_envelope(module, answer)
            self._judge_headers(module, answer, ids)
        return answer

    async def expect_refusal(self, module: str, url: str) -> None:
        """A token that nobody gave out must not be answered (OCPI 2.2.1, transport_and_format 4.1.2)."""
        answer = await self.get(module, url, token=secrets.token_urlsafe(24), is_judged=False)
        # A guard against guessing may refuse before it looks at the token: a check that is repeated meets it
        verdict = {401: Verdict.PASS, 403: Verdict.WARN, 429: Verdict.WARN}.get(answer.http_status or 0, Verdict.FAIL)
        detail = "" if verdict is Verdict.PASS else f"to an unknown token: {words(answer)}, expected HTTP 401"
        self.report.add(module, "unknown token", verdict, detail)

    def succeeded(self, module: str, name: str, answer: Answer) -> bool:
        """Whether a request that must succeed did: HTTP 200 with OCPI 1xxx."""
        detail = words(answer)
        if answer.outcome is Outcome.DELIVERED and answer.http_status == 200 and answer.ocpi_status is not None:
            self.report.add(module, name, Verdict.PASS)
            return True
        verdict = Verdict.WARN if answer.outcome is Outcome.DELIVERED else Verdict.FAIL
        self.report.add(module, name, verdict, detail)
        return answer.outcome is Outcome.DELIVERED

    def _routing(self, module: str) -> RoutingHeaders | None:
        if self.version is None or self.version == Version.V2_1_1 or module in CONFIGURATION:
            return None
        return RoutingHeaders(self.from_party, self.to_party)

    def _judge_envelope(self, module: str, answer: Answer) -> None:
        found: Sequence[str] = [name for name in answer.findings if name in _ENVELOPE]
        for name in found:
            verdict, detail = _ENVELOPE[name]
            self.report.add(module, "envelope", verdict, f"{detail} (HTTP {answer.http_status})")
        if not found:
            self.report.add(module, "envelope", Verdict.PASS)

    def _judge_headers(self, module: str, answer: Answer, ids: RequestIds) -> None:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        detail = f"Content-Type: {kind or 'missing'}, expected application/json"
        self.report.expect(module, "content type", kind == "application/json", detail, otherwise=Verdict.WARN)
        if self.version is None or self.version == Version.V2_1_1:
            return
        for name, sent in ids.to_headers().items():
            echoed = answer.headers.get(name.lower())
            if echoed is None:
                self.report.add(module, "request ids", Verdict.WARN, f"{name}: not echoed")
            else:
                self.report.expect(module, "request ids", echoed == sent, f"{name}: another one than was sent")
        routing = self._routing(module)
        if routing is not None and routing.from_party is not None and routing.to_party is not None:
            missing = [name for name in ROUTING_HEADERS if name.lower() not in answer.headers]
            detail = f"missing: {', '.join(missing)}"
            self.report.expect(module, "routing headers", not missing, detail, otherwise=Verdict.WARN)


def words(answer: Answer) -> str:
    """How a request ended, for people."""
    if answer.http_status is None:
        return answer.error or "no answer"
    told = f", OCPI {answer.ocpi_status}" if answer.ocpi_status is not None else ""
    message = answer.message or answer.error or ""
    return f"HTTP {answer.http_status}{told}{': ' + message if message else ''}"

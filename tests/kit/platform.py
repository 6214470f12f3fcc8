"""A platform on a real socket, read-only: versions, credentials, lists and single objects, with faults on purpose.

A fault is a function that bends one answer on its way out; see ``Reply``.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.kit import ocpi_bodies
from tests.kit.scripted_partner import Received, http_answer

TOKEN = "a-token-of-theirs"
NOW = "2026-11-23T10:00:00Z"


@dataclass
class Reply:
    """An answer that may yet be bent. ``module`` and ``kind`` (``versions``, ``details``, ``credentials``, ``list``,
    ``object``, ``missing``, ``refused``) say what it is."""

    module: str
    kind: str
    request: Received
    data: Any = None
    status: str = "200 OK"
    code: int = 1000
    headers: dict[str, str] = field(default_factory=dict)
    envelope: Callable[[dict[str, Any]], Any] = lambda body: body
    """Bends the whole body."""

    def to_bytes(self) -> bytes:
        body = {"data": self.data, "status_code": self.code, "status_message": "told", "timestamp": NOW}
        if self.data is None:
            del body["data"]
        content = json.dumps(self.envelope(body)).encode()
        return http_answer(content, status=self.status, **{n.replace("-", "_"): v for n, v in self.headers.items()})


Fault = Callable[[Reply], None]


@dataclass
class Platform:
    """A ``Script``: the CPO FR-CPO, in 2.2.1 unless said otherwise."""

    objects: dict[str, list[Any]] = field(default_factory=dict)
    versions: Sequence[str] = ("2.2.1",)
    faults: Sequence[Fault] = ()
    page_size: int = 2
    form: str = "base64"
    """In which the token is taken; ``either`` or ``any`` token at all too."""
    receivers: Sequence[str] = ("tokens", "commands")
    role: str = "CPO"
    asked: list[Received] = field(default_factory=list)

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        self.asked.append(request)
        reply = self.reply(request)
        for fault in self.faults:
            fault(reply)
        writer.write(reply.to_bytes())

    def reply(self, request: Received) -> Reply:
        """What a platform without faults answers."""
        parts = urlsplit(request.target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        segments = [unquote(part) for part in parts.path.strip("/").split("/")]
        reply = self._found(request, segments, query)
        if not self._knows(request.headers.get("authorization", "")):
            reply = Reply(reply.module, "refused", request, status="401 Unauthorized", code=2000)
        sent = request.headers
        reply.headers = {"Content-Type": "application/json", **reply.headers}
        for name in ("x-request-id", "x-correlation-id"):
            if name in sent:
                reply.headers[name] = sent[name]
        for end in ("country-code", "party-id"):
            for ours, theirs in (("from", "to"), ("to", "from")):
                if f"ocpi-{ours}-{end}" in sent:
                    reply.headers[f"OCPI-{theirs}-{end}"] = sent[f"ocpi-{ours}-{end}"]
        return reply

    def _knows(self, header: str) -> bool:
        encoded = f"Token {base64.b64encode(TOKEN.encode()).decode()}"
        known = {"base64": [encoded], "raw": [f"Token {TOKEN}"], "either": [encoded, f"Token {TOKEN}"]}
        return self.form == "any" or header in known[self.form]

    def _found(self, request: Received, segments: list[str], query: Mapping[str, str]) -> Reply:
        here = f"http://{request.headers['host']}"
        match segments:
            case ["versions"]:
                data = [{"version": version, "url": f"{here}/{version}"} for version in self.versions]
                return Reply("versions", "versions", request, data)
            case [version] if version in self.versions:
                return Reply("versions", "details", request, self._details(here, version))
            case ["sender", "credentials"]:
                return Reply("credentials", "credentials", request, self._credentials(here))
            case ["sender", module]:
                return self._list(request, module, here, query)
            case ["sender", module, *path]:
                found = _find(self.objects.get(module, []), path)
                return Reply(module, "object", request, found) if found is not None else _missing(module, request)
        return _missing(segments[1] if len(segments) > 1 else "", request)

    def _details(self, here: str, version: str) -> dict[str, Any]:
        sides = [("credentials", "SENDER"), *((module, "SENDER") for module in self.objects)]
        sides += [(module, "RECEIVER") for module in self.receivers]
        endpoints = [{"identifier": m, "role": role, "url": f"{here}/{role.lower()}/{m}"} for m, role in sides]
        return {"version": version, "endpoints": endpoints}

    def _credentials(self, here: str) -> dict[str, Any]:
        party = "FR-CPO" if self.role == "CPO" else "DE-EMP"
        body = ocpi_bodies.credentials(party, f"{here}/versions")
        body["roles"][0]["role"] = self.role
        return body

    def _list(self, request: Received, module: str, here: str, query: Mapping[str, str]) -> Reply:
        if not query.get("limit", "1").isdigit():
            return Reply(module, "refused", request, code=2001)
        since, until = query.get("date_from", ""), query.get("date_to", "")
        every = [
            item
            for item in self.objects.get(module, [])
            if (not since or _time(item) >= datetime.fromisoformat(since))
            and (not until or _time(item) < datetime.fromisoformat(until))
        ]
        offset, limit = int(query.get("offset", 0)), min(int(query.get("limit", 100)), self.page_size)
        headers = {"X-Total-Count": str(len(every)), "X-Limit": str(self.page_size)}
        if offset + limit < len(every):
            kept = f"date_from={since}&" if since else ""
            headers["Link"] = f'<{here}/sender/{module}?{kept}offset={offset + limit}&limit={limit}>; rel="next"'
        return Reply(module, "list", request, every[offset : offset + limit], headers=headers)


def _missing(module: str, request: Received) -> Reply:
    return Reply(module, "missing", request, status="404 Not Found", code=2000)


def _find(items: list[Any], path: list[str]) -> Any:
    found: Any = next((item for item in items if item.get("id") == path[0]), None)
    for (inside, key), id in zip((("evses", "uid"), ("connectors", "id")), path[1:], strict=False):
        entries = found.get(inside, []) if found is not None else []
        found = next((entry for entry in entries if entry.get(key) == id), None)
    return found


def _time(item: Any) -> datetime:
    found = datetime.fromisoformat(item["last_updated"])
    return found if found.tzinfo else datetime.fromisoformat(item["last_updated"] + "Z")


def cpo_objects(count: int = 3) -> dict[str, list[Any]]:
    """Something of everything that a CPO lists."""
    return {
        "locations": [ocpi_bodies.location(id=f"L{n}") for n in range(count)],
        "tariffs": [ocpi_bodies.tariff(id=f"T{n}") for n in range(count)],
        "sessions": [ocpi_bodies.session(id=f"S{n}") for n in range(count)],
        "cdrs": [ocpi_bodies.cdr(id=f"C{n}") for n in range(count)],
    }

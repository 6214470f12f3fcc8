"""Bent requests: whole ones made from routes and documents, and seeded ways to spoil them.

Knows nothing of the hub but its addresses. ``Bender.spoil`` with the same seed and number gives the same request.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from urllib.parse import quote, unquote


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request. ``path`` as it goes over the wire; ``partner`` is whose token it carries."""

    partner: str
    method: str
    path: bytes
    query: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        target = (self.path + (b"?" + self.query if self.query else b"")).decode("latin-1")
        return f"{self.partner} {self.method} {target} {self.headers} {self.body[:2000]!r}"


HOSTILE: list[Any] = [
    None,
    True,
    0,
    -1,
    2**63,
    -(2**63),
    10**30,
    1.5,
    1e-7,
    -0.0,
    1e20,
    "",
    " ",
    "\u0000",
    "\u202e\u200b\ufeff",
    "\ud83d\ude00" * 30,
    "x" * 300,
    "y" * 70_000,
    "a\r\nSet-Cookie: b=c",
    "${jndi:ldap://127.0.0.1/a}",
    "<script>alert(1)</script>",
    "'; DROP TABLE journal; --",
    "../../../../etc/passwd",
    "2026-02-30T25:61:61Z",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:60.999999999+23:59",
    "NaN",
    "1e400",
    "http://169.254.169.254/latest",
    "http://[::1]:9/",
    "file:///etc/passwd",
    "NL",
    "HUB",
    "OURS",
    [],
    [None],
    [[]],
    [{}],
    {},
    {"": ""},
    {"$ref": "#"},
]
RAW: list[bytes] = [
    b"",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b'"\\ud800"',
    b'"\\udfff\\ud800"',
    b"[" * 70,
    b"[" * 50_000,
    b'{"a":' * 65 + b"1" + b"}" * 65,
    b"9" * 5000,
    b"-",
    b"1e999999999",
    b"0.1e-999999999",
    b"1" + b"0" * 40 + b".5",
    b"NaN",
    b"-Infinity",
    b"nul",
    b"'single'",
    b"/* */ {}",
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    b"<?xml version='1.0'?><!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
    b"a=b&c=d",
]
SEGMENTS: list[bytes] = [
    b"",
    b".",
    b"..",
    b"%2e%2e",
    b"%00",
    b"%0d%0a",
    b"%ff",
    b"%",
    b"%2",
    b"%zz",
    b"%2F",
    b"%252F",
    b"%C0%AF",
    b"%ED%A0%80",
    b"x" * 300,
    b"%F0%9F%98%80",
    b"*",
    b"{id}",
    b"'--",
    b"DE",
    b"AAA",
    b"FR",
    b"CPO",
    b"NL",
    b"HUB",
    b"OURS",
    b"OURS-AAA",
    b"OURS-BBB",
    b"HOME1",
    b"START_SESSION",
    b"results",
    b"authorize",
    b"2.1.1",
    b"2.3.0",
    b"3.0",
]
PARAMETERS = ["limit", "offset", "date_from", "date_to", "cursor", "type", "duration", "response_url", "x"]
VALUES: list[bytes] = [
    b"",
    b"0",
    b"1",
    b"-1",
    b"1.5",
    b"99999999999999999999999",
    b"%D9%A3",
    b"abc",
    b"%00",
    b"%ff",
    b"2026-01-01T00:00:00Z",
    b"2026-01-01",
    b"2026-13-01T00:00:00Z",
    b"0001-01-01T00:00:00%2B23:59",
    b"9999-12-31T23:59:59-23:59",
    b"yesterday",
    b"RFID",
    b"NOT_A_TYPE",
    b"http%3A%2F%2F127.0.0.1%3A9%2Fr",
    b"http://127.0.0.1:9/r?a=b&c=d",
    b"http://169.254.169.254/",
    b"W10",
    b"e30",
    b"A" * 4000,
    b"a&a=b&a",
    b"=",
    b";",
]
HEADERS: list[tuple[bytes, Sequence[bytes]]] = [
    (b"ocpi-from-country-code", (b"", b"FR", b"de", b"DE", b"NLD", b"\xff\xff", b"N L", b"F/")),
    (b"ocpi-from-party-id", (b"", b"CPO", b"aaa", b"BBB", b"HUB", b"TOOLONG", b"\xe9\xe9\xe9")),
    (b"ocpi-to-country-code", (b"", b"NL", b"DE", b"FR", b"XX", b"..")),
    (b"ocpi-to-party-id", (b"", b"HUB", b"HME", b"AAA", b"CPO", b"YYY", b"\t")),
    (b"x-request-id", (b"", b"r" * 300, b"\xff", b"a b", b"1;2", b"{}")),
    (b"x-correlation-id", (b"", b"c" * 300, b"%0a", b"\x80")),
    (b"content-type", (b"", b"text/plain", b"text/plain; charset=utf-16", b"application/xml", b"\xff", b"multipart/x")),
    (b"content-encoding", (b"gzip", b"br", b"deflate", b"identity, gzip")),
    (b"content-length", (b"0", b"-1", b"99999999999", b"1e3", b"abc", b"\xb2")),
    (b"transfer-encoding", (b"chunked", b"identity", b"xchunked")),
    (
        b"authorization",
        (b"", b"Token", b"Token ", b"Bearer x", b"Token \xff\xff", b"Token " + b"A" * 9000, b"Basic Og=="),
    ),
    (b"accept", (b"text/html", b"*/*;q=0", b"\xff")),
    (b"range", (b"bytes=0-1",)),
    (b"host", (b"", b"evil.example", b"127.0.0.1:22", b"a b")),
    (b"x-forwarded-host", (b"evil.example",)),
    (b"x-http-method-override", (b"DELETE",)),
    (b"expect", (b"100-continue",)),
]
METHODS = ["GET", "PUT", "PATCH", "POST", "DELETE", "HEAD", "OPTIONS", "TRACE", "get", "PROPFIND", "X" * 50]


class Bender:
    """Spoils whole requests; ``bodies`` are JSON values to swap in from elsewhere."""

    def __init__(self, seed: int, whole: Sequence[Sent], partners: Sequence[str]) -> None:
        self._seed = seed
        self._whole = whole
        self._partners = partners
        self._bodies = [sent.body for sent in whole if sent.body]

    def requests(self, count: int, *, first: int = 0) -> Iterator[Sent]:
        """``count`` of them: one in twelve is whole, the others have one to three faults."""
        for number in range(first, first + count):
            random = Random(f"{self._seed}/{number}")
            sent = random.choice(self._whole)
            if random.randrange(12):
                for _ in range(random.choice((1, 1, 1, 2, 3))):
                    sent = random.choices(_FAULTS, _WEIGHTS)[0](self, sent, random)
            yield sent

    def _body_value(self, sent: Sent, random: Random) -> Sent:
        """A hostile value in some place of the body, a place too many, or one too few."""
        try:
            body = json.loads(sent.body)
        except (ValueError, RecursionError):
            return self._body_bytes(sent, random)
        found = list(places(body))
        if not found:
            return replace(sent, body=_dumped(random.choice(HOSTILE)))
        body = deepcopy(body)
        for _ in range(random.choice((1, 1, 2, 4))):
            spoil_place(body, random.choice(found), random)
        return replace(sent, body=_dumped(body))

    def _body_bytes(self, sent: Sent, random: Random) -> Sent:
        body = bytearray(sent.body or b"{}")
        for _ in range(random.choice((1, 1, 2, 8))):
            at = random.randrange(len(body) + 1)
            match random.randrange(5):
                case 0 if at < len(body):
                    body[at] ^= 1 << random.randrange(8)
                case 1:
                    body[at:at] = random.choice(RAW)
                case 2:
                    del body[at : at + random.choice((1, 2, 10, 1000))]
                case 3:
                    body[at:at] = body[at : at + random.choice((1, 20, 400))]
                case _:
                    body[at:at] = random.choice(b'{}[]",:\\0e-').to_bytes()
        return replace(sent, body=bytes(body))

    def _body_other(self, sent: Sent, random: Random) -> Sent:
        return replace(sent, body=random.choice(self._bodies if random.random() < 0.7 else RAW))

    def _body_key_twice(self, sent: Sent, random: Random) -> Sent:
        if not sent.body.startswith(b"{"):
            return self._body_other(sent, random)
        name = random.choice(["country_code", "party_id", "id", "uid", "last_updated", "status", "token"])
        return replace(sent, body=b'{"%s":%s,' % (name.encode(), _dumped(random.choice(HOSTILE))) + sent.body[1:])

    def _path(self, sent: Sent, random: Random) -> Sent:
        segments = sent.path.split(b"/")
        at = random.randrange(2, len(segments))
        match random.randrange(4):
            case 0:
                segments.insert(at, random.choice(SEGMENTS))
            case 1 if len(segments) > 3:
                del segments[at]
            case _:
                segments[at] = random.choice(SEGMENTS)
        return replace(sent, path=b"/".join(segments))

    def _query(self, sent: Sent, random: Random) -> Sent:
        pairs = [sent.query] if sent.query else []
        for _ in range(random.choice((1, 1, 2, 3))):
            pairs.append(random.choice(PARAMETERS).encode() + b"=" + random.choice(VALUES))
        random.shuffle(pairs)
        return replace(sent, query=b"&".join(pairs))

    def _header(self, sent: Sent, random: Random) -> Sent:
        name, values = random.choice(HEADERS)
        added = (name, random.choice(values))
        kept = sent.headers if random.random() < 0.3 else tuple(pair for pair in sent.headers if pair[0] != name)
        return replace(sent, headers=(*kept, added) if random.random() < 0.5 else (added, *kept))

    def _method(self, sent: Sent, random: Random) -> Sent:
        return replace(sent, method=random.choice(METHODS))

    def _partner(self, sent: Sent, random: Random) -> Sent:
        return replace(sent, partner=random.choice(self._partners))


Fault = Callable[[Bender, Sent, Random], Sent]
_FAULTS: list[Fault] = [
    Bender._body_value,
    Bender._body_bytes,
    Bender._body_other,
    Bender._body_key_twice,
    Bender._path,
    Bender._query,
    Bender._header,
    Bender._method,
    Bender._partner,
]
_WEIGHTS = [10, 5, 2, 2, 4, 4, 3, 1, 2]


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside."""
    entries: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, entry in entries:
        yield (*path, name)
        yield from places(entry, (*path, name))


def spoil_place(body: Any, place: tuple[Any, ...], random: Random) -> None:
    """Takes away, doubles, changes or replaces what is there."""
    inner = body
    try:
        for step in place[:-1]:
            inner = inner[step]
        there = inner[place[-1]]
    except (KeyError, IndexError, TypeError):
        return  # an earlier fault took it away
    if isinstance(inner, str):
        return
    match random.randrange(8):
        case 0:
            del inner[place[-1]]
        case 1 if isinstance(there, list):
            there *= random.choice((0, 2, 300))
        case 1 if isinstance(inner, dict):
            inner[random.choice(["x", "id", "evses", "token", "\u0000", "a" * 3000])] = deepcopy(there)
        case 2 if isinstance(there, str):
            inner[place[-1]] = there[::-1] if random.random() < 0.5 else there + random.choice(["\u0000", "é", " " * 9])
        case 3 if isinstance(there, (int, float)):
            inner[place[-1]] = random.choice([str(there), -there, there * 10**12, there / 3])
        case _:
            inner[place[-1]] = deepcopy(random.choice(HOSTILE))


@dataclass(frozen=True, slots=True)
class Got:
    """An answer as it left the application."""

    http_status: int
    headers: dict[str, str]
    body: bytes


async def ask(app: Any, sent: Sent, authorization: bytes, *, client: str = "192.0.2.1") -> Got:
    """The request, handed to an ASGI application as a server would; ``client`` is the address that it comes from."""
    messages = [{"type": "http.request", "body": sent.body, "more_body": False}]
    got: dict[str, Any] = {"body": b""}

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            got.update(message)
        else:
            got["body"] += message.get("body", b"")

    headers = [(b"host", b"hub.test"), (b"content-type", b"application/json"), *sent.headers]
    if all(name != b"authorization" for name, _ in headers):
        headers.append((b"authorization", authorization))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("hub.test", 80),
        "client": (client, 1234),
        "scheme": "http",
        "root_path": "",
        "method": sent.method,
        "path": unquote(sent.path.decode("latin-1")),
        "raw_path": sent.path,
        "query_string": sent.query,
        "headers": headers,
        "state": {},
    }
    await app(scope, receive, send)
    said = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in got.get("headers", ())}
    return Got(got.get("status", 0), said, got["body"])


def filled(template: str, values: dict[str, str]) -> bytes:
    """A path with its variables replaced; those without a value are named as they are."""
    return "/".join(
        quote(values.get(segment[1:-1], segment[1:-1]), safe="") if segment.startswith("{") else segment
        for segment in template.split("/")
    ).encode()

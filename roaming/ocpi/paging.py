"""Lists in pages: reading a client's parameters, answering with a Link, following a partner's Link.

Inside, pages go by key (time, then id), so that page 10,000 costs what page 1 costs and a change during paging
loses nothing; outside, partners see ``offset`` and ``limit`` and an opaque ``cursor`` in our own Link.
Knows neither SQL nor HTTP client. (OCPI 2.2.1, transport_and_format 4.1.6.3 and 4.1.6.4)
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

from roaming.model.time import parse_timestamp
from roaming.ocpi.errors import InvalidParameters

LINK = "Link"
TOTAL_COUNT = "X-Total-Count"
LIMIT = "X-Limit"

_WHOLE_NUMBER = re.compile(r"[0-9]{1,15}")
_MAX_CURSOR = 1024
_ZONE_AFTER_SPACE = re.compile(r"(T[0-9:.]{1,40}+) (\d\d:?\d\d)")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last object of a page: the next page begins right after (``at``, ``key``)."""

    at: datetime
    key: str

    def to_text(self) -> str:
        """Opaque, safe in a query."""
        text = json.dumps([self.at.astimezone(UTC).isoformat(), self.key], ensure_ascii=False, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """The inverse of ``to_text``. Raises ``InvalidParameters`` for anything we did not write."""
        try:
            if len(text) > _MAX_CURSOR:
                raise ValueError("too long")
            at, key = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            if not isinstance(at, str) or not isinstance(key, str):
                raise ValueError("not a time and a key")
            if "\0" in key.encode().decode():
                raise ValueError("no database takes this key")
            return cls(parse_timestamp(at), key)
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise InvalidParameters("cursor is not one of ours: follow the Link header as it is") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a client asks for. Times are aware UTC."""

    date_from: datetime | None = None
    """Inclusive, on ``last_updated``."""
    date_to: datetime | None = None
    """Exclusive."""
    offset: int = 0
    """Objects before this page; only to be skipped when there is no ``cursor``."""
    limit: int
    cursor: Cursor | None = None


def read_page(
    query: Mapping[str, str], *, max_limit: int, default_limit: int | None = None, is_date_from_required: bool = False
) -> Page:
    """From query parameters; an empty value counts as absent, an unknown parameter is ignored.

    ``limit`` is lowered to ``max_limit``. Raises ``InvalidParameters`` naming the parameter.
    """
    date_from = time_in(query, "date_from")
    if date_from is None and is_date_from_required:
        raise InvalidParameters("date_from is required for this list: send the time of your last fetch")
    limit = _number(query, "limit")
    if limit == 0:
        raise InvalidParameters("limit must be at least 1")
    cursor = query.get("cursor")
    return Page(
        date_from=date_from,
        date_to=time_in(query, "date_to"),
        offset=_number(query, "offset") or 0,
        limit=min(max_limit, limit or default_limit or max_limit),
        cursor=Cursor.parse(cursor) if cursor else None,
    )


def page_headers(
    url: str, page: Page, *, returned: int, total: int, max_limit: int, next_cursor: Cursor | None
) -> dict[str, str]:
    """The headers of a list answer.

    ``url`` is the absolute address of this request as partners see it, with its query: all of it is kept in the
    Link but for offset, limit and cursor. ``total`` counts what matches the filters and is visible to this
    caller. ``next_cursor`` is the last object of this page, ``None`` on the last page.
    """
    headers = {TOTAL_COUNT: str(total), LIMIT: str(max_limit)}
    if next_cursor is not None:
        scheme, netloc, path, query, _ = urlsplit(url)
        kept = [(name, value) for name, value in parse_qsl(query) if name not in ("offset", "limit", "cursor")]
        kept += [
            ("offset", str(page.offset + returned)),
            ("limit", str(page.limit)),
            ("cursor", next_cursor.to_text()),
        ]
        address = urlunsplit((scheme, netloc, path, urlencode(kept, quote_via=quote), ""))
        headers[LINK] = f'<{address}>; rel="next"'
    return headers


def next_url(link: str | None, current: str) -> str | None:
    """The address of the next page out of a partner's Link header, or ``None`` on the last page.

    ``rel`` may stand without quotes, be one of several, in any case; the address may be relative to ``current``
    or lack its angle brackets. Takes time linear in the header.
    """
    for target, parameters in _links(link or ""):
        if any("next" in value.lower().split() for name, value in parameters if name == "rel"):
            try:
                return urljoin(current, target)
            except ValueError:
                return None
    return None


def mend_next_url(url: str, current: str, *, is_host_mended: bool = False) -> tuple[str, tuple[str, ...]]:
    """A next-page address made usable, with what was wrong.

    ``link_host``: it leads to another host, and ``is_host_mended`` says that the partner does not mean it; the host
    and scheme that answered stay.

    ``link_scheme``: some servers behind a proxy write http for https or the other way round; on the same host
    the scheme that answered stays. ``link_path``: py-ocpi and its relatives print enum names into the path and
    ``None`` into the query on Python 3.11 and later; the path that answered stays, what is ``None`` goes.
    """
    findings: list[str] = []
    scheme, netloc, path, query, _ = urlsplit(url)
    known = urlsplit(current)
    if scheme != known.scheme and netloc.lower() == known.netloc.lower():
        scheme = known.scheme
        findings.append("link_scheme")
    if is_host_mended and not is_same_origin(url, current):
        scheme, netloc = known.scheme, known.netloc
        findings.append("link_host")
    if "VersionNumber." in path or "ModuleID." in path:
        path = known.path
        query = "&".join(part for part in query.split("&") if not part.endswith("=None"))
        findings.append("link_path")
    return urlunsplit((scheme, netloc, path, query, "")), tuple(findings)


def is_downgrade(url: str, current: str) -> bool:
    """Whether following ``url`` from ``current`` would leave TLS and send the credentials token in the clear."""
    return urlsplit(current).scheme == "https" and urlsplit(url).scheme != "https"


def is_same_origin(url: str, current: str) -> bool:
    """Whether ``url`` has the scheme, host and port of ``current``.

    >>> is_same_origin("https://cpo.example:443/b", "https://CPO.example/a")
    True
    """
    return _origin(url) is not None and _origin(url) == _origin(current)


def is_on_allowed_host(url: str, page_links: str) -> bool:
    """Whether ``url`` leads to the host that the switch allows: ``follow:HOST`` or ``follow:HOST:PORT``.

    >>> is_on_allowed_host("https://pages.example/2", "follow:pages.example")
    True
    """
    verb, _, host = page_links.partition(":")
    return verb == "follow" and urlsplit(url).netloc.lower() == host.lower()


def _origin(url: str) -> tuple[str, str | None, int | None] | None:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return None


def read_count(value: str | None) -> int | None:
    """A partner's X-Total-Count or X-Limit: information only, ``None`` when absent or unreadable."""
    return int(value) if value is not None and _WHOLE_NUMBER.fullmatch(value.strip()) else None


def time_in(query: Mapping[str, str], name: str) -> datetime | None:
    """A time in a query; an empty one counts as absent. Raises ``InvalidParameters``."""
    text = query.get(name)
    if not text:
        return None
    try:
        # A plus sign that the client left unencoded arrives as a space
        return parse_timestamp(_ZONE_AFTER_SPACE.sub(r"\1+\2", text))
    except (ValueError, OverflowError):
        raise InvalidParameters(f"{name} must be a time such as 2026-11-23T10:00:00Z") from None


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    if not _WHOLE_NUMBER.fullmatch(text):
        raise InvalidParameters(f"{name} must be a whole number of at most 15 digits, not negative")
    return int(text)


def _links(header: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Targets and their parameters (RFC 8288, section 3), leniently."""
    links: list[tuple[str, list[tuple[str, str]]]] = []
    for part in _split_outside(header, ","):
        target, *parameters = _split_outside(part, ";")
        target = target.strip().removeprefix("<").removesuffix(">").strip()
        pairs = [parameter.partition("=") for parameter in parameters]
        links.append((target, [(name.strip().lower(), value.strip().strip("\"'")) for name, _, value in pairs]))
    return links


def _split_outside(text: str, separator: str) -> list[str]:
    """Splits at separators that stand neither in angle brackets nor in double quotes."""
    parts: list[str] = []
    start = 0
    closing = ""
    for position, character in enumerate(text):
        if closing:
            if character == closing:
                closing = ""
        elif character in '<"':
            closing = ">" if character == "<" else '"'
        elif character == separator:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return parts

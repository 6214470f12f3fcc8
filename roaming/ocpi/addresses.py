"""Addresses of partners: composing them, and which of them we may call.

A partner tells us where to send requests (versions, endpoints, ``response_url``, ``Link``), so every address is
hostile until checked: its text by ``check_url``, and the network address behind its name by ``resolve`` at the
moment of connecting, so that a name cannot change its meaning in between. Knows nothing of HTTP clients.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, quote, urlencode, urlsplit, urlunsplit

from roaming.ocpi.errors import AddressRefused

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL = 2048
"""OCPI's URL has 255 characters, but next-page links carry more."""

_VISIBLE = re.compile(r"[!-~]+")
_HOST_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_PORTS = {"http": 80, "https": 443}

# IANA special-purpose registries, multicast, and two addresses on which clouds serve their metadata. Written out
# because what `ipaddress` calls global differs between Python releases.
_FORBIDDEN: tuple[IpNetwork, ...] = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",
        "::ffff:0:0:0/96",
        "64:ff9b:1::/48",
        "100::/64",
        "100:0:0:1::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """Where we may connect to. Without exceptions: public addresses, over https."""

    is_http_allowed: bool = False
    allowed_networks: tuple[IpNetwork, ...] = ()
    """Exceptions to what is forbidden, such as ``127.0.0.0/8`` for a demo or a partner in the same data centre."""

    @classmethod
    def of(cls, *networks: str, is_http_allowed: bool = False) -> "AddressPolicy":
        """From text such as ``127.0.0.0/8``. Raises ``ValueError`` for what is no network."""
        return cls(
            is_http_allowed=is_http_allowed,
            allowed_networks=tuple(ipaddress.ip_network(network) for network in networks),
        )

    def allows(self, address: IpAddress) -> bool:
        """Whether we may connect to ``address``; one that only wraps an IPv4 address is judged as that one."""
        if isinstance(address, ipaddress.IPv6Address):
            if address.scope_id is not None:
                return False
            if address.ipv4_mapped is not None:
                address = address.ipv4_mapped
            elif address in _TRANSLATED:
                address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if any(address in network for network in self.allowed_networks):
            return True
        return not any(address in network for network in _FORBIDDEN)


Resolver = Callable[[str, int], Awaitable[Iterable[str]]]
"""The IP addresses behind a host name and port, as text. Raises ``OSError`` when there are none."""


async def system_resolver(host: str, port: int) -> list[str]:
    """Asks the machine's resolver, off the event loop."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def resolve(
    host: str, port: int, policy: AddressPolicy, resolver: Resolver = system_resolver
) -> tuple[IpAddress, ...]:
    """The addresses to connect to, all of them allowed: connect to one of these, never to the name again.

    Raises ``AddressRefused`` when the name leads to forbidden addresses only, ``OSError`` when nowhere.
    """
    literal = _literal(host)
    found = (literal,) if literal else tuple(ipaddress.ip_address(text) for text in await resolver(host, port))
    allowed = tuple(address for address in found if policy.allows(address))
    if found and not allowed:
        raise AddressRefused(f"{host} leads to an address that is not allowed: {_PUBLIC_ONLY}")
    return allowed


def check_url(url: str, policy: AddressPolicy) -> None:
    """Raises ``AddressRefused``, naming the rule, when ``url`` is nothing we would call.

    Checks the text only (a name's address is checked when connecting): scheme, no userinfo, a plain host name or
    a canonical IP address that is allowed, a port.
    """
    parts = _split(url)
    reason = _refusal(parts.scheme, "@" in parts.netloc, parts.hostname or "", policy)
    if reason:
        raise AddressRefused(reason)


@lru_cache(maxsize=1024)
def _refusal(scheme: str, has_user: bool, host: str, policy: AddressPolicy) -> str:
    """Why we would not call this server; empty: we would. The same few are called all the time."""
    if scheme not in _PORTS:
        return "the URL must start with https://"
    if scheme == "http" and not policy.is_http_allowed:
        return "the URL must start with https://; http is not allowed here without ROAMING_IS_HTTP_ALLOWED=true"
    if has_user:
        return "the URL must not hold a user name or password"
    literal = _literal(host)
    if literal is not None:
        return "" if policy.allows(literal) else f"the URL leads to an address that is not allowed: {_PUBLIC_ONLY}"
    return "" if _is_host_name(host) else "the URL must have a host name, or an IP address in its usual form"


def join(endpoint: str, *parts: str, is_slash_trailing: bool = False) -> str:
    """``endpoint`` with ``parts`` below it, each percent-encoded, with exactly one slash between; a query stays.

    Raises ``ValueError`` for an empty part, which would name another object.

    >>> join("https://cpo.example/ocpi/locations/?tenant=1", "NL", "TNM", "a/b c")
    'https://cpo.example/ocpi/locations/NL/TNM/a%2Fb%20c?tenant=1'
    """
    scheme, netloc, path, query, _ = urlsplit(endpoint)
    segments = [path.rstrip("/")] if parts else [path.rstrip("/") if is_slash_trailing else path]
    for part in parts:
        if not part:
            raise ValueError(f"an empty part cannot be put below {path}")
        # Dots alone would be taken for "this folder" and "the folder above"
        segments.append(part.replace(".", "%2E") if part in (".", "..") else quote(part, safe=""))
    path = "/".join(segments)
    return urlunsplit((scheme, netloc, path + "/" if is_slash_trailing else path, query, ""))


def with_query(url: str, parameters: Mapping[str, str | int | None]) -> str:
    """``url`` with parameters added to its query; those that are ``None`` are left out."""
    scheme, netloc, path, query, _ = urlsplit(url)
    added = urlencode({name: value for name, value in parameters.items() if value is not None}, quote_via=quote)
    return urlunsplit((scheme, netloc, path, "&".join(filter(None, (query, added))), ""))


def on_answering_scheme(url: str, answered: str) -> str:
    """``url`` with the scheme of ``answered``, where both have the same host and port: some servers write https into
    the addresses they give, whatever they are reached over.

    >>> on_answering_scheme("https://cpo.example:8080/ocpi/2.2.1", "http://cpo.example:8080/ocpi/versions")
    'http://cpo.example:8080/ocpi/2.2.1'
    """
    try:
        there, here = urlsplit(url), urlsplit(answered)
    except ValueError:
        return url
    is_same_host = bool(there.netloc) and there.netloc.lower() == here.netloc.lower()
    return urlunsplit((here.scheme, *there[1:])) if is_same_host and there.scheme in _PORTS else url


def is_on_known_host(url: str, known: Iterable[str]) -> bool:
    """Whether ``url`` has the host of one of the ``known`` URLs, such as a partner's versions and endpoints.
    A ``response_url`` elsewhere would let a partner make us call a third one."""
    host = _host(url)
    return host is not None and any(_host(other) == host for other in known)


_PUBLIC_ONLY = "it must be public, or lie in ROAMING_ALLOWED_NETWORKS of this hub"


def _split(url: str) -> SplitResult:
    if len(url) > MAX_URL:
        raise AddressRefused(f"the URL is longer than {MAX_URL} characters")
    if not _VISIBLE.fullmatch(url) or "\\" in url:
        raise AddressRefused("the URL must be ASCII without spaces and backslashes; encode the rest")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressRefused("the URL is malformed: check host and port") from None
    if port == 0:
        raise AddressRefused("the URL has the impossible port 0")
    return parts


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _literal(host: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_host_name(host: str) -> bool:
    labels = host.removesuffix(".").split(".")
    if len(host) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        return False
    # 2130706433, 0x7f.1, 127.1, 0177.0.0.1: resolvers read them as addresses, and so would we
    last = labels[-1].lower()
    return not (last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last))

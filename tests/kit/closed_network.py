"""Closes the network for the tests: what would leave this machine raises, and fails the test."""

import ipaddress
import sys
from typing import Any

import uvloop

_LOCAL_NAMES = frozenset({"", "localhost", "localhost.localdomain", "ip6-localhost"})

attempts: list[str] = []
"""What was tried since the list was last cleared. A caller may swallow the error, the list tells all the same."""


class NetworkIsClosed(RuntimeError):
    """Not an OSError, so that code which survives an unreachable partner does not take it for one."""


def close() -> None:
    """Closes the network for the rest of this process. Sockets of the C library under uvloop are covered too."""
    sys.addaudithook(_on_audit)
    open_connection = uvloop.Loop.create_connection

    async def create_connection(
        self: Any, protocol_factory: Any, host: Any = None, port: Any = None, **more: Any
    ) -> Any:
        if host is not None:
            _check_name(host)
        return await open_connection(self, protocol_factory, host, port, **more)

    uvloop.Loop.create_connection = create_connection  # type: ignore[method-assign]


def _on_audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        # Unix sockets have a path, netlink and vsock have numbers only
        if isinstance(address, tuple) and address and isinstance(address[0], str):
            _check_name(address[0])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname") and arguments[0] is not None:
        _check_name(arguments[0], is_connecting=False)


def _check_name(host: str | bytes | bytearray, *, is_connecting: bool = True) -> None:
    name = (host.decode(errors="replace") if isinstance(host, (bytes, bytearray)) else str(host)).lower().rstrip(".")
    if name in _LOCAL_NAMES or name.endswith(".localhost"):
        return
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        _refuse(f"look up {name}")
    else:
        mapped = getattr(address, "ipv4_mapped", None) or address
        # Looking up a literal asks nobody; connecting to 0.0.0.0 means this machine
        if is_connecting and not (mapped.is_loopback or mapped.is_unspecified):
            _refuse(f"connect to {name}")


def _refuse(what: str) -> None:
    attempts.append(what)
    raise NetworkIsClosed(f"a test tried to {what}; tests speak to loopback only")

"""The WebSocket server as this adapter sees it. A port: another server library is another body."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from contracts.messages.station import ShownCertificate

TlsVersion = Literal["1.2", "1.3"]


class SocketClosed(ConnectionError):
    """The connection is over; the text says how it ended."""

    def __init__(self, how: str, *, code: int | None = None, reason: str = "") -> None:
        """``code`` and ``reason``: what the other side closed with, where it did."""
        super().__init__(how)
        self.code = code
        self.reason = reason


class Binary(bytes):
    """A message that came as a binary one, which OCPP knows none of; it goes out as it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """A client's request to open a WebSocket, before anything was answered."""

    target: str
    """Path and query as they came, not decoded."""
    remote_address: str | None
    is_encrypted: bool
    certificate_names: tuple[str, ...] | None = None
    """Common names in the subject of the client's certificate, which the listener has verified up to its authorities;
    ``None``: it showed none."""
    certificate: ShownCertificate | None = None
    """The same certificate."""
    authorization: str | None = None
    origin: str | None = None
    subprotocols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The HTTP answer instead of a WebSocket."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()
    station_id: str | None = None
    """The station whose operator is told, as a security event of this kind."""
    event: str = ""
    info: str = ""
    """What only the operator is told; empty: ``reason``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Who came in."""

    station_id: str
    subprotocol: str | None
    """What to confirm in the handshake; ``None`` when the station offered none."""
    is_admitted: bool
    """False: a stranger that is held until somebody binds it."""
    security_profile: int
    key_digest: str | None = None
    remote_address: str | None = None
    certificate: ShownCertificate | None = None
    """With security profile 3."""
    upstream: "Socket | None" = None
    """The operator's own central system, where the station goes through to it."""


Take = Callable[[bytes], Awaitable[None] | None]
"""Is handed a message, as it came, a ``Binary`` if it was one. What it returns is waited for before the next one is
handed over: the other side waits meanwhile (TCP)."""


class Socket(Protocol):
    """One open WebSocket."""

    async def deliver(self, take: Take) -> None:
        """Hands each message to ``take``, in order, as soon as it has come. Returns never: raises ``SocketClosed``, and
        what ``take`` and its awaitables raise. One at a time; cancelled, it loses no message."""

    async def send(self, data: bytes) -> None:
        """Sends a text message; waits while the other side does not read. Raises ``SocketClosed``."""

    def send_now(self, data: bytes) -> Awaitable[None] | None:
        """The same at once. What it returns must be awaited: it waits, and raises, as ``send`` does."""

    async def ping(self, on_pong: Callable[[], None]) -> None:
        """Sends a ping; ``on_pong`` is called when it is answered. Raises ``SocketClosed``."""

    async def pass_ping(self, data: bytes) -> None:
        """Sends a ping whose answer nobody here waits for. Raises ``SocketClosed``."""

    def on_ping(self, told: Callable[[bytes], None]) -> None:
        """Calls ``told`` with what each ping carries from now on; it is answered in any case."""

    async def close(self, code: int, reason: str) -> None:
        """The closing handshake, bounded in time. Never raises."""

    def abort(self) -> None:
        """Drops the connection at once."""


class Server(Protocol):
    """A listening server."""

    def addresses(self) -> tuple[str, ...]:
        """Such as ``127.0.0.1:9000``."""

    async def stop_accepting(self) -> None:
        """Takes no further connection; open ones stay."""

    async def close(self) -> None:
        """Returns when every handler has ended. Close the sockets before."""

    def is_serving(self) -> bool:
        """False when it no longer listens."""

    def look_at_files(self) -> bool:
        """Reads certificates and keys again when their files have changed, as it does by itself from time to time; true
        when handshakes are done with them from now on."""


Welcome = Callable[[Handshake], Awaitable[Refusal | Admission]]
"""Decides about a handshake. An exception is answered 500."""
Handle = Callable[[Socket, Admission], Awaitable[None]]
"""Runs for as long as the socket is open."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a server enforces by itself."""

    frame_octets: int = 2**20
    """Of one message after inflating; more closes with 1009."""
    handshake_seconds: float = 10
    close_seconds: float = 5
    waiting_frames: int = 2
    """Read ahead of ``receive`` at most."""


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Where to listen."""

    host: str
    port: int
    certificate: str | None = None
    """PEM file with the whole chain; with ``key``: TLS."""
    key: str | None = None
    minimum_tls: TlsVersion = "1.2"
    client_authorities: str | None = None
    """PEM file: clients may show a certificate, and one that does not lead up to these breaks the handshake."""
    limits: Limits = field(default_factory=Limits)
    offers_compression: bool = False
    """RFC 7692, to who asks for it."""

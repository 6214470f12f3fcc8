"""Dials another central system on the ``websockets`` package, as a station would."""

import asyncio
import logging
import ssl
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from adapters.ocpp.transport import Limits, Refusal, Socket
from adapters.ocpp.websocket_socket import Kinds, WebSocket

_silent = logging.getLogger("adapters.ocpp.websocket_client")
_silent.setLevel(logging.CRITICAL)
_PASSED_ON = ("www-authenticate", "retry-after")
_LONGEST_BODY = 500


class Unreachable(ConnectionError):
    """Nobody answers there as a WebSocket server would; the text says why, without credentials."""


@dataclass(frozen=True, kw_only=True)
class Dialled:
    """An open connection."""

    socket: Socket
    subprotocol: str | None
    """What the other side chose."""


@dataclass(frozen=True, kw_only=True)
class Dial:
    """Whom to call, and how."""

    url: str
    """With the station's identity, as the station spelt it."""
    subprotocols: tuple[str, ...] = ()
    authorization: str | None = field(default=None, repr=False)
    authority_file: Path | None = None
    """PEM file of the authorities that may have signed the other side's certificate; else the system's."""
    seconds: float = 8
    ping_seconds: float = 60
    """Between our own pings; a connection whose pings are not answered is lost. 0: none."""
    limits: Limits = field(default_factory=Limits)


class _Connection(Kinds, ClientConnection):
    pass


class _Connect(connect):
    """Follows nobody elsewhere: what the station showed is for the central system that the operator named."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def dial(wanted: Dial) -> Dialled | Refusal:
    """The open connection, or what the other side answered instead. Raises ``Unreachable``."""
    headers = {} if wanted.authorization is None else {"Authorization": wanted.authorization}
    options: dict[str, Any] = {}
    if wanted.url.startswith("wss:"):
        options["ssl"] = _encryption(wanted.authority_file)
    try:
        connection = await _Connect(
            wanted.url,
            subprotocols=[Subprotocol(name) for name in wanted.subprotocols] or None,
            additional_headers=headers,
            compression=None,
            user_agent_header=None,
            proxy=None,
            open_timeout=wanted.seconds,
            close_timeout=wanted.limits.close_seconds,
            ping_interval=wanted.ping_seconds or None,
            ping_timeout=wanted.ping_seconds or None,
            max_size=wanted.limits.frame_octets,
            max_queue=wanted.limits.waiting_frames,
            logger=_silent,
            create_connection=_Connection,
            **options,
        )
    except InvalidStatus as error:
        return _refusal(error)
    except (OSError, TimeoutError, WebSocketException, asyncio.IncompleteReadError) as error:
        raise Unreachable(f"{type(error).__name__}: {error}"[:200]) from None
    return Dialled(socket=WebSocket(connection, far="the central system"), subprotocol=connection.subprotocol)


@lru_cache(maxsize=64)
def _encryption(authority_file: Path | None) -> ssl.SSLContext:
    # Reading what this machine trusts takes milliseconds, and stations come by the thousand
    return ssl.create_default_context(cafile=authority_file)


def _refusal(error: InvalidStatus) -> Refusal:
    answer = error.response
    headers = tuple((name, value) for name, value in answer.headers.raw_items() if name.lower() in _PASSED_ON)
    reason = (answer.body or b"").decode("utf-8", "replace").strip()[:_LONGEST_BODY] or answer.reason_phrase
    return Refusal(status=answer.status_code, reason=reason, headers=headers)

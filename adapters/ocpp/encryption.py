"""TLS of a listener: versions, suites, whose client certificates; and its files, read anew when they change."""

import asyncio
import hashlib
import math
import ssl
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import structlog

from adapters.ocpp.transport import Listener, TlsVersion
from contracts.messages.station import ShownCertificate

LOOK_EVERY: Final = 10.0
"""Seconds between two looks at the files."""
_VERSIONS: Final[Mapping[TlsVersion, ssl.TLSVersion]] = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_WITHOUT_FORWARD_SECRECY: Final = ("AES256-GCM-SHA384", "AES128-GCM-SHA256")
"""A station may know no others (OCPP 1.6 security white paper and OCPP 2.0.1 part 2, A00.FR.317 and A00.FR.318)."""

SESSION_LASTS: Final = 7200.0
"""Seconds for which OpenSSL lets a session of TLS be taken up again, with the certificate that was verified then."""

logger = structlog.get_logger(__name__)


class Encryption:
    """``context`` is the listener's for as long as it listens; handshakes are done with what was read last."""

    def __init__(self, listener: Listener) -> None:
        """Raises ``OSError`` when a file cannot be used."""
        self._listener = listener
        self._seen = self._digest()
        self._changed_at = -math.inf
        self.context = self._last = _context(listener)
        self.context.sni_callback = self._choose

    def look(self) -> bool:
        """Reads the files again when one has changed; true when handshakes are done with them from now on. Files that
        cannot be used change nothing."""
        try:
            found = self._digest()
            if found == self._seen:
                return False
            self._last = _context(self._listener)
        except OSError as error:
            logger.error("changed TLS files cannot be used, the old ones stay", error=str(error))
            return False
        self._seen = found
        self._changed_at = time.monotonic()
        logger.info("TLS files were read anew", certificate=self._listener.certificate)
        return True

    async def watch(self) -> None:
        """Looks again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.look()

    def _choose(self, encrypted: Any, _name: str | None, _context: ssl.SSLContext) -> int | None:
        """Called in every handshake, whether the station names a host or not."""
        if self._last is not self.context:
            encrypted.context = self._last
        is_younger = time.monotonic() - self._changed_at > SESSION_LASTS
        if encrypted.session_reused and not is_younger:
            # Both sides forget a session that ends so (RFC 5246, 7.2.2): the next handshake is a whole one
            return int(ssl.AlertDescription.ALERT_DESCRIPTION_HANDSHAKE_FAILURE)
        return None

    def _digest(self) -> str:
        """Of what is in the files: a copy keeps the time of its original."""
        found = hashlib.sha256()
        for name in (self._listener.certificate, self._listener.key, self._listener.client_authorities):
            found.update(Path(name).read_bytes() if name else b"")
            found.update(b"\0")
        return found.hexdigest()


def shown_by(encrypted: ssl.SSLObject) -> tuple[tuple[str, ...], ShownCertificate] | None:
    """Common names and certificate of the other side, which the handshake has verified; ``None``: it showed none, or
    one that has ended since."""
    told, octets = encrypted.getpeercert(), encrypted.getpeercert(binary_form=True)
    if not told or octets is None:
        return None
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(told["notAfter"])), UTC)
    if until <= datetime.now(UTC):
        return None  # of a session that was begun before
    pairs = cast(Iterable[Iterable[tuple[str, str]]], told.get("subject", ()))
    names = tuple(value for part in pairs for name, value in part if name == "commonName")
    certificate = ShownCertificate(
        fingerprint=hashlib.sha256(octets).hexdigest(),
        serial_number=str(told["serialNumber"]),
        expires_at=until,
    )
    return names, certificate


def _context(listener: Listener) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = _VERSIONS[listener.minimum_tls]
    names = [str(suite["name"]) for suite in context.get_ciphers() if suite["protocol"] != "TLSv1.3"]
    context.set_ciphers(":".join([*names, *_WITHOUT_FORWARD_SECRECY]))
    context.load_cert_chain(listener.certificate or "", listener.key)
    context.num_tickets = 1  # a station has one connection at a time, and each ticket is a tenth of a handshake
    if listener.client_authorities is not None:
        context.load_verify_locations(cafile=listener.client_authorities)
        # Stations of profile 2 come to the same address and have none
        context.verify_mode = ssl.CERT_OPTIONAL
        # Taken up from a ticket, a session needs no certificate any more, nor the authority that signed it
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return context

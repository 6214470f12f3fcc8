"""How a station's password is compared without being kept.

The service writes digests into station accounts, adapters compare against them; both are given the same
``pepper``, so a leaked database gives no password away. The hash is fast on purpose: profile 1 passwords are 16 to
20 random bytes (OCPP 1.6 security white paper, section 3.3), and a reconnect storm checks thousands at once.
"""

import hashlib
import hmac


def digest_station_key(password: str, *, network: str, station_id: str, pepper: bytes) -> str:
    """64 hex digits that stand for ``password`` of this one station."""
    message = f"{network}\x00{station_id}\x00{password}".encode()
    return hmac.new(pepper, message, hashlib.sha256).hexdigest()


def is_same_digest(left: str, right: str) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def derive(secret: str, purpose: str) -> bytes:
    """32 bytes for one purpose out of the installation's one secret. Service and adapters are given the same secret:
    ``station-keys`` is the pepper of the digests above, ``adapter`` keys what adapters must not let be guessed."""
    return hmac.new(secret.encode(), purpose.encode(), hashlib.sha256).digest()

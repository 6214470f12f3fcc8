"""Signatures of webhooks, by the Standard Webhooks specification (version 1, symmetric). Pure.

A receiver checks HMAC-SHA-256 of ``id.timestamp.body`` with any of its libraries, refuses what is older than some
minutes, and takes an id once.
"""

import base64
import binascii
import hmac
import os
from collections.abc import Iterable

PREFIX = "whsec_"
_OCTETS = 32
_FEWEST, _MOST = 24, 64


class UnfitSecret(ValueError):
    """A secret that is none of the specification's."""


def new_secret() -> str:
    """A secret of 256 random bits, as receivers enter it."""
    return PREFIX + base64.b64encode(os.urandom(_OCTETS)).decode()


def check_secret(secret: str) -> str:
    """The secret, if it can be one. Raises ``UnfitSecret``."""
    _key(secret)
    return secret


def signed(body: bytes, *, id: str, timestamp: int, secrets: Iterable[str]) -> dict[str, str]:
    """The three headers; one signature for each secret, so that a receiver may change to a new one in its own time."""
    text = b".".join((id.encode(), str(timestamp).encode(), body))
    signatures = (hmac.digest(_key(secret), text, "sha256") for secret in secrets)
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(signature).decode()}" for signature in signatures),
    }


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not _FEWEST <= len(key) <= _MOST:
        raise UnfitSecret(f"a secret: {PREFIX} and the Base64 of {_FEWEST} to {_MOST} octets")
    return key

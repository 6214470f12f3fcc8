"""Credentials tokens: reading and writing the Authorization header, and how tokens are kept.

A token we accept is stored as a digest only; a token we must send is stored sealed. Knows nothing of partners.
(OCPI 2.2.1, transport_and_format 4.1.1; OCPI 2.1.1 sends the token as it is.)
"""

import base64
import binascii
import hmac
import os
import re
import secrets
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from roaming.ocpi.errors import SealBroken, Unauthorized

TokenEncoding = Literal["base64", "raw"]

MAX_HEADER = 512
"""A token has at most 64 characters, 88 in Base64; the rest is room for partners that do not count."""

_PRINTABLE = re.compile(r"[!-~]+")
_SEAL = "gcm1:"
_NONCE_BYTES = 12


def candidates(header: str | None) -> tuple[str, ...]:
    """The tokens that an Authorization header may mean, most likely first, without doubles.

    The Base64 reading comes first, also without one trailing newline (the specification's own example encodes
    one), then the value as it stands. Look all of them up: two hits on different partners are no hit.
    Raises ``Unauthorized`` when there is nothing to look up; the text never holds the value.
    """
    value = _value(header)
    found = [value]
    decoded = _decoded(value)
    if decoded is not None:
        found.insert(0, decoded)
    return tuple(dict.fromkeys(found))


def encoding_used(header: str, token: str) -> TokenEncoding:
    """In which form ``header`` carries ``token``, one of its ``candidates``."""
    return "raw" if _value(header) == token else "base64"


def header_value(token: str, encoding: TokenEncoding) -> str:
    """The value of the Authorization header that presents ``token``.

    >>> header_value("example-token", "base64"), header_value("example-token", "raw")
    ('Token ZXhhbXBsZS10b2tlbg==', 'Token example-token')
    """
    if encoding == "raw":
        return f"Token {token}"
    return f"Token {base64.b64encode(token.encode()).decode('ascii')}"


def new_token() -> str:
    """A credentials token of 256 random bits, 43 characters of ``A-Z a-z 0-9 - _``: its length keeps it from
    being Base64 itself, so that its two readings cannot be confused. It never begins with ``-``: people give it to
    programs behind ``--token``, and many would read it as an option."""
    while (token := secrets.token_urlsafe(32)).startswith("-"):
        pass
    return token


def digest(token: str, pepper: bytes) -> str:
    """Keyed digest (hex of HMAC-SHA-256) under which an accepted token is stored and looked up."""
    return hmac.digest(pepper, token.encode(), "sha256").hex()


def derive_key(secret: str, purpose: str) -> bytes:
    """32 bytes for one purpose (``"seal"``, ``"pepper"``) out of one secret of the installation."""
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose.encode()).derive(secret.encode())


def seal(text: str, key: bytes, *, bound_to: str = "") -> str:
    """``text`` encrypted with AES-GCM; ``key`` has 32 bytes. ``bound_to`` (such as the partner's id) is needed to
    open it again, so that a sealed value copied to another row is useless."""
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, text.encode(), bound_to.encode())
    return _SEAL + base64.urlsafe_b64encode(nonce + sealed).decode("ascii")


def unseal(sealed: str, key: bytes, *, bound_to: str = "") -> str:
    """What ``seal`` was given. Raises ``SealBroken`` for another key, another ``bound_to`` or a changed text."""
    try:
        if not sealed.startswith(_SEAL):
            raise ValueError("not a sealed text")
        raw = base64.urlsafe_b64decode(sealed[len(_SEAL) :])
        return AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound_to.encode()).decode()
    except (ValueError, InvalidTag):
        raise SealBroken("a stored credentials token cannot be opened: was the secret key changed?") from None


def _value(header: str | None) -> str:
    if not header:
        raise Unauthorized("send your credentials token: Authorization: Token <token>")
    if len(header) > MAX_HEADER:
        raise Unauthorized("the Authorization header is too long for a credentials token")
    scheme, _, value = header.strip().partition(" ")
    value = value.strip(" ")
    if scheme.lower() != "token":
        raise Unauthorized("the Authorization header must have the scheme Token")
    if not _PRINTABLE.fullmatch(value):
        raise Unauthorized("the credentials token must be printable ASCII without spaces")
    return value


def _decoded(value: str) -> str | None:
    try:
        text = base64.b64decode(value, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return None
    text = text.removesuffix("\n").removesuffix("\r")
    return text if _PRINTABLE.fullmatch(text) else None

"""The next password of a station: taken beside the one it has, until it has come with it. Pure.

OCPP 1.6 security white paper and OCPP 2.0.1 part 2, A01. Of a request that found no answer nobody knows whether the
station has taken it: the last few passwords stay good, and with one that it shows go those given before it.
"""

import secrets
import string
from collections.abc import Callable, Iterable
from typing import Final

LENGTH: Final = 20
"""As octets what OCPP 1.6 takes at most, 40 hexadecimal digits; as text over the 16 that 2.x wants at least."""
MOST: Final = 3
"""Passwords that wait for their first use."""
_LETTERS: Final = string.ascii_letters + string.digits


def new_password() -> str:
    """119 random bits, as text that any station can keep."""
    return "".join(secrets.choice(_LETTERS) for _ in range(LENGTH))


def as_given(password: str, *, protocol: str) -> str:
    """The value of the station's setting: OCPP 1.6 writes octets as hexadecimal digits (AuthorizationKey)."""
    return password.encode().hex() if protocol == "ocpp1.6" else password


def digests_of(value: str, digest: Callable[[str], str]) -> tuple[str, ...]:
    """Of all that a station may show that was given this value: the text itself, or the octets that it spells. Some
    take the hexadecimal digits of OCPP 1.6 for the password itself (EVerest/EVerest#2034)."""
    shown = [value]
    try:
        octets = bytes.fromhex(value)
    except ValueError:
        octets = b""
    if octets:
        try:
            shown.append(octets.decode())
        except UnicodeDecodeError:
            shown.append(octets.decode("latin-1"))
    return tuple(digest(text) for text in shown)


def waiting(kept: str) -> tuple[str, ...]:
    """Digests that are taken beside that of the present password, from what is ``kept`` on the station."""
    return tuple(kept.replace(",", " ").split())


def given(kept: str, digests: Iterable[str]) -> str:
    """What is kept when the station is given one more password."""
    return ",".join([*_each(kept), " ".join(digests)][-MOST:])


def left_after(kept: str, digest: str | None) -> str | None:
    """What is kept once the station has come with the password of ``digest``; ``None``: it is none of those that
    wait."""
    each = _each(kept)
    at = next((number for number, digests in enumerate(each) if digest in digests.split()), None)
    return None if at is None else ",".join(each[at + 1 :])


def _each(kept: str) -> list[str]:
    return [digests for digests in kept.split(",") if digests]

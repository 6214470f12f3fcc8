"""What stands where a secret stood, in records on either side: passwords, signed addresses, and whose token a driver's
is. Pure.

Everything else of a message of OCPP stays as it went, byte for byte.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from contracts import configuration

MASK: Final = "•••"
_TOKENS: Final = frozenset(
    (
        "idtag",
        "parentidtag",
        "idtoken",
        "groupidtoken",
        "additionalidtoken",
        "emaid",
        "contractid",
        "customeridentifier",
        "vin",
    )
)
_SECRETS: Final = ("password", "authorizationkey", "secret", "simpin")
"""How names end of what is a secret, such as ``basicAuthPassword`` (OCPP 2.1, NetworkConnectionProfileType)."""
_SHORTEST: Final = 8
"""Of a token with fewer characters not even the last four are shown."""
_MANY: Final = 50
"""With more to hide than this the frame is written anew: looking for each would take too long."""
_BESIDE: Final = ("data", "key", "component", "variable")
"""Names that are looked at, beside those of tokens and secrets."""


def _signs(tokens: Iterable[str], secrets: Iterable[str]) -> tuple[str, ...]:
    """Short names in their quotes, so that no other word has them in it; none that holds another."""
    names = [name if len(name) > 4 else f'"{name}"' for name in (*tokens, *secrets)]
    signs = {*names, *(f'"{name}"' for name in _BESIDE), "://"}
    return tuple(sorted(sign for sign in signs if not any(other in sign for other in signs - {sign})))


_SIGNS: Final = _signs(_TOKENS, _SECRETS)
"""Without one of these, in small letters, nothing is hidden of what is JSON: every name and mark that is looked for has
one in it."""
_NAMES: Final = rf"{'|'.join(sorted(_TOKENS))}|\w{{0,40}}(?:{'|'.join(_SECRETS)})"
_NUMERIC: Final = re.compile(rf'("(?:{_NAMES}|key)"\s{{0,9}}:\s{{0,9}})-?[0-9.]{{1,64}}', re.IGNORECASE)
_BROKEN: Final = re.compile(
    rf'("(?:{_NAMES}|data|value|attributeValue)"\s{{0,9}}:\s{{0,9}}[\[{{\s]{{0,9}}")(?:[^"\\]|\\.)+',
    re.IGNORECASE | re.DOTALL,
)
_BROKEN_KEY: Final = re.compile(r'("key"\s{0,9}:\s{0,9}[\[{\s]{0,9}")((?:[^"\\]|\\.)+)', re.IGNORECASE | re.DOTALL)
"""Of a VPN, or the name of a setting (OCPP 1.6): what it belongs to cannot be told any more."""
_BROKEN_ADDRESS: Final = re.compile(r'"\w{1,10}:\\?/\\?/(?:[^"\\]|\\.)*', re.DOTALL)


_JSON: Final = msgspec.json.Decoder(msgspec.Raw)
"""Whether it is JSON, and no more."""


class _Nested(Exception):
    """Where a text should stand that must not be read, there is a list or an object."""


def masked(data: bytes) -> str:
    """A frame, or a payload, as text. What is no JSON is masked wherever it looks like a token or a password."""
    if _is_harmless(data):
        return data.decode()
    return _NUMERIC.sub(rf'\1"{MASK}"', _without_texts(data))


def _is_harmless(data: bytes) -> bool:
    """Nearly all that stations send, such as meter values, told at a tenth of the cost of looking at each text."""
    if not data.isascii() or b"\\" in data:
        return False  # names may be written in other ways
    small = data.decode().lower()
    for sign in _SIGNS:
        if sign in small:
            return False
    try:
        _JSON.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False
    return True


def _without_texts(data: bytes) -> str:
    text = data.decode("utf-8", "backslashreplace")
    try:
        frame = msgspec.json.decode(data)
        try:
            found = list(_hidden(frame))
        except _Nested:
            frame = _flat(frame)
            text, found = json.dumps(frame, ensure_ascii=False), list(_hidden(frame))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return _BROKEN_ADDRESS.sub(f'"{MASK}', _BROKEN_KEY.sub(_unless_a_setting, _BROKEN.sub(rf"\1{MASK}", text)))
    hidden = {value: shown for value, shown in found if shown != value}
    if len(hidden) > _MANY:
        return json.dumps(_replaced(frame, hidden), ensure_ascii=False)
    for value, shown in sorted(hidden.items(), key=lambda pair: -len(pair[0])):
        written = [json.dumps(value), json.dumps(value, ensure_ascii=False)]
        if not any(form in text for form in written):
            # Written with escapes of its own: the whole frame is written anew
            return json.dumps(_replaced(frame, hidden), ensure_ascii=False)
        for form in written:
            text = text.replace(form, json.dumps(shown, ensure_ascii=False))
    return text


def _unless_a_setting(found: re.Match[str]) -> str:
    return found[0] if configuration.known_key(found[2]) is not None else found[1] + MASK


def _hidden(value: Any, *, is_secret: bool = False) -> Iterator[tuple[str, str]]:
    """Texts that must not be read, and what is shown instead."""
    if isinstance(value, list):
        for item in value:
            yield from _hidden(item, is_secret=is_secret)
    elif isinstance(value, dict):
        is_secret = is_secret or configuration.is_secret(configuration.setting_of(value))
        for key, item in value.items():
            name = key.casefold()
            if not isinstance(item, str):
                if _is_nested(name, item):
                    raise _Nested
                yield from _hidden(item, is_secret=is_secret)
            elif not item:
                continue
            elif name in _TOKENS:
                yield item, token(item)
            elif name.endswith(_SECRETS) or (is_secret and name in ("value", "attributevalue")):
                yield item, MASK
            elif name == "key" and "server" in value:
                yield item, MASK  # of a VPN (OCPP 2.x, VPNType)
            elif "://" in item:
                yield item, without_secrets(item)
            elif name == "data":
                yield item, vendor_data(item)


def _is_nested(name: str, item: Any) -> bool:
    """An ``idToken`` may be an object (OCPP 2.x), with another one inside."""
    return name in _TOKENS and isinstance(item, list if name in ("idtoken", "groupidtoken") else list | dict)


def _flat(value: Any) -> Any:
    if isinstance(value, list):
        return [_flat(item) for item in value]
    if isinstance(value, dict):
        return {key: MASK if _is_nested(key.casefold(), item) else _flat(item) for key, item in value.items()}
    return value


def vendor_data(data: str) -> str:
    """What only its make understands: hidden if it names what must not be read."""
    return MASK if any(word in data.casefold() for word in (*_TOKENS, *_SECRETS)) else data


def token(uid: str) -> str:
    """Enough to tell two cards of a driver apart."""
    return f"…{uid[-4:]}" if len(uid) >= _SHORTEST else MASK


def _replaced(value: Any, hidden: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return hidden.get(value, value)
    if isinstance(value, list):
        return [_replaced(item, hidden) for item in value]
    if isinstance(value, dict):
        return {key: _replaced(item, hidden) for key, item in value.items()}
    return value


def without_secrets(url: str) -> str:
    """An address with scheme and host alone: user, password, path and query may let anybody in.

    >>> without_secrets("https://me:secret@files.example/a?signature=1")
    'https://files.example/•••'
    """
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname or ''}/{MASK}"
    except ValueError:
        return MASK

"""JSON without loss: numbers keep every digit, and input that would hurt later is refused here.

Knows bytes and plain values (dict, list, str, int, Decimal, bool, None), nothing of OCPI.
"""

import re
from decimal import Decimal
from typing import Any

import msgspec

DEEPEST = 64
"""Levels of brackets. OCPI needs nine."""
MOST_DIGITS = 32
LARGEST_EXPONENT = 20


class MalformedJson(ValueError):
    """The bytes are no JSON that we take; the text says why."""


def parse_json(data: bytes) -> Any:
    """The value written in ``data``; a number with fraction or exponent becomes Decimal, any other int.

    Raises ``MalformedJson`` for anything but one JSON value in UTF-8, more than 64 levels, numbers of more than
    32 digits or an exponent beyond 20, integers of more than 64 bits, NaN and Infinity. Of a repeated key the last
    one counts.
    """
    try:
        value = _DECODER.decode(data)
    except RecursionError:
        raise MalformedJson(f"nested deeper than {DEEPEST} levels") from None
    except ValueError as error:
        raise MalformedJson(str(error)) from None
    _check_extent(value)
    return value


def has_repeated_keys(text: str, value: Any) -> bool:
    """Whether an object of ``text``, which ``value`` was read from, has a key twice: others may take the first."""
    return sum(1 for string in _STRING.finditer(text) if string[1]) != _count_keys(value)


def dump_json(body: Any) -> bytes:
    """``body`` as JSON in UTF-8. Decimals become plain numbers with all their digits, never with an exponent.

    Raises ``ValueError`` for a Decimal that is no number, ``TypeError`` for a type that is not JSON's.
    """
    data = _ENCODER.encode(body)
    if _EXPONENT.search(data) or b"NaN" in data or b"Infinity" in data:
        return _ENCODER.encode(_with_plain_numbers(body))
    return data


def exact_number(text: str) -> Decimal:
    """``text``, a JSON number, as Decimal. Raises ``MalformedJson`` when it is too long or its exponent too large."""
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa) > MOST_DIGITS and sum(map(str.isdigit, mantissa)) > MOST_DIGITS:
        raise MalformedJson(f"a number has more than {MOST_DIGITS} digits")
    if exponent and (len(exponent) > MOST_DIGITS or abs(int(exponent)) > LARGEST_EXPONENT):
        raise MalformedJson(f"a number has an exponent beyond {LARGEST_EXPONENT}")
    return Decimal(text)


_DECODER = msgspec.json.Decoder(float_hook=exact_number)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+(?:"([ \t\r\n]*+:)?+)?+')
"""In JSON a string before a colon is a key, and nothing else is. All strings are gone through: looked for by its
colon, a key would be looked for anew behind each escaped quote of a string."""
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_EXPONENT = re.compile(rb"E(?<=[0-9]E)[+-][0-9]")
"""Of a number; ids have such letters too. It begins with one, so that all else is skipped at the speed of memory."""


def _count_keys(value: Any) -> int:
    if type(value) is dict:
        return len(value) + sum(map(_count_keys, value.values()))
    return sum(map(_count_keys, value)) if type(value) is list else 0


def _check_extent(value: Any) -> None:
    """Looks level by level at what the parser lets pass: depth, and integers of any length."""
    level = [value]
    depth = 0
    while level:
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is dict or kind is list:
                if depth == DEEPEST:
                    raise MalformedJson(f"nested deeper than {DEEPEST} levels")
                below.extend(item.values() if kind is dict else item)
            elif kind is int and not -(2**63) <= item < 2**63:
                raise MalformedJson("an integer has more than 64 bits")
        level = below
        depth += 1


def _with_plain_numbers(value: Any) -> Any:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} is no JSON number")
        return msgspec.Raw(format(value, "f").encode())
    if isinstance(value, dict):
        return {key: _with_plain_numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_plain_numbers(item) for item in value]
    return value

"""Bodies that the API for operators is sent: bounded, and wrong ones told by their field."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

LARGEST_BODY = 1024 * 1024
T = TypeVar("T")
W = TypeVar("W", bound=Callable[..., Any])
FORMS: dict[Callable[..., Any], type[msgspec.Struct]] = {}
"""By the function that takes them."""
_EXACT = msgspec.json.Decoder(float_hook=Decimal)
_PLACE = re.compile(r"`\$\.(\w+)|field `(\w+)`")


class Unfit(ValueError):
    """A body that cannot be taken. ``field``: which of it, where that is clear."""

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text)
        self.field = field


def taking(form: type[msgspec.Struct]) -> Callable[[W], W]:
    """Of a function that answers a request: its body has the fields of ``form`` and no others (``body_of``)."""

    def marked(work: W) -> W:
        FORMS[work] = form
        return work

    return marked


async def content_of(request: Request, *, largest: int = LARGEST_BODY) -> bytes:
    """The body. Raises ``Unfit``."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > largest:
            raise Unfit(f"the body has more than {largest} octets")
    return bytes(content)


def limit_of(request: Request, *, usual: int, largest: int) -> int:
    """How many rows are asked for, by ``limit``. Raises ``Unfit``."""
    text = request.query_params.get("limit", str(usual))
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and 0 < int(text) <= largest):
        raise Unfit(f"a number from 1 to {largest}", "limit")
    return int(text)


async def read(request: Request, form: type[T]) -> T:
    """The body as a ``form``. Raises ``Unfit``."""
    content = await content_of(request)
    try:
        return msgspec.json.decode(content, type=form)
    except msgspec.ValidationError as error:
        place = _PLACE.search(str(error))
        raise Unfit(str(error), next(filter(None, place.groups()), "") if place else "") from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Unfit(f"the body is no JSON: {error}") from None


def exact(raw: msgspec.Raw, field: str) -> Any:
    """What a field of the body holds, numbers to the last digit. Raises ``Unfit``."""
    try:
        return _EXACT.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Unfit(f"no JSON: {error}", field) from None

"""The RPC frames of OCPP-J: text in, frame out, and back. Knows no action, no payload and no socket.

OCPP 1.6 JSON, section 4: ``[2, id, action, payload]``, ``[3, id, payload]``,
``[4, id, code, description, details]``; OCPP 2.1 part 4 adds ``[6, id, action, payload]``, which is not answered, and
``[5, id, code, description, details]``, a refusal of our answer. What is broken stays a value (``Unreadable``):
nothing here raises for anything a station can send.
"""

import json
import re
from typing import Any, Final

import msgspec
import orjson

CALL: Final = 2
CALL_RESULT: Final = 3
CALL_ERROR: Final = 4
CALL_RESULT_ERROR: Final = 5
SEND: Final = 6

UNKNOWN_ID: Final = "-1"
"""What a CALLERROR carries when the frame's own id cannot be read."""
MAX_DEPTH: Final = 64
"""No OCPP payload is deeper than a dozen levels."""

LARGEST_NUMBER_AS_ID: Final = 2**53
_TYPE_WORDS: Final = {"2": CALL, "3": CALL_RESULT, "4": CALL_ERROR, "6": SEND}


class Call(msgspec.Struct, frozen=True):
    """A request. ``payload`` is still unchecked."""

    id: str | int
    action: str
    payload: Any
    deviations: tuple[str, ...] = ()
    """Where the frame itself strayed from the specification and was read all the same."""
    wants_answer: bool = True
    """False: a SEND of OCPP 2.1."""


class CallResult(msgspec.Struct, frozen=True):
    """An answer to a request of ours."""

    id: str | int
    payload: Any


class CallError(msgspec.Struct, frozen=True):
    """A refusal of a request of ours."""

    id: str | int
    code: str
    description: str = ""
    details: Any = msgspec.field(default_factory=dict)


class Unreadable(msgspec.Struct, frozen=True):
    """Not a frame. ``is_answerable``: it may have been a request, so a CALLERROR is due."""

    id: str | int
    reason: str
    is_answerable: bool


Frame = Call | CallResult | CallError | Unreadable

_CALL_ID = re.compile(rb'^[^\[{]{0,16}\[\s*"?2"?\s*,\s*("(?:[^"\\\x00-\x1f]|\\.){1,256}"|-?\d{1,18})\s*,')


def parse(data: bytes | str) -> Frame:
    """The frame in ``data`` (UTF-8 JSON). Never raises."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        reason = str(error)
    else:
        if b"\\u0000" not in raw:
            return _shape(value, ())
        if _depth(raw) > MAX_DEPTH:
            return Unreadable(id_by_pattern(raw), "nested too deep", is_answerable=not _is_answer(raw))
        # PostgreSQL keeps no NUL in text, and no station means one.
        return _shape(_strip_nul(value), ("nul",))
    reread = reread_json(raw)
    if reread is None:
        return Unreadable(id_by_pattern(raw), f"no JSON: {reason}", is_answerable=not _is_answer(raw))
    return _shape(reread, ("json",))


def reread_json(raw: bytes) -> Any | None:
    """A second, tolerant reading: NaN and infinities become null, lone surrogates and bytes that are no UTF-8
    become U+FFFD or ``?``, control characters in strings and bytes after the end are let pass, NUL is dropped.
    ``None`` when it is hopeless."""
    if _depth(raw) > MAX_DEPTH:
        return None
    text = raw.decode("utf-8-sig", "replace").strip("\x00 \r\n\t")
    try:
        value, _ = _TOLERANT.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return _strip_nul(_without_surrogates(value))


_TOLERANT = json.JSONDecoder(strict=False, parse_constant=lambda _: None, parse_float=lambda text: _finite(float(text)))


def _finite(number: float) -> float | None:
    return number if number - number == 0 else None


def _depth(raw: bytes) -> int:
    """The deepest nesting, counted without regard to strings: at worst too high."""
    depth = deepest = 0
    for byte in re.findall(rb"[\[\]{}]", raw):
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
            if deepest > MAX_DEPTH:
                break
        else:
            depth -= 1
    return deepest


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() if not value.isascii() else value
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def _strip_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list):
        return [_strip_nul(item) for item in value]
    if isinstance(value, dict):
        return {_strip_nul(key): _strip_nul(item) for key, item in value.items()}
    return value


def id_by_pattern(raw: bytes) -> str | int:
    """The id of a request that is no JSON, where it can be seen; else ``UNKNOWN_ID``."""
    found = _CALL_ID.match(raw[:1024])
    if found is None:
        return UNKNOWN_ID
    try:
        value: str | int = orjson.loads(found.group(1))
    except orjson.JSONDecodeError:
        return UNKNOWN_ID
    return value


def _is_answer(raw: bytes) -> bool:
    return re.match(rb'^[^\[{]{0,16}\[\s*"?[3456]"?\s*,', raw[:64]) is not None


def _shape(value: Any, deviations: tuple[str, ...]) -> Frame:
    if not isinstance(value, list) or len(value) < 2:
        return Unreadable(UNKNOWN_ID, "not an array of at least two elements", is_answerable=True)
    kind = value[0]
    if kind == CALL and type(kind) is int and len(value) == 4:
        _, frame_id, action, payload = value
        if type(frame_id) is str and type(action) is str and type(payload) is dict:
            return Call(frame_id, action, payload, deviations)  # nearly all of them
    if isinstance(kind, str):
        kind = _TYPE_WORDS.get(kind)
        deviations += ("type",)
    frame_id = value[1]
    is_id = isinstance(frame_id, str) or (type(frame_id) is int and abs(frame_id) <= LARGEST_NUMBER_AS_ID)
    if kind in (CALL, SEND) and not isinstance(kind, bool):
        if not is_id:
            return Unreadable(UNKNOWN_ID, "the message id is no string", is_answerable=True)
        return _call(value, frame_id, deviations, wants_answer=kind == CALL)
    if kind in (CALL_RESULT, CALL_ERROR) and is_id:
        if kind == CALL_RESULT:
            return CallResult(frame_id, value[2] if len(value) > 2 else {})
        return CallError(
            frame_id,
            str(value[2]) if len(value) > 2 else "GenericError",
            str(value[3]) if len(value) > 3 else "",
            value[4] if len(value) > 4 else {},
        )
    # OCPP 1.6 JSON, section 4.1.3: a message with another type number is ignored.
    return Unreadable(frame_id if is_id else UNKNOWN_ID, f"message type {kind!r:.40}", is_answerable=False)


def _call(value: list[Any], frame_id: str | int, deviations: tuple[str, ...], *, wants_answer: bool) -> Frame:
    if not isinstance(frame_id, str):
        deviations += ("id",)
    if len(value) < 3 or not isinstance(value[2], str):
        return Unreadable(frame_id, "the action is no string", is_answerable=wants_answer)
    if len(value) != 4:
        deviations += ("elements",)
    payload = value[3] if len(value) > 3 else {}
    if payload is None:
        payload, deviations = {}, (*deviations, "payload")
    return Call(frame_id, value[2], payload, deviations, wants_answer)


def call(frame_id: str, action: str, payload: dict[str, Any]) -> bytes:
    """A request of ours."""
    return orjson.dumps([CALL, frame_id, action, payload])


def call_result(frame_id: str | int, payload: dict[str, Any]) -> bytes:
    """Our answer."""
    return orjson.dumps([CALL_RESULT, frame_id, payload])


def call_error(frame_id: str | int, code: str, description: str) -> bytes:
    """Our refusal; the description is cut to 255 characters (OCPP 1.6 JSON, section 4.2.3)."""
    return orjson.dumps([CALL_ERROR, frame_id, code, description[:255], {}])

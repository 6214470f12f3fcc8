"""Brings what real stations send into the shape of the schema, by the schema alone: types, lists, absent fields,
spelling of names. Says what it changed; knows nothing of what a field means, save for a few defaults."""

from decimal import Decimal, InvalidOperation
from typing import Any, Final

DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "BootNotification": {"chargePointVendor": "", "chargePointModel": ""},
    "StatusNotification": {"errorCode": "NoError"},
    "StartTransaction": {"idTag": "", "timestamp": ""},
    "StopTransaction": {"timestamp": ""},
    "MeterValues": {},
}
"""What stands in for a missing required field: an empty timestamp means "when it arrived"."""

_ABSENT: Final = object()
MAX_INTEGER_DIGITS: Final = 25


def repair(action: str, payload: Any, definition: dict[str, Any]) -> tuple[Any, tuple[str, ...]]:
    """A copy of ``payload`` that comes nearer to the schema ``definition``, and the names of the repairs made.

    Never raises. The result may still not fit: check it again.
    """
    done: list[str] = []
    mended = None if payload is None else _mend(payload, definition, done, is_required=True)
    if isinstance(mended, dict):
        for name, value in DEFAULTS.get(action, {}).items():
            if name not in mended:
                mended[name] = value
                done.append("missing")
    return mended, tuple(dict.fromkeys(done))


def _mend(value: Any, schema: dict[str, Any], done: list[str], *, is_required: bool) -> Any:
    kind = schema.get("type")
    if value is None:
        done.append("null")
        return _ABSENT
    if kind == "object":
        return _mend_object(value, schema, done)
    if kind == "array":
        return _mend_array(value, schema, done)
    if value == "" and not is_required:
        done.append("empty")
        return _ABSENT
    if kind == "string":
        return _mend_string(value, schema, done)
    if kind == "integer":
        return _mend_integer(value, done)
    return value


def _mend_object(value: Any, schema: dict[str, Any], done: list[str]) -> Any:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
        done.append("list")
    if not isinstance(value, dict):
        return value
    properties: dict[str, Any] = schema.get("properties", {})
    required = schema.get("required", ())
    spelled = {name.lower(): name for name in properties}
    mended: dict[str, Any] = {}
    for key, item in value.items():
        name = key if key in properties else spelled.get(key.strip().lower())
        if name is None:
            done.append("unknown")
            continue
        if name != key:
            if name in value:
                continue
            done.append("spelling")
        result = _mend(item, properties[name], done, is_required=name in required)
        if result is not _ABSENT:
            mended[name] = result
    return mended


def _mend_array(value: Any, schema: dict[str, Any], done: list[str]) -> Any:
    if isinstance(value, dict):
        value = [value]
        done.append("single")
    if not isinstance(value, list):
        return value
    items = schema.get("items", {})
    kept = []
    for item in value:
        result = _mend(item, items, done, is_required=True)
        if result is _ABSENT or _is_hollow(result, items):
            done.append("hollow")
            continue
        kept.append(result)
    return kept


def _is_hollow(item: Any, schema: dict[str, Any]) -> bool:
    """An entry that lacks what it is there for: a sample without a value, a moment without samples."""
    if schema.get("type") != "object":
        return False
    if not isinstance(item, dict):
        return True
    return any(name in schema.get("required", ()) and not item.get(name) for name in ("value", "sampledValue"))


def _mend_string(value: Any, schema: dict[str, Any], done: list[str]) -> Any:
    if isinstance(value, bool):
        done.append("type")
        return "true" if value else "false"
    if isinstance(value, int | float):
        done.append("type")
        return str(value)
    words: list[str] | None = schema.get("enum")
    if isinstance(value, str) and words is not None and value not in words:
        done.append("word")
        stripped = value.strip().lower()
        return next((word for word in words if word.lower() == stripped), value)
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        done.append("length")
    return value


def _mend_integer(value: Any, done: list[str]) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | float):
        return value
    done.append("type")
    try:
        number = Decimal(value.strip()) if isinstance(value, str) else Decimal(str(value))
    except InvalidOperation:
        return value
    if not number.is_finite() or number.adjusted() >= MAX_INTEGER_DIGITS:
        return value
    return int(number.to_integral_value())

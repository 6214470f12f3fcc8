"""Brings what real stations send into the shape of the schema, by the schema alone: types, lists, absent fields,
spelling of names. Says what it changed; knows nothing of what a field means, save for a few defaults."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

_ABSENT: Final = object()
MAX_INTEGER_DIGITS: Final = 25
_NONE: Final[Mapping[str, Any]] = {}


def repair(
    payload: Any, definition: Mapping[str, Any], defaults: Mapping[str, Any] = _NONE
) -> tuple[Any, tuple[str, ...]]:
    """A copy of ``payload`` that comes nearer to the schema ``definition``, and the names of the repairs made.
    ``defaults`` stand in for missing fields.

    Never raises. The result may still not fit: check it again.
    """
    mending = _Mending(definition.get("definitions", _NONE))
    mended = None if payload is None else mending.mend(payload, definition, is_required=True)
    done = mending.done
    if isinstance(mended, dict):
        for name, value in defaults.items():
            if name not in mended:
                mended[name] = value
                done.append("missing")
    return mended, tuple(dict.fromkeys(done))


class _Mending:
    """One payload on its way."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self.done: list[str] = []

    def mend(self, value: Any, schema: Mapping[str, Any], *, is_required: bool) -> Any:
        schema = self._resolved(schema)
        kind = schema.get("type")
        if value is None:
            self.done.append("null")
            return _ABSENT
        if kind == "object":
            return self._object(value, schema)
        if kind == "array":
            return self._array(value, schema)
        if value == "" and not is_required:
            self.done.append("empty")
            return _ABSENT
        if kind == "string":
            return self._string(value, schema)
        if kind == "integer":
            return self._integer(value)
        if kind == "number":
            return self._number(value)
        return value

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        found: Mapping[str, Any] = self._definitions.get(reference.rsplit("/", 1)[1], _NONE)
        return found

    def _object(self, value: Any, schema: Mapping[str, Any]) -> Any:
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
            self.done.append("list")
        if not isinstance(value, dict):
            return value
        properties: dict[str, Any] = schema.get("properties", {})
        required = schema.get("required", ())
        spelled: dict[str, str] | None = None
        mended: dict[str, Any] = {}
        for key, item in value.items():
            name: str | None = key
            if key not in properties:
                spelled = spelled or {known.lower(): known for known in properties}
                name = spelled.get(key.strip().lower())
            if name is None:
                if schema.get("additionalProperties") is not False:
                    mended[key] = item
                    continue
                self.done.append("unknown")
                continue
            if name != key:
                if name in value:
                    continue
                self.done.append("spelling")
            result = self.mend(item, properties[name], is_required=name in required)
            if result is not _ABSENT:
                mended[name] = result
        return mended

    def _array(self, value: Any, schema: Mapping[str, Any]) -> Any:
        if isinstance(value, dict):
            value = [value]
            self.done.append("single")
        if not isinstance(value, list):
            return value
        items = schema.get("items", {})
        kept = []
        for item in value:
            result = self.mend(item, items, is_required=True)
            if result is _ABSENT or self._is_hollow(result, items):
                self.done.append("hollow")
                continue
            kept.append(result)
        return kept

    def _is_hollow(self, item: Any, schema: Mapping[str, Any]) -> bool:
        """An entry that lacks what it is there for: a sample without a value, a moment without samples."""
        schema = self._resolved(schema)
        if schema.get("type") != "object":
            return False
        if not isinstance(item, dict):
            return True
        wanted = [name for name in ("value", "sampledValue") if name in schema.get("required", ())]
        return any(item.get(name) in (None, "", [], {}) for name in wanted)

    def _string(self, value: Any, schema: Mapping[str, Any]) -> Any:
        if isinstance(value, bool):
            self.done.append("type")
            return "true" if value else "false"
        if isinstance(value, int | float):
            self.done.append("type")
            return str(value)
        words: list[str] | None = schema.get("enum")
        if isinstance(value, str) and words is not None and value not in words:
            self.done.append("word")
            stripped = value.strip().lower()
            return next((word for word in words if word.lower() == stripped), value)
        if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
            self.done.append("length")
        return value

    def _integer(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | float):
            return value
        self.done.append("type")
        try:
            number = Decimal(value.strip()) if isinstance(value, str) else Decimal(str(value))
        except InvalidOperation:
            return value
        if not number.is_finite() or number.adjusted() >= MAX_INTEGER_DIGITS:
            return value
        return int(number.to_integral_value())

    def _number(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        self.done.append("type")
        try:
            number = float(value.strip().replace(",", "."))
        except ValueError:
            return value
        return number if number - number == 0 else value

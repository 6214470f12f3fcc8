"""Payloads that fit a schema of OCPP, or nearly do."""

from typing import Any

from hypothesis import strategies as st

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def payloads(schema: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Payloads that fit ``schema`` or nearly do."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return payloads(root["definitions"][name], root)
    kind = schema.get("type")
    right: st.SearchStrategy[Any]
    if kind == "object":
        required = schema.get("required", [])
        fields = {name: payloads(part, root) for name, part in schema.get("properties", {}).items()}
        right = st.fixed_dictionaries(
            {name: fields[name] for name in required},
            optional={name: part for name, part in fields.items() if name not in required},
        )
        right |= st.tuples(right, st.text(max_size=4), ANYTHING).map(lambda t: t[0] | {t[1]: t[2]})
    elif kind == "array":
        right = st.lists(payloads(schema.get("items", {}), root), max_size=3)
    elif "enum" in schema:
        right = st.sampled_from(schema["enum"])
    elif kind == "string":
        right = st.text(max_size=min(schema.get("maxLength", 30), 600) + 3)
    elif kind == "integer":
        right = st.integers(-(2**40), 2**40) | st.sampled_from([1.0, -0.0, 2.5])
    elif kind == "number":
        right = st.sampled_from([1, 0.1, 0.25, 16.0, -3])
    else:
        right = st.booleans()
    return st.one_of(right, right, right, right, ANYTHING)


def sound(definition: dict[str, Any], root: dict[str, Any]) -> Any:
    """The smallest payload that a schema takes."""
    if "$ref" in definition:
        return sound(root["definitions"][definition["$ref"].rsplit("/", 1)[1]], root)
    if "enum" in definition:
        return definition["enum"][0]
    match definition.get("type"):
        case "object":
            return {name: sound(definition["properties"][name], root) for name in definition.get("required", ())}
        case "array":
            return [sound(definition["items"], root)] * definition.get("minItems", 1)
        case "integer" | "number":
            return max(1, definition.get("minimum", 1))
        case "boolean":
            return True
        case _:
            return "2026-11-23T10:00:00Z"[: definition.get("maxLength")]

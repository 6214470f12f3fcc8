"""The fast check says what the official validator says, on every message of 1.6."""

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator, Draft6Validator

from adapters.ocpp.repair import repair
from adapters.ocpp.v16 import schemas

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


CASES = [(action, schemas.request(action)) for action in sorted(schemas.actions())] + [
    (f"{action} (answer)", schemas.response(action)) for action in sorted(schemas.actions())
]


def test_all_schemas_of_1_6_are_there() -> None:
    assert len(schemas.actions()) == 39


@pytest.mark.parametrize(("name", "schema"), CASES, ids=[name for name, _ in CASES])
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_the_verdicts_agree(name: str, schema: schemas.Schema, data: st.DataObject) -> None:
    payload = data.draw(payloads(schema.definition, schema.definition))
    cls = Draft4Validator if "draft-04" in schema.definition["$schema"] else Draft6Validator
    assert schema.is_strict(payload) == cls(schema.definition).is_valid(payload)
    if schema.is_strict(payload):
        assert schema.is_usable(payload)
    before = copy.deepcopy(payload)
    mended, _ = repair(payload, schema.definition, schema.defaults)
    assert payload == before, "the original is left alone"
    if schema.is_strict(payload):
        assert schema.is_usable(mended), "mending what is right breaks nothing"
    fault = schema.fault(mended)
    assert fault.description.count("\n") <= 50

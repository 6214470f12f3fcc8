"""The fast check says what the official validator says, on every message of 1.6."""

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator, Draft6Validator

from adapters.ocpp.repair import repair
from adapters.ocpp.v16 import schemas
from tests.adapters.ocpp.payloads import payloads

CASES = [(action, schemas.request(action)) for action in sorted(schemas.actions())] + [
    (f"{action} (answer)", schemas.response(action)) for action in sorted(schemas.actions())
]


def test_all_schemas_of_1_6_are_there() -> None:
    assert len(schemas.actions()) == 39


@pytest.mark.parametrize("tag", ["04A1B2C3D4E5F6" * 3, ["04A1B2C3D4E5F6"], 41424344454647])
def test_what_is_wrong_is_said_without_the_value(tag: object) -> None:
    fault = schemas.request("Authorize").fault({"idTag": tag})
    assert fault.description.startswith("idTag: value is ")
    assert not any(part in fault.description for part in ("04A1", "4142"))


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

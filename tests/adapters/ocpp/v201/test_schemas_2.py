"""The fast check says what the official validator says, on every message of 2.0.1 and 2.1."""

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft6Validator

from adapters.ocpp import spoken
from adapters.ocpp.repair import repair
from adapters.ocpp.schemas import Schema
from tests.adapters.ocpp.payloads import payloads

CASES = [
    (f"{edition.subprotocol} {action}", edition.schemas.request(action))
    for edition in spoken.EDITIONS
    for action in sorted(edition.schemas.actions)
] + [
    (f"{edition.subprotocol} {action} (answer)", edition.schemas.response(action))
    for edition in spoken.EDITIONS
    for action in sorted(edition.schemas.actions - {"NotifyPeriodicEventStream"})
]


def test_all_messages_are_there() -> None:
    older, newer = spoken.EDITIONS
    assert len(older.schemas.actions) == 64
    assert len(newer.schemas.actions) == 91
    assert older.schemas.actions < newer.schemas.actions


@pytest.mark.parametrize(("name", "schema"), CASES, ids=[name for name, _ in CASES])
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_the_verdicts_agree(name: str, schema: Schema, data: st.DataObject) -> None:
    payload = data.draw(payloads(schema.definition, schema.definition))
    assert schema.is_strict(payload) == Draft6Validator(schema.definition).is_valid(payload)
    before = copy.deepcopy(payload)
    mended, _ = repair(payload, schema.definition, schema.defaults)
    assert payload == before, "the original is left alone"
    if schema.is_strict(payload):
        assert schema.is_usable(payload)
        assert schema.is_usable(mended), "mending what is right breaks nothing"
    assert schema.fault(mended).code

"""Repairs: what is changed, and what is not."""

from typing import Any

import pytest

from adapters.ocpp.repair import repair
from adapters.ocpp.v16 import schemas


def _stop(**fields: Any) -> dict[str, Any]:
    return {"transactionId": 1, "meterStop": 1, "timestamp": "t"} | fields


@pytest.mark.parametrize(
    ("action", "payload", "mended", "done"),
    [
        ("Authorize", {"idTag": 123}, {"idTag": "123"}, {"type"}),
        ("Authorize", {"idTag": None}, {}, {"null"}),
        ("Authorize", {"IDTAG": "x", "idTag": "y"}, {"idTag": "y"}, set()),
        ("Authorize", [{"idTag": "x"}], {"idTag": "x"}, {"list"}),
        ("Authorize", None, None, set()),
        ("StopTransaction", {"transactionId": 1, "meterStop": 1}, _stop(timestamp=""), {"missing"}),
        ("StopTransaction", _stop(transactionId="5"), _stop(transactionId=5), {"type"}),
        ("StopTransaction", _stop(meterStop="12.4"), _stop(meterStop=12), {"type"}),
        ("StopTransaction", _stop(transactionId="5e"), _stop(transactionId="5e"), {"type"}),
        ("StopTransaction", _stop(transactionId=1e300), _stop(transactionId=1e300), {"type"}),
        ("StopTransaction", _stop(meterStop=True), _stop(meterStop=True), set()),
        ("StopTransaction", _stop(reason="evdisconnected"), _stop(reason="EVDisconnected"), {"word"}),
        ("StopTransaction", _stop(reason="Whim"), _stop(reason="Whim"), {"word"}),
    ],
)
def test_repairs(action: str, payload: Any, mended: Any, done: set[str]) -> None:
    schema = schemas.request(action)
    result, names = repair(payload, schema.definition, schema.defaults)
    assert result == mended
    assert set(names) == done


@pytest.mark.parametrize("payload", [None, 5, "text", [], [1, 2], True])
def test_what_is_no_object_is_not_usable(payload: Any) -> None:
    schema = schemas.request("StartTransaction")
    mended, _ = repair(payload, schema.definition, schema.defaults)
    assert not isinstance(mended, dict) or not schema.is_usable(mended)

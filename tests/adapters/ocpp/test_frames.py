"""Frames: whatever comes in, a value comes out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.ocpp import frames
from adapters.ocpp.frames import Call, CallError, CallResult, Unreadable


def test_the_three_kinds() -> None:
    assert frames.parse(b'[2,"1","Heartbeat",{}]') == Call("1", "Heartbeat", {})
    assert frames.parse('[3,"1",{"status":"Accepted"}]') == CallResult("1", {"status": "Accepted"})
    assert frames.parse(b'[4,"1","InternalError","no",{}]') == CallError("1", "InternalError", "no", {})
    assert frames.parse(b'[4,"1"]') == CallError("1", "GenericError")


@pytest.mark.parametrize(
    ("text", "frame_id", "is_answerable"),
    [
        (b"", "-1", True),
        (b"hello", "-1", True),
        (b"{}", "-1", True),
        (b"[]", "-1", True),
        (b"[2]", "-1", True),
        (b'[2,"7"]', "7", True),
        (b'[2,"7",["Heartbeat"],{}]', "7", True),
        (b'[2,null,"Heartbeat",{}]', "-1", True),
        (b'[2,true,"Heartbeat",{}]', "-1", True),
        (b'[2,{"a":1},"Heartbeat",{}]', "-1", True),
        (b'[true,"7","Heartbeat",{}]', "7", False),
        (b'[9,"7","Heartbeat",{}]', "7", False),
        (b'[2,"7","StopTransaction",{"transactionId":,}]', "7", True),
        (b'[ 2 , "a\\"b" , "MeterValues", {"meterValue":[,{}]}]', 'a"b', True),
        (b'[2, 12 ,"MeterValues",{"meterValue":[,{}]}]', 12, True),
        (b'[3,"7",{"status":}]', "-1", False),
        (b'[2,"7","StatusNotification",{"info":' + b"[" * 100_000 + b"]" * 100_000 + b"}]", "7", True),
        (b'[2,"7","X",{"a":' + b"[" * 600 + b'"\\u0000"' + b"]" * 600 + b"}]", "7", True),
        (b'[2,"7","X",{"a":' + b"[" * 600 + b"NaN" + b"]" * 600 + b"}]", "7", True),
        (b'[2,"7","Heartbeat",{"a":' + b"9" * 5000 + b"}]", "7", True),
        (b"[2," + b"9" * 400 + b',"Heartbeat",{}]', "-1", True),
    ],
)
def test_what_is_no_frame(text: bytes, frame_id: str | int, is_answerable: bool) -> None:
    frame = frames.parse(text)
    assert isinstance(frame, Unreadable)
    assert (frame.id, frame.is_answerable) == (frame_id, is_answerable)


@pytest.mark.parametrize(
    ("text", "payload"),
    [
        (b'[2,"7","X",{"a":NaN}]', {"a": None}),
        (b'[2,"7","X",{"a":-Infinity,"b":1e999}]', {"a": None, "b": None}),
        (b'[2,"7","X",{"a":"\\ud800x"}]', {"a": "?x"}),
        (b'[2,"7","X",{"a":"caf\xe9"}]', {"a": "caf\ufffd"}),
        (b'\xef\xbb\xbf[2,"7","X",{"a":1}]', {"a": 1}),
        (b'[2,"7","X",{"a":"x\ny"}]\x00\x00', {"a": "x\ny"}),
        (b'[2,"7","X",{"a":1,"a":2}]', {"a": 2}),
        (b'[2,"7","X",{"a":"x\\u0000y","b\\u0000":["\\u0000"]}]', {"a": "xy", "b": [""]}),
        (b'[2,"7","X",{"a":"x\x00y"}]', {"a": "xy"}),
    ],
)
def test_what_is_read_all_the_same(text: bytes, payload: dict[str, object]) -> None:
    frame = frames.parse(text)
    assert isinstance(frame, Call)
    assert frame.payload == payload
    frames.call_result(frame.id, payload)  # and can be written


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    frames.parse(data)


@given(
    st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=10,
        ),
        max_size=6,
    )
)
def test_no_array_raises_and_its_answer_can_be_written(value: list[object]) -> None:
    frame = frames.parse(json.dumps(value))
    frames.call_error(frame.id, "FormationViolation", "x" * 400)


def test_written_frames_are_read() -> None:
    assert frames.parse(frames.call("1", "Reset", {"type": "Hard"})) == Call("1", "Reset", {"type": "Hard"})
    assert frames.parse(frames.call_result("1", {})) == CallResult("1", {})
    assert frames.parse(frames.call_error("1", "InternalError", "é" * 300)) == CallError(
        "1", "InternalError", "é" * 255
    )


def test_a_send_is_a_request_without_answer() -> None:
    frame = frames.parse(b'[6,"7","NotifyPeriodicEventStream",{"id":1}]')
    assert frame == Call("7", "NotifyPeriodicEventStream", {"id": 1}, wants_answer=False)
    assert frames.parse(b'[6,"7",{}]') == Unreadable("7", "the action is no string", is_answerable=False)

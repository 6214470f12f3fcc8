"""The head of a frame is read as ``frames`` would read it, or not at all."""

import pytest

from adapters.ocpp import frames
from adapters.ocpp.proxy.heads import action, head


@pytest.mark.parametrize(
    "text",
    [
        '[2,"1","Heartbeat",{}]',
        ' [ 3 , "hub:0123" , {"a":[1]} ]',
        '[4,"a\\"b","GenericError","x",{}]',
        '\n[2,"ü","StartTransaction",{"idTag":"[3,\\"1\\"]"}]',
        '[6,"s","NotifyPeriodicEventStream",{}]',
        '[2,"","Authorize",{}]',
    ],
)
def test_it_says_what_the_frame_says(text: str) -> None:
    found, frame = head(text.encode()), frames.parse(text)
    assert found is not None
    assert not isinstance(frame, frames.Unreadable)
    kinds = {2: frames.Call, 6: frames.Call, 3: frames.CallResult, 4: frames.CallError}
    assert isinstance(frame, kinds[found.kind])
    assert found.id.decode().replace('\\"', '"') == frame.id
    assert found.is_answer is isinstance(frame, frames.CallResult | frames.CallError)
    assert action(text.encode()) == (frame.action if isinstance(frame, frames.Call) and frame.wants_answer else "")


@pytest.mark.parametrize(
    "data", [b"", b"[", b"{}", b"[2,7,", b'[9,"1"]', b'["2","1"]', b'[2,"' + b"x" * 300 + b'"]', b"\xff"]
)
def test_what_is_no_frame_has_none(data: bytes) -> None:
    assert head(data) is None
    assert action(data) == ""

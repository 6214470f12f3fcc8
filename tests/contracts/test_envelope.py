"""What goes into an envelope comes out of it; what is none is refused by name."""

import contextlib
import types
import typing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import export
from contracts.envelope import (
    Envelope,
    MalformedEnvelope,
    UnknownMessage,
    decode,
    encode,
    message_id,
    wrap,
)
from contracts.messages import MESSAGES, ConnectorStatusChanged, MeterSample, MeterValue, MeterValuesTaken
from contracts.vocabulary import ConnectorStatus, Measurand

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INT64 = st.integers(-(2**63), 2**63 - 1)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: INT64,
    bool: st.booleans(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    datetime: st.datetimes(timezones=st.just(UTC)),
    type(None): st.none(),
}


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Any value of the types that messages are made of."""
    if annotation in PLAIN:
        return PLAIN[annotation]
    arguments = typing.get_args(annotation)
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return st.one_of(*map(values_of, arguments))
    if typing.get_origin(annotation) is tuple:
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    if typing.get_origin(annotation) is dict:
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=3)
    if issubclass(annotation, Enum):
        return st.sampled_from(annotation)
    return st.builds(annotation, **{field.name: values_of(field.type) for field in msgspec.structs.fields(annotation)})


def wrapped(message: Any, **changes: Any) -> Envelope:
    said = {"id": "1", "subject": "demo/CS-1", "sequence": 7, "occurred_at": NOON, "recorded_at": NOON}
    return wrap(message, **{**said, "correlation_id": "1", "source": "test", **changes})


def a_status(**changes: Any) -> Envelope:
    message = ConnectorStatusChanged(network="demo", station_id="CS-1", connector_id=1, status=ConnectorStatus.CHARGING)
    return wrapped(message, **changes)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_every_message_survives_the_wire(message: Any) -> None:
    @given(said=values_of(message), subject=TEXTS, sequence=INT64, cause=st.none() | TEXTS)
    @settings(max_examples=40, deadline=None)
    def survives(said: Any, subject: str, sequence: int, cause: str | None) -> None:
        envelope = wrapped(said, subject=subject, sequence=sequence, cause=cause)
        arrived = decode(encode(envelope))
        assert arrived == envelope
        assert arrived.message() == said
        assert encode(wrapped(arrived.message(), subject=subject, sequence=sequence, cause=cause)) == encode(envelope)

    survives()


@given(st.decimals(allow_nan=False, allow_infinity=False))
@settings(max_examples=300)
def test_decimals_keep_every_digit(value: Decimal) -> None:
    sample = MeterSample(at=NOON, values=(MeterValue(measurand=Measurand.ENERGY_REGISTER, value=value),))
    message = MeterValuesTaken(network="demo", station_id="CS-1", connector_id=1, samples=(sample,))
    arrived: Any = decode(encode(wrapped(message))).message()
    assert arrived.samples[0].values[0].value.as_tuple() == value.as_tuple()


@pytest.mark.parametrize("number", ["0.1", "1234567890123456789.123456789", "100", "1.10", "1e3"])
def test_decimals_are_read_from_numbers_without_binary_floating_point(number: str) -> None:
    message = MeterValuesTaken(
        network="demo",
        station_id="CS-1",
        connector_id=1,
        samples=(MeterSample(at=NOON, values=(MeterValue(measurand=Measurand.POWER, value=Decimal(7)),)),),
    )
    wire = encode(wrapped(message)).replace(b'"value":7', b'"value":' + number.encode())
    arrived: Any = decode(wire).message()
    assert arrived.samples[0].values[0].value.as_tuple() == Decimal(number).as_tuple()


def test_unknown_fields_are_ignored_in_envelope_and_body() -> None:
    wire = encode(a_status())
    more = wire.replace(b'{"id"', b'{"added":{"later":[1]},"id"').replace(b'"network"', b'"colour":"red","network"')
    assert more != wire
    assert decode(more).message() == decode(wire).message()


@pytest.mark.parametrize(
    ("wire", "named"),
    [
        (b"", "truncated"),
        (b"null", "object"),
        (b"[]", "object"),
        (b'"x"', "object"),
        (b"{}", "id"),
        (b'{"id":1}', "id"),
        (b"[" * 100_000, "recursion|object"),
        (b'{"x":' + b"[" * 100_000, "recursion|truncated"),
        (b'{"x":' * 100_000, "recursion|truncated"),
    ],
)
def test_bytes_that_are_no_envelope_are_refused(wire: bytes, named: str) -> None:
    with pytest.raises(MalformedEnvelope, match=f"(?i){named}"):
        decode(wire)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(MalformedEnvelope, match="utf-8"):
        decode(b'{"id":"\xff"}')
    broken = msgspec.structs.replace(a_status(id="abc"), body=msgspec.Raw(b'{"network":"\xff"}'))
    with pytest.raises(MalformedEnvelope, match=r"ConnectorStatusChanged abc: .*utf-8"):
        broken.message()


@given(st.binary(max_size=400))
def test_any_bytes_are_an_envelope_or_malformed(data: bytes) -> None:
    with contextlib.suppress(MalformedEnvelope):
        assert isinstance(decode(data), Envelope)


GOLDEN = [path.read_bytes() for path in sorted((Path(export.__file__).parent / "examples").glob("*.json"))]


@given(st.sampled_from(GOLDEN), st.integers(min_value=0), st.integers(0, 3), st.binary(max_size=4))
@settings(max_examples=500)
def test_any_change_to_a_message_leaves_an_envelope_or_malformed(whole: bytes, at: int, gone: int, new: bytes) -> None:
    with contextlib.suppress(MalformedEnvelope, UnknownMessage):
        decode(cut(whole, at, gone, new)).message()
    envelope = decode(whole)
    broken = msgspec.structs.replace(envelope, body=msgspec.Raw(cut(bytes(envelope.body), at, gone, new)))
    with contextlib.suppress(MalformedEnvelope):
        broken.message()


def cut(whole: bytes, at: int, gone: int, new: bytes) -> bytes:
    """``whole`` with ``new`` in the place of ``gone`` bytes."""
    at %= len(whole)
    return whole[:at] + new + whole[at + gone :]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", b"7"),
        ("type", b"null"),
        ("version", b'"1"'),
        ("subject", b"{}"),
        ("sequence", b"1.5"),
        ("occurred_at", b'"yesterday"'),
        ("recorded_at", b"0.5"),
        ("correlation_id", b"true"),
        ("cause", b"[]"),
        ("source", b"null"),
    ],
)
def test_a_wrong_field_of_the_envelope_is_named(field: str, value: bytes) -> None:
    fields: dict[str, Any] = msgspec.json.decode(encode(a_status()), type=dict[str, msgspec.Raw])
    with pytest.raises(MalformedEnvelope, match=field):
        decode(msgspec.json.encode({**fields, field: msgspec.Raw(value)}))
    if field != "cause":
        with pytest.raises(MalformedEnvelope, match=field):
            decode(msgspec.json.encode({name: said for name, said in fields.items() if name != field}))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"null", "object"),
        (b"{}", "network"),
        (b'{"network":"demo","station_id":"CS-1","connector_id":"1","status":"CHARGING"}', "connector_id"),
        (b'{"network":"demo","station_id":"CS-1","connector_id":1,"status":"ON FIRE"}', "status"),
        (b'{"network":"demo","station_id":"CS-1","connector_id":1}', "status"),
        (b"[" * 100_000 + b"]" * 100_000, "object|recursion"),
    ],
)
def test_a_wrong_field_of_the_body_is_named_together_with_the_message(body: bytes, field: str) -> None:
    envelope = msgspec.structs.replace(a_status(id="abc"), body=msgspec.Raw(body))
    with pytest.raises(MalformedEnvelope, match=f"ConnectorStatusChanged abc: (?is:.*)(?:{field})"):
        envelope.message()


@pytest.mark.parametrize("changes", [{"type": "Teleported"}, {"version": 2}, {"version": 0}])
def test_a_message_from_the_future_is_unknown_and_not_malformed(changes: dict[str, Any]) -> None:
    envelope = msgspec.structs.replace(a_status(), **changes)
    with pytest.raises(UnknownMessage, match=f"{envelope.type} version {envelope.version}"):
        decode(encode(envelope)).message()


@pytest.mark.parametrize("field", ["occurred_at", "recorded_at"])
def test_times_without_an_offset_are_refused_where_they_are_written(field: str) -> None:
    with pytest.raises(ValueError, match="aware"):
        a_status(**{field: datetime(2026, 11, 23)})


def test_an_envelope_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        a_status().id = "2"  # type: ignore[misc]


PARTS = st.lists(st.one_of(TEXTS, INT64, st.decimals(allow_nan=False)), max_size=5)


@given(PARTS, PARTS)
def test_a_message_id_stands_for_its_parts_and_their_borders(left: list[Any], right: list[Any]) -> None:
    is_same = [*map(str, left)] == [*map(str, right)]
    assert (message_id(*left) == message_id(*right)) is is_same
    assert len(message_id(*left)) == 32


def test_message_ids_do_not_run_together() -> None:
    assert message_id("ab", "c") != message_id("a", "bc") != message_id("abc")


def test_ids_stay_the_same_over_releases() -> None:
    parts = ("start", "demo/CS-1", 1, "TAG", NOON + timedelta(seconds=1), Decimal("100.50"))
    assert message_id(*parts) == "82cfcf754bfac9b83408c5afca7540dc"

"""The course of a charge: the same whatever order its facts come in, however often, however many."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages import MeterValuesTaken, TransactionEnded, TransactionStarted
from contracts.messages.metering import MeterSample, MeterValue, SignedReading
from contracts.vocabulary import AuthorizationStatus, ConnectorStatus, Measurand, ReadingContext, StopReason
from roaming.modules.sessions.course import (
    MAX_READINGS,
    MAX_STATES,
    Course,
    ended,
    in_state,
    priced,
    readings_of,
    signed_by,
    started,
    thinned,
    timeline_of,
    with_readings,
)
from roaming.rating.errors import MalformedTimeline

RUNNING = (ConnectorStatus.CHARGING, ConnectorStatus.SUSPENDED_EV, ConnectorStatus.SUSPENDED_EVSE)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
START = TransactionStarted(
    network="main",
    station_id="A",
    connector_id=1,
    transaction_id="1",
    token_uid="CARD",
    started_at=NOON,
    register_wh=Decimal(1000),
    authorization=AuthorizationStatus.ACCEPTED,
)


def end(minutes: int, wh: int) -> TransactionEnded:
    return TransactionEnded(
        network="main",
        station_id="A",
        transaction_id="1",
        ended_at=NOON + timedelta(minutes=minutes),
        register_wh=Decimal(wh),
        reason=StopReason.DRIVER,
    )


def taken(minutes: float, wh: int) -> MeterValuesTaken:
    value = MeterValue(measurand=Measurand.ENERGY_REGISTER, value=Decimal(wh))
    sample = MeterSample(at=NOON + timedelta(minutes=minutes), values=(value,))
    return MeterValuesTaken(network="main", station_id="A", connector_id=1, transaction_id="1", samples=(sample,))


Fact = TransactionStarted | TransactionEnded | MeterValuesTaken


def metered(course: Course, message: MeterValuesTaken) -> Course:
    return with_readings(signed_by(course, message), readings_of(message))


def course_of(facts: list[Fact]) -> Course:
    course = Course()
    for fact in facts:
        match fact:
            case TransactionStarted():
                course = started(course, fact, "c", recorded_at=fact.started_at)
            case TransactionEnded():
                course = ended(course, fact)
            case MeterValuesTaken():
                course = metered(course, fact)
    return course


@given(st.sets(st.integers(1, 59), max_size=20), st.randoms(use_true_random=False))
def test_any_order_and_any_repeat_lead_to_one_course(minutes: set[int], chance: random.Random) -> None:
    facts: list[Fact] = [START, end(60, 9000), *(taken(minute, 1000 + 100 * minute) for minute in minutes)]
    mixed = facts + [fact for fact in facts if chance.random() < 0.3]
    chance.shuffle(mixed)
    assert course_of(mixed) == course_of(facts)


@pytest.mark.parametrize("count", [MAX_READINGS - 1, MAX_READINGS, MAX_READINGS + 1, 3 * MAX_READINGS])
def test_of_too_many_readings_the_ends_are_kept(count: int) -> None:
    readings = tuple((NOON + timedelta(seconds=n), Decimal(n), None) for n in range(count))
    kept = thinned(readings)
    assert len(kept) <= MAX_READINGS
    assert len(kept) >= min(count, MAX_READINGS // 2)
    assert (kept[0], kept[-1]) == (readings[0], readings[-1])
    assert set(kept) <= set(readings)
    assert list(kept) == sorted(kept)


def test_a_station_that_sends_too_much_is_heard_to_its_last_word() -> None:
    readings = tuple((NOON + timedelta(seconds=n), Decimal(1000 + n), None) for n in range(MAX_READINGS))
    course = Course(readings=readings)
    for more in range(3):
        course = metered(course, taken(100 + more, 9000 + more))
    timeline = timeline_of(started(course, START, "c", recorded_at=NOON))
    assert timeline.readings[-1].register_wh == Decimal(9002)
    assert timeline.end == NOON + timedelta(minutes=102)


def signed(minute: int) -> MeterValuesTaken:
    context = ReadingContext.PERIODIC if minute % 5 else ReadingContext.BEGIN
    sample = MeterSample(
        at=NOON + timedelta(minutes=minute), context=context, values=(), signed=(SignedReading(data=str(minute)),)
    )
    return MeterValuesTaken(network="main", station_id="A", connector_id=1, transaction_id="1", samples=(sample,))


@given(st.permutations(range(6)))
def test_of_signed_values_the_first_and_the_last_of_each_context_are_kept(order: list[int]) -> None:
    """In whatever order they come: they prove all that was charged, and may be kilobytes each."""
    course = course_of([signed(minute) for minute in order])
    assert [record.data for record in course.signed] == ["0", "1", "4", "5"]


@given(st.permutations([("b", None), ("b", "key"), ("a", None), ("e", None), ("d", None), ("c", None)]))
def test_of_one_moment_some_signed_values_are_kept_each_once_and_with_its_key(
    order: list[tuple[str, str | None]],
) -> None:
    readings = (SignedReading(data=data, public_key=key) for data, key in order)
    samples = tuple(MeterSample(at=NOON, signed=(reading,)) for reading in readings)
    taken = MeterValuesTaken(network="main", station_id="A", connector_id=1, transaction_id="1", samples=samples)
    kept = [(record.data, record.public_key) for record in course_of([taken]).signed]
    assert kept == [("a", None), ("b", "key"), ("c", None), ("d", None)]


def test_a_course_that_was_stored_before_keys_were_kept_can_be_read() -> None:
    stored = b'{"signed": [["2026-11-23T12:00:00Z", "BEGIN", "OCMF|x"]]}'
    (record,) = msgspec.json.decode(stored, type=Course).signed
    assert (record.context, record.data, record.public_key) == ("BEGIN", "OCMF|x", None)


def test_a_station_that_never_rests_does_not_fill_the_store() -> None:
    states = tuple((NOON + timedelta(seconds=n), "CHARGING") for n in range(MAX_STATES))
    course = in_state(Course(states=states), NOON + timedelta(days=1), ConnectorStatus.SUSPENDED_EV)
    assert [state for _, state in course.states] == ["CHARGING", "SUSPENDED_EV"]


def test_how_long_each_state_lasted_outlives_the_bound() -> None:
    """Three states in turn, of unequal length and many times as many as are kept."""
    course, at = Course(), NOON
    lasted = dict.fromkeys(RUNNING, timedelta(0))
    chance = random.Random(7)
    for _ in range(6 * MAX_STATES):
        state = chance.choice(RUNNING)
        course = in_state(course, at, state)
        duration = timedelta(seconds=chance.randrange(1, 90))
        lasted[state] += duration
        at += duration
        assert len(course.states) <= MAX_STATES
    course = in_state(course, at, ConnectorStatus.FINISHING)
    assert course.states[0][0] == NOON
    assert course.states[-1] == (at, "FINISHING")
    kept = dict.fromkeys(RUNNING, timedelta(0))
    for (begun, name), (until, _) in pairwise(course.states):
        assert begun < until
        kept[ConnectorStatus(name)] += until - begun
    assert kept == lasted


def test_an_end_dated_before_the_start_is_the_last_reading() -> None:
    """The station's clock was set back in between: what it measured is billed all the same."""
    course = course_of([START, taken(30, 5000), end(-600, 9000)])
    timeline = timeline_of(course)
    assert timeline.end == NOON + timedelta(minutes=30)
    assert timeline.readings[-1].register_wh == Decimal(9000)


def test_an_end_dated_before_the_start_without_a_reading_waits_for_people() -> None:
    with pytest.raises(MalformedTimeline, match="dated before the start"):
        timeline_of(course_of([START, end(-1, 9000)]))


def test_energy_of_a_charge_that_ended_in_the_second_of_its_start_is_billed() -> None:
    """Stations write whole seconds, and a clock may stand still."""
    outcome = priced(course_of([START, end(0, 1002)]), None, "UTC")
    assert outcome.total_energy == Decimal("0.002")
    first = outcome.periods[0].dimensions[0]
    assert (first.type, first.volume) == ("ENERGY", Decimal("0.002"))

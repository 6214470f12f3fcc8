"""Buckets and back-off on a held clock."""

from adapters.ocpp.limits import LATEST, SOONEST, Bucket, Failures, retry_after


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def test_a_bucket_lets_a_burst_through_and_then_a_rate() -> None:
    clock = Clock()
    bucket = Bucket(rate=10, burst=3, clock=clock)
    assert [bucket.take() for _ in range(5)] == [0, 0, 0, 0.1, 0.2]
    clock.at += 0.2
    assert bucket.take() == 0.1
    clock.at += 60
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 0.1], "it does not overflow"


def test_who_is_sent_away_takes_nothing() -> None:
    clock = Clock()
    bucket = Bucket(rate=1, burst=1, clock=clock)
    bucket.take()
    assert bucket.take(longest=0.5) == 1
    assert bucket.take(longest=0.5) == 1
    clock.at += 1
    assert bucket.take(longest=0.5) == 0


def test_failures_wait_longer_and_longer() -> None:
    clock = Clock()
    failures = Failures(allowed=2, window=100, longest=8, clock=clock)
    waits = []
    for _ in range(7):
        failures.add("a")
        waits.append(failures.wait("a"))
    assert waits == [0, 0, 1, 2, 4, 8, 8]
    assert failures.wait("b") == 0
    clock.at += 8
    assert failures.wait("a") == 0, "one more try"
    failures.add("a")
    assert failures.wait("a") == 8
    clock.at += 101
    assert failures.add("a") == 1, "after a quiet time it starts anew"
    failures.clear("a")
    assert failures.wait("a") == 0


def test_memory_is_bounded() -> None:
    failures = Failures(allowed=0, window=100, longest=8, clock=Clock())
    for number in range(25_000):
        failures.add(number)
    assert failures.wait(0) == 0
    assert failures.wait(24_999) > 0


def test_those_who_are_turned_away_do_not_come_again_together() -> None:
    told = [retry_after() for _ in range(400)]
    assert {name for name, _ in told} == {"Retry-After"}
    seconds = {int(value) for _, value in told}
    assert min(seconds) >= SOONEST
    assert max(seconds) <= LATEST
    assert len(seconds) > (LATEST - SOONEST) / 2

"""Transaction ids: the same for the same start, unguessable, never zero; and what is open."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.ocpp import transactions
from adapters.ocpp.state import open_state
from adapters.ocpp.transactions import Transaction, Transactions, TransactionState
from contracts.vocabulary import AuthorizationStatus

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def _start(
    number: int, key: str, *, connector: int = 1, minutes: int = 0, command_id: str | None = None
) -> Transaction:
    return Transaction(
        station_id="CS-1",
        transaction_id=number,
        start_key=key,
        connector_id=connector,
        id_tag="TAG",
        token_uid="Tag",
        started_at=NOW + timedelta(minutes=minutes),
        register_wh=100,
        status=AuthorizationStatus.ACCEPTED,
        basis=None,
        reference=None,
        group_id=None,
        command_id=command_id,
        reservation_id=None,
    )


@given(st.text(), st.binary(max_size=200), st.integers(0, 3))
def test_an_id_is_positive_and_fits_31_bits(key: str, secret: bytes, attempt: int) -> None:
    number = transactions.transaction_id(key, secret=secret, attempt=attempt)
    assert 1 <= number <= 2**31 - 1
    assert number == transactions.transaction_id(key, secret=secret, attempt=attempt)


def test_an_id_needs_the_secret() -> None:
    ids = {transactions.transaction_id("key", secret=secret) for secret in (b"a", b"b", b"a" * 65, b"a" * 66)}
    assert len(ids) == 4


def test_each_part_makes_another_key() -> None:
    parts = {"network": "n", "station_id": "s", "connector_id": 1, "id_tag": "T", "timestamp": "t", "register_wh": 1}
    keys = {transactions.start_key(**parts)}  # type: ignore[arg-type]
    for name, other in [
        *((name, "x") for name in ("network", "station_id", "id_tag", "timestamp")),
        ("connector_id", 2),
        ("register_wh", 2),
    ]:
        keys.add(transactions.start_key(**(parts | {name: other})))  # type: ignore[arg-type]
    assert len(keys) == 7


def test_a_collision_is_settled_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "transaction_id", lambda key, *, secret, attempt=0: 5 + attempt)
    known = Transactions(open_state(None), secret=b"")
    known.begin(_start(known.new_id("CS-1", "a"), "a"), now=NOW)
    assert known.new_id("CS-1", "a") == 5
    assert known.new_id("CS-1", "b") == 6
    assert known.new_id("CS-2", "b") == 5, "ids are a station's own"


def test_what_is_open(tmp_path: Path) -> None:
    known = Transactions(open_state(tmp_path / "state"), secret=b"")
    known.begin(_start(1, "a"), now=NOW)
    known.begin(_start(2, "b", connector=2), now=NOW)
    assert set(known.open_at("CS-1")) == {1, 2}
    assert known.open_on("CS-1", None) is None, "two are open"
    found = known.open_on("CS-1", 2)
    assert found is not None
    assert found.transaction_id == 2

    again = Transactions(open_state(tmp_path / "state"), secret=b"")
    assert again.open_at("CS-1") == known.open_at("CS-1"), "after a restart"

    known.end(_start(1, "a"), key="e", now=NOW)
    assert set(known.open_at("CS-1")) == {2}
    ended = known.find("CS-1", 1)
    assert ended is not None
    assert (ended.state, ended.end_key) == (TransactionState.ENDED, "e")
    assert known.find_end("CS-1", "e") == ended
    assert known.find("CS-2", 1) is None, "another station's id means nothing"


def test_a_later_start_supersedes_and_an_earlier_one_does_not() -> None:
    known = Transactions(open_state(None), secret=b"")
    known.begin(_start(1, "a"), now=NOW)
    known.begin(_start(2, "b", minutes=5), now=NOW)
    known.begin(_start(3, "late", minutes=-5), now=NOW)
    assert set(known.open_at("CS-1")) == {2, 3}
    superseded = known.find("CS-1", 1)
    assert superseded is not None
    assert superseded.state is TransactionState.SUPERSEDED
    known.end(superseded, key="e", now=NOW)
    ended = known.find("CS-1", 1)
    assert ended is not None
    assert ended.state is TransactionState.ENDED, "its stop came after all"


def test_the_first_word_about_a_start_counts() -> None:
    known = Transactions(open_state(None), secret=b"")
    first = known.begin(_start(1, "a"), now=NOW)
    assert known.begin(_start(1, "a", command_id="c"), now=NOW) == first


def test_nonsense_ids_are_nobody() -> None:
    known = Transactions(open_state(None), secret=b"")
    assert [known.find("CS-1", number) for number in (0, -1, 2**31, 2**63, 10**30)] == [None] * 5


def test_what_was_looked_for_in_vain_is_found_once_it_is_there() -> None:
    """A look at the file is remembered until something of the station changes."""
    known = Transactions(open_state(None), secret=b"")

    def states(*numbers: int) -> list[TransactionState | None]:
        found = (known.find("CS-1", number) for number in numbers for _ in range(2))
        return [one.state if one is not None else None for one in found][::2]

    assert states(1) == [None]
    began = known.begin(_start(1, "a"), now=NOW)
    assert states(1) == [TransactionState.OPEN]
    assert states(2) == [None]
    known.end(began, key="end", now=NOW)
    assert states(1, 2, 1) == [TransactionState.ENDED, None, TransactionState.ENDED]
    known.begin(_start(2, "b"), now=NOW)
    known.forget_station("CS-1")
    assert states(3, 2) == [None, TransactionState.OPEN]
    known.begin(_start(3, "c", minutes=1), now=NOW)
    assert states(2, 3) == [TransactionState.SUPERSEDED, TransactionState.OPEN]
    again = known.numbered(_start(3, "c", minutes=1), 7, now=NOW)
    assert again.transaction_id == 7
    assert states(3, 7) == [None, TransactionState.OPEN]
    assert states(2) == [TransactionState.SUPERSEDED]
    assert known.make_room("CS-1", 2, start_key="other")
    assert states(2) == [None]

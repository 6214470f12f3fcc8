"""What the state file forgets, and what it keeps."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.kit.manifest import Authorization
from adapters.ocpp import trimming
from adapters.ocpp.state import open_state
from adapters.ocpp.tokens import Tokens
from adapters.ocpp.transactions import Transactions
from adapters.ocpp.trimming import trim
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus
from tests.adapters.ocpp.test_transactions import _start

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEPT = timedelta(days=90)
LATER = NOW + timedelta(days=91)
LONG = "NL-TNM-C00000000000000000000001"


async def test_what_ended_long_ago_goes_and_what_is_open_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trimming, "SLICE", 3)
    state = open_state(None)
    known = Transactions(state, secret=b"")
    for number in range(1, 9):
        known.begin(_start(number, str(number), connector=number), now=NOW)
        if number != 5:
            known.end(_start(number, str(number)), key=f"e{number}", now=NOW)
    known.begin(_start(9, "late", connector=9), now=LATER)
    known.end(_start(9, "late"), key="e9", now=LATER)
    assert await trim(state, now=NOW + timedelta(days=89), kept=KEPT, pause=0) == {}
    assert await trim(state, now=LATER, kept=KEPT, pause=0) == {"transactions": 7}
    assert [number for number in range(1, 10) if known.find("CS-1", number)] == [5, 9]


async def test_what_was_used_lately_stays() -> None:
    state = open_state(None)
    times = iter([NOW, NOW, LATER, LATER])
    tokens = Tokens(state, secret=b"s", now=lambda: next(times))
    old, old_number = tokens.to_id_tag(f"{LONG}-old"), tokens.to_reservation_number("CS-1", "old")
    new, new_number = tokens.to_id_tag(f"{LONG}-new"), tokens.to_reservation_number("CS-1", "new")
    decided = Authorization(status=AuthorizationStatus.ACCEPTED, basis=AuthorizationBasis.WHITELIST, token_uid="TAG")
    tokens.remember("CS-1", "TAG", decided, until=NOW)
    gone = await trim(state, now=LATER, kept=KEPT, pause=0)
    assert gone == {"aliases": 1, "reservations": 1, "authorizations": 1}
    assert (tokens.to_uid(old), tokens.to_uid(new)) == (old, f"{LONG}-new")
    assert tokens.to_reservation_id("CS-1", old_number) is None
    assert tokens.to_reservation_id("CS-1", new_number) == "new"


async def test_a_file_of_an_earlier_release_is_kept_for_as_long(tmp_path: Path) -> None:
    path = tmp_path / "state"
    first = sqlite3.connect(path)
    first.execute("CREATE TABLE aliases (alias TEXT PRIMARY KEY, uid TEXT NOT NULL) WITHOUT ROWID")
    first.execute("INSERT INTO aliases VALUES ('0123456789ABCDEF0123', 'somebody')")
    first.commit()
    first.close()
    state = open_state(path)
    now = datetime.now(UTC)
    assert await trim(state, now=now + timedelta(days=89), kept=KEPT, pause=0) == {}
    assert Tokens(state, secret=b"s").to_uid("0123456789ABCDEF0123") == "somebody"
    assert await trim(state, now=now + timedelta(days=91), kept=KEPT, pause=0) == {"aliases": 1}
    state.close()

"""The journal: no secret in it, nothing that breaks it, bounded in memory and on disk, cheap."""

import asyncio
import contextlib
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from roaming.store import journal as journal_module
from roaming.store import losses
from roaming.store.database import Database
from roaming.store.errors import StoreUnavailable
from roaming.store.journal import MAX_BODY, MAX_FIELD, Exchange, Journal, mask_body, mask_headers
from tests.kit.envelopes import NOON
from tests.kit.wait import until

SECRET = "ebf3b399-779f-4497-9b9d-ac6ad3cc44d2"
ENTRY = Exchange(at=NOON, direction="in", method="GET", url="/ocpi/2.2.1/locations", partner_id="emsp")


async def rows(database: Database, columns: str = "url, note, request_body, response_body") -> list[tuple[str, ...]]:
    return [tuple(row) for row in await database.reader.fetch(f"SELECT {columns} FROM journal ORDER BY id")]


class TestMasking:
    @pytest.mark.parametrize(
        "body",
        [
            f'{{"token": "{SECRET}", "url": "https://x/versions", "roles": []}}',
            f'{{"data":{{"token":"{SECRET}"}},"status_code":1000}}',
            f'[{{"TOKEN" : "{SECRET}"}}]',
            f'{{"\\u0074oken":"{SECRET}"}}',
            f'{{"token":"a\\"{SECRET}"}}',
            f'{{"token":{{"value":"{SECRET}"}}}}',
            f'{{"token": "{SECRET}", "url": ',
            f"{{'token': '{SECRET}'}}",
            f'{{"token": "a\\"{SECRET}", broken',
            f"token={SECRET}&url=x",
            f'{{"access_token": "{SECRET}"',
            f"{{token: {SECRET}}}",
            f"<token>{SECRET}</token>",
            '{"token": "' + SECRET * 5000,
            '{"token"' + " " * 5000 + f': "{SECRET}", broken',
        ],
    )
    def test_no_credentials_token_is_kept(self, body: str) -> None:
        shown = mask_body(body.encode(), holds_credentials=True)
        assert SECRET not in shown
        assert SECRET[:8] not in shown

    @pytest.mark.parametrize("body", ["token" + " " * 1_000_000 + "}", "token" * 200_000, "token:" * 150_000, "token}"])
    def test_a_body_that_is_no_json_is_gone_through_once(self, body: str) -> None:
        began = time.thread_time()
        mask_body(body.encode(), holds_credentials=True)
        assert time.thread_time() - began < 1.0, "of the CPU; backtracking took hours"

    def test_the_rest_of_a_credentials_body_stays_readable(self) -> None:
        body = f'{{"status_code": 1000, "data": {{"token": "{SECRET}", "url": "https://x/ä", "n": 1.50}}}}'
        shown = mask_body(body.encode(), holds_credentials=True)
        assert shown == '{"status_code": 1000, "data": {"token": "***", "url": "https://x/ä", "n": 1.5}}'

    def test_other_bodies_are_kept_as_they_came(self) -> None:
        body = '{"uid":"04A1", "token" : "RFID", "x":1.50}\n'
        assert mask_body(body.encode()) == body

    def test_headers(self) -> None:
        masked = mask_headers({"AUTHORIZATION": f"Token {SECRET}", "Cookie": "a", "X-Request-ID": "1"})
        assert masked == {"AUTHORIZATION": "***", "Cookie": "***", "X-Request-ID": "1"}

    @given(st.binary(max_size=200), st.booleans())
    @example(b'{"a": "\x00 \xff \xed\xa0\x80"}', False)
    @example(b"[" * 100_000, True)
    @example(b"9" * 5_000, True)
    def test_any_bytes_become_text_that_can_be_stored(self, body: bytes, holds_credentials: bool) -> None:
        text = mask_body(body, holds_credentials=holds_credentials)
        assert "\x00" not in text
        text.encode()

    def test_a_long_body_is_cut_and_says_so(self) -> None:
        shown = mask_body(b"x" * (MAX_BODY + 1))
        assert len(shown) < MAX_BODY + 30
        assert shown.endswith(f"({MAX_BODY + 1} bytes)")


async def test_an_entry_is_written_with_all_it_says(database: Database) -> None:
    journal = Journal(database)
    await journal.keep(
        replace(
            ENTRY, http_status=200, ocpi_status=1000, elapsed_ms=12, correlation_id="c", request_body="{}", note="n"
        )
    )
    columns = "direction, partner_id, method, url, http_status, ocpi_status, elapsed_ms, correlation_id, note"
    assert await rows(database, columns) == [
        ("in", "emsp", "GET", "/ocpi/2.2.1/locations", 200, 1000, 12, "c", "n")  # type: ignore[comparison-overlap]
    ]


async def test_characters_that_a_database_cannot_keep_are_made_visible(database: Database) -> None:
    journal = Journal(database)
    strange = "a\x00b\ud800c\U0001f697"
    await journal.keep(replace(ENTRY, url=strange, note=strange, request_body=strange, response_body=strange))
    assert await rows(database) == [("a\\x00b\\ud800c\U0001f697",) * 4]


async def test_long_fields_are_cut(database: Database) -> None:
    await Journal(database).keep(replace(ENTRY, url="u" * 100_000, request_body="b" * 200_000))
    ((url, _, body, _),) = await rows(database)
    assert (len(url), len(body)) == (MAX_FIELD, MAX_BODY)


async def test_one_bad_entry_does_not_take_others_with_it(database: Database) -> None:
    journal = Journal(database)
    journal.note(replace(ENTRY, note="1"))
    journal.note(replace(ENTRY, note="2", direction=None))  # type: ignore[arg-type]
    journal.note(replace(ENTRY, note="3"))
    await journal.flush()
    assert [row[1] for row in await rows(database)] == ["1", "3"]
    await journal.flush()
    assert len(await rows(database)) == 2


class Unreachable:
    """A database that is away until told otherwise."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = database.clock
        self.is_away = True

    def work(self) -> contextlib.AbstractAsyncContextManager[object]:
        if self.is_away:
            raise StoreUnavailable("away")
        return self.database.work()


async def test_an_outage_keeps_entries_in_order_and_bounded(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "MAX_WAITING", 5)
    away = Unreachable(sqlite_database)
    journal = Journal(away)  # type: ignore[arg-type]
    for number in range(8):
        await journal.keep(replace(ENTRY, note=str(number)))
    assert journal.dropped == 3
    with pytest.raises(StoreUnavailable):
        await journal.flush()
    away.is_away = False
    await journal.flush()
    assert [row[1] for row in await rows(sqlite_database)] == ["3", "4", "5", "6", "7"]


async def test_memory_is_bounded_by_size_too(sqlite_database: Database) -> None:
    away = Unreachable(sqlite_database)
    journal = Journal(away)  # type: ignore[arg-type]
    for _ in range(600):
        journal.note(replace(ENTRY, request_body="x" * MAX_BODY))
    held = sum(len(entry.request_body) for entry in journal._waiting)
    assert held <= journal_module.MAX_WAITING_CHARACTERS
    assert journal.dropped == 600 - len(journal._waiting)
    away.is_away = False
    await journal.flush()
    assert journal._size == 0


async def test_entries_noted_while_a_batch_is_written_are_not_lost(database: Database) -> None:
    journal = Journal(database)

    async def note(worker: int) -> None:
        for number in range(20):
            journal.note(replace(ENTRY, note=f"{worker}-{number}"))
            if number % 5 == 0:
                await journal.flush()
            await asyncio.sleep(0)

    await asyncio.gather(*(note(worker) for worker in range(5)))
    await journal.flush()
    notes = [row[1] for row in await rows(database)]
    assert sorted(notes) == sorted(f"{w}-{n}" for w in range(5) for n in range(20))


async def test_running_it_writes_soon(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "FLUSH_SECONDS", 0.01)
    journal = Journal(database)
    running = asyncio.create_task(journal.run())
    try:
        journal.note(replace(ENTRY, note="new"))

        async def is_written() -> bool:
            return [row[1] for row in await rows(database)] == ["new"]

        await until(is_written)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_losses_are_added_up_whatever_happens_to_the_store(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, lost = Journal(database), [("2.1.1", "evses[0].parking", "no"), ("2.1.1", "evses[7].parking", "no place")]
    journal.lose("emsp", "locations", lost)
    with monkeypatch.context() as broken:

        def fail() -> None:
            raise StoreUnavailable("away")

        broken.setattr(database, "work", fail)
        with pytest.raises(StoreUnavailable):
            await journal.flush()
    journal.lose("emsp", "locations", lost)
    await journal.flush()
    await journal.flush()
    (found,) = await losses.counted(database.reader, "emsp")
    assert (found.what.field, found.amount, found.reason) == ("evses[].parking", 4, "no place")
    assert await losses.counted(database.reader, "cpo") == []

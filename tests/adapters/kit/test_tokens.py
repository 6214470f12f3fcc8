"""The token cache: latest state, found however a reader spells the card, kept over restarts."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from adapters.kit.database import Database
from adapters.kit.tokens import TokenCache
from contracts.bus.memory import MemoryBus
from contracts.envelope import Envelope
from contracts.topics import TOKENS
from tests.kit.speaking import envelope_of, token

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


async def start(tmp_path: Path, *told: Envelope) -> tuple[TokenCache, Database]:
    database = Database(tmp_path / "kit.sqlite")
    cache = TokenCache(database, group="tokens")
    await cache.start()
    bus = MemoryBus()
    bus.subscribe(cache.subscription())
    await bus.start()
    await bus.publish(TOKENS, told)
    await bus.close()
    return cache, database


async def test_the_last_state_counts_and_is_kept(tmp_path: Path) -> None:
    told = [envelope_of(token("04A2", is_valid=True)), envelope_of(token("04a2", is_valid=False))]
    _, database = await start(tmp_path, *told)
    await database.close()
    cache, database = await start(tmp_path)
    found = cache.find("04A2")
    assert found is not None
    assert not found.is_valid
    await database.close()


@pytest.mark.parametrize(
    "spelling", ["04A2B3C4", "04a2b3c4", "04:A2:B3:C4", "04 a2 b3 c4", "04-A2-B3-C4", " 04A2B3C4 "]
)
async def test_a_card_is_found_however_it_is_written(tmp_path: Path, spelling: str) -> None:
    cache, database = await start(tmp_path, envelope_of(token("04a2B3C4")))
    found = cache.find(spelling)
    assert found is not None
    assert found.uid == "04a2B3C4", "as its owner spells it"
    assert cache.find("04A2B3C5") is None
    await database.close()


async def test_separators_count_where_two_tokens_differ_by_them_only(tmp_path: Path) -> None:
    cache, database = await start(tmp_path, envelope_of(token("AB-12")), envelope_of(token("A-B12")))
    found = cache.find("ab-12")
    assert found is not None
    assert found.uid == "AB-12"
    assert cache.find("AB12") is None
    await database.close()


async def test_a_message_that_does_not_fit_is_left_out(tmp_path: Path) -> None:
    broken = msgspec.structs.replace(envelope_of(token("BAD")), body=msgspec.Raw(b'{"uid": 7}'))
    newer = msgspec.structs.replace(envelope_of(token("NEW")), version=99)
    cache, database = await start(tmp_path, broken, newer, envelope_of(token("GOOD")))
    assert cache.find("GOOD") is not None
    assert cache.find("NEW") is None
    await database.close()

"""The token cache: latest state, found however a reader spells the card, kept over restarts."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from adapters.kit.database import Database
from adapters.kit.tokens import TokenCache
from contracts.bus.memory import MemoryBus
from contracts.envelope import Envelope
from contracts.messages import OperatorAgreementsChanged, token_subject
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
    (found,) = cache.find("04A2")
    assert not found.is_valid
    await database.close()


@pytest.mark.parametrize(
    "spelling", ["04A2B3C4", "04a2b3c4", "04:A2:B3:C4", "04 a2 b3 c4", "04-A2-B3-C4", " 04A2B3C4 "]
)
async def test_a_card_is_found_however_it_is_written(tmp_path: Path, spelling: str) -> None:
    cache, database = await start(tmp_path, envelope_of(token("04a2B3C4")))
    (found,) = cache.find(spelling)
    assert found.uid == "04a2B3C4", "as its owner spells it"
    assert not cache.find("04A2B3C5")
    await database.close()


async def test_separators_count_where_two_tokens_differ_by_them_only(tmp_path: Path) -> None:
    cache, database = await start(tmp_path, envelope_of(token("AB-12")), envelope_of(token("A-B12")))
    (found,) = cache.find("ab-12")
    assert found.uid == "AB-12"
    assert not cache.find("AB12")
    await database.close()


async def test_a_message_that_does_not_fit_is_left_out(tmp_path: Path) -> None:
    broken = msgspec.structs.replace(envelope_of(token("BAD")), body=msgspec.Raw(b'{"uid": 7}'))
    newer = msgspec.structs.replace(envelope_of(token("NEW")), version=99)
    cache, database = await start(tmp_path, broken, newer, envelope_of(token("GOOD")))
    assert cache.find("GOOD")
    assert not cache.find("NEW")
    await database.close()


async def test_owners_and_types_with_one_uid_are_several_tokens(tmp_path: Path) -> None:
    told = [token("04A2"), token("04a2", party_id="TWO"), token("04A2", type="APP_USER"), token("04:A2:33")]
    assert len({token_subject(one) for one in told}) == 4, "none hides another in a compacted topic"
    cache, database = await start(tmp_path, *map(envelope_of, told))
    assert {(one.party_id, one.type) for one in cache.find("04A2")} == {
        ("EMP", "RFID"),
        ("TWO", "RFID"),
        ("EMP", "APP_USER"),
    }
    await database.close()


async def test_agreements_are_kept(tmp_path: Path) -> None:
    told = [OperatorAgreementsChanged(operator="NL-HUB", emsps=emsps) for emsps in (("NL-TWO",), ("DE-ABC", "NL-EMP"))]
    _, database = await start(tmp_path, *map(envelope_of, told))
    await database.close()
    cache, database = await start(tmp_path)
    assert cache.may_charge(token("04A2"), operator="NL-HUB")
    assert not cache.may_charge(token("04A2", party_id="TWO"), operator="NL-HUB"), "the last word counts"
    assert not cache.may_charge(token("04A2"), operator="NL-CPO")
    assert not cache.may_charge(token("04A2"), operator=None)
    await database.close()

"""A party that floods is told when to go on; the others notice nothing."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from roaming.ocpi.errors import LimitReached
from roaming.ocpi.minute_limit import MinuteLimit
from roaming.settings import Settings
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import RECEIVER, SENDER, Answer, HubInProcess, hub_in_process


def test_a_bucket_fills_evenly() -> None:
    now = [0.0]
    limit = MinuteLimit(60, of="commands", now=lambda: now[0])

    def took(party: str = "DE-AAA") -> int | str:
        """How many are taken before one is refused, and when that is to come again."""
        for count in range(100):
            try:
                limit.take("aaa", party)
            except LimitReached as error:
                return f"{count}, then {error.headers['Retry-After']} s"
        return 100

    assert took() == "60, then 1 s"
    assert took() == "0, then 1 s"
    assert took("DE-AA2") == "60, then 1 s", "each party has its own"
    now[0] += 2.5
    assert took() == "2, then 1 s"
    now[0] += 3600
    assert took() == "60, then 1 s", "no more than a minute's worth is saved up"


def test_none_is_no_limit() -> None:
    limit = MinuteLimit(0, of="commands", now=lambda: 0.0)
    for _ in range(10_000):
        limit.take("aaa", "")
    assert Settings(secret="5e" * 32).commands_per_minute > 0


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(sqlite_url, tmp_path, commands_per_minute=3) as running:
        yield running


async def test_a_flood_of_commands_is_answered_429(hub: HubInProcess) -> None:
    async def ask(who: str, method: str, path: str, body: Any = None) -> Answer:
        return await hub.call(who, method, path, body=body)

    async def unlock(who: str = "aaa") -> Answer:
        return await ask(who, "POST", f"{RECEIVER}/commands/UNLOCK_CONNECTOR", ocpi_bodies.unlock_connector())

    assert {(await unlock()).http_status for _ in range(3)} == {200}
    for refused in (
        await unlock(),
        await ask("aaa", "DELETE", f"{RECEIVER}/chargingprofiles/S1?response_url=http%3A%2F%2F127.0.0.1%3A9%2Fr"),
        await ask("aaa", "PUT", f"{SENDER}/sessions/S1/charging_preferences", {"profile_type": "FAST"}),
    ):
        assert refused.outcome == (429, 2000)
        assert refused.headers["retry-after"] == "20"
        assert refused.message == "more than 3 commands of aaa in a minute: wait 20 s"
    assert (await unlock("bbb")).http_status == 200
    assert (await ask("aaa", "GET", f"{SENDER}/locations")).outcome == (200, 1000)
    assert len(await hub.journal("module = 'commands'")) == 4, "a flood does not fill the journal"

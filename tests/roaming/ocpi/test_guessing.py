"""Guesses of credentials tokens learn nothing from how long an answer takes: a token is looked up by its digest."""

import random
import time
from pathlib import Path
from statistics import median

from roaming.ocpi.authorization import authenticate
from roaming.ocpi.credentials_token import header_value, new_token
from roaming.ocpi.errors import Unauthorized
from roaming.partners.registry import allow_token
from tests.kit.hub_in_process import HubInProcess, hub_in_process

SAMPLES = 100_000
SHARES = 20
"""Parts of the samples that are compared one by one. That one kind of guess is the slower one in all of them by chance
happens twice in a million runs."""
LEAST = 0.005
"""Of the time that a guess takes: a smaller difference is no signal at all over a network."""


def test_tokens_have_128_random_bits_at_least() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {43}
    assert len(set("".join(tokens))) >= 60, "six bits a letter"


async def _seconds(hub: HubInProcess, header: str) -> float:
    """CPU of one wrong guess."""
    began = time.thread_time_ns()
    try:
        await authenticate(hub.services, header)
    except Unauthorized:
        return (time.thread_time_ns() - began) / 1e9
    raise AssertionError("a guess was right")


def _other(letter: str) -> str:
    return "B" if letter == "A" else "A"


async def test_a_guess_that_begins_right_takes_as_long_as_one_that_does_not(sqlite_url: str, tmp_path: Path) -> None:
    """Guesses of one length, with the last letter wrong or all of them, in an order drawn by lot."""
    chance = random.Random(1)
    async with hub_in_process(sqlite_url, tmp_path) as hub:
        real = new_token()
        async with hub.services.database.work() as work:
            digest = hub.services.secrets.digest(real)
            await allow_token(work, partner_id="aaa", digest=digest, is_registration=False)
        assert (await authenticate(hub.services, header_value(real, "raw"))).partner.id == "aaa"
        near = header_value(real[:-1] + _other(real[-1]), "raw")
        far = header_value("".join(map(_other, real)), "raw")
        shares: list[float] = []
        for _ in range(SHARES):
            order = [near, far] * (SAMPLES // SHARES // 2)
            chance.shuffle(order)
            taken: dict[str, list[float]] = {near: [], far: []}
            for header in order:
                taken[header].append(await _seconds(hub, header))
            shares.append(median(taken[near]) / median(taken[far]) - 1)
    is_one_sided = min(shares) > 0 or max(shares) < 0
    assert not (is_one_sided and abs(median(shares)) > LEAST), sorted(shares)

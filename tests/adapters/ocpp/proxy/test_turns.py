"""Pieces of work take turns, and the loop looks around between two of them."""

import asyncio

from adapters.ocpp.proxy.turns import Turns


async def test_no_two_pieces_fall_into_one_turn_of_the_loop() -> None:
    turns, order = Turns(), list[str]()

    async def work(name: str) -> None:
        await turns.take()
        order.append(name)

    working = [asyncio.create_task(work(name)) for name in "abc"]
    given_up = asyncio.create_task(work("x"))
    await asyncio.sleep(0)
    given_up.cancel()
    loop, is_over = asyncio.get_running_loop(), asyncio.gather(*working)

    def look() -> None:
        order.append("|")
        if not is_over.done():
            loop.call_soon(look)

    look()
    await is_over
    said = "".join(order).strip("|")
    assert "".join(letter for letter in said if letter != "|") == "abc"
    assert all(said[said.index(one) : said.index(other)].count("|") >= 1 for one, other in ("ab", "bc"))
    async with asyncio.timeout(1):
        await turns.take()

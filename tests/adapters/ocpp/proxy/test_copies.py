"""Copies are bounded; where there is no room, there is a mark."""

import asyncio
from datetime import UTC, datetime, timedelta

from adapters.ocpp.proxy.copies import OF_EACH, Copies, Copy, Gap, Room

NOW = datetime(2026, 11, 29, 9, tzinfo=UTC)


def copy(number: int, size: int = 1) -> Copy:
    return Copy(True, b"x" * size, NOW + timedelta(seconds=number))


async def everything(copies: Copies) -> list[Copy | Gap]:
    copies.end()
    found = []
    while (item := await copies.take()) is not None:
        found.append(item)
    return found


async def test_they_come_out_in_order_and_once() -> None:
    copies = Copies(most=10, room=Room(octets=10_000))
    for number in range(3):
        copies.put(copy(number))
    assert await everything(copies) == [copy(0), copy(1), copy(2)]
    assert copies.dropped == 0


async def test_a_gap_stands_where_the_frames_were() -> None:
    copies = Copies(most=2, room=Room(octets=10_000))
    for number in range(5):
        copies.put(copy(number))
    assert await copies.take() == copy(0)
    copies.put(copy(5))
    assert await copies.take() == copy(1)
    assert await copies.take() == Gap(4, copy(2).at, copy(5).at)
    copies.put(copy(6))
    assert await everything(copies) == [copy(6)]
    assert copies.dropped == 4


async def test_all_stations_share_the_room() -> None:
    room = Room(octets=3 * (OF_EACH + 100))
    one, other = Copies(most=100, room=room), Copies(most=100, room=room)
    for _ in range(3):
        one.put(copy(0, 100))
    other.put(copy(0, 100))
    assert other.dropped == 1
    await one.take()
    other.put(copy(1, 100))
    assert other.dropped == 1
    assert one.forget() == 2
    assert other.forget() == 2
    assert room.taken == 0


async def test_what_nobody_reads_takes_no_room() -> None:
    room = Room(octets=10_000)
    copies = Copies(most=10, room=room)
    copies.put(copy(0))
    copies.refuse()
    copies.put(copy(1))
    assert (room.taken, copies.dropped) == (0, 1)


async def test_who_takes_waits_for_what_is_put() -> None:
    copies = Copies(most=2, room=Room(octets=10_000))
    taking = asyncio.create_task(copies.take())
    await asyncio.sleep(0)
    copies.put(copy(1))
    assert await taking == copy(1)

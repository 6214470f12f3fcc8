"""One read for all lanes: shared by those who ask before it begins, never older than what was asked."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from roaming.hub.gathering import Gathering
from roaming.model.party import InterfaceRole
from roaming.ocpi.module import DeliveryKind, DeliveryRules
from roaming.store.errors import StoreUnavailable
from tests.kit.wait import until


class Store:
    """What is stored under every key, and who asked for what; a read ends when it is let go."""

    def __init__(self) -> None:
        self.value = 1
        self.reads: list[list[str]] = []
        self.is_away = False
        self.lets_go = asyncio.Event()

    async def __call__(self, _reader: Any, keys: Sequence[str]) -> Mapping[str, Any]:
        value = self.value
        self.reads.append(sorted(keys))
        await self.lets_go.wait()
        if self.is_away:
            raise StoreUnavailable("away")
        return dict.fromkeys(keys, value)


class _Services:
    class database:
        reader = None


def gathering(store: Store) -> Gathering:
    rules: DeliveryRules[Any] = DeliveryRules(
        kind=DeliveryKind.STATE,
        interface=InterfaceRole.RECEIVER,
        read=store,
        audience=lambda *_: (),
        build=lambda *_: None,
        give_up_after=timedelta(hours=1),
    )
    return Gathering(_Services, {"locations": rules})  # type: ignore[arg-type]


async def test_who_asks_at_once_shares_a_read_and_who_asks_later_gets_what_is_newer() -> None:
    store = Store()
    shared = gathering(store)
    first = [asyncio.create_task(shared.objects("locations", keys)) for keys in (["a", "b"], ["b", "c"])]
    await until(lambda: len(store.reads) == 1)
    store.value = 2
    later = [asyncio.create_task(shared.objects("locations", ["a"])) for _ in range(3)]
    await asyncio.sleep(0)
    assert len(store.reads) == 1, "one after the other"
    store.lets_go.set()
    assert [found["b"] for found in await asyncio.gather(*first)] == [1, 1]
    assert [found["a"] for found in await asyncio.gather(*later)] == [2, 2, 2]
    assert store.reads == [["a", "b", "c"], ["a"]]


async def test_an_outage_is_everybodys_and_the_next_read_is_tried() -> None:
    store = Store()
    store.is_away = True
    store.lets_go.set()
    shared = gathering(store)
    found = await asyncio.gather(*(shared.objects("locations", ["a"]) for _ in range(2)), return_exceptions=True)
    assert [type(each) for each in found] == [StoreUnavailable, StoreUnavailable]
    store.is_away = False
    assert (await shared.objects("locations", ["a"]))["a"] == 1


async def test_who_gives_up_takes_nobodys_read_along() -> None:
    store = Store()
    shared = gathering(store)
    one, other = (asyncio.create_task(shared.objects("locations", ["a"])) for _ in range(2))
    await until(lambda: len(store.reads) == 1)
    one.cancel()
    with suppress(asyncio.CancelledError):
        await one
    store.lets_go.set()
    assert (await other)["a"] == 1

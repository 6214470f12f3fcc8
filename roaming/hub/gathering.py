"""What all lanes read, read for them together: whoever asks while one read is under way shares the next.

A change that is told to a hundred partners is looked up once, not a hundred times. A read begins after everybody who
shares it has asked, so nobody is given anything older than what was committed when they did.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from roaming.ocpi.module import DeliveryRules, Services
from roaming.partners.directory import Directory

_Read = Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]]


class Gathering:
    """One for all lanes of a process."""

    def __init__(self, services: Services, rules: Mapping[str, DeliveryRules[Any]]) -> None:
        self._services = services
        self._directory = _Shared(self._read_directory)
        self._objects = {module: _Shared(self._reading(each)) for module, each in rules.items()}

    async def directory(self) -> Directory:
        """The picture of now. Raises ``StoreUnavailable``."""
        found: Directory = (await self._directory.ask([""]))[""]
        return found

    async def objects(self, module: str, keys: Iterable[str]) -> Mapping[str, Any]:
        """What is stored under ``keys``, as ``DeliveryRules.read`` gives it; others' too. Raises
        ``StoreUnavailable``."""
        return await self._objects[module].ask(keys)

    async def _read_directory(self, _keys: Sequence[str]) -> Mapping[str, Any]:
        return {"": await self._services.directory.current()}

    def _reading(self, rules: DeliveryRules[Any]) -> _Read:
        async def read(keys: Sequence[str]) -> Mapping[str, Any]:
            return await rules.read(self._services.database.reader, keys)

        return read


class _Round:
    """Those who share one read that has not begun."""

    def __init__(self) -> None:
        self.keys: dict[str, None] = {}
        self.read: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()


class _Shared:
    """One kind of thing to read."""

    def __init__(self, read: _Read) -> None:
        self._read = read
        self._next: _Round | None = None
        self._reading: asyncio.Task[None] | None = None

    async def ask(self, keys: Iterable[str]) -> Mapping[str, Any]:
        if self._next is None:
            self._next = _Round()
        self._next.keys.update(dict.fromkeys(keys))
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._run(), name="gathering")
        return await asyncio.shield(self._next.read)

    async def _run(self) -> None:
        while (mine := self._next) is not None:
            self._next = None
            try:
                mine.read.set_result(await self._read(list(mine.keys)))
            except Exception as error:
                mine.read.set_exception(error)
                mine.read.exception()  # seen: all who asked may be gone

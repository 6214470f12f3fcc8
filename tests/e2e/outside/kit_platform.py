"""A platform of the Rust crate ocpi-kit: its client registers at a hub and speaks as one party, its server answers.

The program is built from ``kit_program`` by ``.ci/run``. Objects go in and out as those of 2.3.0, which the crate
itself turns into what its version says.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from tests.kit import tools
from tests.kit.server_process import free_port


class KitFailed(Exception):
    """The crate's client reported an error; its text is the crate's."""


class KitPlatform:
    """``async with`` it; then ``register``. ``told``: every request that its server answered, in order."""

    def __init__(self, role: str, party: str, version: str, partners: Sequence[str]) -> None:
        """``role`` is ``cpo`` or ``emsp``. It takes objects of ``partners`` only."""
        self.party, self.version = party, version
        self.requests: list[dict[str, Any]] = []
        self.registered: dict[str, Any] = {}
        """What the crate made of the hub's credentials: version, token, hub and parties."""
        self._role, self._partners = role, partners
        self._port = free_port()
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> "KitPlatform":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            self._write.close()  # it ends with its input
            await self._process.wait()
            await self._listening

    async def register(self, versions_url: str, token_a: str) -> None:
        """Starts its server and exchanges credentials."""
        program = tools.kit_platform() or tools.is_missing("the program kit-platform on ocpi-kit: run .ci/run once")
        arguments = (self._role, self.party, self.version, str(self._port), versions_url, token_a, *self._partners)
        self._process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=2**22,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._write = self._process.stdin
        self._listening = asyncio.create_task(self._listen(self._process.stdout))
        self.registered = await self._answer()

    async def do(self, what: str, *, to: str | None = None, **more: Any) -> Any:
        """One request by the crate's client, to the party ``to`` or, without one, to whom it may concern. Raises
        ``KitFailed``."""
        async with self._turn:
            self._write.write(json.dumps({"do": what, "to": to, **more}).encode() + b"\n")
            await self._write.drain()
            return await self._answer()

    def told(self, method: str, part: str) -> list[dict[str, Any]]:
        """What it was sent by ``method`` at addresses with ``part`` in them: target, headers, body and its status."""
        return [entry for entry in self.requests if entry["method"] == method and part in entry["target"]]

    async def _answer(self) -> Any:
        answer = await asyncio.wait_for(self._answers.get(), 60)
        if "failed" in answer:
            raise KitFailed(answer["failed"])
        return answer["done"]

    async def _listen(self, said_lines: asyncio.StreamReader) -> None:
        printed: list[str] = []
        async for line in said_lines:
            try:
                said = json.loads(line)
            except ValueError:
                printed.append(line.decode(errors="replace"))
                continue
            if "told" in said:
                self.requests.append(said["told"])
            else:
                self._answers.put_nowait(said)
        self._answers.put_nowait({"failed": "the program has ended: " + "".join(printed)})

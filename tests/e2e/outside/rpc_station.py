"""The stations on the npm package ocpp-rpc, strict in both directions, as a process of its own."""

import asyncio
import base64
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.kit import tools

SCRIPT = Path(__file__).with_name("ocpp_rpc_station.js")
CSMS_SCRIPT = Path(__file__).with_name("own_csms_rpc.js")
SCRIPT_2 = Path(__file__).with_name("ocpp_rpc_station2.js")
ENERGY_KWH = "7.5"
"""What the script's meter counts between start and stop."""


class RpcStation:
    """``async with`` it: connects, boots until it is accepted, charges once and hangs up. ``said`` is its story.
    ``environment``: whom it trusts, its certificate, whether it waits for a command before it charges."""

    def __init__(
        self,
        url: str,
        identity: str,
        *,
        password: str,
        token_uid: str,
        version: str = "ocpp1.6",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._environment: Mapping[str, str] = environment or {}
        self._script = SCRIPT if version == "ocpp1.6" else SCRIPT_2
        self._arguments: tuple[str, ...] = (url, identity, password, token_uid, version)
        self.said: list[dict[str, Any]] = []

    async def __aenter__(self) -> "RpcStation":
        found = tools.node_station()
        if found is None:
            tools.is_missing("node with the npm package ocpp-rpc: run .ci/run once")
        program, modules = found
        self._process = await asyncio.create_subprocess_exec(
            program,
            self._script,
            *self._arguments,
            env={**os.environ, "NODE_PATH": str(modules), **self._environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._listening

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            text = line.decode(errors="replace").strip()
            try:
                self.said.append(json.loads(text))
            except ValueError:
                self.said.append({"what": "printed", "text": text})

    def words(self, what: str) -> list[dict[str, Any]]:
        """Everything it said of one kind."""
        return [entry for entry in self.said if entry["what"] == what]

    @property
    def has_ended_well(self) -> bool:
        """It hung up after its charge."""
        return bool(self.words("closed"))


class RpcCsms(RpcStation):
    """An operator's own central system on the same package; ``known``: the tokens it knows."""

    def __init__(self, version: str, *, known: Sequence[str]) -> None:
        self._environment: Mapping[str, str] = {}
        self._script = CSMS_SCRIPT
        self._arguments = (version, *known)
        self.said = []

    @property
    def url(self) -> str:
        """Once it has said ``listening``."""
        return f"ws://127.0.0.1:{self.words('listening')[0]['port']}/"


def basic(identity: str, password: str) -> str:
    """The header of HTTP basic authentication."""
    return "Basic " + base64.b64encode(f"{identity}:{password}".encode()).decode()

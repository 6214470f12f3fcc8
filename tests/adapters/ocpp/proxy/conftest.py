"""An operator's own central system, the adapter before it, and bare stations."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.ocpp.conftest import Hub
from tests.kit.own_csms import OwnCsms


@pytest.fixture
async def csms() -> AsyncIterator[OwnCsms]:
    async with OwnCsms(subprotocols=("ocpp1.6", "ocpp2.0.1", "ocpp2.1")) as own:
        yield own


class Proxied(Hub):
    """The adapter in proxy mode."""

    def __init__(self, folder: Path, csms: OwnCsms) -> None:
        super().__init__(folder)
        self.csms = csms

    async def through(self, settings: dict[str, Any] | None = None, **upstream: Any) -> None:
        """Starts it; ``upstream`` are settings of the way to the central system."""
        await self.start(mode="proxy", upstreams=[{"url": self.csms.url, **upstream}], **(settings or {}))

    def hold_claims(self, monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
        """No connection gets its epoch before the first event is set; the second one is set when one is about to."""
        is_free, has_claimed, claim = asyncio.Event(), asyncio.Event(), self.fakes.connections.claim

        async def claim_late(station_id: str) -> int:
            await is_free.wait()
            has_claimed.set()
            return await claim(station_id)

        monkeypatch.setattr(self.fakes.connections, "claim", claim_late)
        return is_free, has_claimed


@pytest.fixture
async def proxied(tmp_path: Path, csms: OwnCsms) -> AsyncIterator[Proxied]:
    hub = Proxied(tmp_path, csms)
    yield hub
    await hub.close()

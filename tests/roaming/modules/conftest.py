"""A hub without a socket, for tests of routes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kit.hub_in_process import HubInProcess, hub_in_process


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """Everybody connected, and the hosted objects in place."""
    async with hub_in_process(sqlite_url, tmp_path) as running:
        await running.host_objects()
        yield running

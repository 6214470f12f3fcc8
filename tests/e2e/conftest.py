"""A hub in each shape, and a partner that is up."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.hub import Hub
from tests.e2e.partner import Partner
from tests.kit import kafka
from tests.kit.kafka import KafkaBroker
from tests.kit.tools import is_missing

SHAPES = (
    "embedded",
    pytest.param("postgresql", marks=pytest.mark.postgresql),
    pytest.param("scaled", marks=[pytest.mark.postgresql, pytest.mark.kafka, pytest.mark.timeout(240)]),
)


@pytest.fixture(params=SHAPES)
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hub]:
    """Running, in one shape after the other. A broker of its own: its topics hold this test's facts only."""
    shape: str = request.param
    with ExitStack() as stack:
        database_url = bootstrap = ""
        if shape != "embedded":
            database_url = request.getfixturevalue("fresh_postgresql")
        if shape == "scaled":
            if reason := kafka.missing():
                is_missing(reason)
            bootstrap = stack.enter_context(KafkaBroker()).bootstrap
        running = Hub(shape, tmp_path, database_url=database_url, kafka=bootstrap)
        stack.callback(running.stop)
        yield running.start()


@pytest.fixture
def embedded_hub(tmp_path: Path) -> Iterator[Hub]:
    """For tests whose subject does not care about the shape."""
    running = Hub("embedded", tmp_path)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
async def partner() -> AsyncIterator[Partner]:
    """Listens, and has not registered yet."""
    async with Partner() as listening:
        yield listening

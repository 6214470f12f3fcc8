"""Fixtures of the whole suite: real servers, one of each per test process, and a closed network."""

import gc
import os
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import typer.testing
from hypothesis import HealthCheck, settings

from tests.kit import closed_network, kafka, postgresql
from tests.kit.kafka import KafkaBroker
from tests.kit.postgresql import Postgresql
from tests.kit.tools import is_missing

LONG = ("kafka", "browser", "outside", "slow")

closed_network.close()

# The tree of commands is the same each time, and a tenth of a second to build
testing: Any = typer.testing
testing._get_command = cache(testing._get_command)

# How long an example takes says more about the machine's other work than about the code; CI repeats what it found
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with tests that wait for servers come first, then those with most tests: what takes long must not be begun
    last, by one process while the others have ended."""
    tests = Counter(item.path for item in items)
    waiting = {item.path for item in items for mark in LONG if item.get_closest_marker(mark)}
    items.sort(key=lambda item: (item.path not in waiting, -tests[item.path], str(item.path)))


def pytest_collection_finish() -> None:
    """All that collecting made stays to the end: looking through it for garbage again and again took an eighth of the
    time. What is left over is still found, by the last collection at the latest."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@pytest.fixture(autouse=True)
def _network_stays_closed() -> Iterator[None]:
    """Fails a test that tried to leave this machine, even when the code under test swallowed the error."""
    closed_network.attempts.clear()
    yield
    tried = list(closed_network.attempts)
    closed_network.attempts.clear()
    if tried:
        pytest.fail(f"left the machine: {', '.join(tried)}", pytrace=False)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Postgresql]:
    """A running PostgreSQL shared by the tests of this process. A test that kills a server starts its own."""
    if reason := postgresql.missing():
        is_missing(reason)
    with Postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_url(postgresql_server: Postgresql) -> str:
    """``postgresql+asyncpg://…`` of a database that all tests of this process share."""
    return postgresql_server.url(postgresql_server.create_database())


@pytest.fixture
def fresh_postgresql(postgresql_server: Postgresql) -> Iterator[str]:
    """``postgresql+asyncpg://…`` of an empty database that only this test uses; dropped afterwards."""
    name = postgresql_server.create_database()
    yield postgresql_server.url(name)
    postgresql_server.drop_database(name)


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """``127.0.0.1:PORT`` of a broker shared by the tests of this process: use topics and groups of your own."""
    if reason := kafka.missing():
        is_missing(reason)
    with KafkaBroker() as broker:
        yield broker.bootstrap

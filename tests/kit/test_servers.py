"""The servers that other tests rely on: what they committed survives SIGKILL, on the same port."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.kit import kafka, postgresql
from tests.kit.kafka import KafkaBroker
from tests.kit.postgresql import Postgresql
from tests.kit.server_process import ServerFailed, children_of, wait_until_gone
from tests.kit.tools import ROOT, is_missing


@pytest.fixture
def own_postgresql() -> Iterator[Postgresql]:
    if reason := postgresql.missing():
        is_missing(reason)
    with Postgresql() as server:
        yield server


@pytest.fixture
def own_broker() -> Iterator[KafkaBroker]:
    if reason := kafka.missing():
        is_missing(reason)
    with KafkaBroker() as broker:
        yield broker


async def make_topic(bootstrap: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1)])
    await admin.close()


@pytest.mark.postgresql
async def test_postgresql_keeps_what_was_committed_before_it_was_killed(own_postgresql: Postgresql) -> None:
    address = own_postgresql.url(driver="")
    connection = await asyncpg.connect(address)
    await connection.execute("CREATE TABLE fact (id int)")
    for number in range(50):
        await connection.execute("INSERT INTO fact VALUES ($1)", number)
        if number == 25:
            own_postgresql.kill()
            with pytest.raises((OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
                await connection.execute("SELECT 1")
            own_postgresql.start()
            connection = await asyncpg.connect(address)
    assert await connection.fetchval("SELECT count(*) FROM fact") == 50
    await connection.close()


@pytest.mark.postgresql
def test_postgresql_does_not_run_as_root(own_postgresql: Postgresql) -> None:
    assert os.stat(f"/proc/{own_postgresql.pid}").st_uid != 0


@pytest.mark.postgresql
def test_nothing_of_a_killed_server_is_left(own_postgresql: Postgresql) -> None:
    family = [own_postgresql.pid, *children_of(own_postgresql.pid)]
    assert len(family) > 3
    own_postgresql.kill()
    assert not own_postgresql.is_running
    assert all(children_of(pid) == [] for pid in family)
    with pytest.raises(ServerFailed, match="not running"):
        _ = own_postgresql.pid


@pytest.mark.postgresql
def test_a_server_dies_with_the_process_that_started_it(own_postgresql: Postgresql) -> None:
    program = (
        "import sys, time; from tests.kit.postgresql import Postgresql; server = Postgresql().start();"
        " print(server.pid, server.folder, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid, folder = parent.stdout.readline().split()
    parent.kill()
    parent.communicate()
    wait_until_gone([int(pid)], seconds=10)
    end = time.monotonic() + 15
    while Path(folder).exists():
        assert time.monotonic() < end, "its folder was left behind"
        time.sleep(0.05)


@pytest.mark.postgresql
async def test_each_test_gets_an_empty_database(fresh_postgresql: str, postgresql_url: str) -> None:
    assert fresh_postgresql != postgresql_url
    connection = await asyncpg.connect(fresh_postgresql.replace("+asyncpg", ""))
    tables = await connection.fetchval("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'")
    await connection.close()
    assert tables == 0


@pytest.mark.kafka
async def test_kafka_keeps_what_was_acknowledged_before_it_was_killed(own_broker: KafkaBroker) -> None:
    await make_topic(own_broker.bootstrap, "facts")
    for part in (b"before", b"after"):
        async with AIOKafkaProducer(bootstrap_servers=own_broker.bootstrap, acks="all") as producer:
            await producer.send_and_wait("facts", part, partition=0)
        if part == b"before":
            own_broker.kill()
            own_broker.start()
    async with AIOKafkaConsumer(bootstrap_servers=own_broker.bootstrap) as consumer:
        consumer.assign([TopicPartition("facts", 0)])
        await consumer.seek_to_beginning()
        read = [(await asyncio.wait_for(consumer.getone(), 20)).value for _ in range(2)]
    assert read == [b"before", b"after"]


@pytest.mark.kafka
async def test_the_shared_broker_answers(kafka_bootstrap: str) -> None:
    await make_topic(kafka_bootstrap, "shared")
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        assert (await producer.send_and_wait("shared", b"one", partition=0)).offset >= 0

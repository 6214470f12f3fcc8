"""A process that records facts as fast as it can until it is killed: ``python -m tests.kit.spool_child DIR RUN``.

What was acknowledged it writes to ``DIR/acknowledged``, what its bus took to ``DIR/published``, one id per line.
"""

import asyncio
import os
import random
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from adapters.kit.database import Database
from adapters.kit.manifest import Fact
from adapters.kit.spool import Spool
from contracts.bus.port import Bus, BusUnavailable, Subscription
from contracts.envelope import Envelope
from contracts.messages import ConnectorStatusChanged, MeterValuesTaken
from contracts.topics import Topic
from contracts.vocabulary import ConnectorStatus

STATIONS = 12


class FileBus:
    """Implements ``Bus`` for publishing: takes messages into a file, fails now and then after taking them."""

    def __init__(self, path: Path, seed: int) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._random = random.Random(seed)

    async def start(self) -> None:
        return None

    async def publish(self, topic: Topic, envelopes: Sequence[Envelope]) -> None:
        await asyncio.sleep(self._random.choice((0, 0, 0.002)))
        if self._random.random() < 0.1:
            raise BusUnavailable("nothing taken")
        os.write(self._file, "".join(f"{envelope.id}\n" for envelope in envelopes).encode())
        if self._random.random() < 0.1:
            raise BusUnavailable("taken, but the answer was lost")

    def subscribe(self, subscription: Subscription) -> None:
        raise NotImplementedError

    async def lag(self) -> dict[str, int | None]:
        return {}

    def is_healthy(self) -> bool:
        return True

    async def close(self) -> None:
        os.close(self._file)


def make_fact(station: int, number: int, run: int = 0) -> Fact:
    """Fact ``number`` of a station, told on two topics by turns."""
    station_id = f"CS-{station}"
    message = (
        MeterValuesTaken(network="demo", station_id=station_id, connector_id=1, samples=())
        if number % 2
        else ConnectorStatusChanged(
            network="demo", station_id=station_id, connector_id=1, status=ConnectorStatus.AVAILABLE
        )
    )
    return Fact(id=f"{station}/{run}/{number}", message=message, station_id=station_id, occurred_at=datetime.now(UTC))


def open_spool(directory: Path, bus: Bus) -> tuple[Spool, Database]:
    """The spool of the directory."""
    database = Database(directory / "spool.sqlite")
    return Spool(database, bus, network="demo", instance="one", now=lambda: datetime.now(UTC)), database


async def main(directory: Path, run: int) -> None:
    """Records for ever."""
    spool, _ = open_spool(directory, FileBus(directory / "published", run))
    acknowledged = os.open(directory / "acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    await spool.start()

    async def tell(station: int) -> None:
        number = 0
        while True:
            facts = [make_fact(station, number + more, run) for more in range(1 + number % 3)]
            number += len(facts)
            await spool.record(facts)
            os.write(acknowledged, "".join(f"{fact.id}\n" for fact in facts).encode())

    await asyncio.gather(*(tell(station) for station in range(STATIONS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))

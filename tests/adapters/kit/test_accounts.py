"""Who may connect: kept on disk, found at once, listeners told of news only."""

import sqlite3
from pathlib import Path

from adapters.kit.accounts import StationAccounts
from adapters.kit.connections import Epochs
from adapters.kit.database import Database
from adapters.kit.manifest import Account
from contracts.bus.memory import MemoryBus
from contracts.messages import StationAccountChanged
from contracts.station_keys import digest_station_key
from contracts.topics import STATIONS
from tests.kit.clock import HeldClock
from tests.kit.speaking import envelope_of

CLOSED = Account(
    is_admitted=False,
    key_digest="digest",
    operator="NL-HUB",
    minimum_profile=2,
    revoked_certificates=("aa", "bb"),
    next_key_digests=("cc", "dd"),
)
BEFORE = "CREATE TABLE accounts (station_id TEXT PRIMARY KEY, is_admitted INTEGER, key_digest TEXT, operator TEXT)"


def change(station_id: str, *, is_admitted: bool = True, network: str = "demo") -> StationAccountChanged:
    return StationAccountChanged(
        network=network,
        station_id=station_id,
        is_admitted=is_admitted,
        key_digest="digest",
        operator="NL-HUB",
        minimum_profile=2,
        revoked_certificates=("aa", "bb"),
        next_key_digests=("cc", "dd"),
    )


async def test_accounts(tmp_path: Path) -> None:
    database = Database(tmp_path / "kit.sqlite")
    accounts = StationAccounts(database, network="demo", group="accounts", pepper=b"pepper")
    await accounts.start()
    heard: list[tuple[str, bool]] = []

    def broken(station_id: str, account: Account) -> None:
        raise RuntimeError("a listener's bug")

    accounts.on_change(broken)
    accounts.on_change(lambda station_id, account: heard.append((station_id, account.is_admitted)))
    bus = MemoryBus()
    bus.subscribe(accounts.subscription())
    await bus.start()
    changes = [change("CS-1"), change("CS-1"), change("CS-2", network="other"), change("CS-1", is_admitted=False)]
    for one in changes:
        await bus.publish(STATIONS, [envelope_of(one)])
    await bus.close()

    assert heard == [("CS-1", True), ("CS-1", False)]
    assert accounts.find("CS-1") == CLOSED
    assert accounts.operator_of("CS-1") == "NL-HUB"
    assert accounts.find("CS-2") is None, "another network's"
    assert accounts.find("cs-1") is None
    assert accounts.digest("CS-1", "password") == digest_station_key(
        "password", network="demo", station_id="CS-1", pepper=b"pepper"
    )
    again = StationAccounts(database, network="demo", group="accounts", pepper=b"pepper")
    await again.start()
    assert again.find("CS-1") == CLOSED
    await database.close()


async def test_accounts_of_a_release_before_profiles_are_read(tmp_path: Path) -> None:
    database = Database(tmp_path / "kit.sqlite")

    def lay_down(connection: sqlite3.Connection) -> None:
        connection.execute(BEFORE)
        connection.execute("INSERT INTO accounts VALUES ('CS-1', 1, 'digest', NULL)")

    await database.write(lay_down)
    accounts = StationAccounts(database, network="demo", group="accounts", pepper=b"pepper")
    await accounts.start()
    assert accounts.find("CS-1") == Account(is_admitted=True, key_digest="digest", minimum_profile=0)
    await database.close()


async def test_epochs_rise_whatever_the_clock_does(tmp_path: Path) -> None:
    clock = HeldClock()
    start = clock.at
    database = Database(tmp_path / "kit.sqlite")
    epochs = Epochs(database, now=clock)
    await epochs.start()
    first = await epochs.claim("CS-1")
    second = await epochs.claim("CS-1")
    assert first == int(start.timestamp() * 1000)
    assert await epochs.claim("CS-2") == first
    clock.at = start.replace(year=2020)
    third = await epochs.claim("CS-1")
    await database.close()

    database = Database(tmp_path / "kit.sqlite")
    epochs = Epochs(database, now=clock)
    await epochs.start()
    fourth = await epochs.claim("CS-1")
    assert first < second < third < fourth
    clock.at = start.replace(year=2030)
    assert await epochs.claim("CS-1") == int(clock.at.timestamp() * 1000)
    await database.close()

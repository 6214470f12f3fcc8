"""Certificates of stations: known from when they are given or shown, revoked for good, watched until they end."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.messages import StationAccountChanged, StationConnected
from contracts.messages.station import ShownCertificate
from roaming.stations import presence
from roaming.stations.bindings import UnknownStation, admit, retell
from roaming.stations.certificates import ending, expiries_of, list_certificates, note
from roaming.stations.securing import NoSuchCertificate, revoke_certificates
from roaming.store.database import Database
from tests.kit import outbox
from tests.kit.admitting import NETWORK, received

NOW = datetime.now(UTC).replace(microsecond=0)


def certificate(name: str, *, days: int = 100) -> ShownCertificate:
    return ShownCertificate(fingerprint=name * 32, serial_number="7B", expires_at=NOW + timedelta(days=days))


async def come(database: Database, shown: ShownCertificate | None, *, epoch: int, is_admitted: bool = True) -> None:
    connected = StationConnected(
        network=NETWORK,
        station_id="CS-1",
        instance="adapter",
        epoch=epoch,
        protocol="ocpp1.6",
        security_profile=3 if shown is not None else 2,
        is_admitted=is_admitted,
        certificate=shown,
    )
    async with database.work() as work:
        await presence.handle(work, [received(connected)])


async def revoke(database: Database, fingerprint: str = "") -> list[str]:
    async with database.work() as work:
        whose = {"network": NETWORK, "station_id": "CS-1", "who": "cli:anna", "why": "stolen"}
        return [one.fingerprint for one in await revoke_certificates(work, **whose, fingerprint=fingerprint)]


async def told(database: Database) -> list[tuple[str, ...]]:
    return [message.revoked_certificates for _, message in await outbox.waiting(database, StationAccountChanged)]


@pytest.fixture
async def station(database: Database) -> Database:
    async with database.work() as work:
        await admit(work, network=NETWORK, station_id="CS-1", key_digest="digest")
    return database


async def test_one_certificate_in_two_networks_is_known_and_revoked_in_each(station: Database) -> None:
    shown = certificate("aa")
    for network in ("other", NETWORK):
        async with station.work() as work:
            await note(work, network=network, station_id="CS-1", certificate=shown, is_shown=True)
    assert await revoke(station) == ["aa" * 32]
    async with station.reading() as connection:
        known = await list_certificates(connection)
    assert {(one.network, one.revoked_at is None) for one in known} == {("other", True), (NETWORK, False)}


async def test_the_adapters_are_told_which_are_not_taken_any_more(station: Database) -> None:
    for epoch, name in enumerate(("aa", "ab", "cc"), 1):
        await come(station, certificate(name), epoch=epoch)
    assert await revoke(station, "AA") == ["aa" * 32]
    assert (await told(station))[-1] == ("aa" * 32,)
    with pytest.raises(NoSuchCertificate, match="certificate list"):
        await revoke(station, "aa")
    assert await revoke(station) == ["ab" * 32, "cc" * 32]
    await retell(station)
    assert (await told(station))[-1] == ("aa" * 32, "ab" * 32, "cc" * 32)
    async with station.reading() as connection:
        known = await list_certificates(connection, [(NETWORK, "CS-1")])
    assert {(one.revoked_by, one.revoked_why) for one in known} == {("cli:anna", "stolen")}


async def test_what_has_ended_is_not_told_for_ever(station: Database) -> None:
    await come(station, certificate("aa", days=-1), epoch=1)
    assert await revoke(station) == ["aa" * 32]
    assert (await told(station))[-1] == ()


async def test_the_one_in_use_is_the_one_watched(station: Database) -> None:
    await come(station, certificate("aa", days=3), epoch=1)
    async with station.reading() as connection:
        assert [one.fingerprint for one in await ending(connection, before=NOW + timedelta(days=30))] == ["aa" * 32]
    await come(station, certificate("bb", days=300), epoch=2)
    await come(station, None, epoch=3)
    async with station.reading() as connection:
        assert await ending(connection, before=NOW + timedelta(days=30)) == []
        assert await expiries_of(connection, [(NETWORK, "CS-1")]) == {(NETWORK, "CS-1"): NOW + timedelta(days=300)}


async def test_a_stranger_s_certificate_is_nobody_s(database: Database) -> None:
    await come(database, certificate("aa"), epoch=1, is_admitted=False)
    async with database.reading() as connection:
        assert await list_certificates(connection) == []
    with pytest.raises(UnknownStation):
        await revoke(database)

"""Certificates that end soon are renewed by themselves: asked for, signed, given, each step on record."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from contracts.messages import CertificateRequested, OperationRequested
from contracts.messages.operation import SendCertificate, Trigger
from contracts.messages.station import ShownCertificate
from contracts.vocabulary import TriggeredMessage
from roaming.operations.authority import Authority, create_authority
from roaming.operations.projection import handle
from roaming.operations.records import OPERATIONS, list_records
from roaming.operations.renewing import RENEWER, renew_due
from roaming.stations.bindings import STATIONS
from roaming.stations.certificates import CERTIFICATES, list_certificates, note, revoke
from roaming.store.database import Database
from tests.kit.admitting import NETWORK, admitted, received
from tests.kit.certificates import make_signing_request
from tests.kit.outbox import waiting

NOW = datetime.now(UTC)
STATION = "CS-1"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    certificate, key = create_authority(tmp_path / "authority", "Example Charging", now=NOW)
    return Authority(certificate=str(certificate), key=str(key), days=365)


async def come(
    database: Database, *, days: float = 20, profile: int = 3, is_connected: bool = True, station_id: str = STATION
) -> None:
    """A station is here by a certificate that ends in so many days."""
    await admitted(database, station_id, is_connected=is_connected)
    ends = NOW + timedelta(days=days)
    shown = ShownCertificate(fingerprint=f"aa{station_id}", serial_number="1", expires_at=ends)
    async with database.work() as work:
        await note(work, network=NETWORK, station_id=station_id, certificate=shown, is_shown=True)
        await work.connection.execute(STATIONS.update().values(security_profile=profile))


async def request(database: Database) -> None:
    message = CertificateRequested(
        network=NETWORK, station_id=STATION, signing_request=make_signing_request(STATION)[0], request_id=7
    )
    async with database.work() as work:
        await handle(work, [received(message)])


async def asked(database: Database) -> list[OperationRequested]:
    return [message for _, message in await waiting(database, OperationRequested)]


async def test_from_the_question_to_the_certificate(database: Database, authority: Authority) -> None:
    await come(database)
    assert await renew_due(database, authority, days=30) == 1
    assert await renew_due(database, authority, days=30) == 0, "once a day"
    await request(database)
    assert await renew_due(database, authority, days=30) == 1
    assert await renew_due(database, authority, days=30) == 0, "it has a week to come with it"
    first, second = [message.operation for message in await asked(database)]
    assert first == Trigger(what=TriggeredMessage.CERTIFICATE_REQUEST)
    assert isinstance(second, SendCertificate)
    assert second.request_id == 7
    (made,) = x509.load_pem_x509_certificates(second.chain.encode())
    assert made.not_valid_after_utc - NOW > timedelta(days=360)
    async with database.reading() as connection:
        recorded = await list_records(connection, limit=10)
        known = await list_certificates(connection)
    assert {(record.who, record.kind) for record in recorded} == {
        (RENEWER, "TRIGGER"),
        (RENEWER, "SIGN_CERTIFICATE"),
    }
    assert all(record.why == f"its certificate ends {NOW + timedelta(days=20):%Y-%m-%d}" for record in recorded)
    assert [certificate.shown_at is None for certificate in known] == [False, True]


async def test_a_station_that_stays_silent_or_lost_it_is_asked_again(database: Database, authority: Authority) -> None:
    await come(database)
    assert await renew_due(database, authority, days=30) == 1
    async with database.work() as work:
        earlier = {"created_at": NOW - timedelta(days=2), "id": "earlier"}
        await work.connection.execute(OPERATIONS.update().values(**earlier))
    assert await renew_due(database, authority, days=30) == 1
    await request(database)
    assert await renew_due(database, authority, days=30) == 1, "signed"
    async with database.work() as work:
        given = CERTIFICATES.c.shown_at.is_(None)
        weeks_ago = NOW - timedelta(days=8)
        await work.connection.execute(CERTIFICATES.update().where(given).values(known_since=weeks_ago))
        await work.connection.execute(OPERATIONS.update().values(created_at=weeks_ago, who="hub:earlier"))
        await work.connection.execute(OPERATIONS.delete())
    assert await renew_due(database, authority, days=30) == 1


async def test_what_was_requested_with_a_password_waits_for_a_person(database: Database, authority: Authority) -> None:
    """Whoever stole a password would have a certificate that outlives it (decision 0117)."""
    await come(database)
    await request(database)
    async with database.work() as work:
        later = datetime.now(UTC) + timedelta(hours=1)
        await work.connection.execute(STATIONS.update().values(connected_at=later))
    assert await renew_due(database, authority, days=30) == 1
    ((operation),) = [message.operation for message in await asked(database)]
    assert isinstance(operation, Trigger), "it is asked anew, now that it is here by its certificate"


@pytest.mark.parametrize(
    ("case", "days"),
    [
        ("ends later", 40.0),
        ("came with a password", 20.0),
        ("is away", 20.0),
        ("revoked", 20.0),
        ("off", 20.0),
        ("no authority", 20.0),
        ("short-lived", 20.0),
    ],
)
async def test_left_alone(database: Database, authority: Authority, case: str, days: float) -> None:
    profile = 2 if case == "came with a password" else 3
    await come(database, days=days, profile=profile, is_connected=case != "is away")
    if case == "revoked":
        async with database.work() as work:
            await revoke(work, network=NETWORK, station_id=STATION, fingerprint="", who="anna", why="")
    if case == "no authority":
        authority = Authority(certificate="", key="")
    if case == "short-lived":  # of 45 days: in the last 15
        authority = replace(authority, days=45)
    assert await renew_due(database, authority, days=0 if case == "off" else 30) == 0
    assert await asked(database) == []

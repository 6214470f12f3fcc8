"""What stations request is signed when the operator says so, and holds in a TLS handshake."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from contracts.messages import CertificateRequested, OperationRequested
from contracts.messages.operation import SendCertificate
from contracts.signing_requests import Unsignable
from roaming.operations.asking import Wish, ask
from roaming.operations.authority import Authority, UnusableAuthority, create_authority
from roaming.operations.orders import SignCertificate
from roaming.operations.projection import handle
from roaming.operations.records import Record, list_reports
from roaming.stations.certificates import list_certificates
from roaming.store.database import Database
from tests.kit import certificates
from tests.kit.admitting import NETWORK, admitted, received
from tests.kit.certificates import make_certificate, make_signing_request
from tests.kit.outbox import waiting

NOW = datetime.now(UTC)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    certificate, key = create_authority(tmp_path / "authority", "Example Charging", now=NOW)
    return Authority(certificate=str(certificate), key=str(key), days=30)


async def request(database: Database, text: str, **fields: Any) -> None:
    message = CertificateRequested(network=NETWORK, station_id="CS-1", signing_request=text, **fields)
    async with database.work() as work:
        await handle(work, [received(message)])


async def sign(database: Database, authority: Authority | None) -> Record:
    async with database.work() as work:
        wish = Wish(order=SignCertificate(), who="api:anna", why="ticket 9")
        (record,) = await ask(work, [(NETWORK, "CS-1")], wish, authority=authority)
    return record


async def sent(database: Database) -> list[OperationRequested]:
    return [message for _, message in await waiting(database, OperationRequested)]


async def test_the_last_request_that_was_told_to_wait_is_signed(database: Database, authority: Authority) -> None:
    await admitted(database, "CS-1")
    await request(database, make_signing_request("CS-1")[0])
    text, key = make_signing_request("CS-1")
    await request(database, text, request_id=7)
    await request(database, make_signing_request("CS-2")[0], objection="csr: another's")
    record = await sign(database, authority)
    assert (record.state, record.who, record.why) == ("REQUESTED", "api:anna", "ticket 9")
    ((operation),) = [message.operation for message in await sent(database)]
    assert isinstance(operation, SendCertificate)
    assert (operation.request_id, operation.is_for_contracts) == (7, False)
    (made,) = x509.load_pem_x509_certificates(operation.chain.encode())
    assert made.public_key() == key.public_key()
    assert made.not_valid_after_utc - NOW < timedelta(days=31)


async def test_the_certificate_holds_in_a_handshake(authority: Authority, tmp_path: Path) -> None:
    text, key = make_signing_request("CS-1")
    shown = tmp_path / "station.pem"
    shown.write_text(authority.sign(text, station_id="CS-1", now=NOW))
    key_path = certificates.write_key(tmp_path / "station.key", key)
    hub = make_certificate(tmp_path, "hub")
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate)
    serving.load_cert_chain(*hub)
    serving.verify_mode = ssl.CERT_REQUIRED
    names: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def met(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        names.set_result(writer.get_extra_info("peercert")["subject"])
        writer.close()

    server = await asyncio.start_server(met, "127.0.0.1", 0, ssl=serving)
    dialling = ssl.create_default_context(cafile=str(hub[0]))
    dialling.load_cert_chain(shown, key_path)
    port = server.sockets[0].getsockname()[1]
    async with server:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=dialling)
        async with asyncio.timeout(5):
            assert (("commonName", "CS-1"),) in await names  # type: ignore[operator]
        writer.close()


async def test_a_request_is_signed_once(database: Database, authority: Authority) -> None:
    await admitted(database, "CS-1")
    for _ in range(2):
        await request(database, make_signing_request("CS-1")[0])
    assert (await sign(database, authority)).state == "REQUESTED"
    assert (await sign(database, authority)).outcome == "REJECTED"
    async with database.reading() as connection:
        reports = await list_reports(connection, NETWORK, "CS-1", limit=10)
        (made,) = await list_certificates(connection)
    assert [report["status"] for report in reports] == ["SIGNED", "OUTDATED"]
    assert (made.shown_at, made.expires_at - NOW < timedelta(days=31)) == (None, True)


async def test_nothing_waits(database: Database, authority: Authority) -> None:
    await admitted(database, "CS-1")
    await request(database, make_signing_request("CS-1")[0], is_for_contracts=True)
    record = await sign(database, authority)
    assert (record.state, record.outcome) == ("ANSWERED", "REJECTED")
    assert "certificate-request" in record.detail
    assert not await sent(database)


@pytest.mark.parametrize("files", ["none", "missing", "another's key"])
async def test_an_authority_that_cannot_sign_is_named(
    database: Database, authority: Authority, tmp_path: Path, files: str
) -> None:
    await admitted(database, "CS-1")
    await request(database, make_signing_request("CS-1")[0])
    broken = {
        "none": Authority(certificate="", key=""),
        "missing": Authority(certificate=str(tmp_path / "nowhere.pem"), key=authority.key),
        "another's key": Authority(certificate=authority.certificate, key=str(make_certificate(tmp_path, "other")[1])),
    }[files]
    record = await sign(database, broken)
    assert (record.outcome, "authority_" in record.detail) == ("REJECTED", True)
    assert not await sent(database)


def test_what_is_not_signed(authority: Authority) -> None:
    for text in (make_signing_request("CS-2")[0], make_signing_request("CS-1", is_broken=True)[0], "PEM", "x" * 20_000):
        with pytest.raises(Unsignable, match="csr: "):
            authority.sign(text, station_id="CS-1", now=NOW)
    with pytest.raises(UnusableAuthority, match="good until"):
        authority.sign(make_signing_request("CS-1")[0], station_id="CS-1", now=NOW + timedelta(days=4000))


def test_weak_keys_are_not_signed(authority: Authority) -> None:
    text = certificates.signing_request_of(rsa.generate_private_key(65537, 1024), "CS-1")
    with pytest.raises(Unsignable, match="RSA of 2048"):
        authority.sign(text, station_id="CS-1", now=NOW)


def test_an_authority_is_never_replaced_and_its_key_is_its_owners(tmp_path: Path) -> None:
    certificate, key = create_authority(tmp_path, "Example", now=NOW)
    before = certificate.read_bytes(), key.read_bytes()
    with pytest.raises(FileExistsError):
        create_authority(tmp_path, "Example", now=NOW)
    assert (certificate.read_bytes(), key.read_bytes()) == before
    assert key.stat().st_mode & 0o077 == 0

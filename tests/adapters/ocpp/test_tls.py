"""Security profile 2: TLS with basic authentication."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from contracts.messages import StationConnected
from tests.adapters.ocpp.conftest import PASSWORD, Hub


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "hub.pem", tmp_path / "hub.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


async def test_profile_2(hub: Hub, certificate: tuple[Path, Path]) -> None:
    await hub.start(tls_certificate=certificate[0], tls_key=certificate[1], clear_text_from=())
    assert hub.url.startswith("wss://")
    hub.fakes.accounts.change("CS-1", password=PASSWORD)
    trust = ssl.create_default_context(cafile=str(certificate[0]))
    station = await hub.dial(password=PASSWORD, ssl=trust)
    assert (await station.boot())["status"] == "Accepted"
    assert hub.facts.of(StationConnected)[0].security_profile == 2


async def test_a_certificate_that_cannot_be_read_stops_the_start(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(OSError):
        await hub.start(tls_certificate=tmp_path / "nowhere.pem", tls_key=tmp_path / "nowhere.key")

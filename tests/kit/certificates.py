"""Certificates and keys in files, valid from yesterday to tomorrow: some sign themselves, some are an authority's."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)
ORGANIZATION = "Example Charging"


def make_certificate(folder: Path, name: str, *, is_rsa: bool = False) -> tuple[Path, Path]:
    """``name.pem`` and ``name.key`` (PKCS 8, not encrypted) in ``folder``, for 127.0.0.1, signed by itself."""
    key = rsa.generate_private_key(65537, 2048) if is_rsa else ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    made = _builder(_name(name), _name(name), key.public_key(), now - DAY, now + DAY).sign(key, hashes.SHA256())
    return _write(folder, name, made, key)


@dataclass(frozen=True)
class Authority:
    """Signs certificates for tests."""

    folder: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    path: Path
    """Its certificate as PEM."""
    key_path: Path

    @classmethod
    def make(cls, folder: Path, name: str = "authority") -> Self:
        """A new one, which signs itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        made = (
            _builder(_name(name), _name(name), key.public_key(), now - DAY, now + DAY, is_placed=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        path, key_path = _write(folder, name, made, key)
        return cls(folder, made, key, path, key_path)

    def issue(
        self, *common_names: str, file: str = "station", is_expired: bool = False, is_server: bool = False
    ) -> tuple[Path, Path]:
        """Certificate and key of a station, or of a server at 127.0.0.1, with these common names."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        ends = now - timedelta(hours=1) if is_expired else now + DAY
        usage = ExtendedKeyUsageOID.SERVER_AUTH if is_server else ExtendedKeyUsageOID.CLIENT_AUTH
        return _write(self.folder, file, self._made(_name(*common_names), key.public_key(), ends, usage), key)

    def sign(self, signing_request: str) -> str:
        """What a station requested (PKCS #10, PEM), as PEM."""
        asked = x509.load_pem_x509_csr(signing_request.encode())
        key = asked.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        made = self._made(asked.subject, key, datetime.now(UTC) + DAY, ExtendedKeyUsageOID.CLIENT_AUTH)
        return made.public_bytes(serialization.Encoding.PEM).decode()

    def _made(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, ends: datetime, usage: x509.ObjectIdentifier
    ) -> x509.Certificate:
        return (
            _builder(subject, self.certificate.subject, key, datetime.now(UTC) - DAY, ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )


def make_signing_request(common_name: str, *, is_broken: bool = False) -> tuple[str, ec.EllipticCurvePrivateKey]:
    """A station's request for a certificate (PKCS #10, PEM) and its key. Broken: it was changed after it was signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    text = signing_request_of(key, common_name)
    if is_broken:
        octets = x509.load_pem_x509_csr(text.encode()).public_bytes(serialization.Encoding.DER)
        changed = x509.load_der_x509_csr(octets.replace(ORGANIZATION.encode(), ORGANIZATION.upper().encode()))
        text = changed.public_bytes(serialization.Encoding.PEM).decode()
    return text, key


def signing_request_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, common_name: str) -> str:
    """The same for a key of yours."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def write_key(path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> Path:
    """PKCS 8, not encrypted."""
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def _name(*common_names: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common_names])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    begins: datetime,
    ends: datetime,
    *,
    is_placed: bool = True,
) -> x509.CertificateBuilder:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
    if not is_placed:
        return builder
    here = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    return builder.add_extension(here, critical=False)


def _write(
    folder: Path, name: str, made: x509.Certificate, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
) -> tuple[Path, Path]:
    path = folder / f"{name}.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return path, write_key(folder / f"{name}.key", key)

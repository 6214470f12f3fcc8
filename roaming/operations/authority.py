"""The operator's own certificate authority: signs what stations request for their line to us.

OCPP 1.6 security white paper and OCPP 2.0.1 part 2: A00.FR.501 to A00.FR.512 (what certificates are like), A00.FR.601
(the operator may be its own authority), A02 and A03. Its key is a file that only the service reads.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from contracts.signing_requests import read_signing_request
from roaming.ocpi.module import Services

AUTHORITY_DAYS: Final = 3650
LONGEST_CHAIN: Final = 10_000
"""Characters: of CertificateSigned in all versions."""
BACKWARDS: Final = timedelta(days=1)
"""Stations' clocks are wrong until they have connected."""
_SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class UnusableAuthority(ValueError):
    """Its files cannot be used; the text says what to do."""


@dataclass(frozen=True, kw_only=True)
class Authority:
    """``certificate`` is PEM: its own first, then up to the root; ``key`` PEM (PKCS 8, not encrypted)."""

    certificate: str
    """Path; empty: there is none."""
    key: str
    days: int = 365
    """That a station's certificate is good for, within its own time."""

    def sign(self, signing_request: str, *, station_id: str, now: datetime) -> str:
        """The station's certificate and those above it but the root, as PEM. Raises ``Unsignable`` for a request that
        is not this station's, and ``UnusableAuthority``."""
        subject, public_key = read_signing_request(signing_request, station_id=station_id)
        above, key = self._load(now)
        own = above[0]
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(own.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(now - BACKWARDS, own.not_valid_before_utc))
            .not_valid_after(min(now + timedelta(days=self.days), own.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(is_authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        chain = "".join(_pem(one) for one in (made, *above) if one is made or one.issuer != one.subject)
        if len(chain) > LONGEST_CHAIN:
            raise UnusableAuthority(f"authority_certificate: with it a chain has over {LONGEST_CHAIN} characters")
        return chain

    def _load(self, now: datetime) -> tuple[Sequence[x509.Certificate], _SigningKey]:
        if not self.certificate or not self.key:
            raise UnusableAuthority(
                "authority_certificate and authority_key: set both; `roaming authority create` makes the files"
            )
        try:
            above = x509.load_pem_x509_certificates(Path(self.certificate).read_bytes())
            key = serialization.load_pem_private_key(Path(self.key).read_bytes(), password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise UnusableAuthority(f"authority_certificate and authority_key: {error}") from None
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise UnusableAuthority("authority_key: RSA or an elliptic curve")
        if key.public_key() != above[0].public_key():
            raise UnusableAuthority("authority_key: not the key of the first certificate in authority_certificate")
        if not above[0].not_valid_before_utc <= now < above[0].not_valid_after_utc:
            raise UnusableAuthority(f"authority_certificate: good until {above[0].not_valid_after_utc:%Y-%m-%d} only")
        return above, key


def authority_of(services: Services) -> Authority:
    """As the settings say."""
    return Authority(
        certificate=services.authority_certificate, key=services.authority_key, days=services.certificate_lifetime
    )


def create_authority(folder: Path, name: str, *, now: datetime) -> tuple[Path, Path]:
    """Makes ``authority.pem`` and ``authority.key`` (its owner's alone) in ``folder``. Raises ``FileExistsError``: an
    authority is never replaced, since every station's certificate hangs on it."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKWARDS)
        .not_valid_after(now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "authority.pem", folder / "authority.key"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with open(os.open(paths[1], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
    with paths[0].open("x") as text:
        text.write(_pem(made))
    return paths


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()

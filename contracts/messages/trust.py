"""What the hub's own operator asks of the certificates that a station trusts. The station's own is given by
``operation.SendCertificate``."""

import msgspec

from contracts.messages.asked import Operation, Told
from contracts.vocabulary import CertificatePurpose


class InstallCertificate(Operation, frozen=True, kw_only=True):
    """Gives the station a root certificate to trust."""

    purpose: CertificatePurpose
    """Not V2G_CHAIN."""
    certificate: str
    """PEM: one."""


class GetInstalledCertificates(Operation, frozen=True, kw_only=True):
    """Asks which certificates are installed; the answer names them by digests, not whole."""

    purposes: tuple[CertificatePurpose, ...] = ()
    """None: all that the station knows."""


class DeleteCertificate(Operation, frozen=True, kw_only=True):
    """Takes an installed certificate away. The fields are as ``InstalledCertificate`` has them."""

    hash_algorithm: str
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


class InstalledCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate at a station (CertificateHashDataType)."""

    purpose: CertificatePurpose | None = None
    """Absent: a word of the station's own."""
    hash_algorithm: str
    """SHA256, SHA384 or SHA512."""
    issuer_name_hash: str
    """Of the issuer's distinguished name (DER), as the station wrote it."""
    issuer_key_hash: str
    """Of the issuer's public key."""
    serial_number: str
    """In hexadecimal digits."""


class CertificatesTold(Told, frozen=True, kw_only=True):
    """Of GET_INSTALLED_CERTIFICATES."""

    certificates: tuple[InstalledCertificate, ...] = ()

"""Which requests for a certificate (PKCS #10) a station may make: adapters answer by it, the service signs by it.

OCPP 1.6 security white paper and OCPP 2.0.1 part 2: A02 and A03 (the request), A00.FR.511 (the subject's common
name; that it is the identity here: decision 0117), A00.FR.502 and A00.FR.503 (RSA of 2048 bits or a curve of 224, at
least).
"""

from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

LEAST_RSA_BITS: Final = 2048
LEAST_CURVE_BITS: Final = 224
LONGEST: Final = 16_384
StationKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class Unsignable(ValueError):
    """No certificate can be made of it; the text says why."""


def read_signing_request(text: str, *, station_id: str) -> tuple[x509.Name, StationKey]:
    """Subject and public key of ``text`` (PEM), a request of this station. Raises ``Unsignable``."""
    if len(text) > LONGEST:
        raise Unsignable(f"csr: longer than {LONGEST} characters")
    try:
        request = x509.load_pem_x509_csr(text.encode())
        is_its_own = request.is_signature_valid
        key = request.public_key()
        subject = request.subject
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature):
        raise Unsignable("csr: no certificate signing request in PEM that can be read") from None
    if not is_its_own:
        raise Unsignable("csr: it was not signed with the key that it names")
    names = [name.value for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [station_id]:
        raise Unsignable("csr: its one common name must be the station's identity")
    return subject, _strong(key)


def _strong(key: object) -> StationKey:
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= LEAST_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size >= LEAST_CURVE_BITS:
        return key
    raise Unsignable(f"csr: its key must be RSA of {LEAST_RSA_BITS} bits or a curve of {LEAST_CURVE_BITS}, at least")

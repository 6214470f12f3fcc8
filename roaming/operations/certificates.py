"""What stations request certificates for: shown, signed here when their operator says so, or signed elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from sqlalchemy import case, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.operation import SendCertificate
from contracts.messages.station import ShownCertificate
from contracts.signing_requests import Unsignable, read_signing_request
from roaming.operations.authority import LONGEST_CHAIN, Authority
from roaming.operations.records import REPORTS
from roaming.operations.selecting import Selection, select_stations
from roaming.stations.certificates import ending, list_certificates, note, plain
from roaming.store.database import Work

CERTIFICATE_REQUEST: Final = "CERTIFICATE_REQUEST"
WAITING: Final = "WAITING"
"""The status of such a report: the station was told to wait."""
SIGNED: Final = "SIGNED"
OUTDATED: Final = "OUTDATED"
"""A later one was signed."""
_REMEMBERED: Final = 10
"""Among so many of a station's last requests the one is looked for that a certificate answers."""


@dataclass(frozen=True, kw_only=True)
class Requested:
    """A station's request for a certificate."""

    id: str
    at: datetime
    csr: str
    """PEM (PKCS #10)."""
    request_id: int | None
    status: str


async def signed(work: Work, authority: Authority, *, network: str, station_id: str) -> SendCertificate:
    """The certificate for its last request that was told to wait. Raises ``Unsignable`` where there is none or it
    cannot be signed, and ``UnusableAuthority``."""
    request = await waiting(work.connection, network=network, station_id=station_id)
    if request is None:
        raise Unsignable(
            "it waits for no certificate: let the adapter take requests (signs_certificates), then"
            " `roaming station trigger certificate-request` (TRIGGER over HTTP)"
        )
    chain = authority.sign(request.csr, station_id=station_id, now=work.now)
    return await _given(work, chain, request, network=network, station_id=station_id)


async def brought(work: Work, order: SendCertificate, *, network: str, station_id: str) -> SendCertificate:
    """The order, when its certificate, which another authority made, is one that the station can use: made for its name
    and for a key that it has requested one for, and good now. One for contracts passes as it is. Raises
    ``Unsignable``."""
    if order.is_for_contracts:
        return order
    made = _first(order.chain)
    names = [name.value for name in made.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [station_id]:
        raise Unsignable("chain: the one common name of its first certificate must be the station's identity")
    if not made.not_valid_before_utc <= work.now < made.not_valid_after_utc:
        raise Unsignable(
            f"chain: good from {made.not_valid_before_utc:%Y-%m-%d} to {made.not_valid_after_utc:%Y-%m-%d}"
        )
    key = made.public_key()
    for request in await _requests(work.connection, network, station_id, (WAITING, SIGNED, OUTDATED)):
        if read_signing_request(request.csr, station_id=station_id)[1] == key:
            return await _given(work, order.chain, request, network=network, station_id=station_id)
    raise Unsignable(
        "chain: made for a key that the station has not requested a certificate for; have"
        " `roaming station certificate request` (GET …/certificate-request) signed"
    )


async def waiting(connection: AsyncConnection, *, network: str, station_id: str) -> Requested | None:
    """What the station has requested last and waits for."""
    found = await _requests(connection, network, station_id, (WAITING,))
    return found[0] if found else None


async def listed(
    connection: AsyncConnection, wanted: Selection, *, before: datetime | None = None
) -> list[dict[str, str]]:
    """Certificates of the stations meant, or of all, as people and programs see them; ``before``: only what they use
    and what ends before this. Raises ``NoSuchStation``."""
    keys = set(await select_stations(connection, wanted, is_all_meant=True))
    found = await (list_certificates(connection) if before is None else ending(connection, before=before))
    return [plain(one) for one in found if (one.network, one.station_id) in keys]


async def _given(work: Work, chain: str, request: Requested, *, network: str, station_id: str) -> SendCertificate:
    made = _first(chain)
    certificate = ShownCertificate(
        fingerprint=made.fingerprint(hashes.SHA256()).hex(),
        serial_number=f"{made.serial_number:X}",
        expires_at=made.not_valid_after_utc,
    )
    await note(work, network=network, station_id=station_id, certificate=certificate, is_shown=False)
    waited = (*_whose(network, station_id), REPORTS.c.status == WAITING, REPORTS.c.at <= request.at)
    status = case((REPORTS.c.id == request.id, SIGNED), else_=OUTDATED)
    await work.connection.execute(update(REPORTS).where(*waited).values(status=status))
    return SendCertificate(chain=chain, request_id=request.request_id)


async def _requests(
    connection: AsyncConnection, network: str, station_id: str, statuses: Sequence[str]
) -> list[Requested]:
    """The last first."""
    columns = REPORTS.c
    statement = (
        select(columns.id, columns.at, columns.detail, columns.request_id, columns.status)
        .where(*_whose(network, station_id), columns.status.in_(statuses))
        .order_by(columns.at.desc(), columns.id.desc())
        .limit(_REMEMBERED)
    )
    return [
        Requested(id=row[0], at=row[1], csr=row[2], request_id=int(row[3]) if row[3] else None, status=row[4])
        for row in await connection.execute(statement)
    ]


def _whose(network: str, station_id: str) -> tuple[Any, ...]:
    columns = REPORTS.c
    return columns.network == network, columns.station_id == station_id, columns.kind == CERTIFICATE_REQUEST


def _first(chain: str) -> x509.Certificate:
    if len(chain) > LONGEST_CHAIN:
        raise Unsignable(f"chain: longer than {LONGEST_CHAIN} characters")
    try:
        made = x509.load_pem_x509_certificates(chain.encode())[0]
        made.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Unsignable("chain: certificates in PEM, the station's own first") from None
    return made

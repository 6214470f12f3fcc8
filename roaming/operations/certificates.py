"""Signs what a station has last requested, when its operator says so."""

from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.operation import SendCertificate
from contracts.signing_requests import Unsignable
from roaming.operations.authority import Authority
from roaming.operations.records import REPORTS

CERTIFICATE_REQUEST: Final = "CERTIFICATE_REQUEST"
WAITING: Final = "WAITING"
"""The status of such a report: the station was told to wait."""


async def signed(
    connection: AsyncConnection, authority: Authority, *, network: str, station_id: str, now: datetime
) -> SendCertificate:
    """The certificate for its last request that was told to wait. Raises ``Unsignable`` where there is none or it
    cannot be signed, and ``UnusableAuthority``."""
    columns = REPORTS.c
    statement = (
        select(columns.detail, columns.request_id)
        .where(
            columns.network == network,
            columns.station_id == station_id,
            columns.kind == CERTIFICATE_REQUEST,
            columns.status == WAITING,
        )
        .order_by(columns.at.desc(), columns.id.desc())
        .limit(1)
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise Unsignable(
            "it waits for no certificate: let the adapter take requests (signs_certificates), then"
            " `roaming station trigger certificate-request`"
        )
    chain = authority.sign(row[0], station_id=station_id, now=now)
    return SendCertificate(chain=chain, request_id=int(row[1]) if row[1] else None)

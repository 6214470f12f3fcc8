"""Client certificates of stations: which there are, until when, and which are not taken any more (decision 0117)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.station import ShownCertificate
from roaming.stations.tables import StationCertificateRow
from roaming.store.bulk import select_rows, upsert
from roaming.store.database import Work
from roaming.store.trimming import old_rows

CERTIFICATES = StationCertificateRow.__table__  # type: ignore[attr-defined]
TRIMMINGS: Final = (old_rows("state", CERTIFICATES, "expires_at"),)
_KEY: Final = ("network", "station_id", "fingerprint")
StationKey = tuple[str, str]
"""Network and station id."""
_SHOWN: Final = ("network", "station_id", "fingerprint", "expires_at", "shown_at", "revoked_at")


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """One, as it is known."""

    network: str
    station_id: str
    fingerprint: str
    serial_number: str
    expires_at: datetime
    known_since: datetime
    shown_at: datetime | None
    """``None``: the station has not come with it yet."""
    revoked_at: datetime | None
    revoked_by: str
    revoked_why: str


async def note(work: Work, *, network: str, station_id: str, certificate: ShownCertificate, is_shown: bool) -> None:
    """A station has been given a certificate, or has come with it."""
    row = {
        "fingerprint": certificate.fingerprint,
        "network": network,
        "station_id": station_id,
        "serial_number": certificate.serial_number,
        "expires_at": certificate.expires_at,
        "known_since": work.now,
        "shown_at": work.now if is_shown else None,
        "revoked_why": "",
    }
    shown = ("shown_at = COALESCE(excluded.shown_at, t.shown_at)",)
    await upsert(work.connection, CERTIFICATES, [row], key=_KEY, update=shown)


async def revoke(
    work: Work, *, network: str, station_id: str, fingerprint: str, who: str, why: str
) -> list[Certificate]:
    """Marks the station's certificates whose fingerprint begins so as not to be taken any more; empty: all of them.
    Returns those that were taken until now. The adapters are not told."""
    wanted = _of(network, station_id) & CERTIFICATES.c.revoked_at.is_(None)
    if fingerprint:
        wanted = wanted & CERTIFICATES.c.fingerprint.startswith(fingerprint.lower(), autoescape=True)
    found = await _load(work.connection, wanted)
    values = {"revoked_at": work.now, "revoked_by": who, "revoked_why": why}
    await work.connection.execute(update(CERTIFICATES).where(wanted).values(values))
    return found


async def revoked_of(
    connection: AsyncConnection, stations: Sequence[StationKey], *, now: datetime
) -> Mapping[StationKey, tuple[str, ...]]:
    """Fingerprints of those revoked that could still be shown, by station, in order."""
    rows = await select_rows(connection, CERTIFICATES, _SHOWN, key=("network", "station_id"), values=list(stations))
    found: dict[StationKey, list[str]] = {}
    for network, station_id, fingerprint, expires_at, _, revoked_at in rows:
        if revoked_at is not None and expires_at > now:
            found.setdefault((network, station_id), []).append(fingerprint)
    return {key: tuple(sorted(values)) for key, values in found.items()}


async def expiries_of(connection: AsyncConnection, stations: Sequence[StationKey]) -> Mapping[StationKey, datetime]:
    """Until when the certificate is good that each station has come with last; those without one are missing."""
    rows = await select_rows(connection, CERTIFICATES, _SHOWN, key=("network", "station_id"), values=list(stations))
    last: dict[StationKey, tuple[datetime, datetime]] = {}
    for network, station_id, _, expires_at, shown_at, _ in rows:
        if shown_at is not None and shown_at >= last.get((network, station_id), (shown_at, shown_at))[0]:
            last[network, station_id] = (shown_at, expires_at)
    return {key: expires_at for key, (_, expires_at) in last.items()}


async def list_certificates(connection: AsyncConnection, stations: Sequence[StationKey] = ()) -> list[Certificate]:
    """Those of these stations, or all; the ones that end first come first."""
    keys = or_(*(_of(network, station_id) for network, station_id in stations)) if stations else None
    return await _load(connection, keys)


async def ending(connection: AsyncConnection, *, before: datetime) -> list[Certificate]:
    """What stations came with last, and what ends before this; the ones that end first come first."""
    at = CERTIFICATES.alias()
    last = (
        select(func.max(at.c.shown_at))
        .where(at.c.network == CERTIFICATES.c.network, at.c.station_id == CERTIFICATES.c.station_id)
        .scalar_subquery()
    )
    return await _load(connection, and_(CERTIFICATES.c.expires_at < before, CERTIFICATES.c.shown_at == last))


def plain(certificate: Certificate) -> dict[str, str]:
    """For people and programs."""

    def moment(at: datetime | None) -> str:
        return at.isoformat(timespec="seconds") if at is not None else ""

    return {
        "station": certificate.station_id,
        "network": certificate.network,
        "certificate": certificate.fingerprint,
        "serial_number": certificate.serial_number,
        "expires_at": moment(certificate.expires_at),
        "known_since": moment(certificate.known_since),
        "shown_at": moment(certificate.shown_at),
        "revoked_at": moment(certificate.revoked_at),
        "revoked_by": certificate.revoked_by,
        "revoked_why": certificate.revoked_why,
    }


async def _load(connection: AsyncConnection, condition: Any) -> list[Certificate]:
    statement = select(CERTIFICATES).order_by(CERTIFICATES.c.expires_at, CERTIFICATES.c.fingerprint)
    if condition is not None:
        statement = statement.where(condition)
    return [Certificate(**row) for row in (await connection.execute(statement)).mappings()]


def _of(network: str, station_id: str) -> Any:
    return and_(CERTIFICATES.c.network == network, CERTIFICATES.c.station_id == station_id)

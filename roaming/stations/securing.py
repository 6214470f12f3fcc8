"""The least OCPP security profile of a station: what its operator wants, and what it has shown that it can; and its
next password.

OCPP 1.6 security white paper, section 2, and OCPP 2.0.1 part 2, A00: 0 nothing, 1 password, 2 password over TLS,
3 client certificate. A profile is demanded from when the station has come with it (decision 0117).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.stations import passwords
from roaming.stations.bindings import STATIONS, UnknownStation, tell_accounts
from roaming.stations.certificates import Certificate, revoke
from roaming.store.database import Work

HIGHEST: Final = 3


class NoSuchCertificate(LookupError):
    """The text says what to do next."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """How a station has to come."""

    wanted: int
    best: int
    """The highest profile that it has come with."""

    @property
    def minimum(self) -> int:
        """With less it is refused."""
        return min(self.wanted, self.best)


async def want_profile(work: Work, *, network: str, station_id: str, profile: int) -> Demand:
    """Wants this profile or a higher one; tells the adapters where that changes what is demanded. Raises
    ``UnknownStation``, also for one that is not admitted, and ``ValueError`` for what is no profile."""
    if not 0 <= profile <= HIGHEST:
        raise ValueError(f"profile: 0 to {HIGHEST}, not {profile}")
    before = await demand_of(work.connection, network=network, station_id=station_id)
    if before is None:
        raise UnknownStation(f"{station_id}: no such station is bound; see `roaming station list` (GET /api/stations)")
    await work.connection.execute(update(STATIONS).where(_is(network, station_id)).values(wanted_profile=profile))
    now = Demand(wanted=profile, best=before.best)
    await _tell(work, network, station_id, before, now)
    return now


async def has_come(work: Work, *, network: str, station_id: str, profile: int, key_digest: str | None = None) -> None:
    """An admitted station has proven itself with this profile, and with the password of this digest; tells the
    adapters where more is demanded from now, or an older password is not taken any more."""
    statement = (
        select(STATIONS.c.wanted_profile, STATIONS.c.best_profile, STATIONS.c.next_key_digests)
        .where(_is(network, station_id), STATIONS.c.is_admitted)
        .with_for_update()
    )
    row = (await work.connection.execute(statement)).one_or_none()
    if row is None:
        return
    before, now = Demand(wanted=row[0], best=row[1]), Demand(wanted=row[0], best=max(profile, row[1]))
    left = passwords.left_after(row[2], key_digest)
    values: dict[str, Any] = {"best_profile": now.best} if now != before else {}
    if left is not None:
        values |= {"key_digest": key_digest, "next_key_digests": left}
    if values:
        await work.connection.execute(update(STATIONS).where(_is(network, station_id)).values(**values))
    if left is not None or now.minimum != before.minimum:
        await tell_accounts(work, [(network, station_id)], cause="secured")


async def give_password(work: Work, *, network: str, station_id: str, digests: Sequence[str]) -> None:
    """A station that is admitted is about to be given another password: the adapters take it beside the present one
    until the station has come with it."""
    statement = select(STATIONS.c.next_key_digests).where(_is(network, station_id)).with_for_update()
    kept = passwords.given((await work.connection.execute(statement)).scalar_one(), digests)
    await work.connection.execute(update(STATIONS).where(_is(network, station_id)).values(next_key_digests=kept))
    await tell_accounts(work, [(network, station_id)], cause="password")


async def revoke_certificates(
    work: Work, *, network: str, station_id: str, fingerprint: str = "", who: str = "", why: str = ""
) -> list[Certificate]:
    """Has the adapters refuse the station's certificates whose fingerprint begins so (empty: all that are known), and
    close connections that were opened with them. Returns those. Raises ``UnknownStation``, also for one that is not
    admitted, and ``NoSuchCertificate``."""
    if await demand_of(work.connection, network=network, station_id=station_id) is None:
        raise UnknownStation(f"{station_id}: no such station is bound; see `roaming station list` (GET /api/stations)")
    whose = {"network": network, "station_id": station_id}
    revoked = await revoke(work, **whose, fingerprint=fingerprint, who=who, why=why)
    if not revoked:
        raise NoSuchCertificate(
            f"certificate: {station_id} has none that begins so and is still taken; see"
            " `roaming station certificate list` (GET /api/certificates)"
        )
    await tell_accounts(work, [(network, station_id)], cause="revoked")
    return revoked


async def demand_of(connection: AsyncConnection, *, network: str, station_id: str) -> Demand | None:
    """``None`` for a station that is not admitted."""
    statement = (
        select(STATIONS.c.wanted_profile, STATIONS.c.best_profile)
        .where(_is(network, station_id), STATIONS.c.is_admitted)
        .with_for_update()
    )
    row = (await connection.execute(statement)).one_or_none()
    return Demand(wanted=row[0], best=row[1]) if row is not None else None


async def _tell(work: Work, network: str, station_id: str, before: Demand, now: Demand) -> None:
    if now.minimum != before.minimum:
        await tell_accounts(work, [(network, station_id)], cause="secured")


def _is(network: str, station_id: str) -> ColumnElement[bool]:
    return and_(STATIONS.c.network == network, STATIONS.c.station_id == station_id)

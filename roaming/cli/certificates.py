"""Certificates of stations from the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

from roaming.cli.database import services_of_now
from roaming.cli.meant import named
from roaming.cli.operating import Whom, operate, user
from roaming.cli.output import Tell, fail
from roaming.operations import certificates as requests
from roaming.operations import selecting
from roaming.operations.selecting import NoSuchStation, Selection
from roaming.stations import certificates
from roaming.stations.securing import NoSuchCertificate, revoke_certificates


async def list_of(selection: Selection, *, days: int | None) -> list[dict[str, Any]]:
    """Those of the stations meant; ``days``: what they use and what ends within so many."""
    async with services_of_now() as services, services.database.reading() as connection:
        before = None if days is None else services.clock.now() + timedelta(days=days)
        try:
            return await requests.listed(connection, selection, before=before)
        except NoSuchStation as error:
            fail(named(error))


async def request_of(station: str, network: str) -> dict[str, Any]:
    """What the station waits for; ends the command when it waits for nothing."""
    async with services_of_now() as services, services.database.reading() as connection:
        try:
            network, station_id = await selecting.select_station(connection, station, network)
        except NoSuchStation as error:
            fail(named(error))
        found = await requests.waiting(connection, network=network, station_id=station_id)
    if found is None:
        fail(f"{station_id} waits for no certificate: `roaming station trigger certificate-request {station_id}`")
    return {"station": station_id} | asdict(found) | {"at": found.at.isoformat(timespec="seconds")}


async def renew(whom: Whom, *, days: int, tell: Tell) -> list[dict[str, Any]]:
    """Asks those whose certificate ends within ``days`` to request another."""
    rows = await list_of(whom.selection(), days=days)
    asked: list[dict[str, Any]] = []
    for network in sorted({row["network"] for row in rows}):
        stations = tuple(dict.fromkeys(row["station"] for row in rows if row["network"] == network))
        of_them = replace(whom, stations=stations, group="", tags=(), network=network)
        asked += await operate(of_them, {"kind": "TRIGGER", "what": "CERTIFICATE_REQUEST"}, tell=tell)
    return asked


def installed_of(operations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A line for each certificate that stations told of, and for each station that told none."""
    rows: list[dict[str, Any]] = []
    for operation in operations:
        said = {"station": operation["station_id"], "outcome": operation["outcome"] or "no word yet"}
        told = (operation["told"] or {}).get("certificates") or [{}]
        names = ("purpose", "serial_number", "issuer_name_hash", "issuer_key_hash", "hash_algorithm")
        rows += [said | {name: one.get(name) or "" for name in names} for one in told]
    return rows


async def revoke(station: str, fingerprint: str, *, network: str, why: str) -> list[dict[str, str]]:
    """Revokes those whose fingerprint begins so, empty: all; ends the command when there is none."""
    async with services_of_now() as services:
        try:
            async with services.database.work() as work:
                network, station_id = await selecting.select_station(work.connection, station, network)
                revoked = await revoke_certificates(
                    work,
                    network=network,
                    station_id=station_id,
                    fingerprint=fingerprint,
                    who=f"cli:{user()}",
                    why=why,
                )
        except (NoSuchStation, NoSuchCertificate) as error:
            fail(named(error))
    return [certificates.plain(one) for one in revoked]

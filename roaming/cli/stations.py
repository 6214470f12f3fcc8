"""Stations from the command line."""

from dataclasses import dataclass
from typing import Any

import msgspec

from contracts.station_keys import digest_station_key
from roaming.app import station_pepper
from roaming.cli.database import services_of_now
from roaming.cli.output import fail
from roaming.cli.registering import party_of
from roaming.model.identifiers import PartyId
from roaming.model.location import EVSE, Capability, Connector, Location, Status
from roaming.model.party import Role
from roaming.model.place import GeoLocation
from roaming.model.tariff import Tariff
from roaming.modules.locations.service import publish
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.module import Services
from roaming.settings import Settings
from roaming.stations.bindings import Binding, bind
from roaming.store.database import Work
from roaming.store.documents import object_key, read_object

_LIST = (
    "SELECT s.station_id, s.network, s.is_admitted, s.is_connected, s.vendor, s.model, s.protocol, s.last_fault,"
    " s.rejected_messages,"
    " (SELECT MIN(b.location_id) FROM bindings b WHERE b.network = s.network AND b.station_id = s.station_id)"
    " FROM stations s ORDER BY s.is_admitted, s.station_id"
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a station stands, for a location that has yet to be made."""

    location_id: str
    address: str
    city: str
    country: str
    latitude: str
    longitude: str
    time_zone: str
    postal_code: str = ""


async def list_stations() -> list[dict[str, Any]]:
    """All stations; WAITING ones have connected and nobody has bound them yet."""
    async with services_of_now() as services:
        rows = await services.database.reader.fetch(_LIST)
    return [
        {
            "station": row[0],
            "network": row[1],
            "state": "BOUND" if row[2] else "WAITING",
            "online": "yes" if row[3] else "no",
            "make": f"{row[4]} {row[5]}".strip(),
            "protocol": row[6],
            "location": row[9] or "",
            "last fault": row[7],
            "rejected": row[8],
        }
        for row in rows
    ]


async def bind_station(
    station_id: str,
    *,
    party: str,
    place: Place,
    connectors: int,
    evse_uid: str,
    password: str,
    tariff_id: str,
    network: str,
) -> dict[str, Any]:
    """Binds a station; makes its location and EVSEs when they do not exist."""
    settings = Settings()
    network = network or settings.network
    cpo = party_of(party)
    async with services_of_now() as services:
        if not (await services.directory.current()).is_hosted(cpo, Role.CPO):
            fail(f"{cpo} is no CPO hosted here: roaming party add {cpo} --role CPO --name '...'")
        digest = None
        if password:
            digest = digest_station_key(
                password, network=network, station_id=station_id, pepper=station_pepper(settings)
            )
        bindings = [
            Binding(
                network=network,
                station_id=station_id,
                connector_id=number,
                party=cpo,
                location_id=place.location_id,
                evse_uid=evse_uid if number == 1 else f"{evse_uid}-{number}",
                evse_connector_id="1",
            )
            for number in range(1, connectors + 1)
        ]
        await _check_tariff(services, cpo, tariff_id)
        try:
            await bind_at(services, bindings, place, tariff_id=tariff_id, key_digest=digest)
        except OcpiError as error:
            fail(str(error))
    return {
        "station": station_id,
        "location": f"{cpo} {place.location_id}",
        "EVSEs": " ".join(b.evse_uid for b in bindings),
        "password": "as given" if password else "the one it presented",
    }


async def _check_tariff(services: Services, cpo: PartyId, tariff_id: str) -> None:
    """An id without a tariff would make every charge free, and nobody would say so."""
    if not tariff_id:
        return
    async with services.database.work() as work:
        if await read_object(work.connection, "tariffs", object_key(cpo, tariff_id), Tariff) is None:
            fail(f"{cpo} has no tariff {tariff_id}: roaming tariff import FILE first, or bind without --tariff")


async def bind_at(
    services: Services, bindings: list[Binding], place: Place, *, tariff_id: str, key_digest: str | None
) -> None:
    """The binding and its location in one transaction."""
    async with services.database.work() as work:
        await _with_evses(work, bindings, place, tariff_id)
        await bind(work, bindings, key_digest=key_digest)


async def _with_evses(work: Work, bindings: list[Binding], place: Place, tariff_id: str) -> None:
    cpo = bindings[0].party
    known = await read_object(work.connection, "locations", object_key(cpo, place.location_id), Location)
    evses = list(known.evses) if known is not None else []
    missing = [b for b in bindings if all(b.evse_uid.casefold() != evse.uid.casefold() for evse in evses)]
    if tariff_id:
        bound = {binding.evse_uid.casefold() for binding in bindings}
        evses = [_priced(evse, tariff_id) if evse.uid.casefold() in bound else evse for evse in evses]
    if known is not None and not missing and tuple(evses) == known.evses:
        return
    evses += [_evse(work, binding, cpo, tariff_id) for binding in missing]
    if known is not None:
        location = msgspec.structs.replace(known, evses=tuple(evses))
    else:
        location = Location(
            country_code=cpo.country_code,
            party_id=cpo.party_id,
            id=place.location_id,
            publish=True,
            name=place.location_id,
            address=place.address,
            city=place.city,
            postal_code=place.postal_code or None,
            country=place.country,
            coordinates=GeoLocation(latitude=place.latitude, longitude=place.longitude),
            time_zone=place.time_zone,
            evses=tuple(evses),
            last_updated=work.now,
        )
    await publish(work, location)


def _priced(evse: EVSE, tariff_id: str) -> EVSE:
    connectors = tuple(msgspec.structs.replace(connector, tariff_ids=(tariff_id,)) for connector in evse.connectors)
    return evse if connectors == evse.connectors else msgspec.structs.replace(evse, connectors=connectors)


def _evse(work: Work, binding: Binding, cpo: PartyId, tariff_id: str) -> EVSE:
    connector = Connector(
        id=binding.evse_connector_id,
        standard="IEC_62196_T2",
        format="SOCKET",
        power_type="AC_3_PHASE",
        max_voltage=230,
        max_amperage=32,
        tariff_ids=(tariff_id,) if tariff_id else (),
        last_updated=work.now,
    )
    return EVSE(
        uid=binding.evse_uid,
        evse_id=f"{cpo.country_code}*{cpo.party_id}*E{binding.evse_uid}".upper()[:48],
        status=Status.UNKNOWN,
        capabilities=(
            Capability.RFID_READER,
            Capability.REMOTE_START_STOP_CAPABLE,
            Capability.UNLOCK_CAPABLE,
            Capability.RESERVABLE,
        ),
        connectors=(connector,),
        last_updated=work.now,
    )

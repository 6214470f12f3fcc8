"""Stations from the command line."""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from contracts.station_keys import digest_station_key
from roaming.app import station_pepper
from roaming.cli.database import services_of_now
from roaming.cli.output import fail
from roaming.cli.places import Place, new_location, placed, publication
from roaming.model.identifiers import PartyId, fold
from roaming.model.location import EVSE, Capability, Connector, Location, Status
from roaming.model.party import Role
from roaming.model.tariff import Tariff
from roaming.modules.locations.service import publish
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.module import Services
from roaming.operations.selecting import labels_of
from roaming.settings import Settings
from roaming.stations.bindings import Binding, UnknownStation, bind
from roaming.stations.certificates import expiries_of
from roaming.stations.securing import want_profile
from roaming.store.database import Work
from roaming.store.documents import object_key, read_object, read_objects

PASSWORD_BYTES = 16
"""Written as hexadecimal: what OCPP 1.6 security profiles want of an AuthorizationKey at least."""

_LIST = (
    "SELECT s.station_id, s.network, s.is_admitted, s.is_connected, s.vendor, s.model, s.protocol, s.last_fault,"
    " s.rejected_messages, b.country_code, b.party_id, b.location_id, s.security_profile, s.is_proxied, s.missed_frames"
    " FROM stations s LEFT JOIN bindings b"
    " ON b.network = s.network AND b.station_id = s.station_id AND b.connector_id = (SELECT MIN(c.connector_id)"
    " FROM bindings c WHERE c.network = s.network AND c.station_id = s.station_id)"
    " ORDER BY s.is_admitted, s.station_id"
)
NO_PASSWORD = (
    "none: it may connect from the networks in the adapter's `passwordless_from` only; --password gives it one"
)


PROXIED = "none here: its operator's own central system, to which it goes through, knows it; --password demands one too"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Which stations are listed: those to which everything applies that is said."""

    group: str = ""
    tags: Sequence[str] = ()
    text: str = ""
    """In name, make, protocol, location or last fault, in any case."""
    is_online: bool | None = None
    is_waiting: bool | None = None

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of the list is wanted."""
        looked_at = (row[name] for name in ("station", "make", "protocol", "location", "last fault"))
        return (
            (not self.group or row["group"] == self.group)
            and set(self.tags) <= set(row["tags"].split(", "))
            and (self.is_online is None or self.is_online == (row["online"] == "yes"))
            and (self.is_waiting is None or self.is_waiting == (row["state"] == "WAITING"))
            and any(self.text.casefold() in str(value).casefold() for value in looked_at)
        )


async def list_stations(shown: Shown = Shown()) -> list[dict[str, Any]]:  # noqa: B008 - frozen
    """All stations, or those wanted; WAITING ones have connected and nobody has bound them yet."""
    async with services_of_now() as services:
        rows = await services.database.reader.fetch(_LIST)
        keys = {row[:2]: object_key(PartyId(row[9], row[10]), row[11]) for row in rows if row[11]}
        locations = await read_objects(services.database.reader, "locations", set(keys.values()), Location)
        async with services.database.reading() as connection:
            stations = [(row[1], row[0]) for row in rows]
            expiries = await expiries_of(connection, stations)
            labels = await labels_of(connection, stations)
    listed = [
        {
            "station": row[0],
            "network": row[1],
            "state": "BOUND" if row[2] else "WAITING",
            "online": "yes" if row[3] else "no",
            "make": f"{row[4]} {row[5]}".strip(),
            "protocol": row[6],
            "profile": row[12],
            "certificate until": _day(expiries.get((row[1], row[0]))),
            "location": row[11] or "",
            "published": _is_published(locations.get(keys.get(row[:2], ""))),
            "last fault": row[7],
            "rejected": row[8],
            "through": "yes" if row[13] else "no",
            "unread frames": row[14],
            "group": labels.get((row[1], row[0]), ("", []))[0],
            "tags": ", ".join(labels.get((row[1], row[0]), ("", []))[1]),
        }
        for row in rows
    ]
    return [row for row in listed if shown.fits(row)]


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d}" if at is not None else ""


def _is_published(location: Location | None) -> str:
    return str(publication(location)["published"]) if location is not None else ""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A station to be bound, as it was typed. Empty: as it is, or as its command says."""

    station_id: str
    party: str
    place: Place
    connectors: int = 1
    evse_uid: str = ""
    password: str = ""
    has_no_password: bool = False
    tariff_id: str = ""
    network: str = ""


async def bind_station(wanted: Wanted) -> dict[str, Any]:
    """Binds a station; ends the command when it cannot be."""
    async with services_of_now() as services:
        try:
            return await bind_wanted(services, Settings(), wanted)
        except (OcpiError, ValueError) as error:
            fail(str(error))


async def bind_wanted(
    services: Services, settings: Settings, wanted: Wanted, *, is_dry_run: bool = False
) -> dict[str, Any]:
    """Binds a station; makes its location and EVSEs when they do not exist, and a password for one that has never
    connected. Raises ``OcpiError`` or ``ValueError`` for what cannot be."""
    if wanted.password and wanted.has_no_password:
        raise ValueError("--password and --no-password: give one of them")
    network, cpo, place = wanted.network or settings.network, PartyId.parse(wanted.party), wanted.place
    if not (await services.directory.current()).is_hosted(cpo, Role.CPO):
        raise ValueError(f"{cpo} is no CPO hosted here: roaming party add {cpo} --role CPO --name '...'")
    station_id = await _known_station(services, network, wanted.station_id)
    password, said = await _password(services, network, station_id, wanted.password, wanted.has_no_password)
    digest = None
    if password:
        pepper = station_pepper(settings)
        digest = digest_station_key(password, network=network, station_id=station_id, pepper=pepper)
    evse_uid = wanted.evse_uid or station_id
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
        for number in range(1, wanted.connectors + 1)
    ]
    tariff_id = await _known_tariff(services, cpo, wanted.tariff_id)
    location = await bind_at(
        services,
        bindings,
        place,
        tariff_id=tariff_id,
        key_digest=digest,
        has_no_key=wanted.has_no_password,
        is_dry_run=is_dry_run,
    )
    return {
        "station": station_id,
        "location": f"{cpo} {location.id}",
        "EVSEs": " ".join(b.evse_uid for b in bindings),
        **said,
        **publication(location),
    }


async def secure_station(station_id: str, profile: int, network: str) -> dict[str, Any]:
    """Wants a security profile of a station; ends the command when it cannot be."""
    async with services_of_now() as services:
        network = network or Settings().network
        station_id = await _known_station(services, network, station_id)
        try:
            async with services.database.work() as work:
                demand = await want_profile(work, network=network, station_id=station_id, profile=profile)
        except (UnknownStation, ValueError) as error:
            fail(str(error))
    said = {"station": station_id, "wanted": demand.wanted, "demanded": demand.minimum, "best so far": demand.best}
    if demand.minimum < demand.wanted:
        said["note"] = f"{demand.wanted} is demanded as soon as it has come with it once"
    return said


async def _password(
    services: Services, network: str, station_id: str, given: str, has_none: bool
) -> tuple[str, dict[str, str]]:
    """The password to give to the station, empty where it keeps the one it has or has none, and what to say of it."""
    if given:
        return given, {"password": "as given"}
    rows = await services.database.reader.fetch(
        "SELECT key_digest, presented_digest, is_admitted, is_proxied FROM stations"
        " WHERE network = $1 AND station_id = $2",
        network,
        station_id,
    )
    if has_none:
        return "", {"password": NO_PASSWORD}
    if not rows:
        made = secrets.token_hex(PASSWORD_BYTES)
        note = f"made for it, since it has never connected, and shown once; its user name is {station_id}"
        return made, {"password": made, "note": note}
    key_digest, presented_digest, is_admitted, is_proxied = rows[0]
    if key_digest:
        return "", {"password": "the one it has"}
    if presented_digest and not is_admitted:
        return "", {"password": "the one it presented"}
    if is_proxied:
        return "", {"password": PROXIED}
    return "", {"password": NO_PASSWORD}


async def _known_tariff(services: Services, cpo: PartyId, tariff_id: str) -> str:
    """The id as its tariff spells it. One without a tariff would make every charge free, and nobody would say so."""
    if not tariff_id:
        return ""
    async with services.database.reading() as connection:
        tariff = await read_object(connection, "tariffs", object_key(cpo, tariff_id), Tariff)
    if tariff is None:
        raise ValueError(f"{cpo} has no tariff {tariff_id}: roaming tariff import FILE first, or bind without --tariff")
    return tariff.id


async def _known_station(services: Services, network: str, typed: str) -> str:
    """The station as it calls itself: one that was heard of under this name, or under it in another case."""
    rows = await services.database.reader.fetch("SELECT station_id FROM stations WHERE network = $1", network)
    same = [row[0] for row in rows if fold(row[0]) == fold(typed)]
    return typed if typed in same or len(same) != 1 else str(same[0])


async def bind_at(
    services: Services,
    bindings: list[Binding],
    place: Place,
    *,
    tariff_id: str,
    key_digest: str | None,
    has_no_key: bool = False,
    is_dry_run: bool = False,
) -> Location:
    """The binding and its location in one transaction, which a dry run takes back; returns the location."""
    with suppress(_OnlyTried):
        async with services.database.work() as work:
            location = await _with_evses(work, bindings, place, tariff_id)
            await bind(work, bindings, key_digest=key_digest, has_no_key=has_no_key)
            if is_dry_run:
                raise _OnlyTried
    return location


class _OnlyTried(Exception):
    """Takes a transaction back that went well."""


async def _with_evses(work: Work, bindings: list[Binding], place: Place, tariff_id: str) -> Location:
    cpo = bindings[0].party
    known = await read_object(work.connection, "locations", object_key(cpo, place.location_id), Location)
    evses = list(known.evses) if known is not None else []
    missing = [b for b in bindings if all(b.evse_uid.casefold() != evse.uid.casefold() for evse in evses)]
    if tariff_id:
        bound = {binding.evse_uid.casefold() for binding in bindings}
        evses = [_priced(evse, tariff_id) if evse.uid.casefold() in bound else evse for evse in evses]
    evses += [_evse(work, binding, cpo, tariff_id) for binding in missing]
    location = placed(known, place) if known is not None else new_location(cpo, place, work)
    location = msgspec.structs.replace(location, evses=tuple(evses))
    return location if location == known else await publish(work, location)


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

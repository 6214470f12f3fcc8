"""Lets stations in, and says which EVSEs of which location their connectors are. Knows neither HTTP nor the command
line: what is wrong is said by the names of columns."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from roaming.model.identifiers import PartyId
from roaming.model.location import EVSE, Capability, Connector, Location, Status
from roaming.model.party import Role
from roaming.model.tariff import Tariff
from roaming.modules.locations.placing import Place, new_location, placed, publication
from roaming.modules.locations.service import publish
from roaming.ocpi.module import Services
from roaming.stations.bindings import Binding, KnownStations, bind
from roaming.stations.passwords import new_password
from roaming.store.database import Work
from roaming.store.documents import object_key, read_object

NEEDED = ("station", "party", "location")
PLACE = ("address", "city", "postal_code", "country", "latitude", "longitude", "time_zone")
COLUMNS = (*NEEDED, "connectors", "evse", "password", "no_password", "tariff", *PLACE, "network")
MOST_CONNECTORS = 100
NO_PASSWORD = (
    "none: it may connect from the networks in the adapter's `passwordless_from` only, until it is bound with one"
)
PROXIED = (
    "none here: its operator's own central system, to which it goes through, knows it; one that it is bound with is "
    "demanded too"
)


class Unbindable(ValueError):
    """What cannot be bound. Its text names the columns and what is wrong; how that is mended depends on who asks."""

    def __init__(self, text: str, *fields: str, lacks: str = "") -> None:
        super().__init__(f"{', '.join(fields)}: {text}")
        self.text = text
        self.fields = fields
        """Of ``COLUMNS``."""
        self.lacks = lacks
        """What has to be there first: ``party``, ``tariff``; empty: nothing."""


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


def wanted_of(entry: Any) -> Wanted:
    """A row of a file, or a body, as ``station bind`` takes it. Raises ``ValueError`` that names the column."""
    if not isinstance(entry, Mapping):
        raise ValueError("a row is an object with the columns " + ", ".join(COLUMNS))
    if unknown := [name for name in entry if name not in COLUMNS]:
        raise ValueError(f"{', '.join(map(str, unknown))}: no such column; there are {', '.join(COLUMNS)}")
    if lacking := [name for name in NEEDED if not entry.get(name)]:
        raise ValueError(f"{', '.join(lacking)}: must not be empty")
    connectors = str(entry.get("connectors", 1))
    if not connectors.isdecimal() or not 1 <= int(connectors) <= MOST_CONNECTORS:
        raise ValueError(f"connectors: {connectors!r} is no number from 1 to {MOST_CONNECTORS}")
    if (has_none := entry.get("no_password", False)) not in (True, False):
        raise ValueError(f"no_password: {has_none!r} is neither true nor false")
    text = {name: str(entry.get(name, "")) for name in COLUMNS}
    return Wanted(
        station_id=text["station"],
        party=text["party"],
        place=Place(location_id=text["location"], **{name: text[name] for name in PLACE}),
        connectors=int(connectors),
        evse_uid=text["evse"],
        password=text["password"],
        has_no_password=bool(has_none),
        tariff_id=text["tariff"],
        network=text["network"],
    )


async def bind_wanted(
    services: Services,
    wanted: Wanted,
    *,
    next_step: Callable[[Location], str],
    known: KnownStations | None = None,
    is_dry_run: bool = False,
) -> dict[str, Any]:
    """Binds a station; makes its location and EVSEs when they do not exist, and a password for one that has never
    connected. ``next_step``: how the caller says the rest of where a location is; ``known``: of whoever binds many.
    Raises ``Unbindable``, ``OcpiError`` or ``ValueError`` for what cannot be."""
    known = known or KnownStations(services.database.reader)
    if wanted.password and wanted.has_no_password:
        raise Unbindable("give one of them", "password", "no_password")
    network, cpo, place = wanted.network or services.network, PartyId.parse(wanted.party), wanted.place
    if not (await services.directory.current()).is_hosted(cpo, Role.CPO):
        raise Unbindable(f"{cpo} is no CPO hosted here", "party", lacks="party")
    station_id = await known.name(network, wanted.station_id)
    password, said = await _password(services, network, station_id, wanted.password, wanted.has_no_password)
    digest = None
    if password:
        digest = services.secrets.station_digest(password, network=network, station_id=station_id)
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
    known.note(network, station_id)
    return {
        "station": station_id,
        "location": f"{cpo} {location.id}",
        "EVSEs": " ".join(b.evse_uid for b in bindings),
        **said,
        **publication(location, next_step),
    }


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
        made = new_password()
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
        raise Unbindable(f"{cpo} has no tariff {tariff_id}", "tariff", lacks="tariff")
    return tariff.id


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

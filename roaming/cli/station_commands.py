"""Commands about stations and where they are; ``commands`` takes them into its groups."""

from pathlib import Path
from typing import Annotated

import typer

from roaming.cli.output import Csv, Json, fail, run, show, show_rows
from roaming.cli.station_asking import Group, Network, Stations, Tags

Party = Annotated[str, typer.Option(help="The CPO, such as NL-HUB.")]
Address = Annotated[str, typer.Option(help="Street and number of the location.")]
City = Annotated[str, typer.Option(help="City of the location.")]
PostalCode = Annotated[str, typer.Option(help="Postal code of the location; OCPI 2.1.1 cannot do without.")]
Country = Annotated[
    str, typer.Option(help="Country of the location: ISO 3166-1 alpha-3, such as NLD; empty: the party's.")
]
Latitude = Annotated[str, typer.Option(help="Of the location: degrees north, WGS 84, such as 51.90500.")]
Longitude = Annotated[str, typer.Option(help="Of the location: degrees east, WGS 84, such as 4.48600.")]
TimeZone = Annotated[str, typer.Option(help="Of the location: IANA name, which tariffs go by; empty: the country's.")]


def add_to(station_app: typer.Typer, location_app: typer.Typer) -> None:
    """Registers the commands."""
    station_app.command("list")(station_list)
    station_app.command("bind")(station_bind)
    station_app.command("import")(station_import)
    station_app.command("secure")(station_secure)
    location_app.command("place")(location_place)


def station_list(
    group: Annotated[str, typer.Option(help="Only of this group.")] = "",
    tag: Annotated[list[str], typer.Option(help="Only with this tag; given twice: with both.")] = [],  # noqa: B006
    find: Annotated[str, typer.Option(help="Only with this text in name, make, protocol, location or fault.")] = "",
    online: Annotated[bool | None, typer.Option("--online/--offline", help="Only those, or only these.")] = None,
    waiting: Annotated[
        bool | None, typer.Option("--waiting/--bound", help="Only those that wait to be bound, or only the others.")
    ] = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """List stations, those that wait to be bound first."""
    from roaming.cli.stations import Shown, list_stations

    shown = Shown(group=group, tags=tag, text=find, is_online=online, is_waiting=waiting)
    empty = "no station has connected yet" if shown == Shown(tags=[]) else "no such station"
    show_rows(run(list_stations(shown)), as_json=as_json, as_csv=as_csv, empty=empty)


def station_bind(
    station_id: Annotated[str, typer.Argument(help="As the station calls itself: the end of its OCPP address.")],
    party: Party,
    location: Annotated[str, typer.Option(help="Location id; made when it does not exist.")],
    connectors: Annotated[int, typer.Option(min=1, max=100, help="How many connectors the station has.")] = 1,
    evse: Annotated[str, typer.Option(help="EVSE uid of the first connector; others get -2, -3 …")] = "",
    password: Annotated[
        str,
        typer.Option(help="Its basic auth password; empty: the one it presented, or a new one if it never connected."),
    ] = "",
    no_password: Annotated[
        bool, typer.Option("--no-password", help="It has none: it may connect from trusted networks only.")
    ] = False,
    tariff: Annotated[str, typer.Option(help="Tariff id of its connectors.")] = "",
    address: Address = "",
    city: City = "",
    postal_code: PostalCode = "",
    country: Country = "",
    latitude: Latitude = "",
    longitude: Longitude = "",
    time_zone: TimeZone = "",
    network: Annotated[str, typer.Option(help="Set of stations, where adapters serve several.")] = "",
    as_json: Json = False,
) -> None:
    """Let a station in and say which EVSEs of which location its connectors are.

    Partners see the location once its address, city, latitude and longitude have been said, here or by
    `roaming location place`.
    """
    from roaming.cli.stations import bind_station
    from roaming.modules.locations.binding import Wanted
    from roaming.modules.locations.placing import Place

    place = Place(
        location_id=location,
        address=address,
        city=city,
        postal_code=postal_code,
        country=country,
        latitude=latitude,
        longitude=longitude,
        time_zone=time_zone,
    )
    wanted = Wanted(
        station_id=station_id,
        party=party,
        place=place,
        connectors=connectors,
        evse_uid=evse,
        password=password,
        has_no_password=no_password,
        tariff_id=tariff,
        network=network,
    )
    show(run(bind_station(wanted)), as_json=as_json)


def station_import(
    file: Annotated[Path, typer.Argument(help="CSV or JSON; deploy/samples/stations.csv is one.")],
    dry_run: Annotated[bool, typer.Option(help="Check only, store nothing.")] = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Bind many stations: a row each, whose columns are the options of `roaming station bind`.

    A station that has never connected and has no password in the file gets one, which is printed here and never again.
    """
    from roaming.cli.station_importing import import_stations

    rows = run(import_stations(file, is_dry_run=dry_run))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="the file holds nothing")
    if any(row["state"] == "error" for row in rows):
        fail("rows with an error were left out; nothing of them was stored")


def station_secure(
    profile: Annotated[
        int,
        typer.Option(min=0, max=3, help="0: any; 1: password; 2: password over TLS; 3: client certificate."),
    ],
    stations: Stations = [],  # noqa: B006
    group: Group = "",
    tag: Tags = [],  # noqa: B006
    network: Network = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show how they have come, and change nothing.")] = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Refuse stations that come with less than a security profile, each from when it has come with it once."""
    from roaming.cli.stations import secure_stations
    from roaming.operations.selecting import Selection

    selection = Selection(stations=tuple(stations), group=group, tags=tuple(tag), network=network)
    rows = run(secure_stations(selection, profile, is_dry_run=dry_run))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="no station")


def location_place(
    location: Annotated[str, typer.Argument(help="Location id: see `roaming location list`.")],
    party: Party,
    address: Address = "",
    city: City = "",
    postal_code: PostalCode = "",
    country: Annotated[str, typer.Option(help="Country: ISO 3166-1 alpha-3, such as NLD.")] = "",
    latitude: Latitude = "",
    longitude: Longitude = "",
    time_zone: Annotated[str, typer.Option(help="IANA name, which tariffs go by.")] = "",
    as_json: Json = False,
) -> None:
    """Say where a location is; what is left out stays. It is published once nothing is missing."""
    from roaming.cli.places import place_location
    from roaming.modules.locations.placing import Place

    place = Place(
        location_id=location,
        address=address,
        city=city,
        postal_code=postal_code,
        country=country,
        latitude=latitude,
        longitude=longitude,
        time_zone=time_zone,
    )
    show(run(place_location(party, place)), as_json=as_json)

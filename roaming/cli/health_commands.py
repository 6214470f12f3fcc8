"""Commands about how stations are and have been; ``commands`` takes them in."""

from pathlib import Path
from typing import Annotated

import typer

from roaming.cli.output import Csv, Json, run, show, show_rows

Station = Annotated[str, typer.Argument(help="Station id: see `roaming station list`.")]
Network = Annotated[str, typer.Option(help="Set of stations, where several have stations of one name.")]


def add_to(station_app: typer.Typer) -> None:
    """Registers the commands."""
    station_app.command("health")(station_health)
    station_app.command("variables")(station_variables)
    station_app.command("ribbon")(station_ribbon)
    station_app.command("wire")(station_wire)
    station_app.command("faults")(station_faults)
    station_app.command("inventory")(station_inventory)


def station_health(station: Station, network: Network = "", as_json: Json = False) -> None:
    """Show how a station is: online or why not, connectors, components, faults, meters, its last 90 days."""
    from roaming.cli.health_showing import health, lines_of

    found = run(health(station, network))
    show(found if as_json else lines_of(found), as_json=as_json)


def station_variables(station: Station, network: Network = "", as_json: Json = False, as_csv: Csv = False) -> None:
    """List its variables (OCPP 2.x) or configuration (1.6) as it told them last; secrets are masked."""
    from roaming.cli.health_showing import variables

    empty = f"it has told none yet: roaming station config get {station}"
    show_rows(run(variables(station, network)), as_json=as_json, as_csv=as_csv, empty=empty)


def station_ribbon(
    station: Station,
    days: Annotated[int, typer.Option(min=1, max=400, help="How many days back.")] = 90,
    width: Annotated[int, typer.Option(min=10, max=400, help="Characters of a ribbon.")] = 90,
    page: Annotated[Path | None, typer.Option(help="Write it as a page for a browser to this file.")] = None,
    network: Network = "",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Show what a station and its connectors were, as ribbons of letters; with --json or --csv as intervals."""
    from roaming.cli.health_showing import intervals, page_of, ribbons

    if page is not None:
        page.write_text(run(page_of(station, network, days)))
        show({"station": station, "page": str(page)}, as_json=as_json)
    elif as_json or as_csv:
        show_rows(run(intervals(station, network, days)), as_json=as_json, as_csv=as_csv, empty="nothing known")
    else:
        for line in run(ribbons(station, network, days, width)):
            typer.echo(line)


def station_wire(
    station: Station,
    since: Annotated[str, typer.Option(help="How long ago, such as 10m, 2h, 3d, or a time (ISO 8601).")] = "1h",
    until: Annotated[str, typer.Option(help="Up to when, likewise; 0s: now.")] = "0s",
    grep: Annotated[str, typer.Option(help="Only frames with this text, in any case of letters.")] = "",
    way: Annotated[str, typer.Option(help="in: from the station, out: to it; empty: both.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many rows, the newest.", min=1, max=10_000)] = 200,
    network: Network = "",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Show the frames that went to and from a station, secrets masked (settings has_wire_log, wire_days and so on)."""
    from roaming.cli.health_showing import frames

    rows = run(frames(station, network, since=since, until=until, text=grep, way=way, limit=limit))
    if as_json or as_csv or not rows:
        show_rows(rows, as_json=as_json, as_csv=as_csv, empty="nothing was kept: is has_wire_log on?")
        return
    for row in rows:
        typer.echo(f"{row['at']}  {row['way']:<6}  {row['text']}")


def station_faults(
    days: Annotated[int, typer.Option(min=1, max=400, help="How many days back.")] = 30,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """List faults of all stations by cause, make and firmware, those of most stations first."""
    from roaming.cli.health_showing import faults

    show_rows(run(faults(days)), as_json=as_json, as_csv=as_csv, empty="no station reported a fault")


def station_inventory(as_json: Json = False, as_csv: Csv = False) -> None:
    """Count stations by make and firmware."""
    from roaming.cli.health_showing import inventory

    show_rows(run(inventory()), as_json=as_json, as_csv=as_csv, empty="no station is bound yet")

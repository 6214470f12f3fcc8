"""Commands about firmware, waves of updates and logs; ``commands`` takes them in."""

from pathlib import Path
from typing import Annotated

import typer

from roaming.cli.output import Csv, Json, run, show, show_rows

firmware_app = typer.Typer(help="Files for stations to fetch, and logs that they laid down.", no_args_is_help=True)
wave_app = typer.Typer(help="Updates of many stations, some at a time.", no_args_is_help=True)
FileId = Annotated[str, typer.Argument(help="Its id: see `roaming firmware list` or `logs`.")]
WaveId = Annotated[str, typer.Argument(help="Its id: see `roaming wave list`.")]


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.add_typer(firmware_app, name="firmware")
    app.add_typer(wave_app, name="wave")


@firmware_app.command("add")
def firmware_add(
    file: Annotated[Path, typer.Argument(help="The firmware.", exists=True, dir_okay=False)],
    name: Annotated[str, typer.Option(help="What people call it; empty: the name of the file.")] = "",
    certificate: Annotated[Path | None, typer.Option(help="PEM of who signed it; with --signature.")] = None,
    signature: Annotated[str, typer.Option(help="Base64, of the file: stations that can check it do.")] = "",
    as_json: Json = False,
) -> None:
    """Keep firmware for stations to fetch, each by an address of its own that is good once."""
    from roaming.cli.updating import add_firmware

    text = certificate.read_text() if certificate else ""
    show(run(add_firmware(file, name=name, certificate=text, signature=signature)), as_json=as_json)


@firmware_app.command("list")
def firmware_list(as_json: Json = False, as_csv: Csv = False) -> None:
    """List firmware."""
    from roaming.cli.updating import list_files

    show_rows(run(list_files("FIRMWARE")), as_json=as_json, as_csv=as_csv, empty="none: roaming firmware add FILE")


@firmware_app.command("logs")
def firmware_logs(as_json: Json = False, as_csv: Csv = False) -> None:
    """List logs that stations laid down here."""
    from roaming.cli.updating import list_files

    show_rows(run(list_files("LOG")), as_json=as_json, as_csv=as_csv, empty="none: roaming station log STATION")


@firmware_app.command("save")
def firmware_save(
    log: FileId,
    file: Annotated[Path, typer.Argument(help="Where to; it must not exist.")],
    as_json: Json = False,
) -> None:
    """Save a log into a file."""
    from roaming.cli.updating import save_log

    show(run(save_log(log, file)), as_json=as_json)


@firmware_app.command("remove")
def firmware_remove(file: FileId, as_json: Json = False) -> None:
    """Remove firmware or a log: nobody can fetch it any more."""
    from roaming.cli.updating import remove_file

    show(run(remove_file(file)), as_json=as_json)


@wave_app.command("start")
def wave_start(
    firmware: FileId,
    stations: Annotated[list[str], typer.Argument(help="Station ids, as one step; or --group.")] = [],  # noqa: B006
    group: Annotated[
        list[str], typer.Option(help="A step: all stations of this group; given again: the next step.")
    ] = [],  # noqa: B006
    tag: Annotated[list[str], typer.Option(help="Only stations with this tag.")] = [],  # noqa: B006
    name: Annotated[str, typer.Option(help="What people call it.")] = "update",
    why: Annotated[str, typer.Option(help="Kept with the records: a ticket, a reason.")] = "",
    at_once: Annotated[int, typer.Option(min=1, help="How many stations at the same time.")] = 20,
    most_failures: Annotated[int, typer.Option(min=0, max=100, help="Percent that may fail before it stops.")] = 10,
    judged_from: Annotated[int, typer.Option(min=1, help="How many must have ended before it is judged.")] = 10,
    patience: Annotated[
        int, typer.Option(min=10, help="Seconds without a station's word of the end until it counts as failed.")
    ] = 3600,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the stations by steps, and ask none.")] = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Update many stations, group after group; it stops by itself when too many fail."""
    from roaming.cli.updating import Wanted, start_wave

    wanted = Wanted(
        name=name,
        file_id=firmware,
        groups=group,
        stations=stations,
        tags=tag,
        why=why,
        at_once=at_once,
        most_failures=most_failures,
        judged_from=judged_from,
        patience=patience,
        is_dry_run=dry_run,
    )
    show_rows(run(start_wave(wanted)), as_json=as_json, as_csv=as_csv, empty="no station")


@wave_app.command("list")
def wave_list(as_json: Json = False, as_csv: Csv = False) -> None:
    """List waves and how far they are."""
    from roaming.cli.updating import list_waves

    show_rows(run(list_waves()), as_json=as_json, as_csv=as_csv, empty="none: roaming wave start FIRMWARE --group NAME")


@wave_app.command("show")
def wave_show(wave: WaveId, as_json: Json = False, as_csv: Csv = False) -> None:
    """Show each station of a wave."""
    from roaming.cli.updating import stations_of_wave

    show_rows(run(stations_of_wave(wave)), as_json=as_json, as_csv=as_csv, empty="no station")


@wave_app.command("pause")
def wave_pause(wave: WaveId, as_json: Json = False) -> None:
    """Ask no further station; those that were asked go on."""
    from roaming.cli.updating import change_wave

    show(run(change_wave(wave, "PAUSED")), as_json=as_json)


@wave_app.command("stop")
def wave_stop(wave: WaveId, as_json: Json = False) -> None:
    """End a wave; those that were asked go on."""
    from roaming.cli.updating import change_wave

    show(run(change_wave(wave, "STOPPED")), as_json=as_json)


@wave_app.command("resume")
def wave_resume(
    wave: WaveId,
    most_failures: Annotated[
        int | None, typer.Option(min=0, max=100, help="Percent that may fail from now on; empty: as before.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take a wave up again; what has failed until now is forgiven."""
    from roaming.cli.updating import change_wave

    show(run(change_wave(wave, "RUNNING", most_failures)), as_json=as_json)

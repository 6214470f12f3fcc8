"""Commands about one tariff, in a file or stored; ``commands`` takes them into its groups."""

from typing import Annotated

import typer

from roaming.cli.output import Csv, Json, fail, run, show, show_rows

TariffName = Annotated[str, typer.Argument(help="A JSON file of any OCPI version, or the id of a stored tariff.")]
Party = Annotated[str, typer.Option("--party", help="Whose stored tariff, where several use the id.")]
Zone = Annotated[str, typer.Option("--time-zone", help="Of the location, such as Europe/Amsterdam.")]
ChosenReadings = Annotated[
    list[str] | None,
    typer.Option("--reading", help="NAME=VALUE where the texts leave a choice, such as step_time=LAST_ACTIVE."),
]


def add_to(tariff_app: typer.Typer) -> None:
    """Registers the commands."""
    tariff_app.command("lint")(lint)
    tariff_app.command("preview")(preview)
    tariff_app.command("history")(history)
    tariff_app.command("why")(why)


def lint(
    tariff: TariffName, party: Party = "", time_zone: Zone = "", as_json: Json = False, as_csv: Csv = False
) -> None:
    """Look for what is wrong in a tariff, or most likely not meant; exit code 1 when it is wrong."""
    from roaming.cli.tariffs import lint_tariff

    rows = run(lint_tariff(tariff, party=party, time_zone=time_zone))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="nothing found")
    if any(row["state"] == "error" for row in rows):
        raise typer.Exit(1)


def preview(
    tariff: TariffName,
    kwh: Annotated[str, typer.Option(help="Energy that the vehicle takes, in kWh.")] = "20",
    power: Annotated[str, typer.Option(help="kW, from the start until the energy is in.")] = "11",
    start: Annotated[str, typer.Option(help="Local time, such as 2026-01-12T18:00; without it, now.")] = "",
    minutes: Annotated[str, typer.Option(help="How many minutes it stays; without it, until the energy is in.")] = "",
    party: Party = "",
    time_zone: Zone = "UTC",
    reading: ChosenReadings = None,
    as_json: Json = False,
) -> None:
    """What a charge would cost by a tariff, line by line, as a driver reads it."""
    from roaming.cli.tariffs import preview_tariff

    found = preview_tariff(
        tariff,
        kwh=kwh,
        power=power,
        start=start,
        minutes=minutes,
        party=party,
        time_zone=time_zone,
        readings=reading or [],
        as_json=as_json,
    )
    print(run(found))


def why(
    cpo: Annotated[str, typer.Argument(help="The operator, such as NL-HUB.")] = "",
    place: Annotated[str, typer.Argument(help="LOCATION/EVSE, with a third part the connector.")] = "",
    token: Annotated[str, typer.Option(help="The uid of the driver's token.")] = "",
    emsp: Annotated[str, typer.Option(help="Or whose driver it is, such as DE-EMS.")] = "",
    at: Annotated[str, typer.Option(help="When the charge would begin; now unless given.")] = "",
    session: Annotated[str, typer.Option(help="Instead: the id of a charge that began.")] = "",
    as_json: Json = False,
) -> None:
    """Why a charge has its tariff, or would have it there: the price rule that decided, and those that lost."""
    from roaming.cli.agreeing import why_priced

    if not session and not (cpo and place):
        fail("name the CPO and LOCATION/EVSE, or --session")
    show(run(why_priced(session, cpo, place, token=token, emsp=emsp, at=at)), as_json=as_json)


def history(
    tariff: Annotated[str, typer.Argument(help="The id of a stored tariff, or of one that was withdrawn.")],
    party: Party = "",
    show: Annotated[int, typer.Option(min=0, help="Print the version of this number as JSON.")] = 0,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """What a tariff has said since when, and what each version changed; charges keep the one of their start."""
    from roaming.cli.tariffs import history_of, version_of_number

    if show:
        print(run(version_of_number(tariff, party=party, number=show)))
        return
    show_rows(run(history_of(tariff, party=party)), as_json=as_json, as_csv=as_csv, empty="")

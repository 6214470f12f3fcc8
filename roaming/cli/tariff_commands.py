"""Commands about one tariff, in a file or stored; ``commands`` takes them into its groups."""

import sys
from pathlib import Path
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
    tariff_app.command("from-prices")(from_prices)


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
    profile: Annotated[str, typer.Option(help="As if the driver preferred it: cheap, fast, green or regular.")] = "",
    session: Annotated[str, typer.Option(help="Instead: the id of a charge that began.")] = "",
    as_json: Json = False,
) -> None:
    """Why a charge has its tariff, or would have it there: the price rule and the profile that decided."""
    from roaming.cli.agreeing import why_priced

    if not session and not (cpo and place):
        fail("name the CPO and LOCATION/EVSE, or --session")
    show(run(why_priced(session, cpo, place, token=token, emsp=emsp, at=at, profile=profile)), as_json=as_json)


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


def from_prices(
    file: Annotated[Path, typer.Argument(help="CSV or JSON with prices by the hour or quarter of one; - reads stdin.")],
    party: Annotated[str, typer.Option("--party", help="The CPO, such as NL-HUB.")],
    id: Annotated[str, typer.Option("--id", help="Of the tariff; the same one every day makes versions of it.")],
    time_zone: Annotated[str, typer.Option("--time-zone", help="Of the locations, such as Europe/Amsterdam.")],
    currency: Annotated[str, typer.Option(help="Of the prices.")] = "EUR",
    per: Annotated[str, typer.Option(help="What the prices are for: kWh or MWh.")] = "kWh",
    day: Annotated[str, typer.Option(help="Of prices without times: 2026-01-12.")] = "",
    percent: Annotated[str, typer.Option(help="Added to each price, in percent of it.")] = "",
    markup: Annotated[str, typer.Option(help="Added then, per kWh: margin, grid fee, energy tax.")] = "",
    floor: Annotated[str, typer.Option(help="No price per kWh is less than this.")] = "",
    otherwise: Annotated[str, typer.Option(help="Per kWh at all other time; without it, the mean.")] = "",
    vat: Annotated[str, typer.Option(help="In percent, on all prices; without it, none applies.")] = "",
    fee: Annotated[str, typer.Option(help="Once a charge.")] = "",
    parking: Annotated[str, typer.Option(help="Per hour in which the vehicle does not charge.")] = "",
    step_size: Annotated[int, typer.Option(min=1, help="Wh that energy is rounded up to.")] = 1,
    repeated: Annotated[str, typer.Option(help="Price of an hour that comes twice: mean, lower or higher.")] = "mean",
    out: Annotated[Path | None, typer.Option(help="Where to write the tariff; without it, standard output.")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Also store it here and tell partners.")] = False,
    as_json: Json = False,
) -> None:
    """Make a tariff of the prices of a day, an element for each, and look through it; exit code 1 when it is wrong.

    `roaming tariff from-prices day.csv … | roaming tariff preview -` shows what a charge would cost by it.
    """
    from roaming.cli import price_signals as work

    words = {
        "party": party,
        "id": id,
        "currency": currency,
        "time_zone": time_zone,
        "percent": percent,
        "markup": markup,
        "floor": floor,
        "otherwise": otherwise,
        "vat": vat,
        "fee": fee,
        "parking": parking,
        "step_size": step_size,
        "repeated": repeated,
    }
    made, findings = work.make(file, words, per=per, day=day)
    for text in work.told(made, findings):
        print(text, file=sys.stderr)
    if any(found.is_error for found in findings):
        raise typer.Exit(1)
    if publish:
        run(work.publish(made.tariff))
    if out is not None:
        out.write_text(work.as_json(made.tariff) + "\n")
    if as_json:
        print(work.whole(made, findings))
    elif out is None:
        print(work.as_json(made.tariff))

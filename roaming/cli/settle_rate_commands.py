"""Commands about rates of exchange; ``settle_commands`` takes them into its group."""

from pathlib import Path
from typing import Annotated

import typer

from roaming.cli.output import Csv, Json, run, show, show_rows

rates_app = typer.Typer(
    help="Rates of exchange that statements and tax are converted by: entered or imported, never fetched.",
    no_args_is_help=True,
)
Source = Annotated[str, typer.Option(help="Whose rates they are; terms name it with --rates.")]
Base = Annotated[str, typer.Option(help="What one piece of is worth RATE of the other currency.")]
Replace = Annotated[bool, typer.Option(help="Take the new rate where there is another; closed months keep theirs.")]


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.add_typer(rates_app, name="rates")


@rates_app.command("import")
def rates_from_file(
    file: Annotated[Path, typer.Argument(help="CSV as the ECB has it, or with columns date, currency and rate.")],
    source: Source = "ECB",
    base: Base = "EUR",
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Take rates from a file, such as the ECB's eurofxref-hist.csv. All of it or nothing."""
    from roaming.cli.settling_rates import import_rates

    show(run(import_rates(file, source=source, base=base, is_replacing=replace)), as_json=as_json)


@rates_app.command("set")
def rates_set(
    currency: Annotated[str, typer.Argument(help="Such as CHF.")],
    rate: Annotated[str, typer.Argument(help="How much of it one piece of the base is worth, such as 0.9412.")],
    day: Annotated[str, typer.Option(help="Of which day, such as 2026-10-30.")],
    source: Source = "ECB",
    base: Base = "EUR",
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Enter one rate."""
    from roaming.cli.settling_rates import set_rate

    given = {"currency": currency, "rate": rate, "day": day, "source": source, "base": base}
    show(run(set_rate(given, is_replacing=replace)), as_json=as_json)


@rates_app.command("list")
def rates_list(
    source: Annotated[str, typer.Option(help="Only those of this source.")] = "",
    currency: Annotated[str, typer.Option(help="Only those of this currency.")] = "",
    month: Annotated[str, typer.Option(help="Only those that count in this month, such as 2026-10.")] = "",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """List the rates that are known."""
    from roaming.cli.settling_rates import list_rates

    rows = run(list_rates(source, currency, month))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="no rates: roaming settle rates import FILE")

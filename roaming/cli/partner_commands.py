"""Commands about how partners behave, and their options; ``commands`` takes them into its group."""

from typing import Annotated

import typer

from roaming.cli.output import Csv, Json, run, show_rows

PartnerId = Annotated[str, typer.Argument(help="Its short name: see `roaming partner list`.")]


def add_to(partner_app: typer.Typer) -> None:
    """Registers the commands."""
    partner_app.command("dialect")(partner_dialect)


def partner_dialect(
    partner_id: PartnerId,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="switch=value; repeat it for several. The value auto forgets what is known."),
    ] = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Show where a partner departs from OCPI and who found out; a switch set by hand is never changed by traffic."""
    from roaming.cli.dialects import dialect_rows

    show_rows(run(dialect_rows(partner_id, setting or [])), as_json=as_json, as_csv=as_csv, empty="")

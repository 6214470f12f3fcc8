"""Commands that price without a running hub; ``commands`` takes them into its groups."""

from pathlib import Path
from typing import Annotated

import typer

from roaming.cli.output import Csv, Json, fail, show_rows

TariffFile = Annotated[Path, typer.Argument(help="A tariff: a JSON file of any OCPI version.")]
ChosenReadings = Annotated[
    list[str] | None,
    typer.Option("--reading", help="NAME=VALUE where the texts leave a choice, such as step_time=LAST_ACTIVE."),
]
OfVersion = Annotated[str, typer.Option("--version", help="OCPI version of the files; without it they tell.")]
ZoneOption = Annotated[str, typer.Option("--time-zone", help="Of the location, such as Europe/Amsterdam.")]


def add_to(app: typer.Typer, cdr_app: typer.Typer) -> None:
    """Registers the commands."""
    app.command("rate")(rate)
    app.command("verify")(verify)
    cdr_app.command("rerate")(rerate)


def rate(
    tariff: Annotated[
        Path | None,
        typer.Argument(help="A tariff, or a list of those that periods name: a JSON file of any OCPI version."),
    ] = None,
    charge: Annotated[
        Path | None, typer.Argument(help="A CDR or Session with charging periods: JSON; - is standard input.")
    ] = None,
    time_zone: ZoneOption = "",
    version: OfVersion = "",
    reading: ChosenReadings = None,
    reservation_expired: Annotated[bool, typer.Option(help="The reservation was not used.")] = False,
    cases: Annotated[bool, typer.Option("--cases", help="Answer pricing cases, JSON lines, instead.")] = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Price a CDR or Session by a tariff, and say how each line comes about."""
    if cases:
        from roaming.rating.cases import main

        raise typer.Exit(main())
    if tariff is None or charge is None:
        fail("give a tariff and a CDR or Session, or --cases: see `roaming rate --help`")
    from roaming.cli.rating import rate_files, show_rated

    rated = rate_files(
        tariff,
        charge,
        time_zone=time_zone,
        version=version,
        readings=reading or [],
        is_reservation_expired=reservation_expired,
    )
    show_rated(rated, as_json=as_json, as_csv=as_csv)


def verify(
    file: Annotated[Path, typer.Argument(help="A CDR, SignedData, an OCMF record, or a list of records with keys.")],
    public_key: Annotated[
        str, typer.Option(help="The meter's key (DER in hex or base64, or PEM), over the file's.")
    ] = "",
    kwh: Annotated[str, typer.Option(help="Billed energy, over the file's total_energy.")] = "",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Verify signed meter data (OCMF), and compare the signed energy with what is billed."""
    from roaming.cli.verifying import verify_file

    rows, is_right = verify_file(file, public_key=public_key, kwh=kwh)
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="")
    if not is_right:
        raise typer.Exit(1)


def rerate(
    month: Annotated[str, typer.Option(help="Charges that ended in this month, such as 2026-10 (UTC).")],
    tariff: Annotated[
        Path | None, typer.Option(help="A tariff in a JSON file, in place of the CDRs' own one of the same id.")
    ] = None,
    reading: ChosenReadings = None,
    processes: Annotated[int, typer.Option(min=1, help="How many work at once.")] = 2,
    anew: Annotated[bool, typer.Option(help="Do not go on where an earlier run was broken off.")] = False,
    examples: Annotated[bool, typer.Option(help="The first CDRs that change instead of the sums.")] = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Price the CDRs of a month again, and say what would change for whom; nothing is changed."""
    from roaming.cli.rerating import rerate_month, rows_of, wishes_of

    wishes = wishes_of(month, tariff, reading or [])
    outcome = rerate_month(wishes, processes=processes, anew=anew, is_quiet=as_json or as_csv)
    rows = [{"CDR": key, "what": text} for key, text in outcome.examples] if examples else rows_of(outcome)
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="nothing changes" if examples else "no CDR ended then")

"""Commands about how partners behave, and their options; ``commands`` takes them into its group."""

from typing import Annotated

import typer

from roaming.cli.output import Csv, Json, run, show, show_rows, teller

PartnerId = Annotated[str, typer.Argument(help="Its short name: see `roaming partner list`.")]


def add_to(partner_app: typer.Typer) -> None:
    """Registers the commands."""
    partner_app.command("dialect")(partner_dialect)
    partner_app.command("check")(partner_check)
    partner_app.command("allow")(partner_allow)


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


def partner_check(
    target: Annotated[str, typer.Argument(help="A partner's short name, or the versions address of any platform.")],
    token: Annotated[str, typer.Option(help="Credentials token, with an address: any that the platform takes.")] = "",
    party: Annotated[
        str, typer.Option("--as", help="Party that asks, such as NL-HUB; default: the first hosted one, or none.")
    ] = "",
    version: Annotated[str, typer.Option(help="2.1.1, 2.2.1 or 2.3.0; default: the best that it has.")] = "",
    pages: Annotated[int, typer.Option(min=1, help="Pages to read of each list, at most.")] = 5,
    page_size: Annotated[int, typer.Option(min=1, max=1000, help="Objects to ask for at once.")] = 10,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Check how well a platform speaks OCPI, module by module, field by field. Only reads there, never writes.

    Of a partner the result is kept: see `roaming partner show`. With an address and a token no registration is needed,
    and no hub.
    """
    from roaming.cli.checking import Asking, check_partner, check_stranger, report_rows

    asking = Asking(token=token, party=party, version=version, pages=pages, page_size=page_size)
    check = check_stranger if "://" in target else check_partner
    report = run(check(target, asking, teller(as_json=as_json or as_csv)))
    if as_json:
        show(report, as_json=True)
    else:
        show_rows(report_rows(report), as_json=False, as_csv=as_csv, empty="nothing could be checked")
    if report["verdict"] == "FAIL":
        raise typer.Exit(1)


def partner_allow(
    partner_id: PartnerId,
    parties: Annotated[list[str], typer.Argument(help="Such as DE-ACM.")],
    as_json: Json = False,
) -> None:
    """Name parties that a partner may speak for: these, those named before and those it has, and no others.

    Nobody else can claim a party that is named. A hub brings whoever it lists that is not named for others; one with
    named parties brings these alone.
    """
    from roaming.cli.registering import allow_parties

    show(run(allow_parties(partner_id, parties)), as_json=as_json)

"""Commands about payment terminals and their options; ``commands`` takes them into its groups."""

from pathlib import Path
from typing import Annotated

import typer

from roaming.cli.output import Csv, Json, fail, run, show, show_rows

payment_app = typer.Typer(help="Payment terminals and what they took (OCPI 2.3.0).", no_args_is_help=True)
TerminalId = Annotated[str, typer.Argument(help="See `roaming payment terminals`.")]
Owner = Annotated[str, typer.Option("--party", help="Only those of this PTP, such as AT-PAY.")]
Partner = Annotated[str | None, typer.Option(help="Only those from this partner; empty: only our own.")]
Limit = Annotated[int, typer.Option(help="At most so many rows.", min=1)]
Cpo = Annotated[str, typer.Option("--from", help="The CPO hosted here that asks.")]
Provider = Annotated[str, typer.Option("--to", help="The payment terminal provider of a partner, such as AT-PAY.")]
HostedProvider = Annotated[str, typer.Option("--from", help="The payment terminal provider hosted here.")]
TheirCpo = Annotated[str, typer.Option("--to", help="The CPO of a partner that it is for, such as FR-CPO.")]
File = Annotated[Path, typer.Argument(help="JSON of OCPI 2.3.0 Terminal objects.")]
Locations = Annotated[list[str] | None, typer.Option("--location", help="A location that it is for; repeat it.")]
Evses = Annotated[list[str] | None, typer.Option("--evse", help="An EVSE that it is for; repeat it.")]


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.add_typer(payment_app, name="payment")


@payment_app.command("terminals")
def payment_terminals(
    party: Owner = "", partner: Partner = None, limit: Limit = 50, as_json: Json = False, as_csv: Csv = False
) -> None:
    """List payment terminals, newest first."""
    from roaming.cli.showing import list_objects

    rows = run(list_objects("terminal", party=party, partner=partner, limit=limit))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="no terminal yet: roaming payment activate")


@payment_app.command("confirmations")
def payment_confirmations(
    party: Owner = "", partner: Partner = None, limit: Limit = 50, as_json: Json = False, as_csv: Csv = False
) -> None:
    """List what was taken from drivers' cards, newest first."""
    from roaming.cli.showing import list_objects

    rows = run(list_objects("confirmation", party=party, partner=partner, limit=limit))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="nothing was taken yet")


@payment_app.command("activate")
def payment_activate(
    cpo: Cpo,
    provider: Provider,
    terminal_id: Annotated[str, typer.Argument(help="Its id, if it has one; empty: the PTP chooses.")] = "",
    reference: Annotated[str, typer.Option(help="What the PTP knows it by, such as its serial number.")] = "",
    location: Locations = None,
    evse: Evses = None,
    as_json: Json = False,
) -> None:
    """Ask a PTP for a terminal; it stands in `roaming payment terminals` once the PTP has told of it."""
    from roaming.cli.terminals import activate_terminal

    asked = activate_terminal(
        terminal_id, cpo=cpo, provider=provider, reference=reference, locations=location or [], evses=evse or []
    )
    show(run(asked), as_json=as_json)


@payment_app.command("publish")
def payment_publish(
    file: File,
    provider: HostedProvider,
    cpo: TheirCpo,
    confirmations: Annotated[
        bool, typer.Option("--confirmations", help="The file holds FinancialAdviceConfirmation objects instead.")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="Check only, store nothing.")] = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Publish terminals of a PTP hosted here, or what they took from drivers' cards; the CPO is told."""
    from roaming.cli.terminals import publish_of_provider

    kind = "confirmation" if confirmations else "terminal"
    rows = run(publish_of_provider(kind, file, provider=provider, cpo=cpo, is_dry_run=dry_run))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="the file holds nothing")
    if any(row["state"] == "error" for row in rows):
        fail("rows with an error were left out; nothing of them was stored")


@payment_app.command("assign")
def payment_assign(
    terminal_id: TerminalId,
    cpo: Cpo,
    provider: Provider,
    location: Locations = None,
    evse: Evses = None,
    as_json: Json = False,
) -> None:
    """Say which locations and EVSEs a terminal is for, in place of those of before."""
    from roaming.cli.terminals import assign_terminal

    asked = assign_terminal(terminal_id, cpo=cpo, provider=provider, locations=location or [], evses=evse or [])
    show(run(asked), as_json=as_json)


@payment_app.command("deactivate")
def payment_deactivate(terminal_id: TerminalId, cpo: Cpo, provider: Provider, as_json: Json = False) -> None:
    """Give a terminal up."""
    from roaming.cli.terminals import deactivate_terminal

    show(run(deactivate_terminal(terminal_id, cpo=cpo, provider=provider)), as_json=as_json)

"""Commands about states of CDRs, disputes and corrections, with options; ``commands`` takes them into its groups."""

from pathlib import Path
from typing import Annotated

import typer

from roaming.cli.cdr_check_commands import CdrParty, Month
from roaming.cli.output import Csv, Json, fail, run, show, show_rows, teller

dispute_app = typer.Typer(help="Disputes about CDRs, with their evidence.", no_args_is_help=True)
DisputeId = Annotated[str, typer.Argument(help="From `roaming dispute list`.")]
Side = Annotated[str, typer.Option("--party", help="Only those issued by or for this party, such as NL-TNM.")]
Partner = Annotated[str, typer.Option("--partner", help="Only those from or to this partner.")]
Note = Annotated[str, typer.Option(help="Why, for whoever reads it later.")]


def add_to(app: typer.Typer, cdr_app: typer.Typer) -> None:
    """Registers the commands."""
    app.add_typer(dispute_app, name="dispute")
    cdr_app.command("states")(cdr_states)
    cdr_app.command("dispute")(cdr_dispute)
    cdr_app.command("credit")(cdr_credit)
    cdr_app.command("compare")(cdr_compare)
    cdr_app.command("resend")(cdr_resend)


def cdr_states(
    month: Month = "",
    party: Side = "",
    partner: Partner = "",
    state: Annotated[str, typer.Option(help="Only those in this state, such as HELD or DISPUTED.")] = "",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """List where the CDRs of a month stand: draft, held, sent, acknowledged … disputed, credited, settled."""
    from roaming.cli.cdr_disputing import list_states

    rows = run(list_states(month=month, party=party, partner=partner, state=state))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="no CDR")


def cdr_dispute(
    cdr_id: Annotated[list[str] | None, typer.Argument(help="CDRs to dispute; or use --found.")] = None,
    found: Annotated[bool, typer.Option(help="All of the month that the check would dispute.")] = False,
    month: Month = "",
    party: CdrParty = "",
    reason: Annotated[str, typer.Option(help="Why: the other side reads it. Empty: what the check found.")] = "",
    days: Annotated[int, typer.Option(help="Days until an answer is due.", min=1)] = 30,
    out: Annotated[Path | None, typer.Option(help="Folder for the files that the other side imports.")] = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Dispute CDRs, with all that proves it in one file each; what is disputed already stays as it is."""
    from roaming.cli.cdr_disputing import dispute_cdrs

    if bool(cdr_id) == found:
        fail("name CDRs, or give --found with a --month")
    rows = run(
        dispute_cdrs(cdr_id or [], month=month, is_found=found, party=party, reason=reason, days=days, folder=out)
    )
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="nothing to dispute")


def cdr_credit(
    cdr_id: Annotated[str, typer.Argument(help="One of ours, from `roaming cdr list`.")],
    party: Annotated[str, typer.Option(help="The CPO that issued it, such as NL-HUB.")],
    reason: Annotated[str, typer.Option(help="Why: the other side reads it.")],
    replace: Annotated[bool, typer.Option(help="Issue a new one: the session priced by its tariff.")] = False,
    replacement: Annotated[
        Path | None, typer.Option(help="The new one of the same charge, as a JSON file of OCPI 2.2.1 or 2.3.0.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take a CDR back in full, and issue a new one in the same step; both go to whoever got the original."""
    from roaming.cli.cdr_disputing import correct_cdr

    done = run(correct_cdr(cdr_id, party=party, reason=reason, is_replaced=replace, file=replacement))
    show(done, as_json=as_json)


def cdr_compare(
    month: Month = "",
    party: Side = "",
    partner: Partner = "",
    mend: Annotated[bool, typer.Option(help="Send again what a partner says it does not have.")] = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Ask partners for their copies of our CDRs and say what is missing there or differs."""
    from roaming.cli.cdr_disputing import compare_cdrs

    rows = run(compare_cdrs(month=month, party=party, partner=partner, is_mending=mend))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="no CDR of ours")


def cdr_resend(
    month: Month = "", party: Side = "", partner: Partner = "", as_json: Json = False, as_csv: Csv = False
) -> None:
    """Send again the CDRs of a month that a partner would not take, or that we gave up sending."""
    from roaming.cli.cdr_disputing import resend_cdrs

    rows = run(resend_cdrs(month=month, party=party, partner=partner, tell=teller(as_json=as_json or as_csv)))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="nothing to send again")


@dispute_app.command("list")
def dispute_list(
    state: Annotated[str, typer.Option(help="OPEN, CREDITED, WITHDRAWN or REFUSED; empty: all.")] = "",
    party: Annotated[str, typer.Option(help="Only those that this party is one side of.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many rows.", min=1)] = 1000,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """List disputes, those due first."""
    from roaming.cli.cdr_disputing import list_disputes

    rows = run(list_disputes(state=state, party=party, limit=limit))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="no disputes")


@dispute_app.command("show")
def dispute_show(dispute_id: DisputeId, as_json: Json = False) -> None:
    """Show a dispute with its evidence."""
    from roaming.cli.cdr_disputing import show_dispute

    show(run(show_dispute(dispute_id)), as_json=as_json)


@dispute_app.command("export")
def dispute_export(
    dispute_id: DisputeId,
    out: Annotated[Path, typer.Option(help="Folder for the file.")] = Path(),
    as_json: Json = False,
) -> None:
    """Write the file that the other side imports."""
    from roaming.cli.cdr_disputing import export_dispute

    show(run(export_dispute(dispute_id, out)), as_json=as_json)


@dispute_app.command("import")
def dispute_import(
    file: Annotated[list[Path], typer.Argument(help="Files that the other side exported.")],
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Take the other side's disputes about our CDRs; a file that came before changes nothing."""
    from roaming.cli.cdr_disputing import import_disputes

    show_rows(run(import_disputes(file)), as_json=as_json, as_csv=as_csv, empty="")


@dispute_app.command("close")
def dispute_close(
    dispute_id: DisputeId,
    outcome: Annotated[str, typer.Argument(help="withdrawn: it is paid after all; refused: the CDR stands.")],
    note: Note,
    as_json: Json = False,
) -> None:
    """Close a dispute without a credit; a credit of the CDR closes it by itself."""
    from roaming.cli.cdr_disputing import close_dispute

    show(run(close_dispute(dispute_id, outcome, note)), as_json=as_json)

"""Commands about statements, terms and the ledger, and their options; ``commands`` takes them into its groups."""

from pathlib import Path
from typing import Annotated

import typer

from roaming.cli import settle_invoice_commands, settle_rate_commands
from roaming.cli.output import Csv, Json, run, show, show_rows

settle_app = typer.Typer(help="What parties owe each other: statements, terms, ledger.", no_args_is_help=True)
terms_app = typer.Typer(
    help="What a CPO and an eMSP agreed on beside prices: fees and currencies.", no_args_is_help=True
)
settle_app.add_typer(terms_app, name="terms")
One = Annotated[str, typer.Argument(help="A party, such as NL-TNM.")]
Other = Annotated[str, typer.Argument(help="The other party.")]
Cpo = Annotated[str, typer.Argument(help="The CPO, such as NL-TNM.")]
Emsp = Annotated[str, typer.Argument(help="The eMSP, such as DE-EMS.")]
Month = Annotated[str, typer.Option(help="Such as 2026-10 (UTC).")]


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    settle_invoice_commands.add_to(settle_app)
    settle_rate_commands.add_to(settle_app)
    app.add_typer(settle_app, name="settle")


@terms_app.command("list")
def terms_list(as_json: Json = False, as_csv: Csv = False) -> None:
    """List terms, a row per fee."""
    from roaming.cli.settling import list_terms

    show_rows(run(list_terms()), as_json=as_json, as_csv=as_csv, empty="no terms: roaming settle terms set CPO EMSP")


@terms_app.command("set")
def terms_set(
    cpo: Cpo,
    emsp: Emsp,
    fee: Annotated[
        list[str] | None,
        typer.Option(help="Such as 'session 0.25 EUR emsp>hub vat 21', 'kwh 0.01 EUR emsp>cpo', 'percent 2 cpo>emsp'."),
    ] = None,
    currency: Annotated[list[str] | None, typer.Option(help="One that is agreed; repeat it for each.")] = None,
    disputed: Annotated[str, typer.Option(help="withheld or paid: CDRs that are disputed at the close.")] = "withheld",
    rounding: Annotated[str, typer.Option(help="half_up or half_even: of what is payable.")] = "half_up",
    hub: Annotated[str, typer.Option(help="The party that gets fees to the hub.")] = "",
    untaxed: Annotated[
        str,
        typer.Option(help="On invoices what is untaxed is z (zero rated), e (exempt), ae (reverse charge)."),
    ] = "",
    untaxed_reason: Annotated[str, typer.Option(help="Why, as an invoice says it.")] = "",
    buyer_reference: Annotated[str, typer.Option(help="What the buyer wants to read on an invoice.")] = "",
    invoice_lines: Annotated[str, typer.Option(help="rate: a line for each rate of tax; or cdr.")] = "rate",
    settle_in: Annotated[
        str,
        typer.Option(help="CDRs of other currencies are converted to this one; unless given each stays in its own."),
    ] = "",
    rates: Annotated[str, typer.Option(help="Whose rates of exchange count: a source of `settle rates`.")] = "ECB",
    rate_day: Annotated[
        str, typer.Option(help="charge: the rate of the day it ended; month: of the last day of that month.")
    ] = "charge",
    since: Annotated[
        str, typer.Option("--from", help="The month they begin, such as 2026-11; earlier ones keep their terms.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Set what two parties agreed on, in place of earlier terms. Both sides must set the same."""
    from roaming.cli.settling import set_terms

    how = {"untaxed": untaxed, "reason": untaxed_reason, "buyer_reference": buyer_reference, "lines": invoice_lines}
    agreed = {"fees": fee or [], "currencies": currency or [], "disputed": disputed, "rounding": rounding, "hub": hub}
    converted = {"settle_in": settle_in, "rates": rates, "rate_day": rate_day}
    show(run(set_terms(cpo, emsp, agreed, how, converted, since=since)), as_json=as_json)


@terms_app.command("remove")
def terms_remove(cpo: Cpo, emsp: Emsp, as_json: Json = False) -> None:
    """Forget the terms of two parties; closed statements stay as they are."""
    from roaming.cli.settling import drop_terms

    show(run(drop_terms(cpo, emsp)), as_json=as_json)


@settle_app.command("show")
def settle_show(
    one: One,
    other: Other,
    month: Month,
    version: Annotated[int, typer.Option(min=0, help="As it was closed the first time: 1, and so on.")] = 0,
    lines: Annotated[bool, typer.Option(help="A row per CDR.")] = False,
    fees: Annotated[bool, typer.Option(help="A row per fee.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write it to a file too: .csv, .json, .html, .pdf, .xlsx or .parquet.")
    ] = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Show the statement of two parties for a month: as it was closed, or as it would be now."""
    from roaming.cli.settling import show_statement

    rows = run(show_statement(one, other, month=month, version=version, is_by_line=lines, is_fees=fees, file=out))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="nothing to settle")


@settle_app.command("list")
def settle_list(
    party: Annotated[str, typer.Option(help="Only those that this party is one side of.")] = "",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """List statements that were closed, and what they come to."""
    from roaming.cli.settling import list_statements

    show_rows(run(list_statements(party)), as_json=as_json, as_csv=as_csv, empty="no statement was closed yet")


@settle_app.command("close")
def settle_close(
    one: One,
    other: Other,
    month: Month,
    pay_held: Annotated[bool, typer.Option("--pay-held", help="Also CDRs that the check holds for a person.")] = False,
    as_json: Json = False,
) -> None:
    """Close a month: its CDRs are settled, later ones go to the next month, and the ledger is written."""
    from roaming.cli.settling import close_statement

    show(run(close_statement(one, other, month, is_held_paid=pay_held)), as_json=as_json)


@settle_app.command("reopen")
def settle_reopen(
    one: One,
    other: Other,
    month: Month,
    reason: Annotated[str, typer.Option(help="Why: it is kept for ever.")],
    as_json: Json = False,
) -> None:
    """Reopen a month that was closed, and reverse what closing it wrote into the ledger."""
    from roaming.cli.settling import reopen_statement

    show(run(reopen_statement(one, other, month, reason)), as_json=as_json)


@settle_app.command("history")
def settle_history(one: One, other: Other, month: Month, as_json: Json = False, as_csv: Csv = False) -> None:
    """List when a statement was closed and reopened, and why."""
    from roaming.cli.settling import list_history

    rows = run(list_history(one, other, month))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="it was never closed")


@settle_app.command("reconcile")
def settle_reconcile(
    one: One,
    other: Other,
    file: Annotated[Path, typer.Argument(help="Their list: CSV, OCPI CDRs as JSON, or their `settle show --out`.")],
    month: Month,
    tolerance: Annotated[str, typer.Option(help="Differences up to this amount count as none.")] = "0",
    every: Annotated[bool, typer.Option("--all", help="Also CDRs on which both agree.")] = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Set a partner's list beside ours: matched, missing, differing, with amounts; exit code 1 when any differs."""
    from roaming.cli.settling import reconcile

    rows, is_clean = run(reconcile(one, other, month=month, file=file, tolerance=tolerance, is_all=every))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="both lists are empty")
    if not is_clean:
        raise typer.Exit(1)


@settle_app.command("ledger")
def settle_ledger(
    party: Annotated[str, typer.Option(help="Whose book, such as NL-TNM.")],
    month: Annotated[str, typer.Option(help="Write the CDRs of this month into it first, such as 2026-10.")] = "",
    entries: Annotated[bool, typer.Option(help="Every entry, not the balances.")] = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Show a party's book: the balance of each account, or every entry."""
    from roaming.cli.settling import show_ledger

    rows = run(show_ledger(party, month=month, is_by_entry=entries))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="nothing was written yet")

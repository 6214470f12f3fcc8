"""Commands about invoices and their options; ``commands`` takes them into its groups."""

from typing import Annotated

import typer

from roaming.cli.output import Csv, Json, run, show, show_rows

invoice_app = typer.Typer(help="Which CDRs an invoice bills (OCPI 2.3.0).", no_args_is_help=True)
RecordId = Annotated[str, typer.Argument(help="Of the record: see `roaming invoice list`.")]


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.add_typer(invoice_app, name="invoice")


@invoice_app.command("list")
def invoice_list(
    party: Annotated[str, typer.Option(help="Only invoices from or to this party, such as NL-HUB.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many rows.", min=1)] = 50,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """List invoice reconciliation records, ours and partners', newest first."""
    from roaming.cli.invoicing import list_invoices

    show_rows(run(list_invoices(party, limit)), as_json=as_json, as_csv=as_csv, empty="no invoices")


@invoice_app.command("issue")
def invoice_issue(
    record_id: Annotated[str, typer.Argument(help="A name for the record; one that exists is replaced.")],
    issuer: Annotated[str, typer.Option("--from", help="The party hosted here that sent the invoice.")],
    to: Annotated[str, typer.Option(help="The party that got the invoice, such as DE-EMS.")],
    invoice: Annotated[str, typer.Option(help="The number on the invoice.")],
    cdr: Annotated[list[str], typer.Option(help="A CDR on the invoice; repeat it for each.")],
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Tell a party which CDRs an invoice to it bills, and say what they come to."""
    from roaming.cli.invoicing import issue_invoice

    rows = run(issue_invoice(record_id, issuer=issuer, to=to, invoice=invoice, cdrs=cdr))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="")


@invoice_app.command("check")
def invoice_check(
    record_id: RecordId,
    party: Annotated[str, typer.Option("--from", help="Whose invoice, where two parties use the id.")] = "",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Set an invoice against the CDRs held here: a line per id, a sum per currency, exit code 1 when one is wrong."""
    from roaming.cli.invoicing import check_invoice

    rows, is_clean = run(check_invoice(record_id, party))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="")
    if not is_clean:
        raise typer.Exit(1)


@invoice_app.command("withdraw")
def invoice_withdraw(
    record_id: RecordId,
    party: Annotated[str, typer.Option("--from", help="The party hosted here whose invoice it is.")],
    as_json: Json = False,
) -> None:
    """Delete a record of a hosted party that should never have been; whoever got it is told."""
    from roaming.cli.invoicing import withdraw_invoice

    show(run(withdraw_invoice(record_id, party)), as_json=as_json)

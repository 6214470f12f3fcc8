"""Commands about invoices of closed statements and who parties are on them; ``settle_commands`` takes them into its
group."""

from pathlib import Path
from typing import Annotated

import typer

from roaming.cli.output import Csv, Json, run, show, show_rows

party_app = typer.Typer(help="Who parties are on invoices: name, address, tax ids, account.", no_args_is_help=True)
Party = Annotated[str, typer.Argument(help="Such as NL-TNM.")]


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.add_typer(party_app, name="party")
    app.command("invoice")(settle_invoice)
    app.command("invoices")(settle_invoices)


@party_app.command("list")
def party_list(as_json: Json = False, as_csv: Csv = False) -> None:
    """List who parties are on invoices."""
    from roaming.cli.settling_invoices import list_parties

    rows = run(list_parties())
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="nobody is known: roaming settle party set PARTY")


@party_app.command("set")
def party_set(
    party: Party,
    name: Annotated[str, typer.Option(help="Legal name.")],
    country: Annotated[str, typer.Option(help="ISO 3166-1 alpha-2, such as NL.")],
    street: Annotated[str, typer.Option(help="With number.")] = "",
    more_address: Annotated[str, typer.Option(help="A second line.")] = "",
    postcode: Annotated[str, typer.Option(help="Of its address.")] = "",
    city: Annotated[str, typer.Option(help="Of its address.")] = "",
    vat_id: Annotated[str, typer.Option(help="With its prefix, such as NL123456782B90.")] = "",
    tax_number: Annotated[str, typer.Option(help="Of a seller without a VAT id.")] = "",
    register_id: Annotated[str, typer.Option(help="In the register of companies.")] = "",
    email: Annotated[str, typer.Option(help="Of whoever answers questions about invoices.")] = "",
    phone: Annotated[str, typer.Option(help="Beside the e-mail.")] = "",
    contact: Annotated[str, typer.Option(help="Name of that person or department.")] = "",
    electronic_address: Annotated[str, typer.Option(help="Where it takes electronic invoices.")] = "",
    electronic_scheme: Annotated[str, typer.Option(help="Kind of that address by the list EAS: 0088, EM …")] = "",
    iban: Annotated[str, typer.Option(help="Where it is paid; another account number where there is none.")] = "",
    bic: Annotated[str, typer.Option(help="Of its bank.")] = "",
    account_name: Annotated[str, typer.Option(help="Where it is not the legal name.")] = "",
    payment_days: Annotated[int, typer.Option(help="Days after the date of an invoice until it is due.")] = 30,
    vat_currency: Annotated[
        str, typer.Option(help="In which it accounts for tax, where it sells in others too, such as PLN.")
    ] = "",
    series: Annotated[
        str,
        typer.Option(help="Before the count in numbers of invoices, such as 'R{year}-'; {seller}, {month} may too."),
    ] = "",
    credit_series: Annotated[
        str, typer.Option(help="The same of credit notes; unless given they share the series.")
    ] = "",
    vat_rates: Annotated[
        str, typer.Option(help="Whose rates its tax office takes: a source of `settle rates`.")
    ] = "ECB",
    as_json: Json = False,
) -> None:
    """Set who a party is on invoices, in place of what was said before."""
    from roaming.cli.settling_invoices import set_party

    given = {name: value for name, value in locals().items() if name not in ("party", "as_json", "set_party")}
    show(run(set_party(party, given)), as_json=as_json)


@party_app.command("remove")
def party_remove(party: Party, as_json: Json = False) -> None:
    """Forget who a party is; invoices that were issued stay as they are."""
    from roaming.cli.settling_invoices import drop_party

    show(run(drop_party(party)), as_json=as_json)


def settle_invoice(
    one: Annotated[str, typer.Argument(help="A party, such as NL-TNM.")],
    other: Annotated[str, typer.Argument(help="The other party.")],
    month: Annotated[str, typer.Option(help="Such as 2026-10 (UTC).")],
    seller: Annotated[str, typer.Option(help="Write only those of this seller.")] = "",
    form: Annotated[list[str] | None, typer.Option(help="cii, ubl or pdf (Factur-X); repeat it for each.")] = None,
    out: Annotated[Path | None, typer.Option(help="A folder to write them to.")] = None,
    date: Annotated[str, typer.Option(help="Of issue, such as 2026-11-02; today (UTC) unless given.")] = "",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Issue the invoices and credit notes of a closed month (EN 16931), once; write them as files."""
    from roaming.cli.settling_invoices import issue_invoices

    rows = run(issue_invoices(one, other, month=month, seller=seller, forms=form or ["cii"], out=out, on=date))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="nothing to invoice")


def settle_invoices(
    party: Annotated[str, typer.Option(help="Only those of and to this party.")] = "",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """List invoices that were issued, the newest first."""
    from roaming.cli.settling_invoices import list_invoices

    show_rows(run(list_invoices(party)), as_json=as_json, as_csv=as_csv, empty="no invoice was issued yet")

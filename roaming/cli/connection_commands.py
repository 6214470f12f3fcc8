"""Commands that change what partners hold of our credentials; ``commands`` takes them into its groups."""

from typing import Annotated

import typer

from roaming.cli.output import Json, run, show, teller

PartnerId = Annotated[str, typer.Argument(help="Its short name: see `roaming partner list`.")]


def add_to(party_app: typer.Typer, partner_app: typer.Typer) -> None:
    """Registers the commands."""
    party_app.command("add")(party_add)
    partner_app.command("renew")(partner_renew)
    partner_app.command("leave")(partner_leave)


def party_add(
    party: Annotated[str, typer.Argument(help="Country code and party id, such as NL-HUB.")],
    role: Annotated[str, typer.Option(help="CPO, EMSP, or OTHER for a provider of payment terminals.")],
    name: Annotated[str, typer.Option(help="What people read.")],
    tell: Annotated[
        bool, typer.Option(help="Send registered partners our credentials, which list our parties.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Host a party: a CPO whose stations, an eMSP whose tokens, or a PTP whose payment terminals are with us.

    Agreements are made as at a registration. Partners that are registered already learn of the party by PUT of our
    credentials, which the running hub lets them check.
    """
    from roaming.cli.credentials import add_party

    added = run(add_party(party, role=role, name=name, is_telling=tell, tell=teller(as_json=as_json)))
    show(added, as_json=as_json)


def partner_renew(partner_id: PartnerId, as_json: Json = False) -> None:
    """Send a partner our credentials by PUT: both tokens are replaced, its modules looked up, our parties told."""
    from roaming.cli.credentials import renew_partner

    show(run(renew_partner(partner_id, tell=teller(as_json=as_json))), as_json=as_json)


def partner_leave(
    partner_id: PartnerId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    as_json: Json = False,
) -> None:
    """End a connection: DELETE of our credentials there, and no token of the partner is good here any more."""
    from roaming.cli.credentials import leave_partner

    if not yes:
        typer.confirm(f"End the connection with {partner_id}? Nothing flows to or from it afterwards", abort=True)
    show(run(leave_partner(partner_id, tell=teller(as_json=as_json))), as_json=as_json)

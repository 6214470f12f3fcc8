"""Commands about bookings and their options; ``commands`` takes them into its groups."""

from pathlib import Path
from typing import Annotated

import typer

from roaming.cli.output import Csv, Json, fail, run, show, show_rows

booking_app = typer.Typer(help="Places that can be booked, and who booked them (OCPI 2.3.0).", no_args_is_help=True)
BookingId = Annotated[str, typer.Argument(help="Of the booking or its request: see `roaming booking list`.")]
Owner = Annotated[str, typer.Option("--party", help="Only those of this CPO, such as NL-HUB.")]
Cpo = Annotated[str, typer.Option("--party", help="The CPO, where several bookings go by the id.")]
Partner = Annotated[str | None, typer.Option(help="Only those from this partner; empty: only our own.")]
Limit = Annotated[int, typer.Option(help="At most so many rows.", min=1)]


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.add_typer(booking_app, name="booking")


@booking_app.command("list")
def booking_list(
    party: Owner = "", partner: Partner = None, limit: Limit = 50, as_json: Json = False, as_csv: Csv = False
) -> None:
    """List bookings, newest first, and how many requests of each wait for the CPO."""
    from roaming.cli.showing import list_objects

    rows = run(list_objects("booking", party=party, partner=partner, limit=limit))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="no booking yet")


@booking_app.command("places")
def booking_places(
    party: Owner = "", partner: Partner = None, limit: Limit = 50, as_json: Json = False, as_csv: Csv = False
) -> None:
    """List what can be booked, ours and partners', newest first."""
    from roaming.cli.showing import list_objects

    rows = run(list_objects("place", party=party, partner=partner, limit=limit))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="nothing can be booked yet: roaming booking offer FILE")


@booking_app.command("offer")
def booking_offer(
    file: Annotated[Path, typer.Argument(help="JSON of OCPI 2.3.0 BookingLocation objects.")],
    dry_run: Annotated[bool, typer.Option(help="Check only, store nothing.")] = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Publish what can be booked with a CPO hosted here."""
    from roaming.cli.importing import import_objects

    rows = run(import_objects("place", file, is_dry_run=dry_run))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="the file holds nothing")
    if any(row["state"] == "error" for row in rows):
        fail("rows with an error were left out; nothing of them was stored")


@booking_app.command("show")
def booking_show(booking_id: BookingId, party: Cpo = "", as_json: Json = False) -> None:
    """Show a booking and what was asked about it."""
    from roaming.cli.booking import show_booking

    show(run(show_booking(booking_id, party)), as_json=as_json)


@booking_app.command("decide")
def booking_decide(
    booking_id: BookingId,
    accept: Annotated[bool, typer.Option("--accept/--decline", help="Whether the CPO will have it.")],
    party: Cpo = "",
    as_json: Json = False,
) -> None:
    """Accept or decline what was asked of a CPO hosted here; the eMSP is told."""
    from roaming.cli.booking import decide_booking

    show(run(decide_booking(booking_id, party, is_accepted=accept)), as_json=as_json)


@booking_app.command("ask")
def booking_ask(
    file: Annotated[Path, typer.Argument(help="JSON of one OCPI 2.3.0 BookingRequest.")],
    emsp: Annotated[str, typer.Option("--from", help="The eMSP hosted here that asks.")],
    cpo: Annotated[str, typer.Option("--to", help="The CPO of a partner, such as FR-CPO.")],
    as_json: Json = False,
) -> None:
    """Ask a partner's CPO for a booking; with a request_id of before for a change or a cancellation."""
    from roaming.cli.booking import ask_for

    show(run(ask_for(file, emsp=emsp, cpo=cpo)), as_json=as_json)

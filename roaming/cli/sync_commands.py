"""Commands about partners' lists and what translation costs; ``commands`` takes them into its groups."""

from typing import Annotated, Any

import typer

from roaming.cli.output import Csv, Json, run, show, show_rows, teller

sync_app = typer.Typer(help="How far partners' lists have been pulled.", no_args_is_help=True)
PartnerId = Annotated[str, typer.Argument(help="Its short name: see `roaming partner list`.")]
EMPTY = "nothing is pulled yet: partners are asked for their lists once they are registered"


def add_to(app: typer.Typer, partner_app: typer.Typer) -> None:
    """Registers the commands."""
    app.add_typer(sync_app, name="sync")
    partner_app.command("sync")(partner_sync)
    partner_app.command("show")(partner_show)
    partner_app.command("compare")(partner_compare)
    partner_app.command("losses")(partner_losses)
    app.command("losses")(losses)


@sync_app.command("list")
def sync_list(
    partner: Annotated[str, typer.Option(help="Only this partner's.")] = "", as_json: Json = False, as_csv: Csv = False
) -> None:
    """List what was pulled from partners, what went wrong, and when each list is next."""
    from roaming.cli.syncing import list_pulls

    show_rows(run(list_pulls(partner)), as_json=as_json, as_csv=as_csv, empty=EMPTY)


def partner_sync(
    partner_id: PartnerId,
    module: Annotated[str, typer.Option(help="Such as cdrs, bookings or payments/terminals; empty: all.")] = "",
    full: Annotated[bool, typer.Option(help="Everything, not only what changed since the last time.")] = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Pull a partner's lists now. What it does not give now is asked for again later by the hub."""
    from roaming.cli.syncing import sync_partner

    tell = teller(as_json=as_json or as_csv)
    rows = run(sync_partner(partner_id, module=module, is_full=full, tell=tell))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty=EMPTY)
    if any(row["state"] != "DONE" for row in rows):
        raise typer.Exit(1)


def partner_compare(
    partner_id: PartnerId,
    module: Annotated[str, typer.Option(help="Such as cdrs or payments/terminals: see `roaming sync list`.")],
    mend: Annotated[bool, typer.Option(help="Take what the partner says, where ours is not newer.")] = False,
    limit: Annotated[int, typer.Option(help="Show at most so many differences.", min=1)] = 1000,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Compare our copy of a partner's list with the list; nothing changes without --mend."""
    from roaming.cli.syncing import compare_partner

    rows = run(compare_partner(partner_id, module=module, is_mending=mend, limit=limit))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="no difference")


def partner_losses(partner_id: PartnerId, as_json: Json = False, as_csv: Csv = False) -> None:
    """Show what a partner was not told because its version cannot say it, by module and field."""
    from roaming.cli.losing import partner_losses as read

    show_rows(run(read(partner_id)), as_json=as_json, as_csv=as_csv, empty="nothing was lost")


def losses(
    module: Annotated[str, typer.Option(help="Only this module's, such as cdrs.")] = "",
    version: Annotated[str, typer.Option(help="Only this version's: 2.1.1, 2.2.1 or 2.3.0.")] = "",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Show what each version of OCPI cannot say, and what becomes of it."""
    from roaming.cli.losing import all_declared

    empty = "nothing: no module of that name, or a version that says it all"
    show_rows(all_declared(module, version), as_json=as_json, as_csv=as_csv, empty=empty)


def partner_show(partner_id: PartnerId, as_json: Json = False) -> None:
    """Show a partner: its parties and endpoints, how far its lists are, and what was odd about them."""
    from roaming.cli.syncing import show_partner

    found = run(show_partner(partner_id))
    if as_json:
        show(found, as_json=True)
        return
    pulls, oddities, lost = found.pop("pulls"), found.pop("oddities"), found.pop("losses")
    found["check"] = _checked(found["check"])
    show({name: _joined(value) for name, value in found.items()}, as_json=False)
    show_rows(pulls, as_json=False, empty=EMPTY)
    for oddity in oddities:
        typer.echo(oddity)
    for entry in lost:
        typer.echo(f"{entry['module']}: {entry['field']} lost {entry['times']} times ({entry['last reason']})")


def _checked(report: dict[str, Any] | None) -> str:
    """The last check in a line."""
    if report is None:
        return "none yet: roaming partner check"
    counts = [
        f"{module} " + "/".join(str(number) for number in counts.values())
        for module, counts in report["modules"].items()
    ]
    return f"{report['verdict']} of {report['at']} (pass/warn/fail: {', '.join(counts)})"


def _joined(value: Any) -> Any:
    if isinstance(value, dict):
        return "; ".join(f"{name} {entry}" for name, entry in value.items())
    return " ".join(value) if isinstance(value, list) else value

"""Commands about webhooks and e-mail; ``commands`` takes them in."""

from typing import Annotated

import typer

from roaming.cli.output import Csv, Json, run, show, show_rows

Name = Annotated[str, typer.Argument(help="Its name: see `roaming webhook list`, `roaming mail list`.")]


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    webhook_app = typer.Typer(help="Webhooks: events sent to programs, signed.", no_args_is_help=True)
    webhook_app.command("list")(webhook_list)
    webhook_app.command("add")(webhook_add)
    webhook_app.command("test")(webhook_test)
    webhook_app.command("sent")(webhook_sent)
    webhook_app.command("replay")(webhook_replay)
    webhook_app.command("secret")(webhook_secret)
    webhook_app.command("on")(webhook_on)
    webhook_app.command("off")(webhook_off)
    webhook_app.command("remove")(webhook_remove)
    webhook_app.command("events")(webhook_events)
    app.add_typer(webhook_app, name="webhook")
    mail_app = typer.Typer(help="E-mail to people when something goes wrong at stations.", no_args_is_help=True)
    mail_app.command("list")(mail_list)
    mail_app.command("add")(mail_add)
    for name, command in (("test", webhook_test), ("sent", webhook_sent), ("replay", webhook_replay)):
        mail_app.command(name)(command)
    for name, command in (("on", webhook_on), ("off", webhook_off), ("remove", webhook_remove)):
        mail_app.command(name)(command)
    app.add_typer(mail_app, name="mail")


def webhook_list(as_json: Json = False, as_csv: Csv = False) -> None:
    """List webhooks, with how many events wait, were sent, and were given up (dead)."""
    from roaming.cli.webhooks import list_subscribers

    empty = "no webhook yet: roaming webhook add NAME https://..."
    show_rows(run(list_subscribers("WEBHOOK")), as_json=as_json, as_csv=as_csv, empty=empty)


def webhook_add(
    name: Annotated[str, typer.Argument(help="A short name of your choice, such as noc.")],
    url: Annotated[str, typer.Argument(help="Where events are sent by POST; public, over https.")],
    event: Annotated[
        list[str] | None,
        typer.Option(help="Only these: see `roaming webhook events`; station.* for all of stations; none: all."),
    ] = None,
    party: Annotated[str, typer.Option(help="Only what belongs to this party, such as NL-HUB; empty: all.")] = "",
    secret: Annotated[str, typer.Option(help="What it is signed with: whsec_ and Base64; empty: a new one.")] = "",
    as_json: Json = False,
) -> None:
    """Send events to an address from now on. Prints the secret that the receiver checks signatures with, once."""
    from roaming.cli.webhooks import add_webhook

    added = run(add_webhook(name, url, events=event or [], party=party, secret=secret))
    show(added, as_json=as_json)


def mail_list(as_json: Json = False, as_csv: Csv = False) -> None:
    """List who gets e-mail, with how many events wait, were sent, and were given up (dead)."""
    from roaming.cli.webhooks import list_subscribers

    empty = "nobody gets e-mail yet: roaming mail add NAME noc@example.org"
    show_rows(run(list_subscribers("EMAIL")), as_json=as_json, as_csv=as_csv, empty=empty)


def mail_add(
    name: Annotated[str, typer.Argument(help="A short name of your choice, such as night-shift.")],
    address: Annotated[str, typer.Argument(help="One address, such as noc@example.org.")],
    event: Annotated[
        list[str] | None,
        typer.Option(help="See `roaming webhook events`; none: offline, online, fault and security of stations."),
    ] = None,
    party: Annotated[str, typer.Option(help="Only what belongs to this party, such as NL-HUB; empty: all.")] = "",
    as_json: Json = False,
) -> None:
    """Write e-mail about events from now on: at once, then what gathers within a minute together (smtp_host …)."""
    from roaming.cli.webhooks import add_mail

    show(run(add_mail(name, address, events=event or [], party=party)), as_json=as_json)


def webhook_test(name: Name, as_json: Json = False) -> None:
    """Send a test event now and show what the receiver answered."""
    from roaming.cli.webhooks import test_webhook

    done = run(test_webhook(name))
    show(done, as_json=as_json)
    if not done["arrived"]:
        raise typer.Exit(1)


def webhook_sent(
    name: Name,
    state: Annotated[str, typer.Option(help="PENDING, SENT or DEAD (given up); empty: all.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many rows.", min=1)] = 50,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """List what was sent, waits or was given up, the newest first."""
    from roaming.cli.webhooks import list_sent

    rows = run(list_sent(name, state=state, limit=limit))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="nothing yet")


def webhook_replay(
    name: Name,
    number: Annotated[list[int] | None, typer.Argument(help="Numbers from `webhook sent`; none: all.")] = None,
    as_json: Json = False,
) -> None:
    """Send again what was given up."""
    from roaming.cli.webhooks import replay_webhook

    show(run(replay_webhook(name, number or [])), as_json=as_json)


def webhook_secret(name: Name, as_json: Json = False) -> None:
    """Make a new secret and print it, once. For a day messages are signed with the old one too."""
    from roaming.cli.webhooks import renew_secret

    show(run(renew_secret(name)), as_json=as_json)


def webhook_on(name: Name, as_json: Json = False) -> None:
    """Send again, also what waited when it was switched off."""
    from roaming.cli.webhooks import switch_webhook

    show(run(switch_webhook(name, is_on=True)), as_json=as_json)


def webhook_off(name: Name, as_json: Json = False) -> None:
    """Send nothing for now. What happens meanwhile is not sent later."""
    from roaming.cli.webhooks import switch_webhook

    show(run(switch_webhook(name, is_on=False)), as_json=as_json)


def webhook_remove(name: Name, as_json: Json = False) -> None:
    """Remove a webhook, and what waits for it."""
    from roaming.cli.webhooks import remove_webhook

    show(run(remove_webhook(name)), as_json=as_json)


def webhook_events(as_json: Json = False, as_csv: Csv = False) -> None:
    """List the events there are."""
    from roaming.feed.kinds import KINDS

    rows = [{"event": kind, "what": text} for kind, text in KINDS.items()]
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="")

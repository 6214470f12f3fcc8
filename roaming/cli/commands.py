"""All commands and their options; the work is done elsewhere."""

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from contracts.collector import COLLECT_AFTER
from roaming.cli import (
    agreement_commands,
    asking_commands,
    authority_commands,
    booking_commands,
    cdr_check_commands,
    cdr_dispute_commands,
    certificate_commands,
    connection_commands,
    health_commands,
    invoice_commands,
    operating_commands,
    partner_commands,
    payment_commands,
    profile_commands,
    rating_commands,
    settle_commands,
    station_2x_commands,
    station_commands,
    sync_commands,
    tariff_commands,
    updating_commands,
    webhook_commands,
)
from roaming.cli.output import Csv, Json, fail, run, show, show_rows
from roaming.cli.profile_commands import Cpo, SessionId

app = typer.Typer(
    help="An OCPI roaming hub.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
database_app = typer.Typer(help="The database.", no_args_is_help=True)
partner_app = typer.Typer(help="Platforms on the other side.", no_args_is_help=True)
party_app = typer.Typer(help="Parties hosted here.", no_args_is_help=True)
station_app = typer.Typer(help="Charging stations.", no_args_is_help=True)
location_app = typer.Typer(help="Locations.", no_args_is_help=True)
tariff_app = typer.Typer(help="Tariffs.", no_args_is_help=True)
token_app = typer.Typer(help="Tokens: who may charge.", no_args_is_help=True)
session_app = typer.Typer(help="Charges, running and ended.", no_args_is_help=True)
cdr_app = typer.Typer(help="Charge detail records: what is billed.", no_args_is_help=True)
delivery_app = typer.Typer(help="What is on its way to partners.", no_args_is_help=True)
dead_letter_app = typer.Typer(help="Messages that could not be handled.", no_args_is_help=True)
sim_app = typer.Typer(help="Simulators to practise with.", no_args_is_help=True)
for name, sub in (
    ("db", database_app),
    ("partner", partner_app),
    ("party", party_app),
    ("station", station_app),
    ("location", location_app),
    ("tariff", tariff_app),
    ("token", token_app),
    ("session", session_app),
    ("cdr", cdr_app),
    ("delivery", delivery_app),
    ("dead-letter", dead_letter_app),
    ("sim", sim_app),
):
    app.add_typer(sub, name=name)
connection_commands.add_to(party_app, partner_app)
sync_commands.add_to(app, partner_app)
partner_commands.add_to(partner_app)
asking_commands.add_to(app)
agreement_commands.add_to(app)
authority_commands.add_to(app)
station_commands.add_to(station_app, location_app)
operating_commands.add_to(station_app)
station_2x_commands.add_to(station_app)
certificate_commands.add_to(station_app)
health_commands.add_to(station_app)
updating_commands.add_to(app)
invoice_commands.add_to(app)
booking_commands.add_to(app)
payment_commands.add_to(app)
profile_commands.add_to(app)
rating_commands.add_to(app, cdr_app)
tariff_commands.add_to(tariff_app)
cdr_check_commands.add_to(cdr_app)
cdr_dispute_commands.add_to(app, cdr_app)
settle_commands.add_to(app)
webhook_commands.add_to(app)

Limit = Annotated[int, typer.Option(help="At most so many rows.", min=1)]
PartnerId = Annotated[str, typer.Argument(help="Its short name: see `roaming partner list`.")]
Owner = Annotated[str, typer.Option("--party", help="Only those of this party, such as NL-HUB.")]


def main() -> None:
    """Entry point of ``roaming``."""
    # A command imports a thousand modules before it does anything, and none of that is garbage: by Python's own 700
    # objects, a sixth of its start went into looking for some
    gc.set_threshold(COLLECT_AFTER)
    try:
        app()
    except Exception as error:
        from roaming.cli.failing import explain

        line = explain(error)
        if line is None:
            raise
        typer.echo(f"error: {line}", err=True)
        sys.exit(1)


@app.command()
def start(
    migrate: Annotated[bool, typer.Option(help="Bring the database up to date first.")] = True, as_json: Json = False
) -> None:
    """Run everything in one process: HTTP, worker and the OCPP adapter."""
    from roaming.cli.running import start as work

    run(work(migrate=migrate, as_json=as_json))


@app.command()
def serve(as_json: Json = False) -> None:
    """Run the HTTP endpoints only; start as many as you need (PostgreSQL)."""
    from roaming.cli.running import serve as work

    run(work(as_json=as_json))


@app.command()
def work(as_json: Json = False) -> None:
    """Run a worker only; start as many as you need (PostgreSQL and Kafka)."""
    from roaming.cli.running import work as run_worker

    run(run_worker(as_json=as_json))


@app.command()
def demo(
    stations: Annotated[int, typer.Option(min=1, help="Simulated OCPP stations.")] = 6,
    speed: Annotated[float, typer.Option(min=1, help="How many times faster than life the stations charge.")] = 60.0,
    seconds: Annotated[float, typer.Option(min=0, help="End by itself after so many seconds; 0: never.")] = 0.0,
    seed: Annotated[int, typer.Option(help="The same seed, the same drivers.")] = 1,
    arrivals: Annotated[float, typer.Option(min=0, help="Mean seconds between drivers; 0: only yours.")] = 20.0,
    partner_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the sandbox eMSP.")] = 8100,
    reset: Annotated[bool, typer.Option(help="Forget what earlier demos left.")] = True,
    as_json: Json = False,
) -> None:
    """Watch a charge at an OCPP station become a session and a CDR at a partner."""
    from roaming.cli.demo import Wishes
    from roaming.cli.demo import demo as run_demo

    run(
        run_demo(
            Wishes(stations=stations, speed=speed, seed=seed, arrivals=arrivals, partner_port=partner_port),
            seconds=seconds,
            reset=reset,
            as_json=as_json,
        )
    )


@app.command()
def doctor(as_json: Json = False, as_csv: Csv = False) -> None:
    """Check settings, database, bus and partners, and say what to do."""
    from roaming.cli.doctor import examine

    findings = run(examine())
    show_rows(findings, as_json=as_json, as_csv=as_csv, empty="")
    if any(finding["state"] == "fail" for finding in findings):
        raise typer.Exit(1)


@database_app.command("upgrade")
def db_upgrade(as_json: Json = False) -> None:
    """Bring the database to this release."""
    from roaming.cli.database import upgrade_database

    show(run(upgrade_database()), as_json=as_json)


@partner_app.command("add")
def partner_add(
    partner_id: Annotated[str, typer.Argument(help="A short name of your choice, such as acme.")],
    name: Annotated[str, typer.Option(help="Full name.")] = "",
    party: Annotated[list[str] | None, typer.Option(help="A party it may speak for, such as NL-TNM.")] = None,
    url: Annotated[str, typer.Option(help="Its versions address, if you start the registration.")] = "",
    token: Annotated[str, typer.Option(help="TOKEN_A that it gave you, if you start the registration.")] = "",
    agree: Annotated[bool, typer.Option(help="Agreements with all hosted parties when it registers.")] = True,
    counterpart: Annotated[
        str, typer.Option("--as", help="Hosted party it sees where it speaks OCPI 2.1.1, such as NL-HUB; if several.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Add a partner: prints the TOKEN_A to hand over, or registers with it when given --url and --token."""
    from roaming.cli.registering import add_partner

    show(
        run(
            add_partner(
                partner_id,
                name=name or partner_id,
                parties=party or [],
                url=url,
                token=token,
                is_agreeing=agree,
                counterpart=counterpart,
            )
        ),
        as_json=as_json,
    )


@partner_app.command("list")
def partner_list(as_json: Json = False, as_csv: Csv = False) -> None:
    """List partners."""
    from roaming.cli.registering import list_partners

    show_rows(run(list_partners()), as_json=as_json, as_csv=as_csv, empty="no partner yet: roaming partner add NAME")


@party_app.command("list")
def party_list(as_json: Json = False, as_csv: Csv = False) -> None:
    """List hosted parties."""
    from roaming.cli.showing import list_parties

    empty = "no party yet: roaming party add NL-ABC --role CPO --name 'My company'"
    show_rows(run(list_parties()), as_json=as_json, as_csv=as_csv, empty=empty)


def _import(kind: str, file: Path, dry_run: bool, as_json: bool, as_csv: bool) -> None:
    from roaming.cli.importing import import_objects

    rows = run(import_objects(kind, file, is_dry_run=dry_run))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="the file holds nothing")
    if any(row["state"] == "error" for row in rows):
        fail("rows with an error were left out; nothing of them was stored")


ImportFile = Annotated[Path, typer.Argument(help="The file.")]
DryRun = Annotated[bool, typer.Option(help="Check only, store nothing.")]


@location_app.command("import")
def location_import(file: ImportFile, dry_run: DryRun = False, as_json: Json = False, as_csv: Csv = False) -> None:
    """Publish locations from a JSON file of OCPI 2.2.1 Location objects."""
    _import("location", file, dry_run, as_json, as_csv)


@tariff_app.command("import")
def tariff_import(file: ImportFile, dry_run: DryRun = False, as_json: Json = False, as_csv: Csv = False) -> None:
    """Publish tariffs from a JSON file of OCPI 2.2.1 Tariff objects, or of 2.3.0 where they say `tax_included`."""
    _import("tariff", file, dry_run, as_json, as_csv)


@token_app.command("import")
def token_import(file: ImportFile, dry_run: DryRun = False, as_json: Json = False, as_csv: Csv = False) -> None:
    """Publish tokens from a JSON or CSV file (columns as the fields of an OCPI 2.2.1 Token)."""
    _import("token", file, dry_run, as_json, as_csv)


def _list(kind: str) -> Callable[..., None]:
    def listed(
        party: Owner = "",
        partner: Annotated[str | None, typer.Option(help="Only those from this partner; empty: only our own.")] = None,
        limit: Limit = 50,
        as_json: Json = False,
        as_csv: Csv = False,
    ) -> None:
        from roaming.cli.showing import list_objects

        rows = run(list_objects(kind, party=party, partner=partner, limit=limit))
        show_rows(rows, as_json=as_json, as_csv=as_csv, empty=f"no {kind} yet")

    return listed


for kind, sub in (
    ("location", location_app),
    ("tariff", tariff_app),
    ("token", token_app),
    ("session", session_app),
    ("cdr", cdr_app),
):
    sub.command("list", help=f"List {kind}s, newest first.")(_list(kind))


@session_app.command("retry")
def session_retry(as_json: Json = False) -> None:
    """Try the charges again that were given up because nobody bound their station or knew their driver for 30 days."""
    from roaming.cli.showing import retry_given_up

    show(run(retry_given_up()), as_json=as_json)


@session_app.command("late")
def session_late(limit: Limit = 50, as_json: Json = False, as_csv: Csv = False) -> None:
    """List what stations told of charges that were closed already, newest first: it is in no CDR."""
    from roaming.cli.showing import list_late

    show_rows(run(list_late(limit=limit)), as_json=as_json, as_csv=as_csv, empty="nothing came late")


@session_app.command("prefer")
def session_prefer(
    session_id: SessionId,
    profile: Annotated[str, typer.Option(help="What the driver wants: cheap, fast, green or regular.")],
    until: Annotated[str, typer.Option(help="When the driver leaves, such as 2026-11-29T18:00:00Z.")] = "",
    kwh: Annotated[str, typer.Option(help="Energy that is needed until then.")] = "",
    party: Cpo = "",
    as_json: Json = False,
) -> None:
    """Tell a partner what a hosted driver wants of a charge there; exit code 1 when it will not do it."""
    from roaming.cli.preferring import prefer

    values, is_accepted = run(prefer(session_id, profile=profile, until=until, kwh=kwh, party=party))
    show(values, as_json=as_json)
    if not is_accepted:
        raise typer.Exit(1)


@cdr_app.command("explain")
def cdr_explain(
    cdr_id: Annotated[str, typer.Argument(help="From `roaming cdr list`.")],
    party: Annotated[str, typer.Option(help="Whose CDR, where two parties use the id.")] = "",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Say how a CDR's price comes about, a line per period and dimension, with the reason for each."""
    from roaming.cli.showing import explain_cdr

    show_rows(run(explain_cdr(cdr_id, party=party)), as_json=as_json, as_csv=as_csv, empty="nothing was charged")


@delivery_app.command("list")
def delivery_list(
    state: Annotated[str, typer.Option(help="PENDING, DELIVERED, REFUSED, DEAD; empty: all but delivered.")] = "",
    partner: Annotated[str, typer.Option(help="Only those to this partner.")] = "",
    limit: Limit = 50,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """List what partners have yet to get, or would not take."""
    from roaming.cli.registering import list_deliveries

    show_rows(run(list_deliveries(state, partner, limit)), as_json=as_json, as_csv=as_csv, empty="nothing waits")


@delivery_app.command("replay")
def delivery_replay(
    delivery_id: Annotated[list[int], typer.Argument(help="Numbers from `roaming delivery list`.")],
    as_json: Json = False,
) -> None:
    """Send refused or dead deliveries again."""
    from roaming.cli.registering import replay_deliveries

    show(run(replay_deliveries(delivery_id)), as_json=as_json)


@dead_letter_app.command("list")
def dead_letter_list(limit: Limit = 50, as_json: Json = False, as_csv: Csv = False) -> None:
    """List messages that a consumer could not handle."""
    from roaming.cli.registering import list_dead_letters

    show_rows(run(list_dead_letters(limit)), as_json=as_json, as_csv=as_csv, empty="no dead letters")


@dead_letter_app.command("replay")
def dead_letter_replay(
    letter_id: Annotated[list[int], typer.Argument(help="Numbers from `roaming dead-letter list`.")],
    as_json: Json = False,
) -> None:
    """Hand dead letters to their consumer again, once the cause is mended."""
    from roaming.cli.registering import replay_dead_letters

    show(run(replay_dead_letters(letter_id)), as_json=as_json)


@sim_app.command("stations", hidden=True)
@sim_app.command("station")
def sim_station(
    n: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 1,
    url: Annotated[str, typer.Option(help="Where they connect.")] = "ws://127.0.0.1:9000",
    prefix: Annotated[str, typer.Option(help="Station ids are PREFIX-001 and so on.")] = "SIM",
    password: Annotated[str, typer.Option(help="Basic auth password of all of them.")] = "",
    token: Annotated[list[str] | None, typer.Option(help="Tokens that drivers present.")] = None,
    speed: Annotated[float, typer.Option(min=1, help="How many times faster than life they charge.")] = 60.0,
    seed: Annotated[int, typer.Option(help="The same seed, the same drivers.")] = 1,
    ocpp: Annotated[str, typer.Option(help="Versions they speak, in turn: 1.6,2.0.1,2.1.")] = "1.6",
    scenario: Annotated[str, typer.Option(help="What they do wrong, in turn: repeated,silent.")] = "steady",
    share: Annotated[float, typer.Option(min=0, max=1, help="Part of them that do so.")] = 1.0,
    list_scenarios: Annotated[bool, typer.Option("--list-scenarios", help="Show what they can do wrong.")] = False,
    seconds: Annotated[float, typer.Option(min=0, help="End after so many seconds; 0: never.")] = 0.0,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """OCPP stations over real WebSockets, with drivers who come and go."""
    from roaming.cli import simulating

    if list_scenarios:
        show_rows(simulating.list_scenarios(), as_json=as_json, as_csv=as_csv, empty="")
        return
    ended = simulating.run_stations(
        n=n,
        url=url,
        prefix=prefix,
        password=password,
        tokens=token or [],
        speed=speed,
        seed=seed,
        seconds=seconds,
        ocpp=simulating.versions_of(ocpp),
        scenarios=simulating.scenarios_of(scenario),
        share=share,
    )
    show(run(ended), as_json=as_json)


@sim_app.command("partner")
def sim_partner(
    url: Annotated[str, typer.Option(help="Versions address of the hub.")] = "http://127.0.0.1:8000/ocpi/versions",
    token: Annotated[str, typer.Option(help="TOKEN_A from `roaming partner add`.")] = "",
    party: Annotated[str, typer.Option(help="The eMSP it plays.")] = "DE-SBX",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where it listens.")] = 8100,
    fault: Annotated[str, typer.Option(help="module:fault:times, such as cdrs:error:3.")] = "",
    seconds: Annotated[float, typer.Option(min=0, help="End after so many seconds; 0: never.")] = 0.0,
    as_json: Json = False,
) -> None:
    """A sandbox eMSP that registers with a hub and prints what it gets."""
    from roaming.cli.simulating import run_partner

    ended = run_partner(url=url, token=token, party=party, port=port, fault=fault, seconds=seconds, as_json=as_json)
    show(run(ended), as_json=as_json)

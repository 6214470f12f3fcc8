"""What only stations of OCPP 2.0.1 and 2.1 can be asked, as commands. ``operating_commands`` has what all can."""

from typing import Annotated

import typer

from roaming.cli.operating_commands import Connector, profile_app
from roaming.cli.output import fail, run
from roaming.cli.station_asking import Written, asks

text_app = typer.Typer(help="Texts on the displays of stations (OCPP 2.x).", no_args_is_help=True)
monitor_app = typer.Typer(help="Variables that stations tell of by themselves (OCPP 2.x).", no_args_is_help=True)
stream_app = typer.Typer(help="Streams of values that stations have open (OCPP 2.1).", no_args_is_help=True)
tariff_app = typer.Typer(help="Tariffs that stations show and reckon by (OCPP 2.1).", no_args_is_help=True)

Transaction = Annotated[str, typer.Option(help="Number of the charge: see `roaming station show`.")]


def add_to(station_app: typer.Typer) -> None:
    """Registers the commands."""
    station_app.command("publish")(station_publish)
    station_app.command("unpublish")(station_unpublish)
    station_app.command("expect-payment")(station_expect_payment)
    station_app.command("check")(station_check)
    station_app.command("cost")(station_cost)
    station_app.command("priority")(station_priority)
    station_app.command("customer")(station_customer)
    station_app.add_typer(text_app, name="text")
    station_app.add_typer(monitor_app, name="monitor")
    station_app.add_typer(stream_app, name="stream")
    station_app.add_typer(tariff_app, name="tariff")


@asks(is_one=True)
def station_check(
    transaction: Annotated[str, typer.Option(help="Of this charge; empty: of any.")] = "",
) -> Written:
    """Ask whether a charge goes on, and whether the station has yet to tell something (OCPP 2.x)."""
    return {"kind": "CHECK_TRANSACTION", "transaction_id": transaction or None}


@asks(is_one=True)
def station_cost(
    total: Annotated[str, typer.Argument(help="What it costs so far with taxes, such as 3.75.")],
    transaction: Transaction,
) -> Written:
    """Show a driver what the charge costs so far (OCPP 2.x)."""
    return {"kind": "UPDATE_COST", "transaction_id": transaction, "total_cost": total}


@asks(is_one=True)
def station_priority(
    state: Annotated[str, typer.Argument(help="`on`: all that the station can give; `off`: as others.")],
    transaction: Transaction,
) -> Written:
    """Let a charge go before others (OCPP 2.1)."""
    if state not in ("on", "off"):
        fail(f"{state}: on or off")
    return {"kind": "USE_PRIORITY_CHARGING", "transaction_id": transaction, "is_active": state == "on"}


@asks()
def station_customer(
    token: Annotated[str, typer.Argument(help="UID of the driver's token.")],
    clear: Annotated[bool, typer.Option("--clear", help="Forget it.")] = False,
) -> Written:
    """Have stations report what they keep about a driver, or forget it (OCPP 2.x): `roaming station show`."""
    return {"kind": "REPORT_CUSTOMER", "token_uid": token, "is_cleared": clear}


@asks()
def station_publish(
    url: Annotated[str, typer.Argument(help="Where it is fetched; `hub:ID` for a file of `roaming firmware list`.")],
    checksum: Annotated[str, typer.Option(help="MD5 of the file, 32 hexadecimal digits; not for `hub:ID`.")] = "",
    retries: Annotated[int | None, typer.Option(min=0, help="How often it is tried; empty: as it likes.")] = None,
) -> Written:
    """Have local controllers fetch firmware once and offer it to the stations behind them (OCPP 2.x); `roaming station
    show --json` tells where it then is."""
    return {"kind": "PUBLISH_FIRMWARE", "url": url, "checksum": checksum, "retries": retries}


@asks()
def station_unpublish(
    checksum: Annotated[str, typer.Argument(help="MD5 of the file, as it was published.")],
) -> Written:
    """Have local controllers offer that firmware no more (OCPP 2.x)."""
    return {"kind": "UNPUBLISH_FIRMWARE", "checksum": checksum}


@asks(is_one=True)
def station_expect_payment(
    connector: Annotated[int, typer.Option(min=0, help="Number of a connector of the EVSE; 0: whichever.")] = 0,
    seconds: Annotated[int, typer.Option(min=1, max=3600, help="For so many seconds.")] = 120,
) -> Written:
    """Tell a station that a driver has begun to pay by a web page, so that nobody else begins there (OCPP 2.1)."""
    return {"kind": "EXPECT_PAYMENT", "connector_id": connector, "seconds": seconds}


@text_app.command("show")
@asks()
def text_show(
    text: Annotated[str, typer.Argument(help="What drivers read.")],
    number: Annotated[int, typer.Option("--id", min=1, help="Its number; the same again replaces.")] = 1,
    priority: Annotated[str, typer.Option(help="always-front, in-front, or normal-cycle.")] = "normal-cycle",
    language: Annotated[str, typer.Option(help="Such as en.")] = "",
    transaction: Annotated[str, typer.Option(help="Only while this charge runs.")] = "",
    until: Annotated[str, typer.Option(help="Such as 2026-11-23T22:00:00Z.")] = "",
) -> Written:
    """Show a text on the display of stations."""
    return {
        "kind": "SHOW_TEXT",
        "text_id": number,
        "text": text,
        "priority": priority.upper().replace("-", "_"),
        "language": language or None,
        "transaction_id": transaction or None,
        "ends_at": until or None,
    }


@text_app.command("clear")
@asks()
def text_clear(
    number: Annotated[int, typer.Option("--id", min=1, help="Its number.")] = 1,
) -> Written:
    """Take a text off the display of stations."""
    return {"kind": "CLEAR_TEXT", "text_id": number}


@text_app.command("list")
@asks()
def text_list() -> Written:
    """Have stations report what they show: `roaming station show`."""
    return {"kind": "REPORT_TEXTS"}


@monitor_app.command("set")
@asks()
def monitor_set(
    variable: Annotated[str, typer.Argument(help="Component.Variable, such as EVSE(1).Power.")],
    kind: Annotated[
        str, typer.Argument(help="upper-threshold, lower-threshold, delta, periodic or periodic-clock-aligned.")
    ],
    value: Annotated[str, typer.Argument(help="The threshold, the change, or the seconds.")],
    severity: Annotated[int, typer.Option(min=0, max=9, help="From 0, danger, to 9, debug.")] = 9,
    number: Annotated[int | None, typer.Option("--id", min=0, help="Of the monitor that this one replaces.")] = None,
) -> Written:
    """Have stations tell of a variable by themselves: `roaming station show`. --json shows the monitor's number."""
    return {
        "kind": "SET_MONITOR",
        "variable": variable,
        "monitor": kind.upper().replace("-", "_"),
        "value": value,
        "severity": severity,
        "monitor_id": number,
    }


@monitor_app.command("clear")
@asks()
def monitor_clear(
    number: Annotated[list[int], typer.Option("--id", min=0, help="Number of the monitor; may be given again.")],
) -> Written:
    """Take monitors away from stations."""
    return {"kind": "CLEAR_MONITORS", "monitor_ids": list(number)}


@monitor_app.command("list")
@asks()
def monitor_list(
    variable: Annotated[list[str], typer.Option(help="Only of this variable; may be given again.")] = [],  # noqa: B006
) -> Written:
    """Have stations report their monitors: `roaming station show`."""
    return {"kind": "REPORT_MONITORS", "variables": list(variable)}


@monitor_app.command("base")
@asks()
def monitor_base(
    base: Annotated[str, typer.Argument(help="all, factory-default or hard-wired-only.")],
) -> Written:
    """Say which monitors are in force: what people have set is gone with all but `all`."""
    return {"kind": "SET_MONITORING_BASE", "base": base.upper().replace("-", "_")}


@monitor_app.command("level")
@asks()
def monitor_level(
    severity: Annotated[int, typer.Argument(min=0, max=9, help="From 0, danger, to 9, debug.")],
) -> Written:
    """Have stations tell only of what is as severe as this, or severer."""
    return {"kind": "SET_MONITORING_LEVEL", "severity": severity}


@stream_app.command("list")
@asks()
def stream_list() -> Written:
    """Ask stations which streams they have open."""
    return {"kind": "REPORT_STREAMS"}


@stream_app.command("adjust")
@asks()
def stream_adjust(
    number: Annotated[int, typer.Option("--id", min=0, help="Number of the stream: see `stream list`.")],
    interval: Annotated[int | None, typer.Option(min=0, help="Seconds between two tellings.")] = None,
    values: Annotated[int | None, typer.Option(min=0, help="How many values make a telling.")] = None,
) -> Written:
    """Change how often a stream tells."""
    if interval is None and values is None:
        fail("--interval, --values: give one of them, or both")
    return {"kind": "ADJUST_STREAM", "stream_id": number, "interval": interval, "values": values}


@tariff_app.command("set")
@asks()
def tariff_set(
    tariff: Annotated[str, typer.Argument(help="Id of a tariff here, or a file with one as OCPI has it.")],
    party: Annotated[str, typer.Option(help="Whose, such as NL-HUB, where several have one of that id.")] = "",
    connector: Connector = None,
    transaction: Annotated[str, typer.Option(help="Of this charge only; empty: of all to come.")] = "",
) -> Written:
    """Give stations a tariff. Bills are made from the tariff here, whatever a station reckons; what a station cannot be
    told is said."""
    from roaming.cli.tariffs import tariff_for_stations

    said, lost = run(tariff_for_stations(tariff, party=party))
    if lost:
        typer.echo(lost, err=True)
    return {"kind": "SET_TARIFF", "tariff": said, "connector_id": connector, "transaction_id": transaction or None}


@tariff_app.command("list")
@asks()
def tariff_list(connector: Connector = None) -> Written:
    """Ask stations which tariffs they have."""
    return {"kind": "REPORT_TARIFFS", "connector_id": connector}


@tariff_app.command("clear")
@asks()
def tariff_clear(
    tariff: Annotated[list[str], typer.Option(help="Only this one, by the id that `tariff list` tells.")] = [],  # noqa: B006
    connector: Connector = None,
) -> Written:
    """Take tariffs away from stations."""
    return {"kind": "CLEAR_TARIFFS", "tariff_ids": list(tariff), "connector_id": connector}


@profile_app.command("move")
@asks()
def profile_move(
    to: Annotated[str, typer.Argument(help="In the profile's unit, such as 10.")],
    profile: Annotated[int, typer.Option("--id", min=1, help="Its number.")] = 1,
) -> Written:
    """Move the limit of a dynamic profile: see `profile set --dynamic` (OCPP 2.1)."""
    return {"kind": "CHANGE_DYNAMIC_LIMIT", "profile_id": profile, "limit": to}


@profile_app.command("list")
@asks()
def profile_list(
    purpose: Annotated[str, typer.Option(help="Only those: station-max, transaction-default or transaction.")] = "",
    connector: Connector = None,
) -> Written:
    """Have stations report their charging profiles: `roaming station show` (OCPP 2.x)."""
    chosen = purpose.upper().replace("-", "_") or None
    return {"kind": "REPORT_PROFILES", "purpose": chosen, "connector_id": connector}

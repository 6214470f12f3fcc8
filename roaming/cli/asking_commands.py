"""Commands to partners' stations and their options; ``commands`` takes them into its groups."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer

from roaming.cli.output import Csv, Json, Tell, run, show, show_rows, teller

command_app = typer.Typer(help="Ask partners' stations, for a hosted eMSP.", no_args_is_help=True)
Cpo = Annotated[str, typer.Option(help="The partner's CPO whose station it is, such as FR-CPO.")]
Emsp = Annotated[str, typer.Option(help="The hosted eMSP that asks, where several could.")]
Wait = Annotated[float, typer.Option(min=0, max=600, help="Seconds to wait for the station's result; 0: do not wait.")]
TokenUid = Annotated[str, typer.Option("--token", help="UID of a token of the eMSP: see `roaming token list`.")]
TokenKind = Annotated[
    str, typer.Option("--token-type", help="Type of the token: RFID, APP_USER, AD_HOC_USER, EMAID or OTHER.")
]
LocationId = Annotated[str, typer.Argument(help="Id of its location: see `roaming location list --partner NAME`.")]


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.add_typer(command_app, name="command")


def _ask(asking: Callable[[Any, Tell], Coroutine[Any, Any, dict[str, Any]]], whom: Any, as_json: bool) -> None:
    """Shows what came of it; exit code 1 when the station did not do it."""
    from roaming.cli.asking import is_done

    told = run(asking(whom, teller(as_json=as_json)))
    show(told, as_json=as_json)
    if not is_done(told):
        raise typer.Exit(1)


@command_app.command("start")
def command_start(
    location: LocationId,
    cpo: Cpo,
    token: TokenUid,
    evse: Annotated[str, typer.Option(help="Uid of the EVSE; empty: the station chooses.")] = "",
    connector: Annotated[str, typer.Option(help="Id of the connector; empty: the station chooses.")] = "",
    kind: TokenKind = "RFID",
    emsp: Emsp = "",
    wait: Wait = 60.0,
    as_json: Json = False,
) -> None:
    """Start a charge at a partner's station (START_SESSION) and wait for the result."""
    from roaming.cli.asking import Whom, start

    _ask(
        lambda whom, tell: start(
            whom, location, evse or None, connector or None, token=token, token_type=kind, tell=tell
        ),
        Whom(cpo=cpo, emsp=emsp, wait=wait),
        as_json,
    )


@command_app.command("stop")
def command_stop(
    session: Annotated[str, typer.Argument(help="Id of the session: see `roaming session list --partner NAME`.")],
    cpo: Cpo,
    emsp: Emsp = "",
    wait: Wait = 60.0,
    as_json: Json = False,
) -> None:
    """End a charge of one of your drivers at a partner's station (STOP_SESSION)."""
    from roaming.cli.asking import Whom, stop

    _ask(lambda whom, tell: stop(whom, session, tell=tell), Whom(cpo=cpo, emsp=emsp, wait=wait), as_json)


@command_app.command("unlock")
def command_unlock(
    location: LocationId,
    evse: Annotated[str, typer.Option(help="Uid of the EVSE.")],
    cpo: Cpo,
    connector: Annotated[str, typer.Option(help="Id of the connector.")] = "1",
    emsp: Emsp = "",
    wait: Wait = 60.0,
    as_json: Json = False,
) -> None:
    """Free a cable that is stuck at a partner's station (UNLOCK_CONNECTOR)."""
    from roaming.cli.asking import Whom, unlock

    whom = Whom(cpo=cpo, emsp=emsp, wait=wait)
    _ask(lambda whom, tell: unlock(whom, location, evse, connector, tell=tell), whom, as_json)


@command_app.command("reserve")
def command_reserve(
    location: LocationId,
    cpo: Cpo,
    token: TokenUid,
    evse: Annotated[str, typer.Option(help="Uid of the EVSE; empty: any of the location.")] = "",
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="How long it is kept, in minutes.")] = 15,
    reservation: Annotated[str, typer.Option(help="Its id; one that exists is replaced; empty: a new one.")] = "",
    kind: TokenKind = "RFID",
    emsp: Emsp = "",
    wait: Wait = 60.0,
    as_json: Json = False,
) -> None:
    """Reserve a partner's EVSE for a driver from now on (RESERVE_NOW); prints the id that `cancel` wants."""
    from roaming.cli.asking import Whom, reserve

    _ask(
        lambda whom, tell: reserve(
            whom,
            location,
            evse or None,
            token=token,
            token_type=kind,
            minutes=minutes,
            reservation_id=reservation,
            tell=tell,
        ),
        Whom(cpo=cpo, emsp=emsp, wait=wait),
        as_json,
    )


@command_app.command("cancel")
def command_cancel(
    reservation: Annotated[str, typer.Argument(help="Id of the reservation, as `roaming command reserve` printed it.")],
    cpo: Cpo,
    emsp: Emsp = "",
    wait: Wait = 60.0,
    as_json: Json = False,
) -> None:
    """Cancel a reservation at a partner's station (CANCEL_RESERVATION)."""
    from roaming.cli.asking import Whom, cancel

    _ask(lambda whom, tell: cancel(whom, reservation, tell=tell), Whom(cpo=cpo, emsp=emsp, wait=wait), as_json)


@command_app.command("list")
def command_list(
    limit: Annotated[int, typer.Option(help="At most so many rows.", min=1)] = 50,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """List what partners were asked within the last day and what came of it, newest first."""
    from roaming.cli.asking import list_commands

    show_rows(run(list_commands(limit)), as_json=as_json, as_csv=as_csv, empty="nothing was asked of partners yet")

"""Commands about charging profiles and their options; ``commands`` takes them into its groups."""

from collections.abc import Coroutine
from typing import Annotated, Any

import typer

from roaming.cli.output import Json, run, show

profile_app = typer.Typer(
    help="Limits of a driver's charge at a partner's station (OCPI 2.2.1, 2.3.0).", no_args_is_help=True
)
SessionId = Annotated[str, typer.Argument(help="A running session at a partner's: see `roaming session list`.")]
Cpo = Annotated[str, typer.Option("--party", help="The CPO, where two parties use the session id, such as FR-CPO.")]
Wait = Annotated[float, typer.Option(min=0, help="Seconds to wait for what the station says.")]


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.add_typer(profile_app, name="charging-profile")


@profile_app.command("set")
def profile_set(
    session_id: SessionId,
    limit: Annotated[
        list[str],
        typer.Option(
            help="SECONDS:LIMIT, such as 0:16: from so long after the start on. The first is at 0; repeat it."
        ),
    ],
    unit: Annotated[str, typer.Option(help="W (in total) or A (per phase).")] = "W",
    start: Annotated[
        str, typer.Option(help="When it begins, such as 2026-11-29T18:00:00Z; empty: with the charge.")
    ] = "",
    duration: Annotated[int, typer.Option(min=0, help="Seconds; 0: the last limit goes on.")] = 0,
    party: Cpo = "",
    wait: Wait = 30.0,
    as_json: Json = False,
) -> None:
    """Limit a charge; exit code 1 when partner or station will not have it."""
    from roaming.cli.profiles import set_profile

    _tell(
        set_profile(session_id, limit, unit=unit, start=start, duration=duration, party=party, wait=wait),
        as_json=as_json,
    )


@profile_app.command("clear")
def profile_clear(session_id: SessionId, party: Cpo = "", wait: Wait = 30.0, as_json: Json = False) -> None:
    """Take the limits of a charge back."""
    from roaming.cli.profiles import clear_profile

    _tell(clear_profile(session_id, party=party, wait=wait), as_json=as_json)


@profile_app.command("get")
def profile_get(
    session_id: SessionId,
    duration: Annotated[int, typer.Option(min=1, help="Seconds that are asked about.")] = 3600,
    party: Cpo = "",
    wait: Wait = 30.0,
    as_json: Json = False,
) -> None:
    """Ask which limits hold for a charge."""
    from roaming.cli.profiles import get_profile

    _tell(get_profile(session_id, duration=duration, party=party, wait=wait), as_json=as_json)


def _tell(work: Coroutine[Any, Any, tuple[dict[str, Any], bool]], *, as_json: bool) -> None:
    values, is_well = run(work)
    show(values, as_json=as_json)
    if not is_well:
        raise typer.Exit(1)

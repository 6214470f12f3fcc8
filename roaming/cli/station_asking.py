"""What all commands to stations share: which stations, why, how long, and how the answers are shown.

A verb is a function from its own options to what is asked (``kind`` and fields); ``asks`` gives it the rest.
"""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from roaming.cli.output import Csv, Json, run, show_rows, teller

Stations = Annotated[list[str], typer.Argument(help="Station ids: see `roaming station list`; or --group, --tag.")]
Station = Annotated[str, typer.Argument(help="Station id: see `roaming station list`.")]
Group = Annotated[str, typer.Option(help="All stations of this group.")]
Tags = Annotated[list[str], typer.Option("--tag", help="All stations with this tag; given twice: with both.")]
Network = Annotated[str, typer.Option(help="Set of stations, where several have stations of one name.")]
Why = Annotated[str, typer.Option(help="Kept with the record: a ticket, a reason.")]
Wait = Annotated[float, typer.Option(min=0, max=3600, help="Seconds that stations have, and that are waited.")]
Key = Annotated[str, typer.Option(help="A text of yours: the same again asks nobody twice and shows what came of it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show which stations would be asked, and ask none.")]
Written = dict[str, Any]
"""``kind`` and the fields of an order; ``None``: left out."""
Verb = Callable[..., Written]
_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def asks(
    *, is_one: bool = False, seconds: float = 30.0, rows: Callable[[Any], list[dict[str, Any]]] | None = None
) -> Callable[[Verb], Callable[..., None]]:
    """Makes a command of a verb. ``is_one``: it is about one station; ``rows``: how its answers are shown to people."""

    def decorate(verb: Verb) -> Callable[..., None]:
        own = inspect.signature(verb, eval_str=True).parameters

        def command(**given: Any) -> None:
            written = verb(**{name: given.pop(name) for name in own})
            _ask(written, rows, **given)

        command.__name__, command.__doc__ = verb.__name__, verb.__doc__
        parameters = _parameters(list(own.values()), is_one=is_one, seconds=seconds)
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        command.__wrapped__ = verb  # type: ignore[attr-defined]
        return command

    return decorate


def _parameters(own: list[inspect.Parameter], *, is_one: bool, seconds: float) -> list[inspect.Parameter]:
    """Those of the verb and those of all: stations come after the verb's own words, one station before them."""

    def option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
        return inspect.Parameter(name, _KEYWORD, default=default, annotation=annotation)

    of_verb = [parameter.replace(kind=_KEYWORD) for parameter in own]
    if is_one:
        whom = [inspect.Parameter("station", _KEYWORD, annotation=Station), *of_verb]
    else:
        whom = [*of_verb, option("stations", Stations, []), option("group", Group, ""), option("tag", Tags, [])]
    how = [option("network", Network, ""), option("why", Why, ""), option("wait", Wait, seconds)]
    how += [option("key", Key, "")]
    if not is_one:
        how.append(option("dry_run", DryRun, False))
    return [*whom, *how, option("as_json", Json, False), option("as_csv", Csv, False)]


def _ask(
    written: Written, rows: Callable[[Any], list[dict[str, Any]]] | None, *, as_json: bool, as_csv: bool, **whom: Any
) -> None:
    """Shows what came of it; exit code 1 unless every station took it."""
    from roaming.cli.operating import Whom, is_done, operate, refusals_of, rows_of

    stations = [whom["station"]] if "station" in whom else whom["stations"]
    meant = Whom(
        stations=tuple(stations),
        group=whom.get("group", ""),
        tags=tuple(whom.get("tag", ())),
        network=whom["network"],
        why=whom["why"],
        wait=whom["wait"],
        key=whom["key"],
        is_dry_run=whom.get("dry_run", False),
    )
    asked = run(operate(meant, written, tell=teller(as_json=as_json)))
    shown = asked if as_json or meant.is_dry_run else (rows or rows_of)(asked)
    show_rows(shown, as_json=as_json, as_csv=as_csv, empty="the stations told nothing")
    if rows is not None and not meant.is_dry_run:
        # Who told nothing has no row of its own there
        for line in refusals_of(asked):
            typer.echo(line, err=True)
    if not is_done(asked):
        raise typer.Exit(1)

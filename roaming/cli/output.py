"""How commands print: a table for people, JSON with ``--json``, one line for an error with what to do next."""

import asyncio
import csv
import json
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from roaming.cli.logs import configure_logging

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")]
Tell = Callable[[str], None]
"""Hears of progress while a command works."""
PIPED_WIDTH = 250
"""Characters of a table's line where nobody's terminal sets a limit."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a command's work under uvloop where there is one."""
    configure_logging()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # whoever reads a pipe wants it now
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


def show_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str, as_csv: bool = False) -> None:
    """A table, or a JSON list, or CSV with a header line. Nothing is cut short: what does not fit is folded."""
    if as_json:
        print(json.dumps(list(rows), default=str, indent=2))
        return
    if not rows:
        if not as_csv:
            print(empty)
        return
    if as_csv:
        writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        from roaming.billing.rows import harmless

        writer.writerows({name: harmless(value) for name, value in row.items()} for row in rows)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(str(value) if value not in (None, "") else "-" for value in row.values()))
    Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, markup=False).print(table)


def show(values: Mapping[str, Any], *, as_json: bool) -> None:
    """Names and values, or a JSON object. For people lists are joined, and left out when they are empty."""
    if as_json:
        print(json.dumps(values, default=str, indent=2))
        return
    shown = {name: value for name, value in values.items() if value != []}
    width = max(len(name) for name in shown)
    for name, value in shown.items():
        print(f"{name:<{width}}  {'; '.join(map(str, value)) if isinstance(value, list) else value}")


def teller(*, as_json: bool) -> Tell:
    """Progress for people, on the side; programs read the result only."""
    return (lambda _line: None) if as_json else (lambda line: typer.echo(line, err=True))


def fail(message: str) -> NoReturn:
    """Ends the command with exit code 1."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(1)

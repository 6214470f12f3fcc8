"""Every command of `roaming` explains itself and its options, and speaks JSON to programs."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from roaming.cli.commands import app

PROMISED = {
    "start",
    "serve",
    "work",
    "demo",
    "doctor",
    "db upgrade",
    "partner add",
    "partner list",
    "partner check",
    "station list",
    "station bind",
    "token import",
    "sim station",
    "sim partner",
}


def commands(parent: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Each command that does something, by its full name."""
    for word, command in parent.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name}{word} ")
        else:
            yield f"{name}{word}", command


COMMANDS = dict(commands(get_command(app)))


def test_what_was_promised_is_there() -> None:
    assert set(COMMANDS) >= PROMISED


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_explains_itself(name: str) -> None:
    assert COMMANDS[name].help, "no help text"


def groups(parent: Any, name: str = "roaming") -> Iterator[tuple[str, Any]]:
    """``roaming`` itself and each group of commands below it, by its full name."""
    yield name, parent
    for word, command in parent.commands.items():
        if hasattr(command, "commands"):
            yield from groups(command, f"{name} {word}")


GROUPS = dict(groups(get_command(app)))


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_explains_itself(name: str) -> None:
    assert GROUPS[name].help, "no help text"
    assert GROUPS[name].commands, "no commands"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_explains_its_options(name: str) -> None:
    unexplained = [option.name for option in COMMANDS[name].params if not (getattr(option, "help", "") or "").strip()]
    assert not unexplained


@pytest.mark.parametrize("name", COMMANDS)
def test_what_prints_rows_speaks_csv_too(name: str) -> None:
    """A table has a twin for spreadsheets; ``partner show`` prints an object, and tables inside it for people."""
    source = inspect.getsource(inspect.unwrap(COMMANDS[name].callback))
    prints_rows = "show_rows(" in source or "_import(" in source
    options = {text for option in COMMANDS[name].params for text in option.opts}
    assert prints_rows <= ("--csv" in options) or name == "partner show"


UNITS = {"seconds": "seconds", "wait": "Seconds", "arrivals": "seconds", "minutes": "minutes", "limit": "rows"}
UNITS |= {"latitude": "degrees", "longitude": "degrees", "speed": "times faster", "country": "ISO 3166-1 alpha-3"}


NO_QUANTITY = {("partner compare", "limit"), ("charging-profile set", "limit"), ("settle party set", "country")}
"""The first counts differences, the second takes several words and says what they are; invoices have alpha-2."""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_quantity_says_its_unit(name: str) -> None:
    for option in COMMANDS[name].params:
        if option.name in UNITS and (name, option.name) not in NO_QUANTITY:
            assert UNITS[option.name] in option.help, option.name


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_speaks_json(name: str) -> None:
    assert "--json" in {text for option in COMMANDS[name].params for text in option.opts}

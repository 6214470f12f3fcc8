"""The examples in deploy/ that list every setting with its default, made from the code: `make examples` writes them."""

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from adapters.__main__ import ProcessSettings
from adapters.ocpp.adapter import ADAPTER
from roaming.settings import Settings
from tests.architecture.tree import ROOT

SERVICE_EXAMPLE = Path("deploy/settings.example.toml")
ADAPTER_EXAMPLE = Path("deploy/adapter.env.example")
ADAPTER_PREFIX = "ROAMING_ADAPTER_"
OCPP_PREFIX = f"{ADAPTER_PREFIX}{ADAPTER.name.upper()}_"

SERVICE_HEAD = """\
# Every setting of the service with its default. Copy this file, take away the # of what you change, and name the
# copy in ROAMING_CONFIG. The environment wins over the file: ROAMING_PORT=8080, or DATABASE_URL, KAFKA_BOOTSTRAP.
"""
# For settings whose field carries no text of its own
SAID_HERE = {
    "network": "Name of the set of stations, the same as the service's.",
    "log_level": "DEBUG, INFO, WARNING or ERROR.",
}
ADAPTER_HEAD = """\
# Every setting of an adapter process with its default: those of the process, then those of the OCPP adapter.
# ROAMING_SECRET and the network's name must be those of the service. Lists are written as JSON.
"""


def service_example() -> str:
    """Text of deploy/settings.example.toml."""
    return SERVICE_HEAD + "".join(
        f"\n# {field.description}\n#{name} = {_toml(field.default)}\n" for name, field in Settings.model_fields.items()
    )


def adapter_example() -> str:
    """Text of deploy/adapter.env.example."""
    entries = [*_variables(ProcessSettings, ADAPTER_PREFIX), *_variables(ADAPTER.settings, OCPP_PREFIX)]
    return ADAPTER_HEAD + "".join(
        f"\n{_comment(description)}#{variable}={value}\n" for variable, value, description in entries
    )


def adapter_variables() -> set[str]:
    """Environment variables that an adapter process reads."""
    known = [*_variables(ProcessSettings, ADAPTER_PREFIX), *_variables(ADAPTER.settings, OCPP_PREFIX)]
    return {variable for variable, _, _ in known} | {"ROAMING_SECRET"}


def _variables(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    described = SAID_HERE | _docstrings_of_fields(model)
    for name, field in model.model_fields.items():
        yield f"{prefix}{name.upper()}", _shell(field), field.description or described.get(name, "")


def _docstrings_of_fields(model: type[BaseModel]) -> dict[str, str]:
    """Texts that stand below the fields in the source."""
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
            found[field.target.id] = " ".join(str(ast.literal_eval(below.value)).split())  # type: ignore[attr-defined]
    return found


def _comment(text: str) -> str:
    return "".join(f"# {line}\n" for line in textwrap.wrap(text, 113))


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{}"
    return str(value) if isinstance(value, int | float) else json.dumps("" if value == () else str(value))


def _shell(field: FieldInfo) -> str:
    value = field.default
    if field.is_required() or value is None or field.default_factory is not None:
        return ""
    if isinstance(value, tuple):
        return f"'{json.dumps(value)}'"
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    (ROOT / SERVICE_EXAMPLE).write_text(service_example())
    (ROOT / ADAPTER_EXAMPLE).write_text(adapter_example())

"""The pages of the OCPI interfaces, made from the committed OpenAPI documents: for reading, without script and without
anything from outside this machine.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import contracts

API = Path(contracts.__file__).parent / "api"
TEMPLATES = Path(__file__).parent / "templates"
METHODS = ("get", "post", "put", "patch", "delete")


def versions() -> list[str]:
    """The OCPI versions that have a document, oldest first."""
    return sorted(path.stem.removeprefix("ocpi-") for path in API.glob("ocpi-*.json"))


@cache
def document(version: str) -> str:
    """The document as it is committed. Raises ``KeyError`` for a version that has none."""
    if version not in versions():
        raise KeyError(version)
    return (API / f"ocpi-{version}.json").read_text()


@cache
def page(version: str) -> str:
    """The page of a version, as HTML. Raises ``KeyError`` for a version that has no document."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # only who reads waits for it

    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    described = json.loads(document(version))
    return templates.get_template("docs.html").render(
        version=version,
        versions=versions(),
        document=described,
        modules=_by_module(described),
        failures=described["components"]["responses"],
        as_json=_as_json,
        name_of=lambda reference: reference.rpartition("/")[2],
    )


def _by_module(described: dict[str, Any]) -> list[dict[str, Any]]:
    """The operations, gathered by their tag, in the order of their addresses."""
    found: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in described["tags"]}
    for path, methods in described["paths"].items():
        for method in METHODS:
            if method in methods:
                operation = methods[method]
                found[operation["tags"][0]].append({"path": path, "method": method.upper(), **operation})
    return [tag | {"operations": found[tag["name"]]} for tag in described["tags"]]


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)

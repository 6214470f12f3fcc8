"""Writes ``schemas/``, ``api/asyncapi.json`` and ``api/topics.md`` from the code; checks that what is there fits it.

``python -m contracts.export``            writes them
``python -m contracts.export --check``    fails when they are stale, when an example is missing or does not fit, or
                                          when a change breaks readers of the last release
``python -m contracts.export --release``  makes the schemas of today those of the last release
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec

from contracts import asyncapi, topics_page
from contracts.compatibility import breaking_changes
from contracts.envelope import MalformedEnvelope, UnknownMessage, decode, encode, wrap
from contracts.json_schema import ENVELOPE, Schema, all_schemas, name_of
from contracts.messages import MESSAGES

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Files:
    """Where everything lies, under the folder of the contracts."""

    folder: Path = FOLDER

    @property
    def schemas(self) -> Path:
        return self.folder / "schemas"

    @property
    def released(self) -> Path:
        """The schemas of the last release, and its version in a file ``VERSION``. Written by ``--release`` only."""
        return self.schemas / "released"

    @property
    def examples(self) -> Path:
        return self.folder / "examples"

    @property
    def asyncapi(self) -> Path:
        return self.folder / "api" / "asyncapi.json"

    @property
    def topics_page(self) -> Path:
        return self.folder / "api" / "topics.md"


def version() -> str:
    """The version of this release: from ``pyproject.toml`` in a checkout, else as installed."""
    project = FOLDER.parent / "pyproject.toml"
    if project.exists():
        return str(tomllib.loads(project.read_text())["project"]["version"])
    return metadata.version("roaming-hub")


def generated(files: Files) -> dict[Path, str]:
    """What belongs into the files that are made from the code."""
    contents = {files.schemas / f"{name}.json": _pretty(schema) for name, schema in all_schemas().items()}
    examples = {path.stem: json.loads(path.read_text()) for path in sorted(files.examples.glob("*.json"))}
    contents[files.topics_page] = topics_page.page()
    contents[files.asyncapi] = _pretty(asyncapi.document(version=version(), examples=examples))
    return contents


def write(files: Files) -> list[Path]:
    """Writes what is made from the code, removes what is not made any more; the paths that changed."""
    contents, changed = generated(files), []
    for path, text in contents.items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            changed.append(path)
    for path in files.schemas.glob("*.json"):
        if path not in contents:
            path.unlink()
            changed.append(path)
    return changed


def release(files: Files) -> None:
    """Freezes the schemas of today as those of the last release."""
    files.released.mkdir(parents=True, exist_ok=True)
    for path in files.released.iterdir():
        path.unlink()
    for name, schema in all_schemas().items():
        (files.released / f"{name}.json").write_text(_pretty(schema))
    (files.released / "VERSION").write_text(f"{version()}\n")


def problems(files: Files) -> list[str]:
    """Everything that ``--check`` complains of, one sentence each."""
    return [*_stale(files), *_examples_that_do_not_fit(files), *_breaks(files)]


def _stale(files: Files) -> list[str]:
    contents = generated(files)
    found = [
        f"{path.relative_to(files.folder)} is stale; run python -m contracts.export"
        for path, text in contents.items()
        if not path.exists() or path.read_text() != text
    ]
    left_over = sorted(set(files.schemas.glob("*.json")) - set(contents))
    return found + [f"{path.relative_to(files.folder)} belongs to no message; remove it" for path in left_over]


def _examples_that_do_not_fit(files: Files) -> list[str]:
    found = []
    names = {name_of(message) for message in MESSAGES}
    schemas = all_schemas()
    for name in sorted(names):
        path = files.examples / f"{name}.json"
        if not path.exists():
            found.append(f"examples/{name}.json is missing; every message has one golden example")
        elif complaint := _complaint(path.read_bytes(), name, schemas):
            found.append(f"examples/{name}.json {complaint}")
    known = {f"{name}.json" for name in names}
    return found + [
        f"examples/{path.name} belongs to no message; remove it"
        for path in sorted(files.examples.glob("*.json"))
        if path.name not in known
    ]


def _complaint(text: bytes, name: str, schemas: dict[str, Schema]) -> str | None:
    """Why an example does not fit; ``None`` when it does."""
    try:
        data = json.loads(text)
        wire = msgspec.json.format(text, indent=-1)
        envelope = decode(wire)
        message = envelope.message()
    except (ValueError, MalformedEnvelope, UnknownMessage) as error:
        return f"cannot be read: {error}"
    if name_of(type(message)) != name:
        return f"is an example of {name_of(type(message))}"
    for schema, part in ((schemas[ENVELOPE], data), (schemas[name], data["body"])):
        for fault in jsonschema_rs.validator_for(schema, validate_formats=True).iter_errors(part):
            where = ".".join(map(str, fault.instance_path)) or "its root"
            return f"does not fit its schema at {where}: {fault.message}"
    said = {field: getattr(envelope, field) for field in envelope.__struct_fields__}
    again = wrap(message, **{field: said[field] for field in said.keys() - {"type", "version", "body"}})
    if encode(again) != wire or msgspec.json.format(wire, indent=2) + b"\n" != text:
        return "does not come out as it went in; it should be " + msgspec.json.format(encode(again)).decode()
    return None


def _breaks(files: Files) -> list[str]:
    released = {path.stem: json.loads(path.read_text()) for path in sorted(files.released.glob("*.json"))}
    if not released:
        return ["schemas/released is empty; make a release with python -m contracts.export --release"]
    last = (files.released / "VERSION").read_text().strip()
    return [f"breaks readers of {last}: {change}" for change in breaking_changes(released, all_schemas())]


def _pretty(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None, *, files: Files | None = None) -> int:
    """The command. 0 when all is well, 1 when ``--check`` found something."""
    files = files or Files()
    parser = argparse.ArgumentParser(prog="python -m contracts.export", description=__doc__.partition("\n")[0])
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="write nothing; fail when something does not fit")
    what.add_argument("--release", action="store_true", help="freeze the schemas of today as the last release")
    chosen = parser.parse_args(arguments)
    if chosen.check:
        found = problems(files)
        for problem in found:
            sys.stderr.write(f"{problem}\n")
        return 1 if found else 0
    if chosen.release:
        release(files)
    for path in write(files):
        sys.stdout.write(f"{path.relative_to(files.folder)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

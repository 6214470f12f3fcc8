"""Writes ``contracts/api/ocpi-<version>.json`` and ``operators-….json``, and checks that what is committed fits
routes, tables and golden files.

``python -m tests.openapi``          writes them
``python -m tests.openapi --check``  fails when one is stale

It lives with the tests because the examples are their golden files, which the package does not have.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts.export import version as release
from roaming.app import find_modules
from roaming.console import billing_api, rules_openapi, stations_openapi, tariffs_api
from roaming.model.version import Version
from roaming.ocpi.openapi import Examples, document

ROOT = Path(__file__).parents[1]
API = ROOT / "contracts" / "api"
GOLDEN = ROOT / "tests" / "golden"
COMMAND = "python -m tests.openapi"

CHANGED = {
    "Booking": "reservation_status",
    "BookingLocation": "tariff_ids",
    "Calendar": "timeslot_increment",
    "Terminal": "location_ids evse_uids",
    "Location": "name",
    "EVSE": "status",
    "Connector": "tariff_ids tariff_id",
    "Session": "kwh",
    "Tariff": "elements",
    "Token": "valid",
}
"""What the examples of PATCHes change; of two words one is older."""


def examples_of(version: Version) -> Examples:
    """The bodies of the golden files, by object and case; those of modules first in order of their names."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(GOLDEN.glob(f"*/{version}/*.json")):
        golden = json.loads(file.read_text())
        if "wire" not in golden:
            continue
        name = golden["object"]
        found.setdefault(name, {}).setdefault(file.stem, golden["wire"])
        fields = [*CHANGED.get(name, "").split(), "last_updated"]
        changed = {field: golden["wire"][field] for field in fields if field in golden["wire"]}
        if len(changed) > 1:
            found.setdefault(f"{name}Changes", {}).setdefault(file.stem, changed)
    return found


def _sentence(module: str) -> str:
    """What a module's folder says of itself."""
    described = importlib.import_module(f"roaming.modules.{module}").__doc__ or module
    return described.strip().partition("\n\n")[0].replace("\n", " ")


def generated() -> dict[Path, str]:
    """What belongs into the files."""
    modules = find_modules()
    about = {module.id: _sentence(module.id) for module in modules}
    documents = {
        f"ocpi-{version}": document(version, modules, release=release(), about=about, examples=examples_of(version))
        for version in Version
    }
    documents["operators-rules"] = rules_openapi.document(release=release())
    documents["operators-billing"] = rules_openapi.document(
        release=release(), entries=billing_api.ENTRIES, title="CDRs, disputes, statements and invoices"
    )
    documents["operators-stations"] = stations_openapi.document(release=release())
    documents["operators-tariffs"] = rules_openapi.document(
        release=release(), entries=tariffs_api.ENTRIES, title="tariffs of hosted CPOs"
    )
    return {
        API / f"{name}.json": json.dumps(made, indent=1, ensure_ascii=False) + "\n" for name, made in documents.items()
    }


def stale() -> list[str]:
    """One sentence per file that does not fit, with the command to type."""
    return [
        f"{path.relative_to(ROOT)} is stale: type `.venv/bin/{COMMAND}` (or `make openapi`) and commit what it writes"
        for path, text in generated().items()
        if not path.exists() or path.read_text() != text
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. 0 when all is well, 1 when ``--check`` found something."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something is stale")
    if parser.parse_args(arguments).check:
        for complaint in (found := stale()):
            sys.stderr.write(f"{complaint}\n")
        return 1 if found else 0
    for path, text in generated().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

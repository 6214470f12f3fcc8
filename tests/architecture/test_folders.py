"""Every OCPI module and every adapter has the agreed shape, and no file has a name that says nothing."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from adapters.kit.manifest import Adapter
from roaming.ocpi.module import OcpiModule
from tests.architecture.tree import PACKAGES, ROOT, files, pyproject, sources, text

MODULE_FILES = {
    "__init__.py",
    "routes.py",
    "service.py",
    "repository.py",
    "tables.py",
    "projection.py",
    "model.py",
}
OWN_FILES = {
    "bookings": {"asking.py", "showing.py"},
    "cdrs": {
        "accepted.py",
        "booked.py",
        "bounds.py",
        "crediting.py",
        "frozen.py",
        "issuing.py",
        "reconciling.py",
        "signing.py",
        "telling.py",
        "unused.py",
    },
    "chargingprofiles": {"schedules.py", "sending.py"},
    "commands": {"permitting.py", "reaching.py", "repeats.py", "reserved.py", "sending.py"},
    "hubclientinfo": {"asking.py"},
    "invoicereconciliation": {"checking.py"},
    "locations": {"binding.py", "placing.py", "showing.py"},
    "payments": {"asking.py"},
    "sessions": {
        "applying.py",
        "asking.py",
        "course.py",
        "doubting.py",
        "lagging.py",
        "late.py",
        "opening.py",
        "preferences.py",
        "showing_cost.py",
        "silence.py",
        "trimming.py",
    },
    "tariffs": {"history.py", "importing.py"},
    "tokens": {"asking.py"},
}
"""What a module knows beyond the agreed files. A new one is a decision: name it here, and let its docstring say what
it must not know."""
CODEC_FILES = {"__init__.py", "v211.py", "v221.py", "v230.py", "fields.py"}
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}
LONGEST_FILE = 500
LONGEST_FUNCTION = 60


def folders(parent: str) -> list[Path]:
    """The packages below ``parent``."""
    return sorted(
        {path.parent for path in sources() if path.parent.parent == Path(parent) and path.name == "__init__.py"}
    )


MODULES = folders("roaming/modules")
ADAPTERS = [folder for folder in folders("adapters") if folder.name != "kit"]


@pytest.mark.parametrize("folder", MODULES, ids=lambda folder: folder.name)
def test_a_module_folder_has_only_the_agreed_files(folder: Path) -> None:
    names = MODULE_FILES | OWN_FILES.get(folder.name, set())
    allowed = {folder / name for name in names} | {folder / "codec" / name for name in CODEC_FILES}
    inside = {path for path in sources("roaming") if folder in path.parents}
    assert inside - allowed == set()


def test_a_file_that_calls_itself_pure_imports_no_means() -> None:
    means = re.compile(
        r"^\s*(?:import|from) (fastapi|starlette|httpx|sqlalchemy|sqlmodel|aiokafka|roaming\.store)\b", re.MULTILINE
    )
    pure = [path for path in sources() if re.search(r"\b[Pp]ure\b", ast.get_docstring(ast.parse(text(path))) or "")]
    assert len(pure) > 5
    assert {path.as_posix(): found for path in pure if (found := means.findall(text(path)))} == {}


@pytest.mark.parametrize("folder", MODULES, ids=lambda folder: folder.name)
def test_a_module_folder_declares_itself(folder: Path) -> None:
    module = importlib.import_module(".".join(folder.parts)).MODULE
    assert isinstance(module, OcpiModule)
    assert module.id == folder.name
    assert module.versions
    assert module.delivery is None or callable(module.delivery.audience)


@pytest.mark.parametrize("folder", ADAPTERS, ids=lambda folder: folder.name)
def test_an_adapter_folder_declares_itself(folder: Path) -> None:
    adapter = importlib.import_module(".".join((*folder.parts, "adapter"))).ADAPTER
    assert isinstance(adapter, Adapter)
    assert adapter.name == folder.name
    points = pyproject()["project"]["entry-points"]["roaming.adapters"]
    assert points[folder.name] == f"adapters.{folder.name}.adapter:ADAPTER"


@pytest.mark.parametrize("folder", ADAPTERS, ids=lambda folder: folder.name)
def test_an_adapter_folder_says_what_it_does(folder: Path) -> None:
    page = text(folder / "README.md")
    assert any(word in page for word in ("done", "exempt")), "the quality list is missing"


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [path for path in files() if EMPTY_NAMES & {path.stem, *path.parts}] == []


def test_every_source_file_says_what_it_knows() -> None:
    silent = [path for path in sources() if text(path).strip() and ast.get_docstring(ast.parse(text(path))) is None]
    assert silent == []


def test_files_stay_small() -> None:
    lengths = {path.as_posix(): len(text(path).splitlines()) for path in sources() if "migrations" not in path.parts}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_functions_stay_small() -> None:
    lengths = {
        f"{path}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in sources()
        if "migrations" not in path.parts
        for node in ast.walk(ast.parse(text(path)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {place: length for place, length in lengths.items() if length > LONGEST_FUNCTION} == {}


@pytest.mark.parametrize("folder", [*PACKAGES, "deploy", "tests"])
def test_a_top_folder_says_what_lives_there(folder: str) -> None:
    page = (ROOT / folder / "README.md").read_text()
    assert "not" in page
    assert len(page.splitlines()) > 5


def test_no_private_key_is_kept() -> None:
    """Tests make their own; one in the repository would be everybody's."""
    begins = re.compile(r"^-----BEGIN [A-Z ]*PRIVATE KEY-----", re.MULTILINE)
    assert [path for path in files() if begins.search(text(path))] == []

"""Programs that are not ours and that some tests drive: where they are, and what happens when one is missing."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""For playwright's ``launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)``: as root, and silent."""


def is_missing(reason: str) -> NoReturn:
    """Skips the test with a reason; where CI is set nothing may be missing, so it fails there."""
    if os.environ.get("CI"):
        pytest.fail(f"missing where CI is set: {reason}", pytrace=False)
    pytest.skip(reason)


def ocpi_cli() -> Path | None:
    """The `ocpi` program of the Rust crate ocpi-kit 0.4.0, built by `.ci/run`, or None."""
    return _program(TOOLS / "ocpi-kit" / "bin" / "ocpi")


def judge(name: str, *, is_timed: bool = False) -> Path | None:
    """The program of ``tests/judges/NAME`` (Rust, around a pricing crate), or None. `.ci/run` builds them to be tested
    against, `make bench` to be timed."""
    folder = TOOLS / ("judges-timed" if is_timed else "judges")
    return _program(folder / "bin" / f"judge-{name.replace('_', '-')}")


def kit_platform() -> Path | None:
    """The platform on the library of that crate, built by `.ci/run` from tests/e2e/outside/kit_program, or None."""
    return _program(TOOLS / "ocpi-kit" / "bin" / "kit-platform")


def extrawest_python() -> Path | None:
    """The Python of an environment with the PyPI package extrawest-ocpi 2025.7.16, made by `.ci/run`, or None."""
    return _program(TOOLS / "extrawest-ocpi" / "bin" / "python")


def node() -> Path | None:
    """Node.js, or None."""
    found = shutil.which("node")
    return Path(found) if found else None


def node_modules() -> Path | None:
    """The folder with the npm package ocpp-rpc 2.2.1 installed by `.ci/run`, to be given as NODE_PATH, or None."""
    folder = TOOLS / "ocpp-rpc" / "node_modules"
    return folder if (folder / "ocpp-rpc" / "package.json").exists() else None


def node_station() -> tuple[Path, Path] | None:
    """Node.js and the NODE_PATH under which ``require("ocpp-rpc")`` works, or None when either is missing."""
    program, modules = node(), node_modules()
    return (program, modules) if program and modules else None


def verapdf() -> list[str] | None:
    """The command line of veraPDF 1.28.2, or None. `.ci/run` does not bring it; whoever has Maven does: ``mvn
    dependency:copy -Dartifact=org.verapdf.apps:greenfield-apps:1.28.2 -DoutputDirectory=.tools/verapdf``."""
    java, jars = shutil.which("java"), sorted((TOOLS / "verapdf").glob("greenfield-apps-*.jar"))
    return [java, "-cp", str(jars[-1]), "org.verapdf.apps.GreenfieldCliWrapper"] if java and jars else None


def chromium() -> Path | None:
    """Debian's Chromium, or None."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    return Path(found) if found else None


def _program(path: Path) -> Path | None:
    return path if path.is_file() and os.access(path, os.X_OK) else None

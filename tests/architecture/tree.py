"""The files of this repository, for tests that look at their names and their text."""

import functools
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("contracts", "adapters", "roaming")
_UNKEPT = frozenset({".git", ".venv", ".tools", ".roaming", "node_modules", "__pycache__", "dist", "build"})


@functools.cache
def files() -> tuple[Path, ...]:
    """Every file that is or would be committed, as paths from the root; without git, every file not built."""
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        listed = subprocess.run(
            [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout.decode()
        names = sorted({Path(name) for name in listed.split("\0") if name})
        return tuple(name for name in names if (ROOT / name).is_file())
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return tuple(sorted(path for path in found if not _UNKEPT.intersection(path.parts)))


def sources(*packages: str) -> list[Path]:
    """The Python files of the packages named, all three by default."""
    return [path for path in files() if path.suffix == ".py" and path.parts[0] in (packages or PACKAGES)]


def text(path: Path) -> str:
    """A file's text; bytes that are no UTF-8 are replaced."""
    return (ROOT / path).read_text(errors="replace")


def pyproject() -> dict[str, Any]:
    """pyproject.toml, read."""
    return tomllib.loads(text(Path("pyproject.toml")))

"""What README and the other texts point at is there."""

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, files, text

TEXTS = [path for path in files() if path.suffix == ".md" and path.name != "CHANGELOG.md"]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
SPAN = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
TOP = {path.parts[0] for path in files() if len(path.parts) > 1}
MADE_BY_READERS = {"deploy/hub.env"}
"""Files that a text tells one to make."""
KNOWN = {path.as_posix() for path in files()} | {parent.as_posix() for path in files() for parent in path.parents}


def names(written: str) -> set[str]:
    """Paths from the root of the repository that commands and code spans name."""
    commands = " ".join(FENCE.findall(written))
    words = [*commands.split(), *(word for span in SPAN.findall(FENCE.sub("", written)) for word in span.split())]
    found = {word.strip("()[],;:'\"").removeprefix("./") for word in words}
    return {word for word in found if "/" in word and word.split("/")[0] in TOP and not re.search(r"[<>*…{}=]", word)}


@pytest.mark.parametrize("path", TEXTS, ids=str)
def test_what_a_text_names_exists(path: Path) -> None:
    written = text(path)
    linked = [target for target in LINK.findall(written) if not (ROOT / path.parent / target).exists()]
    assert linked == []
    named = {name.rstrip("/.") for name in names(written)} - MADE_BY_READERS
    lost = {name for name in named if name not in KNOWN and (path.parent / name).as_posix() not in KNOWN}
    assert lost == set()


def test_paths_are_found_where_they_are_written() -> None:
    written = "See `deploy/README.md`, [a](b.md).\n```sh\nroaming x deploy/none.csv  # note\n```\n`tests/*/x` `a/b`"
    assert names(written) == {"deploy/README.md", "deploy/none.csv"}

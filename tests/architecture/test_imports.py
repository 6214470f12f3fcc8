"""Who may import whom: the rules of pyproject.toml hold, and they do catch what they forbid."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, ROOT

VIOLATIONS = {
    "Adapters and the service meet only in contracts": ("adapters/kit/intruder_a.py", "import roaming.model"),
    "The floors of the service": ("roaming/store/intruder_b.py", "import roaming.ocpi"),
    "OCPI modules do not know each other": ("roaming/modules/versions/intruder_c.py", "import roaming.modules.tariffs"),
    "Adapters do not know each other": ("adapters/simulated/intruder_d.py", "import adapters.ocpp"),
    "Inside an OCPI module": ("roaming/modules/tariffs/tables.py", "import roaming.modules.tariffs.service"),
    "Messages, canonical model, rating and codecs are pure": ("roaming/model/intruder_e.py", "import sqlalchemy"),
    "Only the Kafka bus knows aiokafka": ("roaming/hub/intruder_f.py", "import aiokafka"),
    "Only the OCPP adapter knows the ocpp package": ("adapters/kit/intruder_g.py", "import ocpp"),
    "Settings are read at the top and handed down": ("roaming/hub/intruder_h.py", "import roaming.settings"),
    "Only the OCPI client knows httpx": ("roaming/hub/intruder_i.py", "import httpx"),
}


def check_imports(folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(folder), "NO_COLOR": "1", "COLUMNS": "200"},
    )
    return done.returncode, done.stdout + done.stderr


def test_the_import_rules_are_kept() -> None:
    status, report = check_imports(ROOT)
    assert status == 0, report


@pytest.mark.timeout(180)
def test_each_import_rule_catches_what_it_forbids(tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for place, line in VIOLATIONS.values():
        with (tmp_path / place).open("a") as file:
            file.write(f"\n{line}\n")
    status, report = check_imports(tmp_path)
    assert status == 1, report
    broken = set(re.findall(r"^(.+?) BROKEN", report, re.MULTILINE))
    assert set(VIOLATIONS) <= broken, report

"""What deploy/ says about the hub is true: settings and commands exist, files parse, nothing runs as root."""

import configparser
import re
import shlex
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.main import get_command

from roaming.cli.commands import app
from roaming.settings import Settings
from tests.architecture.settings_examples import (
    ADAPTER_EXAMPLE,
    SERVICE_EXAMPLE,
    adapter_example,
    adapter_variables,
    service_example,
)
from tests.architecture.test_constraints import PIN
from tests.architecture.tree import ROOT, files, pyproject, sources, text

DEPLOY = Path("deploy")
UNITS = [path for path in files() if path.parent == DEPLOY / "systemd"]
COMPOSE: dict[str, Any] = yaml.safe_load(text(DEPLOY / "compose.yaml"))
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "roaming-hub"}
OF_OTHERS = {"ROAMING_CONFIG", "POSTGRES_PASSWORD"}
OF_THE_SERVICE = {f"ROAMING_{field.upper()}" for field in Settings.model_fields} | {"DATABASE_URL", "KAFKA_BOOTSTRAP"}
KNOWN = OF_OTHERS | OF_THE_SERVICE | adapter_variables()


def assert_runs(command: str) -> None:
    """``command`` is one of ours: `roaming …` with commands that exist, or an adapter."""
    words = [word.removeprefix("/opt/roaming/bin/") for word in shlex.split(command)]
    if words[0] == "python":
        assert words[1:4] == ["-m", "adapters", "run"]
        assert (ROOT / "adapters" / words[4] / "adapter.py").exists()
        assert (ROOT / "adapters" / "__main__.py").exists()
        return
    assert words[0] == "roaming"
    found: Any = get_command(app)
    for word in words[1:]:
        found = found.commands[word]


def test_the_examples_list_every_setting_with_its_default() -> None:
    assert text(SERVICE_EXAMPLE) == service_example(), "run: make examples"
    assert text(ADAPTER_EXAMPLE) == adapter_example(), "run: make examples"


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
    assert re.findall(r"^\n#(\w+)=", text(ADAPTER_EXAMPLE), re.MULTILINE) == []


def test_the_example_is_toml() -> None:
    example = tomllib.loads(re.sub(r"^#(?=\w+ = )", "", text(SERVICE_EXAMPLE), flags=re.MULTILINE))
    assert list(example) == list(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        assert example[name] == ("" if field.default == () else type(example[name])(field.default)), name


def test_the_example_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    copy = tmp_path / "settings.toml"
    copy.write_text(text(SERVICE_EXAMPLE).replace("#port = 8000", "port = 8123"))
    monkeypatch.setenv("ROAMING_CONFIG", str(copy))
    assert Settings().port == 8123


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_one_of_our_commands_with_known_settings(name: str) -> None:
    assert_runs(OURS[name]["command"])
    is_adapter = OURS[name]["command"].startswith("python -m adapters")
    assert set(OURS[name]["environment"]) <= (adapter_variables() if is_adapter else OF_THE_SERVICE)


def test_every_process_of_the_scaled_shape_is_there() -> None:
    commands = {service["command"] for service in OURS.values()}
    assert {"roaming serve", "roaming work", "roaming db upgrade", "python -m adapters run ocpp"} == commands


def test_services_depend_on_services_that_exist_and_mount_volumes_that_exist() -> None:
    for service in COMPOSE["services"].values():
        assert set(service.get("depends_on", ())) <= set(COMPOSE["services"])
        assert {mount.split(":")[0] for mount in service.get("volumes", ())} <= set(COMPOSE["volumes"])


def test_every_process_that_goes_on_is_watched_where_it_answers() -> None:
    """By the image's own check at the port of HTTP, or by one at the port of probes that the image sets."""
    dockerfile = text(DEPLOY / "Dockerfile")
    assert "http://127.0.0.1:8000/readyz" in dockerfile
    assert {"ROAMING_PROBE_PORT=8001", "ROAMING_ADAPTER_PROBE_PORT=8001"} <= set(dockerfile.split())
    for service in OURS.values():
        check = service.get("healthcheck", {})
        match service["command"]:
            case "roaming db upgrade":
                assert check == {"disable": True}
            case "roaming serve":
                assert check == {}
            case _:
                assert "http://127.0.0.1:8001/readyz" in check["test"][-1]


def test_an_instance_keeps_its_spool() -> None:
    assert any(mount.endswith(":/var/lib/roaming") for mount in OURS["adapter"]["volumes"])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_runs_one_of_our_commands_without_rights(unit: Path) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text(unit))
    service = parser["Service"]
    assert service["User"] not in ("", "root")
    assert service["NoNewPrivileges"] == "yes"
    assert_runs(service["ExecStart"])
    if "ExecStartPre" in service:
        assert_runs(service["ExecStartPre"])
    names = [pair.partition("=")[0] for pair in shlex.split(service["Environment"])]
    assert [name for name in names if name not in KNOWN] == []


@pytest.mark.parametrize("path", ["deploy/Dockerfile", "deploy/hub.env.example", "deploy/README.md", "README.md"])
def test_a_text_names_only_settings_that_exist(path: str) -> None:
    named = set(re.findall(r"\b(?:ROAMING_[A-Z_]+|DATABASE_URL|KAFKA_BOOTSTRAP)\b", text(Path(path))))
    assert named - KNOWN == set()


def test_compose_asks_for_what_the_example_of_its_environment_gives() -> None:
    asked = set(re.findall(r"\$\{(\w+)", text(DEPLOY / "compose.yaml")))
    given = set(re.findall(r"^(\w+)=", text(DEPLOY / "hub.env.example"), re.MULTILINE))
    assert asked == given


def test_the_image_runs_without_rights_and_is_watched() -> None:
    lines = text(DEPLOY / "Dockerfile").splitlines()
    last_stage = lines[max(number for number, line in enumerate(lines) if line.startswith("FROM ")) :]
    users = [line.split()[1] for line in last_stage if line.startswith("USER ")]
    assert users == ["roaming"]
    assert any(line.startswith("HEALTHCHECK") for line in last_stage)
    assert all(
        (ROOT / word).exists()
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    )


def test_the_image_installs_the_versions_that_are_tested() -> None:
    tested, shipped = (
        {match[0] for line in text(Path(path)).splitlines() if (match := PIN.match(line))}
        for path in ("constraints.txt", "deploy/requirements.txt")
    )
    assert shipped < tested
    assert not any(line.startswith(("pytest==", "mypy==", "playwright==")) for line in shipped)


EXTRAS = {name for name in pyproject()["project"]["optional-dependencies"] if name != "dev"}


def test_the_image_has_what_commands_ask_for() -> None:
    """PDF, XLSX, Parquet and e-invoices: the install line names their extras, and what those need is pinned."""
    (line,) = [each for each in text(DEPLOY / "Dockerfile").splitlines() if "pip install --no-deps" in each]
    named = set(re.findall(r"'\.\[([\w,]+)\]'", line)[0].split(","))
    asked = {name for path in sources() for name in re.findall(ASKED, text(path))}
    assert asked <= named == EXTRAS
    shipped = {canonicalize_name(match["name"]) for each in PINNED.splitlines() if (match := PIN.match(each))}
    assert needed_by("roaming-hub", EXTRAS) <= shipped


ASKED = r"roaming-hub\[(\w+)\]"
PINNED = text(DEPLOY / "requirements.txt")


def needed_by(name: str, extras: set[str], seen: set[tuple[str, str]] | None = None) -> set[str]:
    """All that is installed with it here, at any depth."""
    seen = set() if seen is None else seen
    found: set[str] = set()
    for each in map(Requirement, requires(name) or []):
        if not any(each.marker is None or each.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            continue
        dependency = canonicalize_name(each.name)
        found.add(dependency)
        if (place := (dependency, ",".join(sorted(each.extras)))) not in seen:
            seen.add(place)
            found |= needed_by(dependency, set(each.extras), seen)
    return found

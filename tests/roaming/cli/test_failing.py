"""Whatever is wrong around a command, it ends with one line that says what to do next, never with a traceback."""

import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from roaming.cli import main
from tests.kit.server_process import free_port


@pytest.fixture
def taken() -> Iterator[str]:
    """A port on which somebody else listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield str(other.getsockname()[1])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command runs; nothing is there yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROAMING_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


@pytest.fixture
def said(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that fails, as its entry point does; returns what it said."""

    def run(words: str, **settings: str) -> str:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["roaming", *words.split()])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code in (1, 2)
        return capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("words", "settings", "named"),
    [
        ("cdr list", {"DATABASE_URL": "postgresql://a:b@127.0.0.1:1/x"}, "the database does not answer"),
        ("doctor", {"ROAMING_PORT": "many"}, "port: Input should be a valid integer"),
        ("doctor", {"ROAMING_CONFIG": "broken.toml"}, "is not TOML"),
        ("db upgrade", {"ROAMING_DATA_DIR": "broken.toml"}, "broken.toml"),
        ("sim station -n 0", {}, "-n"),
        ("sim station --speed 0", {}, "--speed"),
        ("sim stations --scenario steady,tidal-wave", {}, "--scenario: no 'tidal-wave'"),
        ("token import wide.csv", {}, "line 2 has more cells than the header"),
    ],
)
def test_one_line_says_what_to_do(
    folder: Path, said: Callable[..., str], words: str, settings: dict[str, str], named: str
) -> None:
    (folder / "broken.toml").write_text("port = ")
    (folder / "wide.csv").write_text("uid,type\n04AB,RFID,more\n")
    assert named in said(words, **settings)


def test_a_port_that_is_taken_is_named_with_its_setting(said: Callable[..., str], taken: str) -> None:
    assert f"port {taken} cannot be used: is another hub running? Set ROAMING_OCPP_PORT" in said(
        "start", ROAMING_OCPP_PORT=taken
    )
    assert "Set ROAMING_PORT" in said("start", ROAMING_PORT=taken, ROAMING_OCPP_PORT="0")


def test_a_simulator_that_cannot_listen_or_fail_as_asked(said: Callable[..., str], taken: str) -> None:
    assert "choose another with --port" in said(f"sim partner --token x --port {taken}")
    assert "--fault: 'x' is no number" in said(f"sim partner --token x --port {free_port()} --fault cdrs:error:x")

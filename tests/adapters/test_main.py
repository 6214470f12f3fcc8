"""``python -m adapters``: settings from command line and environment, a process on a real broker."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest
import structlog
from click.testing import Result
from typer.testing import CliRunner

from adapters.__main__ import app, configure_logging, read_settings
from adapters.simulated.adapter import ADAPTER
from adapters.simulated.settings import SimulatedSettings
from contracts.bus.kafka import KafkaBus
from contracts.bus.port import Subscription
from contracts.envelope import Envelope
from contracts.topics import EVENTS
from tests.kit.kept_logging import kept_logging
from tests.kit.server_process import free_port
from tests.kit.wait import until

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("ROAMING_"):
            monkeypatch.delenv(name)


def adapters(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, arguments, env=environment)


def test_list() -> None:
    assert adapters("list").output.split() == ["ocpp", "simulated"]


def test_what_is_missing_is_named_as_it_is_set() -> None:
    result = adapters("run", "simulated")
    assert result.exit_code == 2
    for name in ("KAFKA", "SECRET"):
        assert f"ROAMING_ADAPTER_{name}: " in result.output


@pytest.mark.parametrize(
    ("name", "setting", "value", "complaint"),
    [
        ("modbus", "LOG_LEVEL", "INFO", "installed are: ocpp, simulated"),
        ("simulated", "SIMULATED_STATIONS", "many", "ROAMING_ADAPTER_SIMULATED_STATIONS: "),
        ("simulated", "SIMULATED_SCRIPT", "no list", "ROAMING_ADAPTER_SIMULATED_…: "),
        ("simulated", "KAFKA_SECURITY_PROTOCOL", "SASL_SSL", "user and password: SASL_SSL needs both"),
    ],
)
def test_what_does_not_fit_is_named(name: str, setting: str, value: str, complaint: str) -> None:
    result = adapters(
        "run",
        name,
        ROAMING_ADAPTER_SECRET="secret",
        ROAMING_ADAPTER_KAFKA="127.0.0.1:1",
        **{f"ROAMING_ADAPTER_{setting}": value},
    )
    assert result.exit_code == 2
    assert complaint in result.output


def test_settings_of_an_adapter_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROAMING_ADAPTER_SIMULATED_STATIONS", "7")
    monkeypatch.setenv("ROAMING_ADAPTER_SIMULATED_SCRIPT", '["plug 1"]')
    settings = read_settings(ADAPTER)
    assert isinstance(settings, SimulatedSettings)
    assert (settings.stations, settings.script, settings.seed) == (7, ("plug 1",), 1)


def start_simulated(data_dir: Path, bootstrap: str, prefix: str, **more: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "adapters", "run", "simulated", "--instance", "one", "--data-dir", str(data_dir)],
        cwd=ROOT,
        env={
            **os.environ,
            "ROAMING_ADAPTER_KAFKA": bootstrap,
            "ROAMING_ADAPTER_TOPIC_PREFIX": prefix,
            "ROAMING_ADAPTER_SECRET": "secret",
            "ROAMING_ADAPTER_SIMULATED_ADMITS_STRANGERS": "true",
            **more,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def test_a_process_says_how_it_is(tmp_path: Path) -> None:
    """A broker that is away holds no station up: the adapter is ready, and says what waits."""
    port = free_port()
    process = start_simulated(tmp_path, f"127.0.0.1:{free_port()}", "t.", ROAMING_ADAPTER_PROBE_PORT=str(port))

    def readyz() -> dict[str, object] | None:
        assert process.poll() is None
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=20) as answer:
                said: dict[str, object] = json.loads(answer.read())
        except urllib.error.URLError:
            return None
        return said if said["backlog"] else None

    try:
        said = await until(lambda: asyncio.to_thread(readyz), seconds=40)
        assert isinstance(said, dict)
        assert (said["status"], said["adapter"]) == ("ok", "ok")
        assert str(said["bus"]).startswith("away")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.kafka
async def test_a_process_on_kafka_drains_at_sigterm(kafka_bootstrap: str, tmp_path: Path) -> None:
    prefix = f"t{uuid.uuid4().hex[:8]}."
    told: dict[str, str] = {}  # by id: the bus may say the same again

    async def read(envelopes: list[Envelope]) -> None:
        told.update({one.id: one.type for one in envelopes})

    bus = KafkaBus(kafka_bootstrap, client_id="test", topic_prefix=prefix)
    bus.subscribe(Subscription(group="test", topics=(EVENTS,), handler=read))  # type: ignore[arg-type]
    await bus.start()
    process = start_simulated(tmp_path, kafka_bootstrap, prefix)
    try:
        await until(lambda: list(told.values()).count("ConnectorStatusChanged") == 6, seconds=40)
        process.send_signal(signal.SIGTERM)
        out, errors = await asyncio.to_thread(process.communicate, timeout=30)  # a reader that is held up is given up
        assert process.returncode == 0, errors
        assert "simulated: 2 stations in memory" in out
        for line in errors.splitlines():
            json.loads(line)
        await until(lambda: list(told.values()).count("StationDisconnected") == 2, seconds=20)
    finally:
        process.kill()
        process.wait()
        await bus.close()


def test_no_text_of_a_station_breaks_a_log_line(capsys: pytest.CaptureFixture[str]) -> None:
    with kept_logging():
        configure_logging("INFO")
        structlog.get_logger().warning("it_strays", said='a\r\n{"event": "forged"}\x1b[31m\u202e\x00')
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "it_strays"
    assert line.isascii()
    assert line.isprintable()

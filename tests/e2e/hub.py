"""A whole hub as its operator would run it: real processes, in one of three shapes, that can be killed and started."""

import json
import os
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from tests.e2e import forks
from tests.e2e.forks import ForkedServer
from tests.kit.server_process import ServerProcess, free_port

SECRET = "5e" * 32
NETWORK = "main"


class Hub:
    """One hub. ``shape``: ``embedded``, ``postgresql`` (one process) or ``scaled`` (adapter, service and worker
    apart, two of each)."""

    def __init__(
        self,
        shape: str,
        folder: Path,
        *,
        database_url: str = "",
        kafka: str = "",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.shape = shape
        self.folder = folder
        self.kafka = kafka
        self._settings = settings or {}
        self.database_url = database_url or f"sqlite:///{folder / 'hub.db'}"
        self.http_ports = [free_port() for _ in range(2 if shape == "scaled" else 1)]
        self.ocpp_ports = [free_port() for _ in range(2 if shape == "scaled" else 1)]
        self.processes: dict[str, ServerProcess] = {}
        self.probe_ports: dict[str, int] = {}
        """Where each process answers ``/readyz``."""
        self.environments: dict[str, dict[str, str]] = {}
        self._describe()

    @property
    def url(self) -> str:
        """The HTTP address."""
        return f"http://127.0.0.1:{self.http_ports[0]}"

    @property
    def versions_url(self) -> str:
        return f"{self.url}/ocpi/versions"

    def ocpp_url(self, number: int = 0) -> str:
        """Where the ``number``-th station connects."""
        return f"ws://127.0.0.1:{self.ocpp_ports[number % len(self.ocpp_ports)]}"

    def environment(self) -> dict[str, str]:
        """What all processes of the service share."""
        values = {
            "ROAMING_DATA_DIR": str(self.folder),
            "ROAMING_SECRET": SECRET,
            "DATABASE_URL": self.database_url,
            "ROAMING_PUBLIC_URL": f"{self.url}/ocpi",
            "ROAMING_IS_HTTP_ALLOWED": "true",
            "ROAMING_ALLOWED_NETWORKS": "127.0.0.0/8",
            "ROAMING_SESSION_PUSH_INTERVAL": "0.3",
            "ROAMING_CLOSING_GRACE": "0.5",
            "ROAMING_COMMAND_TIMEOUT": "8",
            "ROAMING_NETWORK": NETWORK,
        }
        return values | self._settings | ({"KAFKA_BOOTSTRAP": self.kafka} if self.kafka else {})

    def _describe(self) -> None:
        if self.shape != "scaled":
            self._add("hub", ["roaming.cli", "start", "--json"], {"ROAMING_PORT": str(self.http_ports[0])})
            self.probe_ports["hub"] = self.http_ports[0]
            return
        for number in range(2):
            self.probe_ports[f"service-{number}"] = self.http_ports[number]
            self._add(
                f"service-{number}", ["roaming.cli", "serve", "--json"], {"ROAMING_PORT": str(self.http_ports[number])}
            )
            self.probe_ports |= {f"worker-{number}": free_port(), f"adapter-{number}": free_port()}
            worker = {"ROAMING_PROBE_PORT": str(self.probe_ports[f"worker-{number}"])}
            self._add(f"worker-{number}", ["roaming.cli", "work", "--json"], worker)
            adapter = {
                "ROAMING_ADAPTER_KAFKA": self.kafka,
                "ROAMING_ADAPTER_NETWORK": NETWORK,
                "ROAMING_ADAPTER_INSTANCE": f"adapter-{number}",
                "ROAMING_ADAPTER_PROBE_PORT": str(self.probe_ports[f"adapter-{number}"]),
                "ROAMING_ADAPTER_DATA_DIR": str(self.folder / f"adapter-{number}"),
                "ROAMING_ADAPTER_OCPP_HOST": "127.0.0.1",
                "ROAMING_ADAPTER_OCPP_PORT": str(self.ocpp_ports[number]),
                "ROAMING_ADAPTER_OCPP_STATE_PATH": str(self.folder / f"adapter-{number}" / "ocpp-state.sqlite"),
            }
            self._add(f"adapter-{number}", ["adapters", "run", "ocpp"], adapter)

    def _add(self, name: str, command: list[str], values: dict[str, str]) -> None:
        shared = {"ROAMING_OCPP_PORT": str(self.ocpp_ports[0]), "ROAMING_INSTANCE": name}
        self.environments[name] = self.environment() | shared | values
        module, *arguments = command
        log = self.folder / f"{name}.log"
        self.processes[name] = ForkedServer(module, arguments, self.environments[name], log=log)

    def start(self) -> "Hub":
        """Migrates and starts every process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cli("db", "upgrade")
        for name in self.processes:
            self.start_one(name)
        return self

    def start_one(self, name: str) -> None:
        """Starts one process and waits until it serves."""
        ready = {"hub": "OCPI versions", "service": "versions", "worker": '"worker"', "adapter": "adapter started"}
        word = ready[name.split("-")[0]]
        self.processes[name].start(lambda text: word in text, seconds=30)

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self.processes[name].kill()

    def stop(self) -> None:
        """SIGTERM to all."""
        for process in self.processes.values():
            process.stop()

    def cli(self, *arguments: str) -> Any:
        """Runs ``roaming ARGUMENTS --json`` and returns what it printed."""
        environment = {**os.environ, **self.environment()}
        with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
            command = forks.start(
                "roaming.cli", [*arguments, "--json"], environment, out=out.fileno(), err=err.fileno()
            )
            code = command.wait(timeout=60)
            printed, said = (file.seek(0) or file.read() for file in (out, err))
        if code != 0:
            raise AssertionError(f"roaming {' '.join(arguments)}: {printed}{said}")
        return json.loads(printed)

    def get(self, path: str) -> Any:
        """GET of a page of this hub, as JSON."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
            return json.load(answer)

    def logs(self) -> str:
        """What all processes printed."""
        return "\n".join(
            f"== {name}\n{process.log.read_text(errors='replace')}"
            for name, process in self.processes.items()
            if process.log.exists()
        )

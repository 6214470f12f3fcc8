"""A throw-away Kafka broker: the real one from its published jars, one KRaft node, to be killed and restarted."""

import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tests.kit.server_process import LOOPBACK, ServerFailed, ServerProcess, free_port

VERSION = "4.1.2"
ROOT = Path(__file__).resolve().parents[2]
CLUSTER_ID = "cm9hbWluZy1odWItdGVzdA"
JARS = ROOT / ".tools" / "kafka" / VERSION

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tests</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""


def missing() -> str | None:
    """Why no broker can be started here, or None. Jars that Maven can fetch are not missing."""
    if shutil.which("java") is None:
        return "Kafka needs Java 17 or later (Debian: apt-get install default-jre-headless)"
    if not _is_complete(JARS) and shutil.which("mvn") is None:
        return "Kafka's jars are fetched by Maven (Debian: apt-get install maven)"
    return None


def jars() -> Path:
    """The folder of the broker's jars, filled by Maven the first time; raises ServerFailed when that fails."""
    JARS.parent.mkdir(parents=True, exist_ok=True)
    with (JARS.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_complete(JARS):
            with tempfile.TemporaryDirectory(dir=JARS.parent) as work:
                pom = Path(work) / "pom.xml"
                pom.write_text(POM)
                done = subprocess.run(
                    [
                        "mvn",
                        "-q",
                        "-B",
                        "-f",
                        pom,
                        "dependency:copy-dependencies",
                        f"-DoutputDirectory={work}/libs",
                    ],
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if done.returncode != 0:
                    raise ServerFailed(
                        f"Maven could not fetch Kafka {VERSION}: {done.stdout[-2000:]}{done.stderr[-500:]}"
                    )
                shutil.rmtree(JARS, ignore_errors=True)
                (Path(work) / "libs").rename(JARS)
    return JARS


def _is_complete(folder: Path) -> bool:
    return (folder / f"kafka_2.13-{VERSION}.jar").exists()


class KafkaBroker:
    """One broker on one port and data folder, both kept over `kill` and `start`."""

    def __init__(
        self,
        *,
        properties: dict[str, str] | None = None,
        listeners: Sequence[str] = (),
        format_options: Sequence[str] = (),
    ) -> None:
        """``listeners``: protocols to be served beside PLAINTEXT, such as ``SASL_SSL``; what they need stands in
        ``properties``. ``format_options`` are those of Kafka's ``kafka-storage format``."""
        self.ports = {protocol: free_port() for protocol in listeners}
        self._format_options = format_options
        self.folder = Path(tempfile.mkdtemp(prefix="roaming-kafka-"))
        self.port = free_port()
        self._controller_port = free_port()
        self._more_properties = properties or {}
        self._jars = jars()
        self._process = ServerProcess(
            [*self._java(), "kafka.Kafka", self._properties],
            log=self.folder / "server.log",
            cwd=self.folder,
            litter=self.folder,
        )

    @property
    def bootstrap(self) -> str:
        """What a client is given: ``127.0.0.1:PORT``."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """The broker's process id; raises ServerFailed when it is not running."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.is_running

    def start(self) -> "KafkaBroker":
        """Starts the broker, formatting its folder first if that is new; returns when it serves clients."""
        is_first = not (self.folder / "data").exists()
        for attempts_left in (4, 3, 2, 1, 0):
            if is_first:
                self._format()
            try:
                self._process.start(lambda log: "Kafka Server started" in log)
                return self
            except ServerFailed as failure:
                if not (is_first and attempts_left and "Address already in use" in str(failure)):
                    raise
                shutil.rmtree(self.folder / "data")
                self.port, self._controller_port = free_port(), free_port()
        raise AssertionError("unreachable")

    def kill(self) -> None:
        """SIGKILL to the broker."""
        self._process.kill()

    def stop(self) -> None:
        """Controlled shutdown."""
        self._process.stop()

    def pause(self) -> None:
        """Connections stay open and nothing answers, until `resume`."""
        self._process.pause()

    def resume(self) -> None:
        self._process.resume()

    def remove(self) -> None:
        """Kills the broker and deletes its folder."""
        self._process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _java(self) -> list[str]:
        log = "-Dorg.slf4j.simpleLogger"
        return [
            "java",
            *("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
            *(f"{log}.defaultLogLevel=warn", f"{log}.log.kafka.server.KafkaRaftServer=info"),
            *("-cp", f"{self._jars}/*"),
        ]

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def _format(self) -> None:
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in self._configuration().items()))
        done = subprocess.run(
            [
                *self._java(),
                "kafka.tools.StorageTool",
                *("format", "-t", CLUSTER_ID, "-c", self._properties),
                *self._format_options,
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
        )
        if done.returncode != 0:
            raise ServerFailed(f"Kafka's folder could not be formatted: {done.stdout[-1000:]}{done.stderr[-1000:]}")

    def _configuration(self) -> dict[str, str]:
        controller = f"{LOOPBACK}:{self._controller_port}"
        client = ",".join(
            [f"PLAINTEXT://{self.bootstrap}", *(f"{name}://{LOOPBACK}:{port}" for name, port in self.ports.items())]
        )
        protocols = "".join(f",{name}:{name}" for name in self.ports)
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"{client},CONTROLLER://{controller}",
            "advertised.listeners": client,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": f"PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}",
            "log.dirs": str(self.folder / "data"),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            # As in production: a topic is made by the program, with the partitions it is to have
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            # A killed broker may register again only when the session of the one before has run out
            "broker.heartbeat.interval.ms": "300",
            "broker.session.timeout.ms": "1500",
            "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
            **self._more_properties,
        }

    def __enter__(self) -> "KafkaBroker":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

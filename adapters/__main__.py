"""``python -m adapters run NAME``: one adapter as a process of its own, on Kafka.

Reads settings from the command line and from ``ROAMING_ADAPTER_*``; those of the adapter itself from
``ROAMING_ADAPTER_<NAME>_*``. Secrets come from the environment only.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Self

import structlog
import typer
import uvloop
from pydantic import AliasChoices, BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from adapters.kit.finding import adapter_names, find_adapter
from adapters.kit.manifest import Adapter, KitError
from adapters.kit.runner import RunningKit, run
from contracts.bus.kafka import KafkaBus
from contracts.bus.kafka_security import KafkaSecurity
from contracts.collector import spare_collector
from contracts.probes import Health, serve_probes
from contracts.station_keys import derive

app = typer.Typer(help="Adapters to charging networks, each a process of its own.", no_args_is_help=True)
logger = structlog.get_logger("adapters")


class ProcessSettings(BaseSettings):
    """What every adapter process needs. Environment variables: ``ROAMING_ADAPTER_`` and the name in upper case."""

    model_config = SettingsConfigDict(env_prefix="ROAMING_ADAPTER_", extra="ignore")

    kafka: str
    """Bootstrap servers, such as ``localhost:9092``."""
    kafka_security_protocol: str = "PLAINTEXT"
    """PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, as the brokers' listener."""
    kafka_sasl_mechanism: str = "PLAIN"
    """PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."""
    kafka_user: str = ""
    """User at the brokers, with SASL."""
    kafka_password: SecretStr = SecretStr("")
    """Its password. Never logged."""
    kafka_ca_file: str = ""
    """PEM file of who signed the brokers' certificates. Empty: whom this machine trusts."""
    kafka_certificate_file: str = ""
    """PEM file of our own certificate at the brokers."""
    kafka_key_file: str = ""
    """PEM file of its key. Empty: in the file of the certificate."""
    topic_prefix: str = ""
    """Goes before the names of topics and groups; the same as the service's."""
    network: str = "main"
    instance: str = Field(default_factory=lambda: socket.gethostname())
    """Name of this process, unique in its network and the same after a restart."""
    data_dir: Path = Path("adapter-data")
    """Holds facts that were acknowledged and are not on the bus yet: a disk that outlives the process."""
    kept_days: int = Field(30, ge=1)
    """Days that commands which were carried out, and connections of stations that did not come back, are remembered."""
    secret: SecretStr = Field(validation_alias=AliasChoices("secret", "ROAMING_ADAPTER_SECRET", "ROAMING_SECRET"))
    """The installation's one secret, the same as the service's (``contracts.station_keys.derive``)."""
    probe_host: str = "127.0.0.1"
    """Address of the probes."""
    probe_port: int = Field(default=0, ge=0, le=65535)
    """Port of /livez and /readyz, which say how this process is; 0: none."""
    log_level: str = "INFO"
    slow_callbacks: float = 0.0
    """Seconds above which a callback that blocks the event loop is logged; 0: never."""

    @model_validator(mode="after")
    def _can_be_secured(self) -> Self:
        self.kafka_security()
        return self

    def kafka_security(self) -> KafkaSecurity:
        """How brokers are spoken to. Raises ``ValueError`` for settings that do not go together."""
        return KafkaSecurity(
            protocol=self.kafka_security_protocol,
            mechanism=self.kafka_sasl_mechanism,
            user=self.kafka_user,
            password=self.kafka_password.get_secret_value(),
            ca_file=self.kafka_ca_file,
            certificate_file=self.kafka_certificate_file,
            key_file=self.kafka_key_file,
        )


class BadSettings(KitError):
    """A setting is missing or does not fit. The text names the variable, and never its value."""

    @classmethod
    def of(cls, error: ValidationError | SettingsError, prefix: str) -> "BadSettings":
        """One line per setting."""
        if isinstance(error, SettingsError):
            return cls(f"{prefix}…: {error}")
        lines = []
        for problem in error.errors(include_input=False, include_url=False):
            name = "__".join(str(part) for part in problem["loc"]).upper().removeprefix(prefix)
            lines.append(f"{prefix}{name}: {problem['msg']}")
        return cls("\n".join(lines))


@app.command("list")
def list_adapters() -> None:
    """Names of the installed adapters."""
    for name in adapter_names():
        typer.echo(name)


@app.command("run")
def run_adapter(
    name: Annotated[str, typer.Argument(help="Which adapter; `list` names them.")],
    kafka: Annotated[str | None, typer.Option(help="Bootstrap servers, such as localhost:9092.")] = None,
    network: Annotated[str | None, typer.Option(help="Name of the charging network.")] = None,
    instance: Annotated[str | None, typer.Option(help="Name of this process; default: the host's name.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where facts wait for the bus.")] = None,
) -> None:
    """Runs an adapter until SIGTERM or SIGINT, then drains it."""
    given = {"kafka": kafka, "network": network, "instance": instance, "data_dir": data_dir}
    try:
        settings = _read_process_settings({key: value for key, value in given.items() if value is not None})
        adapter = find_adapter(name)
        own_settings = read_settings(adapter)
    except KitError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    configure_logging(settings.log_level)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_until_told(adapter, own_settings, settings))
    except (KitError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def read_settings(adapter: Adapter) -> BaseModel:
    """The adapter's own settings from ``ROAMING_ADAPTER_<NAME>_*``; nested ones with two underscores.

    Raises ``BadSettings``."""
    prefix = f"ROAMING_ADAPTER_{adapter.name.upper()}_"
    environment: type[BaseModel] = type(
        f"{adapter.settings.__name__}FromEnvironment",
        (adapter.settings, BaseSettings),
        {
            "__module__": __name__,
            "model_config": SettingsConfigDict(env_prefix=prefix, env_nested_delimiter="__", extra="ignore"),
        },
    )
    try:
        return environment()
    except (ValidationError, SettingsError) as error:
        raise BadSettings.of(error, prefix) from None


def _read_process_settings(given: dict[str, object]) -> ProcessSettings:
    try:
        return ProcessSettings(**given)  # type: ignore[arg-type]
    except (ValidationError, SettingsError) as error:
        raise BadSettings.of(error, "ROAMING_ADAPTER_") from None


def configure_logging(level: str) -> None:
    """Lines for people in a terminal, JSON otherwise. Tracebacks without local variables: those hold tokens."""
    is_terminal = sys.stderr.isatty()
    people = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if is_terminal else [structlog.processors.format_exc_info]),
            people if is_terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping().get(level.upper(), 20)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


async def _until_told(adapter: Adapter, own_settings: BaseModel, settings: ProcessSettings) -> None:
    loop = asyncio.get_running_loop()
    if settings.slow_callbacks:
        loop.set_debug(True)
        loop.slow_callback_duration = settings.slow_callbacks
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    secret = settings.secret.get_secret_value()
    bus = KafkaBus(
        settings.kafka,
        client_id=f"adapter-{settings.instance}",
        security=settings.kafka_security(),
        topic_prefix=settings.topic_prefix,
    )
    kit: RunningKit | None = None
    connecting: asyncio.Task[None] | None = None
    probes: asyncio.Server | None = None
    try:
        kit = await run(
            adapter,
            own_settings,
            bus=bus,
            network=settings.network,
            instance=settings.instance,
            data_dir=settings.data_dir,
            pepper=derive(secret, "station-keys"),
            secret=derive(secret, "adapter"),
            kept=timedelta(days=settings.kept_days),
        )
        # Stations are served while the broker is away, so nobody waits for it
        connecting = asyncio.create_task(bus.start())
        connecting.add_done_callback(lambda task: told.set() if task.cancelled() or task.exception() else None)
        if settings.probe_port:
            probes = await serve_probes(settings.probe_host, settings.probe_port, partial(_health, kit, bus))
        for what, address in kit.addresses().items():
            typer.echo(f"{what}: {address}")
        spare_collector()
        await told.wait()
        logger.info("stopping")
    finally:
        if probes is not None:
            probes.close()
        if kit is not None:
            await kit.stop()
        if connecting is not None:
            connecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await connecting
        await bus.close()


async def _health(kit: RunningKit, bus: KafkaBus) -> Health:
    """Stations are served while the bus is away: their facts wait on disk, and ``backlog`` grows."""
    is_serving = kit.is_healthy()
    return Health(
        is_ready=is_serving,
        parts={
            "adapter": "ok" if is_serving else "cannot serve stations: see the log",
            "bus": "ok" if bus.is_healthy() else "away, or a reader hangs: facts wait on disk",
            "lag": await bus.lag(),
            "backlog": kit.backlog(),
        },
    )


if __name__ == "__main__":
    app()

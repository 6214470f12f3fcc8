"""All settings of the service, in one model. Read by ``app``, ``worker`` and ``cli`` only and handed down from there.

Flags win over environment, environment over the file that ``ROAMING_CONFIG`` names, that over the defaults. The shape
is two of them: ``DATABASE_URL`` and ``KAFKA_BOOTSTRAP``; without both it is the embedded one.
"""

import os
import secrets
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from contracts.bus.kafka_security import KafkaSecurity

OcpiVersion = Literal["2.1.1", "2.2.1", "2.3.0"]


class UnusableSettings(ValueError):
    """The settings file is missing, or holds what is no setting."""


class Settings(BaseSettings):
    """Environment: ``ROAMING_`` and the name in capitals, such as ``ROAMING_PORT=8080``."""

    model_config = SettingsConfigDict(
        env_prefix="ROAMING_", extra="ignore", populate_by_name=True, hide_input_in_errors=True
    )

    data_dir: Path = Field(default=Path(".roaming"), description="Where the embedded shape keeps its files.")
    database_url: str = Field(
        default="",
        validation_alias=AliasChoices("database_url", "DATABASE_URL", "ROAMING_DATABASE_URL"),
        description="postgresql://user:password@host/name, or sqlite:///file. Empty: hub.db in the data directory.",
    )
    kafka_bootstrap: str = Field(
        default="",
        validation_alias=AliasChoices("kafka_bootstrap", "KAFKA_BOOTSTRAP", "ROAMING_KAFKA_BOOTSTRAP"),
        description="host:port of Apache Kafka brokers, separated by commas. Empty: messages stay in this process.",
    )
    kafka_security_protocol: str = Field(
        default="PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, as the brokers' listener."
    )
    kafka_sasl_mechanism: str = Field(default="PLAIN", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.")
    kafka_user: str = Field(default="", description="User at the brokers, with SASL.")
    kafka_password: SecretStr = Field(default=SecretStr(""), description="Its password. Never logged.")
    kafka_ca_file: str = Field(
        default="", description="PEM file of who signed the brokers' certificates. Empty: whom this machine trusts."
    )
    kafka_certificate_file: str = Field(default="", description="PEM file of our own certificate at the brokers.")
    kafka_key_file: str = Field(default="", description="PEM file of its key. Empty: in the file of the certificate.")
    host: str = Field(default="127.0.0.1", description="Address the HTTP server listens on.")
    port: int = Field(default=8000, description="Port of the HTTP server.")
    probe_host: str = Field(default="127.0.0.1", description="Address of the probes of `roaming work`.")
    probe_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port of /livez and /readyz of `roaming work`, which has no HTTP; 0: none.",
    )
    public_url: str = Field(default="", description="How partners reach this hub, ending in /ocpi.")
    secret: str = Field(
        default="",
        description="Keys all digests and seals: 64 hex digits. Empty: made once and kept in the data directory.",
    )
    offered_versions: Annotated[tuple[OcpiVersion, ...], NoDecode] = Field(
        default=("2.1.1", "2.2.1", "2.3.0"),
        min_length=1,
        description="OCPI versions that partners may choose from, by commas.",
    )
    hub_party: str = Field(
        default="",
        pattern="^([A-Za-z]{2}[-*/]?[A-Za-z0-9]{3})?$",
        description="Party of this hub itself, such as NL-HUB: partners of 2.3.0 see it as hub_party_id. Empty: none.",
    )
    files_url: str = Field(
        default="",
        description="How stations reach us for firmware and logs, such as https://hub.example; empty: as partners do.",
    )
    authority_certificate: str = Field(
        default="",
        description="PEM file of our own authority for stations' certificates, its own first, then up to the root.",
    )
    authority_key: str = Field(default="", description="PEM file of its key, not encrypted.")
    certificate_lifetime: int = Field(
        default=365, ge=1, le=3650, description="Days that a station's certificate is good for."
    )
    certificate_renewal: int = Field(
        default=30,
        ge=0,
        le=3650,
        description="Days before its end that a station's certificate is renewed by our authority; 0: when asked only.",
    )
    allowed_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Private networks that partner addresses may lie in, such as 10.0.0.0/8, by commas."
    )
    is_http_allowed: bool = Field(default=False, description="Let partners be reached without TLS.")
    authorization_timeout: float = Field(default=4.0, description="Seconds an eMSP has to answer an authorisation.")
    command_timeout: float = Field(default=30.0, description="Seconds a station has to answer a command.")
    commands_per_minute: int = Field(
        default=600,
        ge=0,
        description="Commands, charging profiles and preferences that one party may send in a minute; 0: no limit.",
    )
    unknown_tokens_per_minute: int = Field(
        default=600,
        ge=0,
        description="Tokens that are not known here about which one CPO may have all its eMSPs asked in a minute;"
        " 0: no limit.",
    )
    is_late_start_stopped: bool = Field(
        default=False,
        description="Stop a charge that begins after its eMSP was told TIMEOUT; else it goes on and is shown.",
    )
    closing_grace: float = Field(default=1.0, description="Seconds for late meter values after a charge has ended.")
    settling_grace: float = Field(
        default=600.0,
        description="Seconds for a station's own word of the end of a charge that the next on its connector outlived.",
    )
    silent_charge_hours: float = Field(
        default=48.0,
        ge=0,
        description="Hours without a word of a charge until it is closed, station gone or connector free; 0: never.",
    )
    late_facts_days: int = Field(
        default=400, ge=1, le=36500, description="Days that what a station told of a closed charge is kept."
    )
    cdr_grace: float = Field(default=600.0, description="Seconds after which a session without a CDR is looked into.")
    session_push_interval: float = Field(default=60.0, description="Seconds between updates of a running session.")
    cost_interval: float = Field(
        default=60.0,
        ge=0,
        le=3600,
        description="Seconds after which a station that shows drivers the cost so far is told it anew: 10 at least, and"
        " no oftener than session_push_interval; the final cost follows the end. 0: never.",
    )
    offline_grace: float = Field(default=900.0, description="Seconds a station may be away before it is UNKNOWN.")
    offline_notice: float = Field(
        default=120.0, ge=0, description="Seconds a station may be away before those who watch are told."
    )
    is_pulling: bool = Field(default=True, description="Fetch partners' lists: at first, nightly, and after absences.")
    pull_requests_per_second: float = Field(
        default=2.0, gt=0, description="Pages asked for in a second, of each partner."
    )
    pull_page_size: int = Field(default=100, ge=1, description="Objects asked for in a page; partners may send fewer.")
    pull_overlap: float = Field(default=300.0, ge=0, description="Seconds that a nightly pull reaches back further.")
    pull_night_hour: int = Field(default=1, ge=0, le=23, description="Hour (UTC) from which nightly pulls begin.")
    pull_night_hours: float = Field(default=4.0, gt=0, le=24, description="Hours over which their beginnings spread.")
    pull_full_days: int = Field(
        default=7, ge=1, description="Days between pulls of everything; those in between ask for changes only."
    )
    pull_first_delay: float = Field(default=10.0, ge=0, description="Seconds from a registration to its first pull.")
    partner_silence: float = Field(
        default=300.0, description="Seconds without a word from a partner until it is asked whether it is there."
    )
    journal_days: int = Field(default=30, ge=1, le=36500, description="Days that messages stay in the journal.")
    inbox_days: int = Field(
        default=14,
        ge=8,
        le=36500,
        description="Days that a repeated message is known as one; the bus keeps it for 7.",
    )
    dead_letter_days: int = Field(
        default=30, ge=1, le=36500, description="Days that dead letters stay once replayed, or where nobody can."
    )
    delivery_days: int = Field(
        default=30, ge=1, le=36500, description="Days that deliveries stay once they arrived; those of CDRs stay."
    )
    command_days: int = Field(
        default=30, ge=1, le=36500, description="Days that commands, reservations and charging profiles stay when over."
    )
    operation_days: int = Field(
        default=400,
        ge=1,
        le=36500,
        description="Days that requests to stations and their reports stay.",
    )
    event_days: int = Field(default=14, ge=4, le=36500, description="Days that events and what was sent of them stay.")
    smtp_host: str = Field(default="", description="Mail server that takes our e-mail; empty: none is sent.")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the line to it is secured: starttls, tls (from the start), none."
    )
    smtp_user: str = Field(default="", description="User there; empty: without signing in.")
    smtp_password: SecretStr = Field(default=SecretStr(""), description="Its password. Never logged.")
    smtp_ca_file: str = Field(
        default="", description="PEM file of who signed its certificate. Empty: whom this machine trusts."
    )
    smtp_from: str = Field(default="", description="Address that our e-mail comes from.")
    has_wire_log: bool = Field(
        default=True, description="Keep every frame of stations, secrets masked (`roaming start`; see `station wire`)."
    )
    wire_days: int = Field(default=7, ge=1, le=36500, description="Days that frames of stations stay.")
    wire_kilobytes: int = Field(
        default=5_000, ge=100, description="Of frames that stay of one station, in kilobytes; the oldest go first."
    )
    wire_megabytes: int = Field(
        default=5_000,
        ge=1,
        description="Of frames that stay of all bound stations together, in megabytes: those with most give up their"
        " oldest. All others together get a fiftieth of that beside it.",
    )
    state_days: int = Field(
        default=100, ge=2, le=36500, description="Days of which it stays known how each station was, and its faults."
    )
    reading_days: int = Field(
        default=400,
        ge=1,
        le=36500,
        description="Days that meter readings stay of a charge that is over or never began; its session and CDR stay.",
    )
    pool_size: int = Field(default=10, description="Connections to PostgreSQL, for reading and for writing each.")
    network: str = Field(default="main", description="Name of the set of stations that the built-in adapter serves.")
    instance: str = Field(default="hub", description="Name of this process, for logs and commands.")
    ocpp_host: str = Field(default="127.0.0.1", description="Address the OCPP adapter listens on (`roaming start`).")
    ocpp_port: int = Field(default=9000, description="Port of the OCPP adapter (`roaming start`).")
    ocpp: dict[str, Any] = Field(
        default={},
        description="Its other settings (`roaming start`): a table of those that adapter.env.example lists, such as"
        " mode and upstreams for stations that go through to their operator's own central system.",
    )
    has_console: bool = Field(default=True, description="Serve the operator pages.")

    @field_validator("allowed_networks", "offered_versions", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

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

    @model_validator(mode="after")
    def _has_a_sender(self) -> Self:
        if self.smtp_host and "@" not in self.smtp_from:
            raise ValueError("smtp_from: the address that e-mail comes from; a mail server takes none without")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = os.environ.get("ROAMING_CONFIG")
        sources = [init_settings, env_settings, dotenv_settings]
        if file:
            _check_file(Path(file), settings_cls)
            sources.append(TomlConfigSettingsSource(settings_cls, toml_file=file))
        return tuple(sources)

    @property
    def effective_database_url(self) -> str:
        """The database in use."""
        return self.database_url or f"sqlite:///{self.data_dir / 'hub.db'}"

    @property
    def effective_public_url(self) -> str:
        """The public address in use, without trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}/ocpi").rstrip("/")

    @property
    def effective_files_url(self) -> str:
        """Where stations find ``/files``, without trailing slash."""
        return (self.files_url or self.effective_public_url.removesuffix("/ocpi")).rstrip("/")

    @property
    def is_embedded(self) -> bool:
        """One process, SQLite, no broker."""
        return not self.kafka_bootstrap and self.effective_database_url.startswith("sqlite")

    def effective_secret(self) -> str:
        """The secret in use; made on first need and readable by its owner only."""
        if self.secret:
            return self.secret
        path = self.data_dir / "secret"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text().strip()
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        return path.read_text().strip()


def _check_file(path: Path, settings_cls: type[BaseSettings]) -> None:
    """Raises ``UnusableSettings`` for a file that is not there, and for a name in it that is no setting: either would
    start another hub than the one that was meant."""
    try:
        names = tomllib.loads(path.read_text())
    except OSError as error:
        raise UnusableSettings(
            f"ROAMING_CONFIG: {path} cannot be read ({error.strerror}); unset it for the defaults"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise UnusableSettings(
            f"ROAMING_CONFIG: {path} is not TOML ({error}); see deploy/settings.example.toml"
        ) from None
    unknown = sorted(set(names) - set(settings_cls.model_fields))
    if unknown:
        raise UnusableSettings(f"{path}: no such setting: {', '.join(unknown)}; see deploy/settings.example.toml")

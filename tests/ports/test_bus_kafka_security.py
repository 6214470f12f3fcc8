"""The bus at brokers that want to know who comes, and that must show who they are."""

import asyncio
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.bus.kafka import KafkaBus
from contracts.bus.kafka_security import KafkaSecurity
from tests.kit.certificates import make_certificate
from tests.kit.kafka import KafkaBroker, missing
from tests.kit.server_process import LOOPBACK
from tests.kit.tools import is_missing
from tests.kit.wait import until
from tests.ports.reading import Notes, a_topic, an_envelope, reads

USER, PASSWORD = "hub", "a-password-of-24-letters"
pytestmark = pytest.mark.kafka

LISTENERS = ("SSL", "SASL_PLAINTEXT", "SASL_SSL")


@dataclasses.dataclass
class Secured:
    """One broker with a listener for each protocol, and the files of its client."""

    broker: KafkaBroker
    folder: Path

    def bootstrap(self, protocol: str) -> str:
        return f"{LOOPBACK}:{self.broker.ports[protocol]}"

    def security(self, protocol: str, **changes: str) -> KafkaSecurity:
        """What that listener wants."""
        said: dict[str, Any] = {"protocol": protocol}
        if protocol.startswith("SASL"):
            said |= {"user": USER, "password": PASSWORD}
        if protocol.endswith("SSL"):
            said["ca_file"] = str(self.folder / "broker.pem")
        if protocol == "SSL":
            said |= {"certificate_file": str(self.folder / "client.pem"), "key_file": str(self.folder / "client.key")}
        return KafkaSecurity(**{**said, **changes})


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    if reason := missing():
        is_missing(reason)
    folder = tmp_path_factory.mktemp("kafka-security")
    for name in ("broker", "client", "stranger"):
        certificate, key = make_certificate(folder, name)
        (folder / f"{name}-both.pem").write_bytes(key.read_bytes() + certificate.read_bytes())
    login = "org.apache.kafka.common.security"
    properties = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker-both.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "client.pem"),
        "listener.name.ssl.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    }
    for listener in ("sasl_plaintext", "sasl_ssl"):
        prefix = f"listener.name.{listener}"
        properties[f"{prefix}.plain.sasl.jaas.config"] = (
            f'{login}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        )
        for mechanism in ("scram-sha-256", "scram-sha-512"):
            properties[f"{prefix}.{mechanism}.sasl.jaas.config"] = f"{login}.scram.ScramLoginModule required;"
    users = [f"{mechanism}=[name={USER},password={PASSWORD}]" for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")]
    options = [word for user in users for word in ("--add-scram", user)]
    with KafkaBroker(properties=properties, listeners=LISTENERS, format_options=options) as broker:
        yield Secured(broker, folder)


async def is_heard(bus: KafkaBus, *, seconds: float) -> bool:
    """Whether what it publishes comes back to it within the time."""
    topic, notes = a_topic(partitions=1), Notes()
    bus.subscribe(reads(topic, notes))
    try:
        async with asyncio.timeout(seconds):
            await bus.start()
            await bus.publish(topic, [an_envelope()])
            await until(lambda: notes.batches, seconds=seconds)
    except TimeoutError:
        return False
    finally:
        await bus.close()
    return True


@pytest.mark.parametrize(
    ("protocol", "mechanism"),
    [
        ("SSL", "PLAIN"),
        ("SASL_PLAINTEXT", "PLAIN"),
        ("SASL_PLAINTEXT", "SCRAM-SHA-256"),
        ("SASL_SSL", "PLAIN"),
        ("SASL_SSL", "SCRAM-SHA-512"),
    ],
)
async def test_messages_come_through(secured: Secured, protocol: str, mechanism: str) -> None:
    security = secured.security(protocol, mechanism=mechanism)
    bus = KafkaBus(secured.bootstrap(protocol), client_id="test", topic_prefix="secure.", security=security)
    assert await is_heard(bus, seconds=60)


@pytest.mark.parametrize(
    ("protocol", "changes"),
    [
        ("SSL", {"certificate_file": "", "key_file": ""}),
        ("SSL", {"certificate_file": "stranger-both.pem", "key_file": ""}),
        ("SSL", {"ca_file": "stranger.pem"}),
        ("SASL_SSL", {"password": "wrong"}),
        ("SASL_PLAINTEXT", {"password": "wrong", "mechanism": "SCRAM-SHA-256"}),
    ],
    ids=["no certificate", "a stranger's certificate", "a broker nobody vouches for", "wrong password", "wrong, scram"],
)
async def test_nothing_comes_through_for_others(
    secured: Secured, protocol: str, changes: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: str(secured.folder / value) if value.endswith(".pem") else value for name, value in changes.items()}
    security = secured.security(protocol, **files)
    bus = KafkaBus(secured.bootstrap(protocol), client_id="test", topic_prefix="secure.", security=security)
    assert not await is_heard(bus, seconds=4)
    said = "".join(capsys.readouterr())
    assert "kafka_out_of_reach" in said
    assert PASSWORD not in said


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"protocol": "TLS"}, "security_protocol"),
        ({"protocol": "SASL_SSL", "user": "hub", "password": "secret", "mechanism": "GSSAPI"}, "sasl_mechanism"),
        ({"protocol": "SASL_SSL", "user": "hub"}, "password"),
        ({"user": "hub", "password": "secret"}, "password"),
        ({"protocol": "SASL_PLAINTEXT", "user": "hub", "password": "secret", "ca_file": "ca.pem"}, "ca_file"),
        ({"protocol": "SSL", "key_file": "key.pem"}, "key_file"),
    ],
)
def test_what_cannot_work_together_is_named(values: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named) as failure:
        KafkaSecurity(**values)
    assert "secret" not in str(failure.value)


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(KafkaSecurity(protocol="SASL_SSL", user="hub", password="secret"))


def test_a_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        KafkaBus("127.0.0.1:1", client_id="test", security=KafkaSecurity(protocol="SSL", ca_file=str(tmp_path / "no")))

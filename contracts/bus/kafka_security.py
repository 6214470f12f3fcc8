"""How a client proves to Kafka brokers who it is, and knows who they are. Imports no broker's library."""

import ssl
from dataclasses import dataclass, field
from typing import Any, Final

PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, kw_only=True)
class KafkaSecurity:
    """Kafka's words (Apache Kafka documentation, 7 Security). Raises ``ValueError`` for what cannot work together,
    naming the part; files are read when a bus is made."""

    protocol: str = "PLAINTEXT"
    mechanism: str = "PLAIN"
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    """PEM of the authorities that brokers' certificates are signed by; empty: those this machine trusts."""
    certificate_file: str = ""
    """PEM of the client's own certificate, chain included, where brokers ask for one."""
    key_file: str = ""
    """PEM of its private key; empty: it lies in the file of the certificate."""

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"security_protocol: one of {', '.join(PROTOCOLS)}")
        if self.mechanism not in MECHANISMS:
            raise ValueError(f"sasl_mechanism: one of {', '.join(MECHANISMS)}")
        if self.has_sasl and not (self.user and self.password):
            raise ValueError(f"user and password: {self.protocol} needs both")
        if not self.has_sasl and (self.user or self.password):
            raise ValueError(f"user and password: {self.protocol} uses none; take SASL_SSL")
        if not self.has_tls and (self.ca_file or self.certificate_file or self.key_file):
            raise ValueError(f"ca_file, certificate_file and key_file: {self.protocol} uses none; take SSL or SASL_SSL")
        if self.key_file and not self.certificate_file:
            raise ValueError("key_file: needs certificate_file")

    @property
    def has_sasl(self) -> bool:
        """User and password are sent."""
        return self.protocol.startswith("SASL_")

    @property
    def has_tls(self) -> bool:
        """The connection is encrypted and the brokers' certificates are checked, names included."""
        return self.protocol.endswith("SSL")

    def connection(self) -> dict[str, Any]:
        """Arguments of every aiokafka client. Raises ``OSError`` (``ssl.SSLError`` too) for a file that cannot be
        used."""
        arguments: dict[str, Any] = {"security_protocol": self.protocol}
        if self.has_sasl:
            arguments["sasl_mechanism"] = self.mechanism
            arguments["sasl_plain_username"] = self.user
            arguments["sasl_plain_password"] = self.password
        if self.has_tls:
            context = ssl.create_default_context(cafile=self.ca_file or None)
            if self.certificate_file:
                context.load_cert_chain(self.certificate_file, self.key_file or None)
            arguments["ssl_context"] = context
        return arguments


NO_SECURITY: Final = KafkaSecurity()
"""For brokers within one machine or one closed network."""

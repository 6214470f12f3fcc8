"""Which stations go through to which central system, and what the hub may do there: settings, and the choice."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

Authorise = Literal["csms", "hub-if-refused", "hub-prefix"]
WhenDown = Literal["refuse", "hold", "hub"]


class Upstream(BaseModel):
    """One central system of an operator, and the stations that go through to it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str = Field(description="Its address, ws:// or wss://; the station's identity is added as it came.")
    stations: tuple[str, ...] = Field(("*",), min_length=1, description="Identities; * and ? stand for any text.")
    user: str | None = Field(None, description="User name given to it; without: the one that the station shows.")
    password: SecretStr | None = Field(
        None,
        description="Password given to it for stations that have shown their own, or their certificate; for others,"
        " and without: the one that the station shows, which is kept nowhere.",
    )
    authority_file: Path | None = Field(
        None, description="PEM file of the authorities that sign its certificate; without: those of this machine."
    )
    authorise: Authorise = Field(
        "csms",
        description="Whose word holds on tokens: always the central system's; the hub's for those that it calls"
        " unknown; or the hub's for those with one of the prefixes.",
    )
    prefixes: tuple[str, ...] = Field((), description="How tokens begin that the hub answers for (hub-prefix).")
    has_commands: bool = Field(
        False, description="Whether requests of the hub may be put between those of the central system."
    )
    when_down: WhenDown = Field(
        "refuse",
        description="What stations meet while it cannot be reached: a refusal, so that they keep what they have to"
        " say; a wait; or the hub in its place.",
    )
    hold_seconds: float = Field(60, gt=0, description="How long a connected station waits for it (hold).")

    @field_validator("url")
    @classmethod
    def _is_websocket(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ValueError("write ws://HOST/PATH/ or wss://HOST/PATH/")
        if parts.username or parts.query or parts.fragment:
            raise ValueError("only scheme, host, port and path; credentials go into user and password")
        return url

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.authorise == "hub-prefix") != bool(self.prefixes):
            raise ValueError("prefixes and authorise = hub-prefix go together")
        if any(not prefix for prefix in self.prefixes):
            raise ValueError("an empty prefix would be every token")
        if self.user is not None and self.password is None:
            raise ValueError("user needs a password")
        return self

    def serves(self, station_id: str) -> bool:
        """Whether the station goes through to it."""
        return any(fnmatchcase(station_id, pattern) for pattern in self.stations)

    def is_ours(self, token: str) -> bool:
        """Whether the hub answers for the token (``hub-prefix``), without regard to case."""
        return token.upper().startswith(tuple(prefix.upper() for prefix in self.prefixes))


def upstream_of(upstreams: Sequence[Upstream], station_id: str) -> Upstream | None:
    """The first that serves the station; ``None``: it ends here."""
    return next((upstream for upstream in upstreams if upstream.serves(station_id)), None)

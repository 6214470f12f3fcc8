"""How one partner departs from its OCPI version in transport. Payloads are the codecs' business.

A partner's habits are stored beside it by switch (``roaming.ocpi.switches``), each as ``hand`` has set it and as it was
``seen`` in its traffic::

    {"token_encoding": {"seen": {"value": "raw", "at": "2026-11-23T10:00:00Z", "why": "GET versions: 401 to base64"}},
     "patch": {"hand": {"value": "yes", "at": "2026-11-24T09:00:00Z"}}}
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from roaming.model.command import CommandType
from roaming.model.identifiers import PartyId
from roaming.ocpi.addresses import join
from roaming.ocpi.credentials_token import TokenEncoding, header_value
from roaming.ocpi.headers import RoutingHeaders
from roaming.ocpi.switches import BY_NAME, TABLE, UnknownSwitch
from roaming.partners.dialects import entry_of

_WORDS = frozenset(command.value for command in CommandType)
"""What stands in addresses and is no id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What is in force for one partner; each field is a switch."""

    token_encoding: TokenEncoding = "base64"
    trailing_slash: str = "no"
    version_2_2: str = "taken"
    null_fields: str = "left-out"
    id_case: str = "kept"
    status_codes: str = "ocpi"
    paging_headers: str = "sent"
    date_to: str = "left-out"
    time_zone: str = "UTC"
    page_links: str = "refuse"
    patch: str = "yes"
    at_once: str = "8"
    """A number from 1 to 64."""
    per_second: str = "unlimited"
    """Or a number from 1 to 1000."""

    @classmethod
    @lru_cache(maxsize=32)
    def of_version(cls, version: str) -> "Dialect":
        """What to assume of a partner that nothing is known of: 2.1.1 sends tokens raw, later versions Base64."""
        return cls(token_encoding="raw" if version.startswith(("2.0", "2.1")) else "base64")

    def with_habits(self, stored: Mapping[str, Any]) -> "Dialect":
        """Corrected by what is stored of a partner. Whatever was stored can be read: an unknown switch or value is
        left alone."""
        known: dict[str, str] = {}
        for name in stored:
            value = in_force(stored, name)
            if value is not None:
                known[name] = value
        return replace(self, **known) if known else self  # type: ignore[arg-type]

    def token_header(self, token: str) -> str:
        """The Authorization header that presents our ``token`` to this partner."""
        return header_value(token, self.token_encoding)

    @property
    def most_per_second(self) -> int | None:
        """How many deliveries may begin within a second; ``None``: as many as there are."""
        return None if self.per_second == "unlimited" else int(self.per_second)

    @property
    def other_encoding(self) -> TokenEncoding:
        """The form of the token that is not in force."""
        return "raw" if self.token_encoding == "base64" else "base64"

    def address(self, endpoint: str, *parts: str) -> str:
        """The address of an object below a partner's endpoint."""
        if self.id_case == "lower":
            parts = tuple(part if part in _WORDS else part.lower() for part in parts)
        return join(endpoint, *parts, is_slash_trailing=self.trailing_slash == "yes")

    def routing(self, routing: RoutingHeaders | None) -> RoutingHeaders | None:
        """Routing headers as this partner spells ids."""
        if routing is None or self.id_case != "lower":
            return routing
        return RoutingHeaders(_lower(routing.from_party), _lower(routing.to_party))

    @property
    def zone(self) -> ZoneInfo | None:
        """Of times that name none; ``None``: UTC."""
        return None if self.time_zone == "UTC" else ZoneInfo(self.time_zone)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One switch of one partner, for people."""

    name: str
    value: str
    """In force."""
    source: str
    """``hand``, ``traffic`` or ``default``."""
    at: str = ""
    seen: str = ""
    """The habit that the partner showed, whether it is in force or not."""
    seen_at: str = ""
    why: str = ""


def in_force(stored: Mapping[str, Any], name: str) -> str | None:
    """The stored value that holds: set by hand, else seen where what is seen holds at once; ``None``: the default."""
    switch = BY_NAME.get(name)
    if switch is None:
        return None
    hand, seen = _entry(stored, name, "hand"), _entry(stored, name, "seen")
    value = hand.get("value") or (seen.get("value") if switch.is_applied else None)
    try:
        return switch.check(str(value)) if value is not None else None
    except UnknownSwitch:
        return None


def is_known(stored: Mapping[str, Any], name: str, value: str) -> bool:
    """Whether the partner has shown this habit already, and no other since."""
    return _entry(stored, name, "seen").get("value") == value


def is_by_hand(stored: Mapping[str, Any], name: str) -> bool:
    """Whether a person has set the switch: then traffic does not change it."""
    return bool(_entry(stored, name, "hand"))


def settings_of(stored: Mapping[str, Any], version: str) -> list[Setting]:
    """Every switch of a partner, in the order of the table."""
    dialect = Dialect.of_version(version).with_habits(stored)
    found: list[Setting] = []
    for switch in TABLE:
        hand, seen = _entry(stored, switch.name, "hand"), _entry(stored, switch.name, "seen")
        is_stored = in_force(stored, switch.name) is not None
        found.append(
            Setting(
                name=switch.name,
                value=str(getattr(dialect, switch.name)),
                source=("hand" if hand else "traffic") if is_stored else "default",
                at=str((hand or seen).get("at", "")) if is_stored else "",
                seen=str(seen.get("value", "")),
                seen_at=str(seen.get("at", "")),
                why=str(seen.get("why", "")),
            )
        )
    return found


def departures(stored: Mapping[str, Any]) -> list[str]:
    """What is stored of a partner, short: ``patch=no``, and ``time_zone=UTC?`` for what was only seen."""
    found: list[str] = []
    for name in BY_NAME:
        value = in_force(stored, name)
        if value is not None:
            found.append(f"{name}={value}")
        elif seen := _entry(stored, name, "seen").get("value"):
            found.append(f"{name}={seen}?")
    return found


def _entry(stored: Mapping[str, Any], name: str, source: str) -> Mapping[str, Any]:
    return entry_of(stored, name).get(source) or {}


def _lower(party: PartyId | None) -> PartyId | None:
    return PartyId(party.country_code.lower(), party.party_id.lower()) if party is not None else None

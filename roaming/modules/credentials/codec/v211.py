"""Credentials in OCPI 2.1.1: one party per connection, its role known from the versions address that was used."""

from collections.abc import Mapping
from typing import Any

from roaming.model.party import Credentials, CredentialsRole
from roaming.model.version import Version
from roaming.modules.credentials.codec import v221
from roaming.ocpi.codec import Codec
from roaming.ocpi.rules import Joint
from roaming.ocpi.translation import DecodeError, Reading, Writing

_PARTY = ("business_details", "party_id", "country_code")


def _write_party(credentials: Credentials, writing: Writing, prefix: str) -> Mapping[str, Any]:
    """2.1.1 has one party per connection: further roles are lost."""
    for index in range(1, len(credentials.roles)):
        writing.lose(f"{prefix}roles[{index}]", "2.1.1 has one party per connection")
    if credentials.roles[0].extra:
        writing.lose(f"{prefix}roles[0].extra", "2.1.1 has no roles")
    role = v221.CREDENTIALS_ROLE.encode(credentials.roles[0], writing, prefix, "roles[0]")
    return {name: role[name] for name in _PARTY}


def _read_party(fields: Mapping[str, Any], reading: Reading, prefix: str) -> Mapping[str, Any]:
    if reading.context.role is None:
        raise DecodeError(f"{prefix}roles", "2.1.1 does not say it, needs context.role")
    values = {}
    for name in _PARTY:
        if name not in fields:
            raise DecodeError(prefix + name, "required")
        values[name] = v221.CREDENTIALS_ROLE.field(name).kind.decode(fields[name], reading, prefix, name)
    return {"roles": (CredentialsRole(role=reading.context.role, **values),)}


CREDENTIALS = v221.CREDENTIALS.replace(
    Joint(_PARTY, ("roles",), _write_party, _read_party, tuple(v221.CREDENTIALS_ROLE.field(name) for name in _PARTY))
)

CODEC = Codec(Version.V2_1_1, CREDENTIALS)

"""All codecs, found by their folders."""

import importlib
from types import MappingProxyType
from typing import Any

from roaming.model.version import Version
from roaming.ocpi.codec import Codec

MODULES = (
    "bookings",
    "cdrs",
    "chargingprofiles",
    "commands",
    "credentials",
    "hubclientinfo",
    "invoicereconciliation",
    "locations",
    "payments",
    "sessions",
    "tariffs",
    "tokens",
)
NOT_IN_2_1_1 = ("chargingprofiles", "hubclientinfo")
ONLY_IN_2_3_0 = ("bookings", "invoicereconciliation", "payments")


def has(module: str, version: Version) -> bool:
    """Whether that version has the module."""
    if module in ONLY_IN_2_3_0:
        return version == Version.V2_3_0
    return version != Version.V2_1_1 or module not in NOT_IN_2_1_1


def codecs() -> dict[tuple[str, str, Version], Codec[Any]]:
    """Every codec by module, name of its object and version."""
    found: dict[tuple[str, str, Version], Codec[Any]] = {}
    for module in MODULES:
        for version in Version:
            if not has(module, version):
                continue
            file = importlib.import_module(f"roaming.modules.{module}.codec.v{version.replace('.', '')}")
            for value in vars(file).values():
                members = value.values() if isinstance(value, MappingProxyType) else [value]
                for codec in (member for member in members if isinstance(member, Codec)):
                    found[module, codec.form.of.__name__, version] = codec
    return found


CODECS = codecs()


def codec_of(name: str, version: Version) -> Codec[Any]:
    """The codec of the object with that name."""
    return next(codec for key, codec in CODECS.items() if key[1:] == (name, version))

"""Charging profiles: codecs only so far. Nothing is offered to partners until there is somebody to ask: a station."""

from roaming.model.version import Version
from roaming.ocpi.module import OcpiModule

MODULE = OcpiModule(
    id="chargingprofiles",
    versions=(Version.V2_2_1, Version.V2_3_0),
    interfaces=(),
    routes=(),
)

"""Credentials: registering with a partner, renewing, leaving."""

from roaming.model.party import InterfaceRole
from roaming.modules.credentials.routes import ROUTES
from roaming.ocpi.module import ALL_VERSIONS, OcpiModule

MODULE = OcpiModule(
    id="credentials",
    is_configuration=True,
    versions=ALL_VERSIONS,
    interfaces=(InterfaceRole.SENDER, InterfaceRole.RECEIVER),
    routes=ROUTES,
)

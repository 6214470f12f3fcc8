"""Versions: which OCPI versions this hub offers, and where their modules are."""

from roaming.model.party import InterfaceRole
from roaming.modules.versions.routes import ROUTES
from roaming.ocpi.module import ALL_VERSIONS, OcpiModule

MODULE = OcpiModule(
    id="versions",
    is_configuration=True,
    versions=ALL_VERSIONS,
    interfaces=(InterfaceRole.SENDER,),
    routes=ROUTES,
)

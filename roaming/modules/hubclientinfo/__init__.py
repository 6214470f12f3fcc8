"""Hub client info: who can be reached through this hub, and through a hub in front of it."""

from datetime import timedelta

from roaming.model.party import InterfaceRole
from roaming.model.version import Version
from roaming.modules.hubclientinfo import repository, service
from roaming.modules.hubclientinfo.projection import tasks
from roaming.modules.hubclientinfo.routes import ROUTES
from roaming.ocpi.module import DeliveryKind, DeliveryRules, OcpiModule

MODULE = OcpiModule(
    id="hubclientinfo",
    is_configuration=True,
    versions=(Version.V2_2_1, Version.V2_3_0),
    interfaces=(InterfaceRole.SENDER, InterfaceRole.RECEIVER),
    routes=ROUTES,
    tasks=tasks,
    delivery=DeliveryRules(
        kind=DeliveryKind.STATE,
        interface=InterfaceRole.RECEIVER,
        read=repository.DOCUMENTS.read_many,
        audience=service.audience,
        build=service.build,
        give_up_after=timedelta(hours=24),
    ),
)

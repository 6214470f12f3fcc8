"""Locations: where one can charge, and whether one can now."""

from datetime import timedelta

from roaming.model.party import InterfaceRole, Role
from roaming.modules.locations import repository, service
from roaming.modules.locations.projection import projections, tasks
from roaming.modules.locations.routes import ROUTES
from roaming.ocpi.module import ALL_VERSIONS, DeliveryKind, DeliveryRules, OcpiModule
from roaming.ocpi.pulling import PullRules

MODULE = OcpiModule(
    id="locations",
    versions=ALL_VERSIONS,
    interfaces=(InterfaceRole.SENDER, InterfaceRole.RECEIVER),
    routes=ROUTES,
    projections=projections,
    tasks=tasks,
    delivery=DeliveryRules(
        kind=DeliveryKind.STATE,
        interface=InterfaceRole.RECEIVER,
        read=repository.DOCUMENTS.read_many,
        audience=service.audience,
        build=service.build,
        retell=service.retell,
        give_up_after=timedelta(hours=1),
    ),
    pull=PullRules(
        role=Role.CPO,
        codecs=service.LOCATION_CODECS,
        documents=repository.DOCUMENTS,
        take=service.take_pulled,
        drop=service.drop,
        is_listed=lambda location: bool(location.publish),
    ),
)

"""Tariffs: what charging costs."""

from datetime import timedelta

from roaming.model.party import InterfaceRole
from roaming.modules.tariffs import repository, service
from roaming.modules.tariffs.routes import ROUTES
from roaming.ocpi.module import ALL_VERSIONS, DeliveryKind, DeliveryRules, OcpiModule

MODULE = OcpiModule(
    id="tariffs",
    versions=ALL_VERSIONS,
    interfaces=(InterfaceRole.SENDER, InterfaceRole.RECEIVER),
    routes=ROUTES,
    delivery=DeliveryRules(
        kind=DeliveryKind.STATE,
        interface=InterfaceRole.RECEIVER,
        read=repository.DOCUMENTS.read_many,
        audience=service.audience,
        build=service.build,
        give_up_after=timedelta(hours=1),
    ),
)

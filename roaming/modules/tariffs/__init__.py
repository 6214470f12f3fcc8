"""Tariffs: what charging costs."""

from datetime import timedelta

from roaming.model.party import InterfaceRole, Role
from roaming.modules.tariffs import repository, service
from roaming.modules.tariffs.routes import ROUTES
from roaming.ocpi.module import ALL_VERSIONS, DeliveryKind, DeliveryRules, OcpiModule
from roaming.ocpi.pulling import PullRules

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
        retell=service.retell,
        give_up_after=timedelta(hours=1),
    ),
    pull=PullRules(
        role=Role.CPO,
        codecs=service.CODECS,
        documents=repository.DOCUMENTS,
        take=service.take_pulled,
        drop=service.drop,
    ),
)

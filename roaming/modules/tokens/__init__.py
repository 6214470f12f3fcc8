"""Tokens: what drivers identify with, and whether they may charge."""

from datetime import timedelta

from roaming.model.party import InterfaceRole
from roaming.modules.tokens import repository, service
from roaming.modules.tokens.projection import subscriptions
from roaming.modules.tokens.routes import ROUTES
from roaming.ocpi.module import ALL_VERSIONS, DeliveryKind, DeliveryRules, OcpiModule

MODULE = OcpiModule(
    id="tokens",
    versions=ALL_VERSIONS,
    interfaces=(InterfaceRole.SENDER, InterfaceRole.RECEIVER),
    routes=ROUTES,
    subscriptions=subscriptions,
    retell=service.retell,
    delivery=DeliveryRules(
        kind=DeliveryKind.STATE,
        interface=InterfaceRole.RECEIVER,
        read=repository.DOCUMENTS.read_many,
        audience=service.audience,
        build=service.build,
        give_up_after=timedelta(hours=1),
    ),
)

"""Tokens: what drivers identify with, and whether they may charge."""

from datetime import timedelta

from roaming.model.party import InterfaceRole, Role
from roaming.modules.tokens import repository, service
from roaming.modules.tokens.projection import subscriptions
from roaming.modules.tokens.routes import ROUTES
from roaming.ocpi.module import ALL_VERSIONS, DeliveryKind, DeliveryRules, OcpiModule
from roaming.ocpi.pulling import PullRules

MODULE = OcpiModule(
    id="tokens",
    sender_role=Role.EMSP,
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
        retell=service.retold,
        give_up_after=timedelta(hours=1),
    ),
    pull=PullRules(
        role=Role.EMSP,
        codecs=service.CODECS,
        documents=repository.DOCUMENTS,
        take=service.take_pulled,
        drop=service.drop,
        id_fields=("uid", "type"),
    ),
)

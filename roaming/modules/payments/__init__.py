"""Payments: payment terminals of a provider (PTP) and what they took from drivers' cards."""

from datetime import timedelta

from roaming.model.party import InterfaceRole, Role
from roaming.model.version import Version
from roaming.modules.payments import repository, service
from roaming.modules.payments.routes import ROUTES
from roaming.ocpi.module import DeliveryKind, DeliveryRules, OcpiModule

MODULE = OcpiModule(
    id="payments",
    sender_role=Role.EMSP,
    sender_words=service.PROVIDERS,
    versions=(Version.V2_3_0,),
    interfaces=(InterfaceRole.SENDER, InterfaceRole.RECEIVER),
    routes=ROUTES,
    delivery=DeliveryRules(
        kind=DeliveryKind.RECORD,
        interface=InterfaceRole.RECEIVER,
        read=repository.SHELVES.read_outgoing,
        audience=service.audience,
        build=service.build,
        give_up_after=timedelta(hours=72),
        find_copy=service.find_copy,
    ),
    more_pulls=(service.PULLED_TERMINALS, service.PULLED_CONFIRMATIONS),
)

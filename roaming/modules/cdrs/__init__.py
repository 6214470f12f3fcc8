"""CDRs: the closed, priced records of sessions; the only thing that is billed."""

from datetime import timedelta

from roaming.model.party import InterfaceRole, Role
from roaming.modules.cdrs import repository, service
from roaming.modules.cdrs.accepted import taken
from roaming.modules.cdrs.projection import projections
from roaming.modules.cdrs.reconciling import tasks
from roaming.modules.cdrs.routes import ROUTES
from roaming.ocpi.module import ALL_VERSIONS, DeliveryKind, DeliveryRules, OcpiModule
from roaming.ocpi.pulling import PullRules

MODULE = OcpiModule(
    id="cdrs",
    versions=ALL_VERSIONS,
    interfaces=(InterfaceRole.SENDER, InterfaceRole.RECEIVER),
    routes=ROUTES,
    projections=projections,
    tasks=tasks,
    delivery=DeliveryRules(
        kind=DeliveryKind.RECORD,
        interface=InterfaceRole.RECEIVER,
        read=repository.read_to_tell,
        audience=service.audience,
        build=service.build,
        surroundings=service.surroundings,
        give_up_after=timedelta(hours=72),
        is_evidence=True,
        find_copy=service.find_copy,
        taken=taken,
    ),
    pull=PullRules(
        role=Role.CPO,
        codecs=service.CODECS,
        documents=repository.DOCUMENTS,
        take=service.take_pulled,
        context=service.pulled_context,
        is_per_recipient=True,
    ),
)

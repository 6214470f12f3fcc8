"""Sessions: charging that goes on, as the token's owner sees it."""

from datetime import timedelta

from roaming.model.party import InterfaceRole, Role
from roaming.modules.sessions import late, repository, service
from roaming.modules.sessions.projection import projections, tasks
from roaming.modules.sessions.routes import ROUTES
from roaming.modules.sessions.trimming import TRIMMINGS
from roaming.ocpi.module import ALL_VERSIONS, DeliveryKind, DeliveryRules, OcpiModule
from roaming.ocpi.pulling import EARLIEST, PullRules

MODULE = OcpiModule(
    id="sessions",
    versions=ALL_VERSIONS,
    interfaces=(InterfaceRole.SENDER, InterfaceRole.RECEIVER),
    routes=ROUTES,
    projections=projections,
    tasks=tasks,
    trimmings=(*TRIMMINGS, *late.TRIMMINGS),
    delivery=DeliveryRules(
        kind=DeliveryKind.STATE,
        interface=InterfaceRole.RECEIVER,
        read=repository.DOCUMENTS.read_many,
        audience=service.audience,
        build=service.build,
        surroundings=service.surroundings,
        give_up_after=timedelta(hours=24),
    ),
    pull=PullRules(
        role=Role.CPO,
        codecs=service.CODECS,
        documents=repository.DOCUMENTS,
        take=service.take_pulled,
        context=service.pulled_context,
        since=EARLIEST,
        is_per_recipient=True,
    ),
)

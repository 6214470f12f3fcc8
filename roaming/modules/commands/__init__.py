"""Commands: an eMSP asks a station of a CPO to do something."""

from datetime import timedelta

from roaming.model.party import InterfaceRole, Role
from roaming.modules.commands import repeats, repository, reserved, service
from roaming.modules.commands.projection import projections, tasks
from roaming.modules.commands.routes import ROUTES
from roaming.ocpi import answering, asked
from roaming.ocpi.module import ALL_VERSIONS, DeliveryKind, DeliveryRules, OcpiModule

MODULE = OcpiModule(
    id="commands",
    sender_role=Role.EMSP,
    versions=ALL_VERSIONS,
    interfaces=(InterfaceRole.SENDER, InterfaceRole.RECEIVER),
    routes=ROUTES,
    projections=projections,
    tasks=tasks,
    trimmings=(*repository.TRIMMINGS, *repeats.TRIMMINGS, *reserved.TRIMMINGS),
    delivery=DeliveryRules(
        kind=DeliveryKind.RECORD,
        interface=InterfaceRole.SENDER,
        read=asked.read_many,
        audience=answering.audience,
        build=service.build,
        give_up_after=timedelta(minutes=10),
    ),
)

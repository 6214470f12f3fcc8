"""Charging profiles: an eMSP, or who charges smartly for it, limits a charge at a station of a CPO."""

from datetime import timedelta

from roaming.model.party import InterfaceRole, Role
from roaming.model.version import Version
from roaming.modules.chargingprofiles import repository, service
from roaming.modules.chargingprofiles.projection import projections, tasks
from roaming.modules.chargingprofiles.routes import ROUTES
from roaming.ocpi import answering, asked
from roaming.ocpi.module import DeliveryKind, DeliveryRules, OcpiModule

MODULE = OcpiModule(
    id="chargingprofiles",
    sender_role=Role.EMSP,
    versions=(Version.V2_2_1, Version.V2_3_0),
    interfaces=(InterfaceRole.SENDER, InterfaceRole.RECEIVER),
    routes=ROUTES,
    projections=projections,
    tasks=tasks,
    trimmings=repository.TRIMMINGS,
    delivery=DeliveryRules(
        kind=DeliveryKind.RECORD,
        interface=InterfaceRole.SENDER,
        read=asked.read_many,
        audience=answering.audience,
        build=service.build,
        give_up_after=timedelta(minutes=10),
    ),
)

"""Bookings: places at stations that can be reserved for a time, and who has reserved them."""

from datetime import timedelta

from roaming.model.party import InterfaceRole
from roaming.model.version import Version
from roaming.modules.bookings import repository, service
from roaming.modules.bookings.routes import ROUTES
from roaming.ocpi.module import DeliveryKind, DeliveryRules, OcpiModule

MODULE = OcpiModule(
    id="bookings",
    versions=(Version.V2_3_0,),
    interfaces=(InterfaceRole.SENDER, InterfaceRole.RECEIVER),
    routes=ROUTES,
    delivery=DeliveryRules(
        kind=DeliveryKind.STATE,
        interface=InterfaceRole.RECEIVER,
        read=repository.SHELVES.read_outgoing,
        audience=service.audience,
        build=service.build,
        give_up_after=timedelta(hours=24),
        retell=service.retell,
        retold_at=repository.retold_at,
    ),
    more_pulls=(service.PULLED_LOCATIONS, service.PULLED_BOOKINGS),
)

"""From the directory to partners' lists: a CPO's are fetched when it has registered, and once at each start."""

from collections.abc import Awaitable, Callable, Sequence

from roaming.modules.bookings import asking, service
from roaming.ocpi.first_reading import FirstReading
from roaming.ocpi.module import Services


def tasks(services: Services) -> Sequence[Callable[[], Awaitable[None]]]:
    """Fetching partners' lists, unless pulling is off."""
    return (FirstReading(services, service.MODULE, asking.fetch).run,)

"""The port behind which requests go that are for a party of somebody else; ``roaming.hub`` is its body."""

from typing import Protocol

from roaming.ocpi.module import OcpiModule, OcpiRequest, OcpiResponse, Route


class Elsewhere(Protocol):
    """Answers what is not, or perhaps not, for a hosted party."""

    async def __call__(self, request: OcpiRequest, module: OcpiModule, route: Route) -> OcpiResponse | None:
        """The answer, or ``None`` when the hub answers by itself as it does for hosted parties.

        Asked for every request of a routed module whose OCPI-to is absent or no hosted party; never for another.
        Raises ``OcpiError``: ``UnknownReceiver`` (4001), ``ForwardTimeout`` (4002), ``ConnectionProblem`` (4003),
        ``HubError`` (4000), or what is wrong with the request.
        """
        ...

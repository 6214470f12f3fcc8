"""What is asked of a station of any version without anybody's command: to boot again once it is admitted, and to tell
how its connectors are."""

from typing import Final

import structlog

from adapters.ocpp.station import CallTimeout, Station
from adapters.ocpp.transport import SocketClosed

SECONDS: Final = 15

logger = structlog.get_logger(__name__)


class Greeting:
    """Implements ``Greeter`` with TriggerMessage (OCPP 1.6, section 5.17; 2.0.1 part 2, F06). A station that does not
    know it boots again by itself, at the interval it was told."""

    async def admitted(self, station: Station) -> None:
        """See ``Greeter``."""
        await self._trigger(station, "BootNotification", "StatusNotification")

    async def ask_status(self, station: Station) -> None:
        """See ``Greeter``. Without a connector it is meant for all of them."""
        await self._trigger(station, "StatusNotification")

    async def _trigger(self, station: Station, *messages: str) -> None:
        await station.wait_until_ready()
        for requested in messages:
            try:
                await station.call("TriggerMessage", {"requestedMessage": requested}, seconds=SECONDS)
            except (CallTimeout, SocketClosed) as error:
                logger.info("station was not triggered", station_id=station.id, error=str(error))
                return

"""What is asked of a station of any version without anybody's command: to boot again once it is admitted, and to tell
how its connectors are."""

from typing import Any, Final

import structlog

from adapters.ocpp.frames import CallResult
from adapters.ocpp.station import CallTimeout, Station
from adapters.ocpp.transport import SocketClosed

SECONDS: Final = 15

logger = structlog.get_logger(__name__)


class Greeting:
    """Implements ``Greeter`` with TriggerMessage (OCPP 1.6, section 5.17; 2.0.1 part 2, F06). A station that does not
    know it boots again by itself, at the interval it was told."""

    async def admitted(self, station: Station) -> None:
        """See ``Greeter``."""
        await station.wait_until_ready()
        try:
            await self._say(station, {"requestedMessage": "BootNotification"})
            await self._ask_status(station)
        except (CallTimeout, SocketClosed) as error:
            logger.info("station was not triggered", station_id=station.id, error=str(error))

    async def ask_status(self, station: Station) -> None:
        """See ``Greeter``."""
        await station.wait_until_ready()
        try:
            await self._ask_status(station)
        except (CallTimeout, SocketClosed) as error:
            logger.info("station was not triggered", station_id=station.id, error=str(error))

    async def _ask_status(self, station: Station) -> None:
        """In 1.6 a request without a connector is meant for all of them."""
        await self._say(station, {"requestedMessage": "StatusNotification"})

    async def _say(self, station: Station, payload: dict[str, Any]) -> bool:
        """Whether the station will do so. Raises ``CallTimeout`` and ``SocketClosed``."""
        answer = await station.call("TriggerMessage", payload, seconds=SECONDS)
        if not isinstance(answer, CallResult) or not isinstance(answer.payload, dict):
            return False
        return answer.payload.get("status") == "Accepted"

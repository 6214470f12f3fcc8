"""What the gateway must know of a version of OCPP to serve its stations."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from adapters.ocpp.asking import CarryOut, CarryOutOperation
from adapters.ocpp.authorizing import Decided
from adapters.ocpp.station import Answerer, Request, Station

OLDEST: Final = "ocpp1.6"
"""The subprotocol that a station speaks which offers none, where that is allowed."""


class Greeter(Protocol):
    """What is asked of a station without anybody's command."""

    async def admitted(self, station: Station) -> None:
        """Makes a held station introduce itself again once it has been admitted. Never raises."""

    async def ask_status(self, station: Station) -> None:
        """Makes it tell how its connectors are: not all do when they come back. Never raises."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of OCPP."""

    subprotocol: str
    answer: Answerer
    decide: Callable[[Station, Request], Awaitable[Decided]]
    """What the hub says of the token in an Authorize or a start; may raise anything."""
    greeter: Greeter
    carry_out: CarryOut
    operate: CarryOutOperation
    broken_frame: str
    """The code of the CALLERROR for what is no frame."""
    forget_station: Callable[[str], None] | None = None
    """Called when the last connection of a station has ended."""
    knows_send: bool = False
    """Whether a request may come that wants no answer (OCPP 2.1 part 4, SEND)."""

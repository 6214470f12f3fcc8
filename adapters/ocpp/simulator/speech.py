"""What a simulated station says, and what the hub's answers mean: one for each version of OCPP. The station behind it
keeps its books in one way; ``Unanswered.body`` is written in the words of 1.6."""

from typing import Any, Protocol

from adapters.ocpp.simulator.bending import Socket
from adapters.ocpp.simulator.charge import Charge
from adapters.ocpp.simulator.config import SimulatorConfig
from adapters.ocpp.simulator.link import CommandTaker, Line
from adapters.ocpp.simulator.queue import Unanswered


class Speech(Protocol):
    """One version."""

    subprotocol: str

    def link(self, station_id: str, socket: Socket, taker: CommandTaker, config: SimulatorConfig) -> Line:
        """The station's end of a connection."""

    def boot(self, station_id: str, config: SimulatorConfig, firmware: str) -> Any:
        """A request; so are the next ones."""

    def heartbeat(self) -> Any: ...

    def firmware_status(self, status: str, request_id: int | None) -> Any:
        """``status`` in the words of 1.6; so is the next one's."""

    def log_status(self, status: str, request_id: int | None) -> Any: ...

    def certificate_request(self, text: str) -> Any: ...

    def status(self, connector_id: int, status: str) -> Any:
        """``status`` in the words of 1.6."""

    def authorize(self, token: str) -> Any: ...

    def is_accepted(self, answer: Any) -> bool:
        """Whether the answer to ``authorize``, or to a start, lets the token charge."""

    def new_transaction_id(self, chance: str) -> str | None:
        """Where stations give transactions their id: one of this text alone."""

    def about(self, item: Unanswered, charge: Charge) -> Any:
        """The request that says ``item``."""

    def transaction_id(self, answer: Any, charge: Charge) -> int | str | None:
        """Of the answer to a start."""

"""Carries out what the hub's own operator asks of a station that speaks OCPP 2.x: certificates so far."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from adapters.kit.manifest import CommandResult, OperationResult
from adapters.ocpp.asking import ask
from adapters.ocpp.station import Station
from adapters.ocpp.text import MAX_TEXT
from adapters.ocpp.v201.edition import Edition, Payload
from contracts.messages import OperationRequested
from contracts.messages.operation import SendCertificate, Trigger
from contracts.vocabulary import OperationOutcome, TriggeredMessage

_OUTCOME: Final[Mapping[str, OperationOutcome]] = {
    "Accepted": OperationOutcome.ACCEPTED,
    "Rejected": OperationOutcome.REJECTED,
    "NotImplemented": OperationOutcome.NOT_SUPPORTED,
}


class Operations:
    """``carry_out`` is a ``CarryOutOperation``."""

    def __init__(self, *, edition: Edition, now: Callable[[], datetime]) -> None:
        self._edition = edition
        self._now = now

    async def carry_out(self, station: Station, request: OperationRequested) -> OperationResult:
        """See ``asking.CarryOutOperation``."""
        match request.operation:
            case SendCertificate() as operation:
                action, payload = "CertificateSigned", self._certificate(operation)
            case Trigger(what=TriggeredMessage.CERTIFICATE_REQUEST):
                action, payload = "TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"}
            case _:
                text = f"not at {self._edition.subprotocol} yet"
                return OperationResult(outcome=OperationOutcome.NOT_SUPPORTED, detail=text)
        answer = await ask(
            station,
            action,
            payload,
            schemas=self._edition.schemas,
            deadline=request.deadline,
            now=self._now,
        )
        if isinstance(answer, CommandResult):
            return OperationResult(outcome=OperationOutcome(answer.outcome.value), detail=answer.detail)
        word = str(answer["status"])
        reason = (answer.get("statusInfo") or {}).get("reasonCode")
        detail = f"{word}: {reason}" if reason else word
        return OperationResult(outcome=_OUTCOME.get(word, OperationOutcome.FAILED), detail=detail[:MAX_TEXT])

    def _certificate(self, operation: SendCertificate) -> Payload:
        """OCPP 2.0.1 part 2, A02; 2.1 gives the number of the request back."""
        kind = "V2GCertificate" if operation.is_for_contracts else "ChargingStationCertificate"
        payload: Payload = {"certificateChain": operation.chain, "certificateType": kind}
        if operation.request_id is not None and self._edition.numbers_certificates:
            payload["requestId"] = operation.request_id
        return payload

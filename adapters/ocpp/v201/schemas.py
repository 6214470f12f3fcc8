"""The messages of OCPP 2.0.1: their schemas, and what can be done without. 2.1 has the same but for the words."""

from dataclasses import replace
from typing import Final

from adapters.ocpp.schemas import FaultWords, Schemas

SCHEMAS: Final = Schemas(
    folder="v201",
    request_suffix="Request",
    # OCPP 2.0.1 part 4, section 4.3: still misspelt as in 1.6
    words=FaultWords(formation="FormatViolation", occurrence="OccurenceConstraintViolation", frame="RpcFrameworkError"),
    required={
        "BootNotification": (),
        "StatusNotification": ("evseId", "connectorStatus"),
        "TransactionEvent": ("eventType", "transactionInfo"),
        "MeterValues": ("meterValue",),
    },
    defaults={
        "BootNotification": {"chargingStation": {}, "reason": "Unknown"},
        "StatusNotification": {"connectorId": 1},
        "TransactionEvent": {"triggerReason": "Trigger"},
        "MeterValues": {"evseId": 0},
    },
    forgiven=frozenset(
        {
            "timestamp",
            "vendorName",
            "model",
            # Of a signed value what is signed counts; 2.1 made two of these optional
            "signingMethod",
            "encodingMethod",
            "publicKey",
        }
    ),
)


def in_folder(folder: str, *, occurrence: str) -> Schemas:
    """The same for a later 2.x, with its word for a field too few or too many."""
    return replace(SCHEMAS, folder=folder, words=replace(SCHEMAS.words, occurrence=occurrence), _kept={})

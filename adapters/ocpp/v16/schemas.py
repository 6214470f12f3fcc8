"""The messages of OCPP 1.6 and its security extension: their schemas, and what can be done without."""

from typing import Final

from adapters.ocpp.schemas import FaultWords, Schema, Schemas

SCHEMAS: Final = Schemas(
    folder="v16",
    request_suffix="",
    # Both spelled so in OCPP 1.6 JSON, section 4.2.3
    words=FaultWords(
        formation="FormationViolation", occurrence="OccurenceConstraintViolation", frame="FormationViolation"
    ),
    required={
        "BootNotification": (),
        "StatusNotification": ("connectorId", "status"),
        "StartTransaction": ("connectorId", "meterStart"),
        "StopTransaction": ("transactionId", "meterStop"),
        "MeterValues": ("meterValue",),
    },
    defaults={
        "BootNotification": {"chargePointVendor": "", "chargePointModel": ""},
        "StatusNotification": {"errorCode": "NoError"},
        "StartTransaction": {"idTag": "", "timestamp": ""},
        "StopTransaction": {"timestamp": ""},
    },
)


def actions() -> frozenset[str]:
    """Every action of OCPP 1.6 and its security extension."""
    return SCHEMAS.actions


def request(action: str) -> Schema:
    """The schema of ``action``'s request. Raises ``FileNotFoundError`` for an action that is not in 1.6."""
    return SCHEMAS.request(action)


def response(action: str) -> Schema:
    """The schema of ``action``'s answer."""
    return SCHEMAS.response(action)

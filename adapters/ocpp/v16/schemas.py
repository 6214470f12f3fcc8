"""The official JSON schemas of OCPP 1.6, as the ``ocpp`` package ships them, compiled twice: as they are, and
relaxed for what real stations send. Knows nothing of what a payload means."""

import copy
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

import jsonschema_rs

REQUIRED_OF_STATIONS: Final[dict[str, tuple[str, ...]]] = {
    "BootNotification": (),
    "StatusNotification": ("connectorId", "status"),
    "StartTransaction": ("connectorId", "meterStart"),
    "StopTransaction": ("transactionId", "meterStop"),
    "MeterValues": ("meterValue",),
}
"""Without these a message says nothing; everything else can be done without."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a payload does not fit, in the words of OCPP 1.6 JSON, section 4.2.3."""

    code: str
    description: str


@dataclass(frozen=True, slots=True)
class Schema:
    """One message: its schema, the strict check and the tolerant one."""

    definition: dict[str, Any]
    strict: Any
    tolerant: Any

    def is_strict(self, payload: Any) -> bool:
        """Fits the official schema (formats such as date-time are not part of it)."""
        fits: bool = self.strict.is_valid(payload)
        return fits

    def is_usable(self, payload: Any) -> bool:
        """Fits what we need of it."""
        fits: bool = self.tolerant.is_valid(payload)
        return fits

    def fault(self, payload: Any) -> Fault:
        """The first reason why ``payload`` is not usable, or not strict if it is usable."""
        for validator in (self.tolerant, self.strict):
            for error in validator.iter_errors(payload):
                return Fault(_code(error.kind), f"{_path(error.instance_path)}: {error.message}")
        return Fault("GenericError", "")


@cache
def actions() -> frozenset[str]:
    """Every action of OCPP 1.6 and its security extension."""
    names = (entry.name for entry in (resources.files("ocpp.v16") / "schemas").iterdir())
    return frozenset(name.removesuffix(".json") for name in names if name.endswith(".json") and "Response" not in name)


@cache
def request(action: str) -> Schema:
    """The schema of ``action``'s request. Raises ``FileNotFoundError`` for an action that is not in 1.6."""
    return _compile(action, f"{action}.json")


@cache
def response(action: str) -> Schema:
    """The schema of ``action``'s answer."""
    return _compile(action, f"{action}Response.json")


def _compile(action: str, file: str) -> Schema:
    text = (resources.files("ocpp.v16") / "schemas" / file).read_text(encoding="utf-8-sig")
    definition: dict[str, Any] = json.loads(text)
    relaxed = _relax(copy.deepcopy(definition))
    if file == f"{action}.json" and action in REQUIRED_OF_STATIONS:
        relaxed.pop("required", None)
        if REQUIRED_OF_STATIONS[action]:  # draft 4 forbids an empty list
            relaxed["required"] = list(REQUIRED_OF_STATIONS[action])
    return Schema(
        definition,
        jsonschema_rs.validator_for(definition, validate_formats=False, offline=True),
        jsonschema_rs.validator_for(relaxed, validate_formats=False, offline=True),
    )


def _relax(node: Any) -> Any:
    """Types and required fields stay; lengths, lists of words, counts, the ban on further fields and the duty to
    say when go."""
    if isinstance(node, list):
        return [_relax(item) for item in node]
    if not isinstance(node, dict):
        return node
    relaxed = {
        key: {name: _relax(schema) for name, schema in value.items()} if key == "properties" else _relax(value)
        for key, value in node.items()
        if key not in ("maxLength", "enum", "minItems", "additionalProperties", "additionalItems", "multipleOf")
    }
    required = [name for name in relaxed.pop("required", ()) if name != "timestamp"]
    return relaxed | {"required": required} if required else relaxed


def _code(kind: Any) -> str:
    match type(kind).__name__:
        case "Type":
            return "TypeConstraintViolation"
        case "Required" | "MinItems":
            return "OccurenceConstraintViolation"  # spelled so in OCPP 1.6 JSON
        case "MaxLength" | "Enum" | "MultipleOf":
            return "PropertyConstraintViolation"
        case _:
            return "FormationViolation"


def _path(path: list[str | int]) -> str:
    return ".".join(str(step) for step in path)[:80] or "payload"

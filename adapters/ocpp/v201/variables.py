"""The device model of OCPP 2.x by names in one line, and what stations tell of it. Pure.

A name is ``Component.Variable``, with what tells several of one name apart: ``Component(evse/connector)[instance]`` and
``Variable[instance]``. Brackets are in no identifierString (2.0.1 part 2, appendix), so a name reads back.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from adapters.kit.manifest import OperationResult
from adapters.ocpp.operating import MAX_RAW, OUTCOME, words
from adapters.ocpp.text import MAX_TEXT
from adapters.ocpp.v201.edition import Payload
from adapters.ocpp.whole import whole
from contracts import configuration
from contracts.messages.operation import ConfigurationResult, ConfigurationTold, ConfigurationValue
from contracts.vocabulary import OperationOutcome

_NAME: Final = re.compile(
    r"(?P<component>[^.()\[\]]+)"
    r"(?:\((?P<evse>[0-9]{1,4})(?:/(?P<connector>[0-9]{1,2}))?\))?"
    r"(?:\[(?P<which>[^\[\]]+)\])?"
    r"\.(?P<variable>[^()\[\]]+)"
    r"(?:\[(?P<instance>[^\[\]]+)\])?"
)
NO_SUCH_SETTING: Final = "OCPP 2.x has no such setting: name it Component.Variable"


def from_name(name: str) -> Payload | None:
    """``component`` and ``variable`` of a setting by its name here or in OCPP 1.6; ``None`` when 2.x cannot have it.

    >>> from_name("HeartbeatInterval")
    {'component': {'name': 'OCPPCommCtrlr'}, 'variable': {'name': 'HeartbeatInterval'}}
    >>> from_name("EVSE(2).Power") == {"component": {"name": "EVSE", "evse": {"id": 2}}, "variable": {"name": "Power"}}
    True
    """
    known = configuration.known_key(name)
    found = _NAME.fullmatch(name if known is None else known.variable)
    if found is None:
        return None
    component: Payload = {"name": found["component"]}
    if found["evse"]:
        component["evse"] = {"id": int(found["evse"])}
        if found["connector"]:
            component["evse"]["connectorId"] = int(found["connector"])
    if found["which"]:
        component["instance"] = found["which"]
    variable: Payload = {"name": found["variable"]}
    if found["instance"]:
        variable["instance"] = found["instance"]
    return {"component": component, "variable": variable}


def from_part(name: str) -> Payload | None:
    """The same of a whole component, or of one of its variables.

    >>> from_part("EVSE(2)")
    {'component': {'name': 'EVSE', 'evse': {'id': 2}}}
    """
    found = from_name(name)
    if found is not None:
        return found
    whole_one = from_name(f"{name}.Any")
    return None if whole_one is None else {"component": whole_one["component"]}


def to_name(said: Mapping[str, Any]) -> str:
    """The name of what has a ``component`` and a ``variable``.

    >>> evse = {"id": 2, "connectorId": 1}
    >>> to_name({"component": {"name": "Connector", "evse": evse}, "variable": {"name": "Available"}})
    'Connector(2/1).Available'
    """
    component, variable = said["component"], said["variable"]
    evse = component.get("evse") or {}
    ids = [str(number) for number in (whole(evse.get("id")), whole(evse.get("connectorId"))) if number is not None]
    place = f"({'/'.join(ids)})" if ids else ""
    which = f"[{component['instance']}]" if component.get("instance") else ""
    instance = f"[{variable['instance']}]" if variable.get("instance") else ""
    return f"{component['name']}{place}{which}.{variable['name']}{instance}"[:MAX_TEXT]


def of_answers(answers: Iterable[Mapping[str, Any]], *, unasked: Sequence[str]) -> OperationResult:
    """GetVariables: what was told, and what the station does not have, ``unasked`` names among it. A setting that is
    there and may not be read comes without a value (2.0.1 part 2, B06.FR.09: Rejected)."""
    values: list[ConfigurationValue] = []
    unknown = list(unasked)
    for said in answers:
        name, status = to_name(said), said["attributeStatus"]
        if status in ("Accepted", "Rejected"):
            told = said.get("attributeValue") if status == "Accepted" else None
            values.append(ConfigurationValue(key=name, value=_value(name, told)))
        else:
            unknown.append(name)
    outcome = OperationOutcome.UNKNOWN if unknown and not values else OperationOutcome.ACCEPTED
    return OperationResult(
        outcome=outcome, told=ConfigurationTold(values=tuple(values), unknown_keys=tuple(n[:MAX_TEXT] for n in unknown))
    )


def of_report(entry: Mapping[str, Any]) -> ConfigurationValue:
    """An entry of NotifyReport: its actual value (the type of an attribute that names none)."""
    name = to_name(entry)
    attributes: list[Payload] = entry["variableAttribute"]
    actual: Payload = next((told for told in attributes if told.get("type", "Actual") == "Actual"), {})
    is_hidden = actual.get("mutability") == "WriteOnly"
    return ConfigurationValue(
        key=name,
        value=None if is_hidden else _value(name, actual.get("value")),
        is_readonly=actual.get("mutability") == "ReadOnly",
    )


def without_secrets(payload: Payload) -> Payload:
    """A NotifyReport as it may be kept: passwords are for writing only, and yet may be told."""
    entries = payload.get("reportData")
    if not entries:
        return payload
    return payload | {"reportData": [_masked(e) if configuration.is_secret(to_name(e)) else e for e in entries]}


def _masked(entry: Payload) -> Payload:
    attributes = [{n: told for n, told in each.items() if n != "value"} for each in entry["variableAttribute"]]
    return entry | {"variableAttribute": attributes}


def to_change(key: str, answer: Mapping[str, Any]) -> ConfigurationResult:
    """SetVariables with one variable."""
    said = next(iter(answer["setVariableResult"]), None)
    if said is None:
        return ConfigurationResult(key=key, outcome=OperationOutcome.FAILED, detail="the station said nothing of it")
    status = str(said["attributeStatus"])
    return ConfigurationResult(
        key=key,
        outcome=OUTCOME.get(status, OperationOutcome.FAILED),
        detail=words(status, said.get("attributeStatusInfo")),
    )


def _value(name: str, value: Any) -> str | None:
    """What should be secret is not told on."""
    return None if value is None or configuration.is_secret(name) else str(value)[:MAX_RAW]

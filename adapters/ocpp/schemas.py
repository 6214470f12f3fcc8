"""The official JSON schemas of OCPP, as the ``ocpp`` package ships them, compiled twice: as they are, and relaxed for
what real stations send. Knows nothing of what a payload means."""

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final

import jsonschema_rs

_DROPPED: Final = frozenset(
    {
        "maxLength",
        "enum",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "additionalProperties",
        "additionalItems",
        "multipleOf",
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a payload does not fit, in the words of the version."""

    code: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultWords:
    """The codes of CALLERROR that versions spell differently."""

    formation: str
    occurrence: str
    frame: str
    """For what is no frame at all."""


@dataclass(frozen=True, slots=True)
class Schema:
    """One message: its schema, the strict check and the tolerant one."""

    definition: dict[str, Any]
    strict: Any
    tolerant: Any
    words: FaultWords
    defaults: Mapping[str, Any]
    """What stands in for a missing required field."""

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
                return Fault(_code(error.kind, self.words), f"{_path(error.instance_path)}: {error.message}")
        return Fault("GenericError", "")


@dataclass(frozen=True, kw_only=True)
class Schemas:
    """All messages of one version."""

    folder: str
    """Of the version in the ``ocpp`` package: ``v16``."""
    request_suffix: str
    """``Request`` where the files of requests are named so."""
    words: FaultWords
    required: Mapping[str, tuple[str, ...]]
    """Of these requests nothing else is required: without these fields they say nothing."""
    defaults: Mapping[str, Mapping[str, Any]]
    """By request, what stands in for a missing required field: an empty timestamp means "when it arrived"."""
    forgiven: frozenset[str] = frozenset({"timestamp"})
    """Fields that can be done without wherever they stand."""
    _kept: dict[tuple[str, bool], Schema] = field(default_factory=dict)

    @cached_property
    def actions(self) -> frozenset[str]:
        """Every action of the version."""
        names = (entry.name.removesuffix(".json") for entry in self._files() if entry.name.endswith(".json"))
        # What is sent without waiting for an answer has no "Request" in its name
        return frozenset(name.removesuffix(self.request_suffix) for name in names if not name.endswith("Response"))

    def has_answer(self, action: str) -> bool:
        """Whether a request of ``action`` is answered (OCPP 2.1 part 4, SEND: not all are)."""
        return any(entry.name == f"{action}Response.json" for entry in self._files())

    def _files(self) -> Iterable[Traversable]:
        # The folder alone: with the package of the version come hundreds of classes that nobody asks for
        return (resources.files("ocpp") / self.folder / "schemas").iterdir()

    def request(self, action: str) -> Schema:
        """The schema of ``action``'s request. Raises ``FileNotFoundError`` for an action that is not of the version."""
        return self._kept.get((action, True)) or self._compile(action, is_request=True)

    def response(self, action: str) -> Schema:
        """The schema of ``action``'s answer."""
        return self._kept.get((action, False)) or self._compile(action, is_request=False)

    def _compile(self, action: str, *, is_request: bool) -> Schema:
        names = (f"{action}{self.request_suffix}.json", f"{action}.json") if is_request else (f"{action}Response.json",)
        found = [entry for entry in self._files() if entry.name in names]
        if not found:
            raise FileNotFoundError(names[0])
        text = found[0].read_text(encoding="utf-8-sig")
        definition: dict[str, Any] = json.loads(text)
        relaxed = _relax(copy.deepcopy(definition), self.forgiven)
        if is_request and action in self.required:
            relaxed.pop("required", None)
            if self.required[action]:  # draft 4 forbids an empty list
                relaxed["required"] = list(self.required[action])
        made = Schema(
            definition,
            _validator(definition),
            _validator(relaxed),
            self.words,
            self.defaults.get(action, {}) if is_request else {},
        )
        self._kept[action, is_request] = made
        return made


def _validator(definition: dict[str, Any]) -> Any:
    """What is wrong with a value is said without the value: it may be whose token a driver's is."""
    return jsonschema_rs.validator_for(definition, validate_formats=False, offline=True, mask="value")


def _relax(node: Any, forgiven: frozenset[str]) -> Any:
    """Types and required fields stay; lengths, lists of words, counts, the ban on further fields and the duty to
    say what is ``forgiven`` go."""
    if isinstance(node, list):
        return [_relax(item, forgiven) for item in node]
    if not isinstance(node, dict):
        return node
    relaxed = {
        key: {name: _relax(schema, forgiven) for name, schema in value.items()}
        if key in ("properties", "definitions")
        else _relax(value, forgiven)
        for key, value in node.items()
        if key not in _DROPPED
    }
    required = [name for name in relaxed.pop("required", ()) if name not in forgiven]
    return relaxed | {"required": required} if required else relaxed


def _code(kind: Any, words: FaultWords) -> str:
    match type(kind).__name__:
        case "Type":
            return "TypeConstraintViolation"
        case "Required" | "MinItems" | "MaxItems":
            return words.occurrence
        case "MaxLength" | "Enum" | "MultipleOf" | "Minimum" | "Maximum":
            return "PropertyConstraintViolation"
        case _:
            return words.formation


def _path(path: list[str | int]) -> str:
    return ".".join(str(step) for step in path)[:80] or "payload"

"""Broken frames of stations, seeded, each with the outcomes that its version of OCPP allows.

OCPP 1.6 JSON, section 4.2.3 and OCPP 2.0.1 part 4, section 4.3 (error codes); section 4.1.3 of both: a message with
an unknown type number is ignored. Knows the official schemas and nothing of how the adapter reads.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any

from adapters.ocpp.schemas import Schemas
from tests.kit.fuzzing import HOSTILE, RAW, places, spoil_place

RESULT = "CALLRESULT"
SILENCE = frozenset({""})
"""What is no request, and what wants no answer."""
LONGEST = 2**20
AT = "2026-11-23T10:00:00Z"
MONEY = frozenset({"StartTransaction", "StopTransaction", "TransactionEvent", "MeterValues"})
"""Never refused: a station would repeat them for ever, or stop charging."""
WORDS = ["", " ", "TAG", "1970-01-01T00:00:00Z", "222222017-01-01T00:00:00Z", "-1", "NaN", "1e999", "x" * 300, "\ud800"]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One frame."""

    data: bytes
    id: str
    """By which it is answered; empty: it cannot be seen."""
    kind: str
    outcomes: frozenset[str]
    """``CALLRESULT`` or codes of CALLERROR."""


@dataclass(frozen=True, kw_only=True)
class Codes:
    """Of one version."""

    frame: str
    payload: frozenset[str]


def codes_of(schemas: Schemas) -> Codes:
    """What the version calls what is wrong."""
    words = schemas.words
    payload = {words.formation, words.occurrence, "TypeConstraintViolation", "PropertyConstraintViolation"}
    return Codes(frame=words.frame, payload=frozenset(payload))


@dataclass(frozen=True, kw_only=True)
class Stolen:
    """What an attacker knows of another station."""

    transaction_id: int | str = 1
    call_id: str = "x"
    """Of a request that the central system waits for."""


class Author:
    """Writes requests that fit the schemas, and then spoils them. The same seed and number give the same frame."""

    def __init__(
        self, seed: str, schemas: Schemas, *, requests: frozenset[str], sends: bool, stolen: Stolen | None = None
    ) -> None:
        """``requests``: the actions of stations; ``sends``: the version has messages without an answer."""
        self._seed = seed
        self._schemas = schemas
        self._codes = codes_of(schemas)
        self._requests = sorted(requests)
        self._commands = sorted(schemas.actions - requests)
        self._sends = sends
        self._stolen = stolen or Stolen()

    def frames(self, count: int, *, first: int = 0) -> Iterator[Sent]:
        """``count`` of them: one in ten is sound."""
        for number in range(first, first + count):
            random = Random(f"{self._seed}/{number}")
            frame_id = f"{self._seed}-{number}"
            action = random.choice(self._requests)
            payload = self.sound(action, random)
            sent = random.choices(_SPOILS, _WEIGHTS)[0](self, random, frame_id, action, payload)
            yield sent if len(sent.data) <= LONGEST else self._sound(random, frame_id, action, payload)

    def sound(self, action: str, random: Random) -> dict[str, Any]:
        """A payload that fits; some of the optional fields are there."""
        definition = self._schemas.request(action).definition
        made: dict[str, Any] = self._value(definition, definition, random, name="", depth=0)
        return made

    def _value(self, schema: dict[str, Any], root: dict[str, Any], random: Random, *, name: str, depth: int) -> Any:
        if "$ref" in schema:
            schema = root["definitions"][schema["$ref"].rsplit("/", 1)[1]]
        if "enum" in schema:
            return random.choice(schema["enum"])
        if name == "transactionId" and random.random() < 0.5:
            return self._stolen.transaction_id
        match schema.get("type"):
            case "object":
                required = schema.get("required", ())
                return {
                    key: self._value(part, root, random, name=key, depth=depth + 1)
                    for key, part in schema.get("properties", {}).items()
                    if key in required or (random.random() < 0.5 / (depth + 1) and key != "customData")
                }
            case "array":
                items = schema.get("items", {})
                least = schema.get("minItems", 0)
                count = min(schema.get("maxItems", 9), max(least, random.choice((1, 1, 2))))
                return [self._value(items, root, random, name=name, depth=depth + 1) for _ in range(count)]
            case "integer":
                return random.randint(1, 3)
            case "number":
                return random.choice((1, 0.5, 12.25))
            case "boolean":
                return random.random() < 0.5
            case "string":
                return self._text(schema, random, name)
        return "any"

    def _text(self, schema: dict[str, Any], random: Random, name: str) -> str:
        if schema.get("format") == "date-time" or name.lower().endswith("timestamp"):
            return random.choice((AT, "2026-11-23T10:15:00.5+01:00"))
        if name == "value":
            return str(random.choice((0, 1, 7.25, 1500)))
        text = random.choice(("TAG", "a b", "é", self._seed))
        return text[: schema.get("maxLength", 50)]

    def _payload_outcomes(self, action: str) -> frozenset[str]:
        return frozenset({RESULT}) if action in MONEY else self._codes.payload | {RESULT}

    def _sound(self, random: Random, frame_id: str, action: str, payload: Any) -> Sent:
        return Sent(data=_frame(frame_id, action, payload), id=frame_id, kind="sound", outcomes=frozenset({RESULT}))

    def _values(self, random: Random, frame_id: str, action: str, payload: Any) -> Sent:
        """Hostile values, fields too many and too few."""
        payload = deepcopy(payload)
        for _ in range(random.choice((1, 1, 2, 4))):
            found = list(places(payload))
            if not found:
                break
            place = random.choice(found)
            if random.random() < 0.3:
                _put(payload, place, random.choice((*WORDS, 2**31, -(2**63), 10**30, 1e300)))
            else:
                spoil_place(payload, place, random)
        outcomes = self._payload_outcomes(action)
        return Sent(data=_frame(frame_id, action, payload), id=frame_id, kind="values", outcomes=outcomes)

    def _whole(self, random: Random, frame_id: str, action: str, payload: Any) -> Sent:
        """Another payload altogether: no object, or that of another request."""
        other = random.choice((*HOSTILE, self.sound(random.choice(self._requests), random)))
        outcomes = self._payload_outcomes(action)
        return Sent(data=_frame(frame_id, action, other), id=frame_id, kind="payload", outcomes=outcomes)

    def _text_of_json(self, random: Random, frame_id: str, action: str, payload: Any) -> Sent:
        """Text that JSON does not know, or that readers choke on, in the place of a payload or of a value."""
        raw = random.choice(RAW)
        body = raw if random.random() < 0.5 else b'{"a":' + raw + b"," + json.dumps(payload).encode()[1:]
        data = b'[2,"%s","%s",%s]' % (frame_id.encode(), action.encode(), body)
        outcomes = self._codes.payload | {RESULT, self._codes.frame}
        return Sent(data=data, id=frame_id, kind="text", outcomes=outcomes)

    def _bytes(self, random: Random, frame_id: str, action: str, payload: Any) -> Sent:
        """Wrong octets behind the id."""
        data = bytearray(_frame(frame_id, action, payload))
        start = data.index(b",", data.index(b",") + 1) + 1
        for _ in range(random.randint(1, 4)):
            at = random.randrange(start, len(data) + 1)
            match random.randrange(4):
                case 0 if at < len(data):
                    data[at] = random.randrange(256)
                case 1:
                    data[at:at] = bytes(random.choices(b'[]{}",:0\\\x00\xff', k=3))
                case 2:
                    data[at:at] = data[start:at][:200]
                case _:
                    del data[at : at + random.choice((1, 3))]
        outcomes = self._codes.payload | {RESULT, self._codes.frame, "NotImplemented", "NotSupported"}
        return Sent(data=bytes(data), id=frame_id, kind="octets", outcomes=outcomes)

    def _cut(self, random: Random, frame_id: str, action: str, payload: Any) -> Sent:
        """Ends in the middle of the payload: no reading can make a frame of it."""
        start = _frame(frame_id, action, {})[:-3]
        data = start + b'{"x":' + json.dumps(payload).encode()[:-1][: random.randrange(1, 200)]
        return Sent(data=data, id=frame_id, kind="cut", outcomes=frozenset({self._codes.frame}))

    def _no_call(self, random: Random, frame_id: str, action: str, payload: Any) -> Sent:
        """No frame at all, or without an id that can be seen."""
        data = random.choice(
            (
                json.dumps(random.choice(({}, [], [2], "x", 7, None, [2, {}, action, {}], [2, None, action, {}]))),
                json.dumps([2, [frame_id], action, payload]),
                f'{{"2":"{frame_id}"}}',
                f'[2,{frame_id},"{action}",{{}}]',
                "Heartbeat",
            )
        ).encode()
        return Sent(data=data, id="", kind="no frame", outcomes=frozenset({self._codes.frame}))

    def _no_action(self, random: Random, frame_id: str, action: str, payload: Any) -> Sent:
        data = json.dumps([2, frame_id, random.choice((None, 7, [], {}, [action])), payload]).encode()
        return Sent(data=data, id=frame_id, kind="no action", outcomes=frozenset({self._codes.frame}))

    def _unknown(self, random: Random, frame_id: str, action: str, payload: Any) -> Sent:
        name = random.choice((f"{action}2", action.upper(), action[:-1], "", "../" + action, "x" * 500, "__class__"))
        outcomes = frozenset({"NotImplemented"})
        return Sent(data=_frame(frame_id, name, payload), id=frame_id, kind="unknown action", outcomes=outcomes)

    def _command(self, random: Random, frame_id: str, action: str, payload: Any) -> Sent:
        """What only a central system may ask."""
        command = random.choice(self._commands)
        outcomes = frozenset({"NotSupported"})
        return Sent(data=_frame(frame_id, command, payload), id=frame_id, kind="action of ours", outcomes=outcomes)

    def _answer(self, random: Random, frame_id: str, action: str, payload: Any) -> Sent:
        """To a question that nobody has asked, and message types that there are not."""
        kind = random.choice((3, 3, 4, 4, 5, 0, 1, 7, 9, -2, 2.5, 10**20, True, None, "9"))
        answered = random.choice((frame_id, self._stolen.call_id))
        frame = random.choice(([kind, answered, payload], [kind, answered, action, payload, {}, {}], [kind, answered]))
        return Sent(data=json.dumps(frame).encode(), id=frame_id, kind="no request", outcomes=SILENCE)

    def _send(self, random: Random, frame_id: str, action: str, payload: Any) -> Sent:
        name = "NotifyPeriodicEventStream" if self._sends and random.random() < 0.5 else action
        said = self.sound(name, random) if name != action and random.random() < 0.5 else payload
        data = json.dumps([6, frame_id, name, said]).encode()
        return Sent(data=data, id=frame_id, kind="no answer wanted", outcomes=SILENCE)


_SPOILS = [
    Author._sound,
    Author._values,
    Author._whole,
    Author._text_of_json,
    Author._bytes,
    Author._cut,
    Author._no_call,
    Author._no_action,
    Author._unknown,
    Author._command,
    Author._answer,
    Author._send,
]
_WEIGHTS = [10, 40, 8, 8, 14, 4, 3, 2, 3, 2, 4, 2]


def _frame(frame_id: str, action: str, payload: Any) -> bytes:
    return json.dumps([2, frame_id, action, payload]).encode()


def _put(value: Any, place: tuple[Any, ...], new: Any) -> None:
    for step in place[:-1]:
        value = value[step]
    if not isinstance(value, str):
        value[place[-1]] = new

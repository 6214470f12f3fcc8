"""Mutated frames: nothing ends the connection, and every request whose id can be read is answered."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.kit.manifest import Fact
from adapters.ocpp.recording import Answering, Desk
from adapters.ocpp.rejected import RejectedFrames
from adapters.ocpp.spoken import versions_of
from adapters.ocpp.state import open_state
from adapters.ocpp.station import Pace, Station
from adapters.ocpp.tokens import Tokens
from adapters.ocpp.transactions import Transactions
from adapters.ocpp.transport import Admission
from contracts.envelope import decode, encode, wrap
from tests.adapters.ocpp.fake_socket import FakeSocket
from tests.kit.stations import FakePorts

AT = "2026-11-23T10:00:00Z"
SAMPLE = {"timestamp": AT, "sampledValue": [{"value": "1", "unit": "Wh", "context": "Sample.Periodic", "phase": "L1"}]}
SOUND: tuple[tuple[str, dict[str, Any]], ...] = (
    ("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M", "chargePointSerialNumber": "1"}),
    ("Heartbeat", {}),
    ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": AT}),
    ("Authorize", {"idTag": "TAG"}),
    ("StartTransaction", {"connectorId": 1, "idTag": "TAG", "meterStart": 1, "timestamp": AT, "reservationId": 1}),
    ("MeterValues", {"connectorId": 1, "transactionId": 1, "meterValue": [SAMPLE, SAMPLE]}),
    (
        "StopTransaction",
        {
            "transactionId": 1,
            "idTag": "TAG",
            "meterStop": 9,
            "timestamp": AT,
            "reason": "Local",
            "transactionData": [SAMPLE],
        },
    ),
    ("DataTransfer", {"vendorId": "v", "messageId": "m", "data": "d"}),
    ("FirmwareStatusNotification", {"status": "Idle"}),
    ("SecurityEventNotification", {"type": "T", "timestamp": AT, "techInfo": "i"}),
    ("SignCertificate", {"csr": "x"}),
)
NEVER_REFUSED = ("StartTransaction", "StopTransaction", "MeterValues")

STRANGE = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=40)
    | st.sampled_from(
        ["", " ", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "NaN", "1e999", "\x00", "-1", "\ud800"]
    )
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
)


@st.composite
def mutated(draw: st.DrawFn, sound: tuple[tuple[str, dict[str, Any]], ...] = SOUND) -> tuple[str, Any]:
    """A sound request with some of it replaced, dropped, doubled or renamed."""
    action, payload = draw(st.sampled_from(sound))
    value = json.loads(json.dumps(payload))
    for _ in range(draw(st.integers(0, 3))):
        value = _mutate(value, draw)
    return action, value


def _mutate(value: Any, draw: st.DrawFn) -> Any:
    if isinstance(value, dict) and value:
        key = draw(st.sampled_from(sorted(value)))
        choice = draw(st.integers(0, 4))
        if choice == 0:
            del value[key]
        elif choice == 1:
            value[draw(st.text(max_size=5))] = value.pop(key)
        elif choice == 2:
            value[key.upper()] = value[key]
        else:
            value[key] = _mutate(value[key], draw)
        return value
    if isinstance(value, list) and value:
        choice = draw(st.integers(0, 3))
        if choice == 0:
            return value[0]
        if choice == 1:
            return [*value, draw(STRANGE)]
        position = draw(st.integers(0, len(value) - 1))
        value[position] = _mutate(value[position], draw)
        return value
    return draw(STRANGE)


class CheckedFacts:
    """Keeps only ids, and sees that every fact can go over the bus."""

    def __init__(self) -> None:
        self.ids: set[str] = set()

    async def record(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            self.ids.add(fact.id)
            envelope = wrap(
                fact.message,
                id=fact.id,
                subject="demo/CS-1",
                sequence=1,
                occurred_at=fact.occurred_at,
                recorded_at=fact.occurred_at,
                correlation_id=fact.correlation_id or fact.id,
                source="test",
            )
            assert decode(encode(envelope)).message() == fact.message


class Patient(FakeSocket):
    """Takes answers also after the station hung up, so that they can be counted."""

    async def send(self, data: bytes) -> None:
        self.sent.append(data)


class Wire:
    """A station with the real handlers behind it, and no network."""

    def __init__(self, version: str = "ocpp1.6") -> None:
        ports = FakePorts().ports()
        state = open_state(None)
        ports = replace(ports, facts=CheckedFacts())
        self.socket = Patient()
        desk = Desk(
            ports=ports,
            transactions=Transactions(state, secret=b"s"),
            tokens=Tokens(state, secret=b"s"),
            rejected=RejectedFrames(state),
            answering=Answering(),
        )
        spoken = versions_of(desk, state)[version]
        self.station = Station(
            id="CS-1",
            epoch=1,
            socket=self.socket,
            admission=Admission(station_id="CS-1", subprotocol=None, is_admitted=True, security_profile=1),
            answer=spoken.answer,
            now=ports.now,
            pace=Pace(messages_per_second=1e9, burst=1e9),
            is_admitted=True,
            protocol=version,
            broken_frame=spoken.broken_frame,
            knows_send=spoken.knows_send,
        )

    async def say(self, *frames: bytes) -> list[Any]:
        """Everything the hub answered, after it had read all of it and the station had hung up."""
        self.socket.hear(*frames)
        self.socket.hang_up()
        reason = await self.station.run()
        assert reason == "closed by the station (1000)", "nothing that was said ended the connection"
        return [json.loads(data) for data in self.socket.sent]


EVENT: dict[str, Any] = {
    "eventType": "Updated",
    "timestamp": AT,
    "triggerReason": "Authorized",
    "seqNo": 1,
    "offline": True,
    "reservationId": 1,
    "transactionInfo": {"transactionId": "tx", "chargingState": "Charging", "remoteStartId": 1},
    "evse": {"id": 1, "connectorId": 1},
    "idToken": {"idToken": "TAG", "type": "ISO14443"},
    "meterValue": [
        {
            "timestamp": AT,
            "sampledValue": [
                {
                    "value": 1.5,
                    "context": "Transaction.Begin",
                    "measurand": "Energy.Active.Import.Register",
                    "unitOfMeasure": {"unit": "kWh", "multiplier": 1},
                    "signedMeterValue": {
                        "signedMeterData": "d",
                        "signingMethod": "",
                        "encodingMethod": "OCMF",
                        "publicKey": "k",
                    },
                }
            ],
        }
    ],
}
SOUND_2: tuple[tuple[str, dict[str, Any]], ...] = (
    ("BootNotification", {"reason": "PowerUp", "chargingStation": {"vendorName": "V", "model": "M", "modem": {}}}),
    ("Heartbeat", {}),
    ("StatusNotification", {"evseId": 1, "connectorId": 1, "connectorStatus": "Available", "timestamp": AT}),
    ("Authorize", {"idToken": {"idToken": "TAG", "type": "ISO14443"}}),
    ("TransactionEvent", EVENT | {"eventType": "Started"}),
    ("TransactionEvent", EVENT),
    ("TransactionEvent", EVENT | {"eventType": "Ended"}),
    ("MeterValues", {"evseId": 1, "meterValue": EVENT["meterValue"]}),
    ("NotifyReport", {"requestId": 1, "generatedAt": AT, "seqNo": 0}),
    ("SecurityEventNotification", {"type": "T", "timestamp": AT, "techInfo": "i"}),
    ("FirmwareStatusNotification", {"status": "Idle", "requestId": 1}),
    ("LogStatusNotification", {"status": "Idle", "requestId": 1}),
    ("SignCertificate", {"csr": "x", "certificateType": "V2GCertificate"}),
    ("DataTransfer", {"vendorId": "v", "messageId": "m", "data": [1]}),
    ("NotifyChargingLimit", {"evseId": 1, "chargingLimit": {"chargingLimitSource": "EMS"}}),
    (
        "NotifyEvent",
        {
            "generatedAt": AT,
            "seqNo": 0,
            "eventData": [
                {
                    "eventId": 1,
                    "timestamp": AT,
                    "trigger": "Delta",
                    "actualValue": "true",
                    "eventNotificationType": "CustomMonitor",
                    "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 1}},
                    "variable": {"name": "Problem"},
                }
            ],
        },
    ),
)
SOUND_BY_VERSION = {"ocpp1.6": SOUND, "ocpp2.0.1": SOUND_2, "ocpp2.1": SOUND_2}
NEVER_REFUSED_2 = ("TransactionEvent", "MeterValues")
REFUSED_NEVER = {"ocpp1.6": NEVER_REFUSED, "ocpp2.0.1": NEVER_REFUSED_2, "ocpp2.1": NEVER_REFUSED_2}


@pytest.mark.parametrize("version", SOUND_BY_VERSION)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_mutated_payloads(version: str, data: st.DataObject) -> None:
    requests = data.draw(st.lists(mutated(SOUND_BY_VERSION[version]), min_size=1, max_size=20))
    wire = Wire(version)
    frames = [
        json.dumps([2, str(number), action, payload]).encode("utf-8", "surrogatepass")
        for number, (action, payload) in enumerate(requests)
    ]
    answers = await wire.say(*frames)
    assert [answer[1] for answer in answers] == [str(number) for number in range(len(requests))]
    for answer, (action, _) in zip(answers, requests, strict=True):
        assert answer[0] == 3 or action not in REFUSED_NEVER[version], answer
        if answer[0] == 4:
            assert answer[2] != "InternalError", answer


@pytest.mark.parametrize("version", SOUND_BY_VERSION)
async def test_ten_thousand_frames_with_wrong_bytes(version: str) -> None:
    chance = random.Random(20261123)
    wire = Wire(version)
    frames, readable = [], []
    for number in range(10_000):
        action, payload = chance.choice(SOUND_BY_VERSION[version])
        data = bytearray(json.dumps([2, f"m{number}", action, payload]).encode())
        start = data.index(b",", 5) + 1  # the type and the id stay as they are
        for _ in range(chance.randrange(1, 4)):
            position = chance.randrange(start, len(data))
            match chance.randrange(4):
                case 0:
                    data[position] = chance.randrange(256)
                case 1:
                    del data[position:]
                    data += b" "
                case 2:
                    data[position:position] = bytes(chance.choices(b'[]{}",:0\x00\xff', k=3))
                case _:
                    del data[position]
            if len(data) <= start:
                break
        frames.append(bytes(data))
        readable.append(f"m{number}")
    answers = await wire.say(*frames)
    answered = {answer[1] for answer in answers}
    assert set(readable) - answered == set()
    assert not [answer for answer in answers if answer[0] == 4 and answer[2] == "InternalError"]

"""Commands in their versions: four and no texts in 2.1.1, and one answer type for two answers."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from roaming.model.command import (
    CommandResponse,
    CommandResponseType,
    CommandResult,
    CommandResultType,
    CommandType,
    ReserveNow,
    StartSession,
)
from roaming.model.text import DisplayText
from roaming.model.token import Token
from roaming.model.version import Version
from roaming.modules.commands.codec import v211, v221, v230
from roaming.modules.commands.service import codec_of
from roaming.ocpi.codec import DecodeContext, DecodeError, EncodeError, Loss

TOKEN = Token(
    country_code="NL",
    party_id="MSP",
    uid="U1",
    type="RFID",
    contract_id="C1",
    issuer="MSP",
    valid=True,
    whitelist="NEVER",
    last_updated=datetime(2026, 1, 31, tzinfo=UTC),
)
SENDER = DecodeContext(country_code="NL", party_id="MSP")
URL = "https://msp.example/results/1"


def reserve(reservation_id: str) -> ReserveNow:
    return ReserveNow(
        response_url=URL,
        token=TOKEN,
        expiry_date=datetime(2026, 2, 1, tzinfo=UTC),
        reservation_id=reservation_id,
        location_id="LOC1",
    )


def test_the_commands_of_each_version() -> None:
    assert set(v230.CODECS) == set(v221.CODECS) == set(CommandType)
    assert set(v211.CODECS) == set(CommandType) - {CommandType.CANCEL_RESERVATION}


def test_a_command_that_a_version_lacks_is_refused_by_name() -> None:
    assert codec_of(Version.V2_2_1, CommandType.CANCEL_RESERVATION) is v221.CODECS[CommandType.CANCEL_RESERVATION]
    with pytest.raises(EncodeError, match=r"^OCPI 2\.1\.1 has no CANCEL_RESERVATION$"):
        codec_of(Version.V2_1_1, CommandType.CANCEL_RESERVATION)


def test_a_command_of_2_1_1_has_a_token_of_2_1_1() -> None:
    codec = v211.CODECS[CommandType.START_SESSION]
    start = StartSession(response_url=URL, token=TOKEN, location_id="LOC1", evse_uid="E1", connector_id="1")
    encoded = codec.encode(start)
    assert encoded.body["token"]["auth_id"] == "C1"
    assert encoded.losses == (Loss("connector_id", "2.1.1 commands do not have it"),)
    decoded = codec.decode(encoded.body, context=SENDER).value
    assert decoded == StartSession(response_url=URL, token=TOKEN, location_id="LOC1", evse_uid="E1")
    with pytest.raises(DecodeError, match=r"^token\.country_code: 2\.1\.1 does not say it"):
        codec.decode(encoded.body)


def test_reservation_ids_are_numbers_in_2_1_1() -> None:
    codec = v211.CODECS[CommandType.RESERVE_NOW]
    encoded = codec.encode(reserve("4711"))
    assert encoded.body["reservation_id"] == 4711
    assert codec.decode(encoded.body, context=SENDER).value == reserve("4711")


@pytest.mark.parametrize("reservation_id", ["R1", "007", "-1", "1.0", "٣", "9" * 19])
def test_for_other_reservation_ids_a_number_is_sent(reservation_id: str) -> None:
    codec = v211.CODECS[CommandType.RESERVE_NOW]
    encoded, again = codec.encode(reserve(reservation_id)), codec.encode(reserve(reservation_id.lower()))
    number = encoded.body["reservation_id"]
    assert number == again.body["reservation_id"] != codec.encode(reserve("R2")).body["reservation_id"]
    others = msgspec.structs.replace(reserve(reservation_id), token=msgspec.structs.replace(TOKEN, party_id="OTH"))
    assert codec.encode(others).body["reservation_id"] != number, "two eMSPs may have the same id"
    assert 0 <= number < 2**31
    assert [loss.path for loss in encoded.losses] == ["reservation_id"]


@pytest.mark.parametrize("url", ["", "msp.example/results", "file:///etc/passwd", "//msp.example"])
def test_results_go_to_http_addresses_only(url: str) -> None:
    with pytest.raises(DecodeError, match=r"^response_url: "):
        v221.CODECS[CommandType.STOP_SESSION].decode({"response_url": url, "session_id": "S1"})


def test_a_direct_answer_of_2_1_1_tells_neither_time_nor_text() -> None:
    response = CommandResponse(result="ACCEPTED", timeout=30)
    assert v211.COMMAND_RESPONSE_CODEC.encode(response).body == {"result": "ACCEPTED"}
    assert v211.COMMAND_RESPONSE_CODEC.encode(response).losses == ()
    assert v211.COMMAND_RESPONSE_CODEC.decode({"result": "ACCEPTED"}).value == response
    text = DisplayText(language="en", text="busy")
    told = v211.COMMAND_RESPONSE_CODEC.encode(CommandResponse(result="REJECTED", timeout=60, message=(text,)))
    assert [loss.path for loss in told.losses] == ["timeout", "message"]


def test_silence_of_the_station_is_a_refusal_since_2_2() -> None:
    assert v211.COMMAND_RESPONSE_CODEC.decode({"result": "TIMEOUT"}).value.result == "REJECTED"
    assert v211.COMMAND_RESULT_CODEC.decode({"result": "TIMEOUT"}).value.result == "TIMEOUT"
    assert v211.COMMAND_RESULT_CODEC.decode({"result": "UNKNOWN_SESSION"}).value.result == "FAILED"


def test_results_that_2_1_1_lacks_are_refusals() -> None:
    known = {"ACCEPTED", "NOT_SUPPORTED", "REJECTED", "TIMEOUT"}
    for result in CommandResultType:
        encoded = v211.COMMAND_RESULT_CODEC.encode(CommandResult(result=result.value))
        assert encoded.body == {"result": result.value if result.value in known else "REJECTED"}
        assert bool(encoded.losses) == (result.value not in known)
    for response in CommandResponseType:
        assert v211.COMMAND_RESPONSE_CODEC.encode(CommandResponse(result=response.value, timeout=30)).losses == ()


@pytest.mark.parametrize("timeout", [-1, None, "soon"])
def test_a_timeout_is_a_number_of_seconds(timeout: Any) -> None:
    with pytest.raises(DecodeError, match=r"^timeout: "):
        v221.COMMAND_RESPONSE_CODEC.decode({"result": "ACCEPTED", "timeout": timeout})

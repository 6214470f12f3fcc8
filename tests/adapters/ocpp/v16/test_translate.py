"""Words of OCPP 1.6 and words of the contract, in both directions and complete."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from adapters.ocpp import moments
from adapters.ocpp.v16 import schemas, translate
from contracts.vocabulary import AuthorizationStatus, CommandName, CommandOutcome, ConnectorStatus, StopReason


def test_every_status_of_the_schema_has_a_word() -> None:
    words = schemas.request("StatusNotification").definition["properties"]["status"]["enum"]
    assert ConnectorStatus.UNKNOWN not in {translate.to_connector_status(word) for word in words}
    assert translate.to_connector_status("Dreaming") is ConnectorStatus.UNKNOWN


def test_every_stop_reason_of_the_schema_has_a_word() -> None:
    for word in schemas.request("StopTransaction").definition["properties"]["reason"]["enum"]:
        reason, text = translate.to_stop_reason(word)
        assert text == word
        assert (reason is StopReason.OTHER) == (word in ("Other", "UnlockCommand"))
    assert translate.to_stop_reason(None) == (StopReason.DRIVER, None)
    assert translate.to_stop_reason("Whim") == (StopReason.OTHER, "Whim")


def test_every_authorisation_is_an_id_tag_status() -> None:
    schema = schemas.response("Authorize")
    for status in AuthorizationStatus:
        assert schema.is_strict({"idTagInfo": translate.from_authorization(status, parent_id_tag="G")})
    assert translate.from_authorization(AuthorizationStatus.ACCEPTED, parent_id_tag="") == {"status": "Accepted"}
    assert translate.from_authorization(AuthorizationStatus.NO_CREDIT)["status"] == "Blocked"


ACTIONS = {
    CommandName.START_CHARGING: "RemoteStartTransaction",
    CommandName.STOP_CHARGING: "RemoteStopTransaction",
    CommandName.UNLOCK_CONNECTOR: "UnlockConnector",
    CommandName.RESERVE: "ReserveNow",
    CommandName.CANCEL_RESERVATION: "CancelReservation",
    CommandName.SET_CHARGING_PROFILE: "SetChargingProfile",
    CommandName.CLEAR_CHARGING_PROFILE: "ClearChargingProfile",
    CommandName.GET_COMPOSITE_SCHEDULE: "GetCompositeSchedule",
}


@pytest.mark.parametrize("name", list(CommandName))
def test_every_answer_to_a_command_has_an_outcome(name: CommandName) -> None:
    for word in schemas.response(ACTIONS[name]).definition["properties"]["status"]["enum"]:
        result = translate.to_command_result(name, word)
        assert (result.outcome is CommandOutcome.ACCEPTED) == (word in ("Accepted", "Unlocked"))
        assert result.detail == word
    assert translate.to_command_result(name, "Maybe").outcome is CommandOutcome.FAILED


def test_times_are_utc_with_milliseconds() -> None:
    at = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    assert moments.from_time(at) == "2026-11-23T10:00:00.123Z"
    assert moments.from_time(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000Z"


def test_an_unknown_status_keeps_its_word() -> None:
    payload = {"connectorId": 1, "status": "Dreaming", "errorCode": "NoError", "info": "of cars"}
    changed = translate.to_connector_status_changed(payload, network="n", station_id="s")
    assert (changed.status, changed.info) == (ConnectorStatus.UNKNOWN, "Dreaming of cars")
    assert translate.to_station_fault(payload, network="n", station_id="s") is None


def test_a_boot_keeps_long_texts_whole() -> None:
    booted = translate.to_station_booted(
        {"chargePointVendor": "V" * 300, "chargePointModel": "", "chargeBoxSerialNumber": "9" * 34, "iccid": ""},
        network="n",
        station_id="s",
    )
    assert booted.vendor == "V" * 300
    assert (booted.model, booted.serial_number, booted.iccid) == ("", "9" * 34, None)

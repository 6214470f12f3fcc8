"""What a meter signed, from the frame of its station to the CDR."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.vocabulary import ReadingContext
from roaming.billing.correcting import correct
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId
from roaming.model.signed_records import SignedRecord
from roaming.model.tariff import Tariff
from roaming.modules.cdrs.codec import v211, v221, v230
from roaming.modules.cdrs.signing import signed_of
from roaming.modules.sessions.repository import keep_snapshot, key_of
from roaming.modules.tariffs.service import CODECS as TARIFF_CODECS
from roaming.ocpi.codec import dump_json
from tests.adapters.ocpp.conftest import Hub as Stations
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import HubInProcess, decoded
from tests.roaming.modules.sessions.charges import UID, after, billed, hub_with_station, let_pass, tell
from tests.roaming.rating.test_signed_data import public, reading, record

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BEGIN, END = record(reading("B", "1.0")), record(reading("E", "6.0"))
FIVE = Decimal(5)
PRINTED = base64.b64encode(f"oca:base16:asn1:{public()}".encode()).decode()


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def taken(data: str, context: ReadingContext, minute: int, **fields: Any) -> SignedRecord:
    return SignedRecord(at=NOON + timedelta(minutes=minute), context=context.value, data=data, **fields)


# What becomes of it


def test_start_intermediate_and_end_in_their_order() -> None:
    between = record(reading("T", "3.0"))
    found = signed_of(
        [
            taken(END, ReadingContext.END, 60, encoding_method="OCMF"),
            taken(between, ReadingContext.CLOCK, 30, encoding_method="OCMF"),
            taken(BEGIN, ReadingContext.BEGIN, 0, encoding_method="OCMF", public_key=PRINTED),
        ],
        FIVE,
    )
    assert (found.remark, found.is_wrong) == ("", False)
    assert (found.data.encoding_method, found.data.public_key) == ("OCMF", PRINTED)
    assert [(value.nature, value.signed_data) for value in found.data.signed_values] == [
        ("Start", BEGIN),
        ("Intermediate", between),
        ("End", END),
    ]


def test_what_was_signed_in_another_charge_is_said() -> None:
    stamp = "2026-11-22T12:00:00,000+0000 S"
    sent = [
        taken(record(reading("B", "1.0", at=stamp)), ReadingContext.BEGIN, 0, public_key=PRINTED),
        taken(record(reading("E", "6.0", at=stamp)), ReadingContext.END, 60, public_key=PRINTED),
    ]
    found = signed_of(sent, FIVE, span=(NOON, NOON + timedelta(hours=1)))
    assert found.is_wrong
    assert found.remark == (
        "signed meter data: it was signed at 2026-11-22 12:00 UTC, and this is no time of the charge"
    )


def test_the_record_names_its_nature_where_the_station_does_not() -> None:
    """Most stations of OCPP 1.6 send signed values without a context, and all in one message at the end."""
    sent = [taken(END, ReadingContext.PERIODIC, 60), taken(BEGIN, ReadingContext.PERIODIC, 60)]
    assert [value.nature for value in signed_of(sent, FIVE).data.signed_values] == ["Start", "End"]
    both = record(reading("B", "1.0"), reading("E", "6.0"))
    found = signed_of([taken(both, ReadingContext.PERIODIC, 60, public_key=PRINTED)], FIVE)
    assert [value.nature for value in found.data.signed_values] == ["End"]
    assert found.remark == ""


def test_what_came_twice_stands_once() -> None:
    sent = [
        taken(BEGIN, ReadingContext.BEGIN, 0),
        taken(BEGIN, ReadingContext.OTHER, 60),
        taken(END, ReadingContext.END, 60),
    ]
    assert [value.nature for value in signed_of(sent, FIVE).data.signed_values] == ["Start", "End"]


def test_plain_data_can_be_read_and_signed_data_is_never_touched() -> None:
    packed = in_base64(END) + "\n"
    (value,) = signed_of([taken(packed, ReadingContext.END, 60)], FIVE).data.signed_values
    assert (value.plain_data, value.signed_data) == (END, packed)
    other = "AP;0;3;AJ2J7LYMGCIWLT66G2GFC2;BIHEIWSHAAA2XZGQCLG2"
    (value,) = signed_of([taken(other, ReadingContext.END, 60)], FIVE).data.signed_values
    assert (value.plain_data, value.signed_data) == (other, other)


@pytest.mark.parametrize(
    ("records", "method", "remark", "is_wrong"),
    [
        ([taken(END, ReadingContext.END, 60)], "OCMF", "not verified: the station sent no public key", False),
        ([taken("AP;0;3", ReadingContext.END, 60)], "UNKNOWN", "not verified: encoding_method UNKNOWN", False),
        (
            [taken("x", ReadingContext.END, 60, encoding_method="Alfen Eichrecht", public_key="k")],
            "Alfen Eichrecht",
            "not verified: encoding_method Alfen Eichrecht is kept",
            False,
        ),
        (
            [taken(END.replace("6.0", "7.0"), ReadingContext.END, 60, public_key=PRINTED)],
            "OCMF",
            "does not hold: the signature is not of this record and this key",
            True,
        ),
        (
            [taken(BEGIN, ReadingContext.BEGIN, 0), taken(END, ReadingContext.END, 60, public_key=PRINTED)],
            "OCMF",
            "",
            False,
        ),
        ([taken(END, ReadingContext.END, 60, public_key=PRINTED)], "OCMF", "no begin and end of one", False),
    ],
)
def test_what_is_said_of_it(records: list[SignedRecord], method: str, remark: str, is_wrong: bool) -> None:
    found = signed_of(records, FIVE)
    assert found.data.encoding_method == method
    assert found.is_wrong is is_wrong
    assert remark in found.remark
    assert bool(remark) is bool(found.remark)


def test_signed_energy_that_is_not_billed() -> None:
    sent = [taken(BEGIN, ReadingContext.BEGIN, 0), taken(END, ReadingContext.END, 60, public_key=PRINTED)]
    found = signed_of(sent, Decimal("5.5"))
    assert (found.remark, found.is_wrong) == ("signed meter data: 5.5 kWh are billed, 5.0 kWh are signed", True)


def test_of_two_methods_and_keys_that_of_the_end_is_sent() -> None:
    sent = [
        taken("AP;0;3", ReadingContext.BEGIN, 0),
        taken(BEGIN, ReadingContext.BEGIN, 0, public_key="another"),
        taken(BEGIN, ReadingContext.BEGIN, 1),
        taken(END, ReadingContext.END, 60, public_key=PRINTED),
    ]
    found = signed_of(sent, FIVE)
    assert [value.signed_data for value in found.data.signed_values] == [BEGIN, END]
    assert found.remark == "2 signed values of another method or key are left out"


# The road


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_with_station(database_url, tmp_path) as hub:
        yield hub


@pytest.fixture
async def stations(tmp_path: Path) -> AsyncIterator[Stations]:
    stations = Stations(tmp_path)
    stations.fakes.network = "main"
    await stations.start()
    yield stations
    await stations.close()


def wrapped(data: str) -> str:
    """As the OCA application note has it."""
    said = {"signedMeterData": in_base64(data), "signingMethod": "", "encodingMethod": "OCMF", "publicKey": PRINTED}
    return json.dumps(said)


def sampled(context: str, minute: int, value: str) -> dict[str, Any]:
    entry = {"value": value, "format": "SignedData", "context": context}
    return {"timestamp": after(minute).isoformat(), "sampledValue": [entry]}


async def charge_16(stations: Stations, *, begin: str, end: str) -> None:
    """5 kWh at station GOOD, in frames."""
    station = await stations.station("GOOD")
    start = {"connectorId": 1, "idTag": UID, "meterStart": 1000, "timestamp": after(0).isoformat()}
    number = (await station.call("StartTransaction", start))["transactionId"]
    value = sampled("Transaction.Begin", 0, begin)
    await station.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": [value]})
    data = [sampled("Transaction.End", 60, end)]
    stop = {"transactionId": number, "meterStop": 6000, "timestamp": after(60).isoformat(), "transactionData": data}
    await station.call("StopTransaction", stop)


async def charge_2x(stations: Stations, version: str, *, begin: str, end: str) -> None:
    station = await stations.station2("GOOD", version=version)
    for number, (kind, context, minute, wh, data) in enumerate(
        (
            ("Started", "Transaction.Begin", 0, 1000, begin),
            ("Ended", "Transaction.End", 60, 6000, end),
        )
    ):
        value = {"value": wh, "context": context, "signedMeterValue": json.loads(wrapped(data))}
        more: dict[str, Any] = {"evse": {"id": 1, "connectorId": 1}} if kind == "Started" else {}
        values = [{"timestamp": after(minute).isoformat(), "sampledValue": [value]}]
        await station.event(kind, "tx", number, after(minute).isoformat(), tag=UID, meterValue=values, **more)


async def cdr_of(hub: HubInProcess, stations: Stations) -> CDR:
    """What was told goes through the bus as JSON."""
    messages = [fact.message for fact in stations.facts.facts]
    await tell(hub, *(msgspec.json.decode(msgspec.json.encode(each), type=type(each)) for each in messages))
    await let_pass(hub)
    [cdr] = await billed(hub)
    return cdr


def values_in(codec: Any, cdr: CDR) -> list[tuple[str, str, str]]:
    body = json.loads(dump_json(codec.encode(cdr).body))
    return [(each["nature"], each["plain_data"], each["signed_data"]) for each in body["signed_data"]["signed_values"]]


async def test_from_a_frame_of_ocpp_16_to_the_cdr(hub: HubInProcess, stations: Stations) -> None:
    await charge_16(stations, begin=wrapped(BEGIN), end=wrapped(END))
    cdr = await cdr_of(hub, stations)
    assert cdr.total_energy == FIVE
    assert "signed" not in (cdr.remark or ""), "it holds, and is what is billed"
    for codec in (v221.CODEC, v230.CODEC):
        assert values_in(codec, cdr) == [("Start", BEGIN, in_base64(BEGIN)), ("End", END, in_base64(END))]
        assert codec.encode(cdr).body["signed_data"]["public_key"] == PRINTED
    encoded = v211.CODEC.encode(cdr)
    assert "signed_data" not in encoded.body
    assert "signed_data" in [loss.path for loss in encoded.losses]


async def test_bare_records_of_ocpp_16_arrive_as_they_were_sent(hub: HubInProcess, stations: Stations) -> None:
    longest = END.replace('"G"', '"G", "GV": "\u00e9' + "x" * 6000 + '"', 1)
    await charge_16(stations, begin=BEGIN, end=longest)
    cdr = await cdr_of(hub, stations)
    assert values_in(v221.CODEC, cdr) == [("Start", BEGIN, BEGIN), ("End", longest, longest)]
    assert "signed meter data is not verified: the station sent no public key" in (cdr.remark or "")


async def test_a_signature_that_does_not_hold_is_said_in_the_cdr(hub: HubInProcess, stations: Stations) -> None:
    forged = END.replace("6.0", "7.0")
    await charge_16(stations, begin=wrapped(BEGIN), end=wrapped(forged))
    cdr = await cdr_of(hub, stations)
    assert "signed meter data does not hold" in (cdr.remark or "")
    assert values_in(v221.CODEC, cdr)[-1] == ("End", forged, in_base64(forged))


@pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
async def test_from_a_frame_of_ocpp_2_to_the_cdr(hub: HubInProcess, stations: Stations, version: str) -> None:
    less = record(reading("E", "5.0"))
    await charge_2x(stations, version, begin=BEGIN, end=less)
    cdr = await cdr_of(hub, stations)
    assert values_in(v230.CODEC, cdr) == [("Start", BEGIN, in_base64(BEGIN)), ("End", less, in_base64(less))]
    assert "5.000 kWh are billed, 4.0 kWh are signed" in (cdr.remark or "")


async def test_a_cdr_in_place_of_another_has_what_was_signed(hub: HubInProcess, stations: Stations) -> None:
    await charge_16(stations, begin=wrapped(BEGIN), end=wrapped(END))
    cdr = await cdr_of(hub, stations)
    async with hub.services.database.work() as work:
        party = PartyId.of(cdr.country_code, cdr.party_id)
        frozen: Tariff = decoded(TARIFF_CODECS, ocpi_bodies.tariff())
        await keep_snapshot(work.connection, key_of(party, cdr.session_id or ""), "tariff", frozen)
        corrected = await correct(work, party, cdr.id, reason="wrong", is_replaced=True)
    assert corrected.replacement is not None
    assert corrected.replacement.signed_data == cdr.signed_data

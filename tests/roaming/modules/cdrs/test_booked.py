"""A CDR of ours names the booking that its charge has used."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from roaming.model.identifiers import PartyId
from roaming.model.session import Session
from roaming.modules.bookings import service as bookings
from roaming.modules.bookings.repository import BOOKINGS
from roaming.modules.cdrs.service import issue_once
from roaming.modules.sessions import repository
from roaming.modules.sessions.service import CODECS
from roaming.ocpi import shelved
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import HOSTED_CPO, HubInProcess, decoded, hub_in_process
from tests.roaming.modules.cdrs.test_issuing import at

GOLDEN = Path(__file__).parents[3] / "golden" / "bookings" / "2.3.0" / "reserved.json"
BEGIN, END = "2026-12-01T08:00:00Z", "2026-12-01T09:00:00Z"


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(database_url, tmp_path, version="2.3.0") as running:
        yield running


async def book(hub: HubInProcess, id: str, emsp: str = "DE-AAA", **values: Any) -> None:
    """A booking at L1 from 8 to 10 with the card TOKEN1."""
    body = json.loads(GOLDEN.read_text())["wire"]
    token = {"country_code": emsp[:2], "party_id": emsp[3:], "uid": "TOKEN1", "type": "RFID", "contract_id": "C1"}
    period = {"start_date_time": BEGIN, "end_date_time": "2026-12-01T10:00:00Z"}
    body |= {"id": id, "country_code": "NL", "party_id": "HUB", "location_id": "L1", "period": period}
    body |= {"booking_tokens": [token], "authorization_reference": f"REF-{id}", "booking_option": {}} | values
    booking = bookings.CODECS[BOOKINGS.path][next(iter(bookings.CODECS[BOOKINGS.path]))].decode(body).value
    async with hub.services.database.work() as work:
        owner = PartyId.parse(HOSTED_CPO)
        await shelved.publish(work, "bookings", BOOKINGS, booking, owner=owner, scope=emsp)


async def booking_id(hub: HubInProcess, **values: Any) -> str | None:
    """Of the CDR of a charge at L1/E1 from 8 to 9 with the card TOKEN1."""
    times = {"start_date_time": BEGIN, "end_date_time": END, "status": "COMPLETED"}
    body = ocpi_bodies.session(HOSTED_CPO, "DE-AAA", **times) | values
    session: Session = decoded(CODECS, body)
    session = msgspec.structs.replace(session, id=f"S{values!r}"[:36])
    key = repository.key_of(PartyId.parse(HOSTED_CPO), session.id)
    directory = await hub.services.directory.current()
    async with hub.services.database.work() as work:
        place = msgspec.structs.replace(at(), id=session.location_id)
        await repository.keep_snapshot(work.connection, key, "location", place)
        assert await issue_once(work, directory, key, session, correlation_id="", cause="")
    listed = (await hub.call("aaa", "GET", "/2.3.0/sender/cdrs?limit=99")).data
    (cdr,) = (each for each in listed if each["session_id"] == session.id)
    found: str | None = cdr.get("booking_id")
    return found


async def test_the_one_that_the_charge_names_goes_before_all(hub: HubInProcess) -> None:
    await book(hub, "HERE")
    await book(hub, "ELSEWHERE", location_id="L9")
    await book(hub, "OTHERS", "DE-BBB", authorization_reference="REF-X")
    assert await booking_id(hub, authorization_reference="ref-elsewhere") == "ELSEWHERE"
    assert await booking_id(hub, authorization_reference="REF-X") == "HERE", "nobody names another's"
    assert await booking_id(hub) == "HERE"


@pytest.mark.parametrize(
    ("booked", "charged"),
    [
        ({"reservation_status": "CANCELED"}, {}),
        ({"reservation_status": "REJECTED"}, {"authorization_reference": "REF-B"}),
        ({"location_id": "L2"}, {}),
        ({"booking_option": {"evse_uid": "E2"}}, {}),
        ({"booking_tokens": []}, {}),
        ({}, {"start_date_time": "2026-12-01T10:00:00Z", "end_date_time": "2026-12-01T11:00:00Z"}),
    ],
    ids=["cancelled", "rejected", "elsewhere", "another EVSE", "another card", "later"],
)
async def test_what_was_not_used_is_not_named(hub: HubInProcess, booked: Any, charged: Any) -> None:
    await book(hub, "B", **booked)
    assert await booking_id(hub, **charged) is None


async def test_an_evse_that_was_booked_or_not_yet_chosen(hub: HubInProcess) -> None:
    for option in ({"evse_uid": "e1"}, {"evse_uid": "#NA"}):
        await book(hub, "B", booking_option=option)
        assert await booking_id(hub, kwh=1 if option["evse_uid"] == "e1" else 2) == "B"

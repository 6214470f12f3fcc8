"""Payments and bookings between two partners: what is for one of them passes through the hub, named or not."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.passing import Neighbour, Passing, parties_in, passing_hub
from tests.kit.scripted_partner import enveloped, http_answer

GOLDEN = Path(__file__).parents[2] / "golden"
HUB_ITSELF = "NL-HUX"
PAYMENTS, BOOKINGS = "payments", "bookings"
TERMINAL: dict[str, Any] = {"terminal_id": "T1", "city": "Wien", "last_updated": "2026-11-23T10:00:00Z"}
ASSIGNED = {"location_ids": ["L1"]}


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[Passing]:
    everybody = dict.fromkeys(("ope", "op2", "msp", "ms2", "ptp", "pt2"), "2.3.0")
    async with passing_hub(database_url, tmp_path, **everybody) as passing:
        yield passing


def golden(case: str, who: Neighbour, **values: Any) -> dict[str, Any]:
    """A body of bookings as one of ``who``."""
    found: dict[str, Any] = json.loads((GOLDEN / "bookings" / "2.3.0" / f"{case}.json").read_text())["wire"]
    country_code, party_id = who.party.split("-")
    return found | {"country_code": country_code, "party_id": party_id} | values


def of(who: Neighbour, module: str, side: str, *parts: str) -> str:
    path = {"sender": who.speech.sender, "receiver": who.speech.receiver}[side](module)
    return "/".join((path, *parts))


async def tell_terminal(hub: Passing, to: Neighbour | str | None = None, **values: Any) -> Any:
    return await hub.ptp.call("POST", of(hub.ptp, PAYMENTS, "receiver", "terminals"), to=to, body=TERMINAL | values)


async def book(hub: Passing, to: Neighbour | str | None = None, **values: Any) -> Any:
    """``msp`` asks; the CPO answers with a booking of its own, B1."""
    for name in {"ope", "op2"} & hub.of.keys():
        hub.of[name].says_data(golden("reserved", hub.of[name], id="B1"))
    body = golden("request", hub.msp, location_id="L1", **values)
    return await hub.msp.call("POST", of(hub.msp, BOOKINGS, "sender"), to=to, body=body)


async def test_a_terminal_and_its_assignment_pass_between_two_partners(hub: Passing) -> None:
    hub.ope.says = lambda _: http_answer(enveloped(None), status="201 Created", Location=f"{hub.ope.door.url}/held/T1")
    told = await tell_terminal(hub, hub.ope)
    assert told.outcome == (201, 1000), told.text
    assert hub.ope.last_body == TERMINAL
    assert hub.ope.last.target.endswith("/receiver/payments/terminals")
    assert parties_in(hub.ope.last.headers) == ("AT-PTP", "ES-OPE")
    hub.ope.says_data(TERMINAL)
    assert (await hub.ptp.call("GET", told.headers["location"])).data == TERMINAL
    assert hub.ope.last.target == "/held/T1"

    for to in (hub.ptp, None, HUB_ITSELF):
        changed = await hub.ope.call("PATCH", of(hub.ope, PAYMENTS, "sender", "terminals", "T1"), to=to, body=ASSIGNED)
        assert changed.outcome == (200, 1000), changed.text
        assert hub.ptp.last_body == ASSIGNED
        assert (hub.ptp.last.method, parties_in(hub.ptp.last.headers)) == ("PATCH", ("ES-OPE", "AT-PTP"))
    await hub.ope.call("POST", of(hub.ope, PAYMENTS, "sender", "terminals", "T1", "deactivate"))
    assert hub.ptp.last.target.endswith("/sender/payments/terminals/T1/deactivate")
    assert hub.pt2.asked == hub.op2.asked == []
    rows = await hub.hub.services.database.reader.fetch("SELECT key FROM payment_terminals")
    assert rows == [], "what passes is not kept"


async def test_a_terminal_is_none_to_whoever_it_was_not_told_to(hub: Passing) -> None:
    hub.ptp.says_data(TERMINAL)
    assert (await tell_terminal(hub, hub.ope)).code == 1000
    for method, path, body in (("GET", "T1", None), ("PATCH", "T1", ASSIGNED), ("POST", "T1/deactivate", None)):
        address = of(hub.op2, PAYMENTS, "sender", "terminals", path)
        assert (await hub.op2.call(method, address, to=hub.ptp, body=body)).http_status == 404, method
    assert hub.ptp.asked == []
    told = of(hub.ptp, PAYMENTS, "receiver", "terminals", "T1")
    assert (await hub.ptp.call("GET", told, to=hub.op2)).http_status == 404
    assert (await tell_terminal(hub, hub.op2)).code == 2001
    assert hub.op2.asked == []
    assert (await hub.ptp.call("GET", told, to=hub.ope)).code == 1000
    assert (await hub.ope.call("GET", of(hub.ope, PAYMENTS, "sender", "terminals", "T1"))).data == TERMINAL
    unheard_of = of(hub.op2, PAYMENTS, "sender", "terminals", "T2")
    assert (await hub.op2.call("GET", unheard_of, to=hub.ptp)).code == 1000


async def test_a_terminal_without_receiver_goes_to_the_cpo_that_it_names(hub: Passing) -> None:
    told = await tell_terminal(hub, country_code="ES", party_id="OP2")
    assert told.outcome == (200, 1000)
    assert hub.op2.last_body["terminal_id"] == "T1"
    assert hub.ope.asked == []


@pytest.mark.parametrize(("to", "named"), [(None, "OCPI-to"), (HUB_ITSELF, "OCPI-to")])
async def test_what_could_be_for_several_is_refused(hub: Passing, to: str | None, named: str) -> None:
    told = await tell_terminal(hub, to)
    assert told.code == 2001
    assert named in told.message
    assert (await hub.ope.call("GET", of(hub.ope, PAYMENTS, "sender", "terminals", "T1"))).http_status == 404
    asked = await hub.ope.call("POST", of(hub.ope, PAYMENTS, "sender", "terminals", "activate"), body=ASSIGNED)
    assert asked.code == 2001
    assert hub.ope.asked == hub.op2.asked == hub.ptp.asked == hub.pt2.asked == []


async def test_a_confirmation_stays_with_whom_it_was_told_to(hub: Passing) -> None:
    path = of(hub.ptp, PAYMENTS, "receiver", "financial-advice-confirmations")
    body = json.loads((GOLDEN / "payments" / "2.3.0" / "confirmation.json").read_text())["wire"]
    assert (await hub.ptp.call("POST", path, to=hub.ope, body=body)).code == 1000
    assert (await hub.ptp.call("POST", path, body=body)).code == 1000
    assert len(hub.ope.asked) == 2, "the second time by what was noted the first time"
    other = await hub.ptp.call("POST", path, to=hub.op2, body=body)
    assert other.code == 2001
    assert hub.op2.asked == []


async def test_a_booking_is_asked_for_told_and_changed_between_two_partners(hub: Passing) -> None:
    asked = await book(hub, hub.ope)
    assert asked.data["id"] == "B1"
    assert hub.ope.last_body["request_id"] == "R1"
    assert parties_in(hub.ope.last.headers) == ("IT-MSP", "ES-OPE")
    booking = golden("reserved", hub.ope, id="B1", booking_tokens=[])
    for method, body in (
        ("PUT", booking),
        ("PATCH", {"reservation_status": "FULFILLED", "last_updated": "2026-11-24T10:00:00Z"}),
    ):
        told = await hub.ope.push(method, BOOKINGS, "B1", body=body)
        assert told.code == 1000, told.text
        assert hub.msp.last_body == body
        assert parties_in(hub.msp.last.headers) == ("ES-OPE", "IT-MSP")
    assert hub.ms2.asked == []
    again = await book(hub, power_required=11)
    assert again.code == 1000
    assert (len(hub.ope.asked), len(hub.op2.asked)) == (2, 0), "a change goes where the request went"


async def test_a_booking_goes_to_nobody_but_the_emsp_that_asked(hub: Passing) -> None:
    await book(hub, hub.ope)
    booking = golden("reserved", hub.ope, id="B1", booking_tokens=[])
    assert (await hub.ope.push("PUT", BOOKINGS, "B1", to=hub.ms2, body=booking)).code == 2001
    assert (await hub.ope.push("PUT", BOOKINGS, "B1", to=HUB_ITSELF, body=booking)).code == 2001
    assert (await hub.ope.push("PUT", BOOKINGS, "NEW", body=booking | {"id": "NEW", "request_id": "R9"})).code == 2001
    assert (await hub.ope.push("PUT", BOOKINGS, "B1", to=hub.msp, body=booking | {"party_id": "OP2"})).code == 2001
    assert hub.ms2.asked == hub.msp.asked == []


async def test_a_booking_is_put_under_the_id_of_the_request_too(hub: Passing) -> None:
    booking = golden("reserved", hub.ope, id="B1", request_id="R1")
    assert (await hub.ope.push("PUT", BOOKINGS, "R1", to=hub.msp, body=booking)).code == 1000
    assert hub.msp.last.target.endswith("/receiver/bookings/ES/OPE/R1")
    assert (await hub.ope.push("PUT", BOOKINGS, "R2", to=hub.msp, body=booking)).code == 2001


@pytest.mark.parametrize("address", ["B2", "R1"])
async def test_two_emsps_may_ask_under_the_same_id(hub: Passing, address: str) -> None:
    await book(hub, hub.ope)
    booking = golden("reserved", hub.ope, id="B2", request_id="R1", booking_tokens=[])
    told = await hub.ope.push("PUT", BOOKINGS, address, to=hub.ms2, body=booking)
    assert told.code == 1000, told.text
    assert hub.ms2.last_body == booking
    other = booking | {"id": "B1"}
    assert (await hub.ope.push("PUT", BOOKINGS, "B1", to=hub.ms2, body=other)).code == 2001, "B1 is the first one's"


async def test_lists_and_places_pass_to_the_party_that_is_named(hub: Passing) -> None:
    place = golden("place_for_trucks", hub.ope)
    hub.ope.says_data([place])
    listed = await hub.msp.call("GET", of(hub.msp, BOOKINGS, "sender", "booking_locations"), to=hub.ope)
    assert listed.data == [place]
    pushed = await hub.ope.push("PUT", BOOKINGS, "booking_locations/BL1", to=hub.msp, body=place)
    assert pushed.code == 1000
    assert hub.msp.last.target.endswith("/receiver/bookings/ES/OPE/booking_locations/BL1")
    in_example = of(hub.ope, BOOKINGS, "receiver", "bookinglocations", "ES", "OPE", "BL1")
    assert (await hub.ope.call("PUT", in_example, to=hub.msp, body=place)).code == 1000
    assert hub.msp.last.target.endswith("/receiver/bookings/ES/OPE/booking_locations/BL1")
    rows = await hub.hub.services.database.reader.fetch("SELECT key FROM booking_locations")
    assert rows == []
    hub.ptp.says_data([TERMINAL])
    listed = await hub.ope.call("GET", of(hub.ope, PAYMENTS, "sender", "terminals"), to=hub.ptp)
    assert listed.data == [TERMINAL]


async def test_a_partner_of_an_older_version_has_no_bookings(database_url: str, tmp_path: Path) -> None:
    async with passing_hub(database_url, tmp_path, ope="2.2.1", msp="2.3.0") as hub:
        assert (await book(hub, hub.ope)).code == 4000
        assert hub.ope.asked == []

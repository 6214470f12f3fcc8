"""A booking that is asked for at another partner follows the rules of the place where the booking location is."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.kit.hub_in_process import Answer
from tests.kit.passing import Neighbour, Passing, passing_hub
from tests.kit.ruling import a_rule, rule
from tests.roaming.hub.test_between_two import BOOKINGS, golden, of

REFUSED = (200, 4001)


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[Passing]:
    """The CPO told of BL1 at L1, and of BL2 at L1 for its EVSE E2."""
    async with passing_hub(database_url, tmp_path, ope="2.3.0", msp="2.3.0") as passing:
        for id, option in (("BL1", None), ("BL2", {"evse_uid": "E2"})):
            place = golden("place_for_trucks", passing.ope, id=id, location_id="L1")
            del place["booking_option"]
            place |= {"booking_option": option} if option else {}
            told = await passing.ope.push("PUT", BOOKINGS, f"booking_locations/{id}", body=place)
            assert told.code == 1000, told.text
        passing.ope.says_data(golden("reserved", passing.ope, id="B1"))
        yield passing


async def ask(hub: Passing, *, without: str = "", is_named: bool = True, **values: Any) -> Answer:
    body = golden("request", hub.msp, **{"location_id": "L1", "booking_location_id": "BL1"} | values)
    body.pop(without, None)
    to = hub.ope if is_named else None
    return await hub.msp.call("POST", of(hub.msp, BOOKINGS, "sender"), to=to, body=body)


async def closed(hub: Passing, *place: str, kind: str = "locations") -> None:
    await rule(hub.hub.services.database, [a_rule("deny", kind, "ES-OPE", *place)])


@pytest.mark.parametrize("kind", ["locations", "tokens"])
async def test_the_booking_locations_own_place_decides(hub: Passing, kind: str) -> None:
    await closed(hub, "L1", kind=kind)
    for location_id in ("L1", "l1", "L2"):
        assert (await ask(hub, location_id=location_id)).outcome == REFUSED, location_id
    assert (await ask(hub, is_named=False)).http_status == 404
    assert hub.ope.asked == []
    await closed(hub, "L2", kind=kind)
    assert (await ask(hub, location_id="l1", booking_location_id="bl1")).code == 1000


@pytest.mark.parametrize("field", ["location_id", "booking_location_id"])
async def test_where_it_is_must_be_said_and_be_true(hub: Passing, field: str) -> None:
    await closed(hub, "L9")
    for answer in (await ask(hub, without=field), await ask(hub, **{field: 5}), await ask(hub, **{field: ""})):
        assert answer.code == 2001
        assert answer.message.startswith((f"{field}: required", f"{field}: expected a string"))
    other = await ask(hub, **{field: "L2"})
    assert other.code == (2001 if field == "location_id" else 4001)
    assert (await ask(hub, booking_location_id="\0")).outcome == REFUSED
    assert hub.ope.asked == []
    await rule(hub.hub.services.database, [])
    assert (await ask(hub, booking_location_id="BL9")).code == 1000, "without rules that is the CPO's to know"


async def test_its_evse_decides_and_the_one_that_is_asked_for(hub: Passing) -> None:
    await closed(hub, "L1", "E2")
    for place, option, outcome in (
        ("BL2", {}, REFUSED),
        ("BL2", {"evse_uid": "E1"}, REFUSED),
        ("BL2", {"evse_uid": "#NA"}, REFUSED),
        ("BL1", {"evse_uid": "E2"}, REFUSED),
        ("BL1", {"evse_uid": "E1"}, (200, 1000)),
        ("BL1", {"evse_uid": "#NA"}, (200, 1000)),
    ):
        answer = await ask(hub, booking_location_id=place, booking_option=option, evse_uids=["E1"], evse_uid="E1")
        assert answer.outcome == outcome, (place, option)


async def tell_one(
    hub: Passing, id: str, *, to: Neighbour, method: str = "PUT", is_as_in_examples: bool = False, **values: Any
) -> Answer:
    """The CPO tells one eMSP of what it offers, and the hub keeps no copy."""
    whole = golden("place_for_trucks", hub.ope, id=id)
    del whole["booking_option"]
    body = whole | values if method == "PUT" else values | {"last_updated": whole["last_updated"]}
    address = f"{hub.ope.speech.receiver(BOOKINGS)}/ES/OPE/booking_locations/{id}"
    if is_as_in_examples:
        address = f"{hub.ope.speech.receiver(BOOKINGS)}/bookinglocations/ES/OPE/{id}"
    return await hub.ope.call(method, address, to=to, body=body)


async def test_what_one_emsp_was_told_of_follows_the_rules_of_its_place_too(hub: Passing) -> None:
    await closed(hub, "L9")
    assert (await ask(hub, booking_location_id="OWN", location_id="L2")).outcome == REFUSED, "nobody was told of it"
    assert (await tell_one(hub, "OWN", to=hub.msp, location_id="L2")).code == 1000
    assert (await ask(hub, booking_location_id="own", location_id="L2")).code == 1000
    assert (await ask(hub, booking_location_id="OWN", location_id="L9")).code == 2001
    await closed(hub, "L2")
    assert (await ask(hub, booking_location_id="OWN", location_id="L2")).outcome == REFUSED
    await closed(hub, "L2", "E7")
    assert (await ask(hub, booking_location_id="OWN", location_id="L2")).code == 1000
    option = {"booking_option": {"evse_uid": "E7"}}
    await rule(hub.hub.services.database, [])
    assert (await tell_one(hub, "OWN", to=hub.msp, method="PATCH", **option)).code == 1000
    await closed(hub, "L2", "E7")
    assert (await ask(hub, booking_location_id="OWN", location_id="L2")).outcome == REFUSED


@pytest.mark.parametrize("is_as_in_examples", [False, True])
async def test_an_owner_tells_one_emsp_of_what_rules_let_it_see(hub: Passing, is_as_in_examples: bool) -> None:
    tell = partial(tell_one, hub, "OWN", to=hub.msp, is_as_in_examples=is_as_in_examples)
    await closed(hub, "L2")
    assert (await tell(location_id="L2")).outcome == REFUSED
    assert (await tell(location_id="L1")).code == 1000
    patch = partial(tell, method="PATCH", policy={"reservation_required": True})
    assert (await patch()).code == 1000, "it is at L1, as was told before"
    await closed(hub, "L1")
    assert (await patch()).outcome == REFUSED
    await closed(hub, "L1", "E3")
    assert (await patch(booking_option={"evse_uid": "E3"})).outcome == REFUSED
    assert len(hub.msp.asked) == 2

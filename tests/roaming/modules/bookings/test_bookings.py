"""Bookings on both sides: a hosted CPO and a partner's eMSP, a partner's CPO and a hosted eMSP."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from roaming.model.identifiers import PartyId
from roaming.model.version import Version
from roaming.modules.bookings import asking, service
from roaming.modules.bookings.asking import NotDone, Pair
from roaming.ocpi.errors import NotFound
from roaming.partners import registry
from tests.kit.answering_partner import answering_partner, delivering
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.listing_partner import ListingPartner, listen_at, pull_lists
from tests.kit.scripted_partner import ScriptedPartner
from tests.kit.wait import until

GOLDEN = Path(__file__).parents[3] / "golden" / "bookings" / "2.3.0"
SENDER, RECEIVER = "/2.3.0/sender/bookings", "/2.3.0/receiver/bookings"
HUB, HOME, AAA, CPO = PartyId("NL", "HUB"), PartyId("DE", "HME"), PartyId("DE", "AAA"), PartyId("FR", "CPO")
LATER = "2026-11-24T10:00:00Z"


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(database_url, tmp_path, version="2.3.0") as running:
        yield running


def body(case: str, party: str = "NL-HUB", **values: Any) -> dict[str, Any]:
    """The golden file's body as one of ``party``, at a time that has yet to come."""
    text = (GOLDEN / f"{case}.json").read_text().replace("2026-12-01T", "2096-12-01T")
    found: dict[str, Any] = json.loads(text)["wire"]
    owner = {"country_code": party[:2], "party_id": party[3:]} if "party_id" in found else {}
    return found | owner | values


async def offer(hub: HubInProcess, **values: Any) -> None:
    async with hub.services.database.work() as work:
        (codec,) = service.CODECS["booking_locations"].values()
        await service.publish(work, codec.decode(body("place_for_trucks", **values)).value)


async def ask(hub: HubInProcess, who: str = "aaa", case: str = "request", **values: Any) -> Any:
    return await hub.call(who, "POST", SENDER, body=body(case, **values))


async def decide(hub: HubInProcess, id: str, *, is_accepted: bool) -> None:
    async with hub.services.database.work() as work:
        await service.decide(work, HUB, id, is_accepted=is_accepted)


@pytest.mark.ocpi_cell("bookings", "2.3.0", "sender", "server")
async def test_what_can_be_booked_is_shown_at_every_level(hub: HubInProcess) -> None:
    await offer(hub)
    assert (await hub.call("aaa", "GET", f"{SENDER}/booking_locations")).data == [body("place_for_trucks")]
    assert (await hub.call("aaa", "GET", f"{SENDER}/booking_locations/bl1")).data == body("place_for_trucks")
    calendar = body("place_for_trucks")["calendars"][0]
    assert (await hub.call("aaa", "GET", f"{SENDER}/booking_locations/BL1/C1")).data == calendar
    assert (await hub.call("aaa", "GET", f"{SENDER}/booking_locations/BL1/C9")).http_status == 404
    async with hub.services.database.work() as work:
        await registry.agree(work, cpo=HUB, emsp=AAA, is_active=False)
    assert (await hub.call("aaa", "GET", f"{SENDER}/booking_locations")).data == []
    assert (await hub.call("aaa", "GET", f"{SENDER}/booking_locations/BL1")).http_status == 404
    assert (await ask(hub)).http_status == 404


@pytest.mark.ocpi_cell("bookings", "2.3.0", "sender", "server")
async def test_a_place_is_asked_for_decided_and_cancelled(hub: HubInProcess) -> None:
    await offer(hub)
    asked = await ask(hub)
    assert asked.outcome == (200, 1000), asked.text
    booking = asked.data
    assert (booking["reservation_status"], booking["request_id"], booking["location_id"]) == ("PENDING", "R1", "OURS")
    assert booking["booking_terms"] == body("place_for_trucks")["booking_terms"]
    assert (await hub.call("aaa", "GET", SENDER)).data == [booking]
    assert (await hub.call("bbb", "GET", SENDER)).data == [], "it is between two parties"
    await decide(hub, booking["id"], is_accepted=True)
    (reserved,) = (await hub.call("aaa", "GET", SENDER)).data
    assert reserved["reservation_status"] == "RESERVED"
    assert [entry["request_status"] for entry in reserved["booking_requests"]] == ["ACCEPTED"]
    changed = (await ask(hub, power_required=100)).data
    assert (changed["id"], changed["reservation_status"]) == (booking["id"], "RESERVED"), "a change waits"
    assert [entry["request_status"] for entry in changed["booking_requests"]] == ["ACCEPTED", "PENDING"]
    await decide(hub, booking["id"], is_accepted=False)
    cancelled = (await ask(hub, case="cancellation")).data
    assert cancelled["reservation_status"] == "CANCELED"
    assert [entry["request_status"] for entry in cancelled["booking_requests"]] == ["ACCEPTED", "DECLINED", "ACCEPTED"]
    assert cancelled["canceled"]["cancellation_reason"] == "TRAFFIC"
    late = (await ask(hub)).data
    assert (late["reservation_status"], late["booking_requests"][-1]["request_status"]) == ("CANCELED", "DECLINED")
    with pytest.raises(NotFound):
        await decide(hub, booking["id"], is_accepted=True)


async def test_the_last_request_once_more_changes_nothing(hub: HubInProcess) -> None:
    await offer(hub)
    asked = (await ask(hub)).data
    assert (await ask(hub)).data == asked
    await decide(hub, asked["id"], is_accepted=True)
    reserved = (await ask(hub)).data
    assert [entry["request_status"] for entry in reserved["booking_requests"]] == ["ACCEPTED"]
    changed = (await ask(hub, power_required=100)).data
    assert (await ask(hub, power_required=100)).data == changed
    back = (await ask(hub)).data
    assert len(back["booking_requests"]) == 3, "a change back is a change"
    cancelled = (await ask(hub, case="cancellation")).data
    assert cancelled["reservation_status"] == "CANCELED"
    assert (await ask(hub, case="cancellation")).data == cancelled
    assert (await hub.call("aaa", "GET", SENDER)).data == [cancelled]


async def test_a_cancellation_that_comes_too_late_is_declined(hub: HubInProcess) -> None:
    terms = body("place_for_trucks")["booking_terms"] | {"cancel_until_minutes": 60_000_000}
    await offer(hub, booking_terms=terms)
    await decide(hub, (await ask(hub)).data["id"], is_accepted=True)
    kept = (await ask(hub, case="cancellation")).data
    assert (kept["reservation_status"], kept["booking_requests"][-1]["request_status"]) == ("RESERVED", "DECLINED")


async def test_the_same_request_id_of_another_emsp_is_another_booking(hub: HubInProcess) -> None:
    await offer(hub)
    first, second = (await ask(hub)).data, (await ask(hub, "bbb")).data
    assert first["id"] != second["id"]
    assert (await hub.call("bbb", "GET", SENDER)).data == [second]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"location_id": "OTHER"}, "location_id"),
        ({"period": {"start_date_time": LATER, "end_date_time": LATER}}, "period.end_date_time"),
        ({"period": None}, "period"),
        ({"canceled": {"cancellation_reason": "FULL", "who_canceled": "EMSP"}}, "request_id"),
    ],
)
async def test_what_cannot_be_booked_is_named(hub: HubInProcess, values: dict[str, Any], named: str) -> None:
    await offer(hub)
    answer = await ask(hub, **values)
    assert answer.outcome == (200, 2001)
    assert named in answer.message
    assert (await ask(hub, booking_location_id="NONE")).http_status == 404
    assert (await ask(hub, "cpo")).code == 2001, "no eMSP"


@pytest.mark.ocpi_cell("bookings", "2.3.0", "receiver", "server")
async def test_what_a_cpo_tells_is_kept(hub: HubInProcess) -> None:
    place, address = body("place_for_trucks", "FR-CPO"), f"{RECEIVER}/FR/CPO/booking_locations/BL1"
    assert (await hub.call("cpo", "PUT", address, body=place)).outcome == (201, 1000)
    assert (await hub.call("cpo", "PUT", address, body=place)).outcome == (200, 1000)
    change = {"tariff_ids": ["T2"], "last_updated": LATER}
    assert (await hub.call("cpo", "PATCH", address, body=change)).outcome == (200, 1000)
    calendar = place["calendars"][0] | {"id": "C2", "last_updated": "2026-11-25T10:00:00Z"}
    assert (await hub.call("cpo", "PUT", f"{address}/C2", body=calendar)).outcome == (201, 1000)
    moved = {"timeslot_increment": 30, "last_updated": "2026-11-26T10:00:00Z"}
    assert (await hub.call("cpo", "PATCH", f"{address}/C2", body=moved)).outcome == (200, 1000)
    assert (await hub.call("cpo", "GET", f"{address}/C2")).data == calendar | moved
    stored = (await hub.call("cpo", "GET", address)).data
    assert stored == place | change | {
        "calendars": [*place["calendars"], calendar | moved],
        "last_updated": moved["last_updated"],
    }
    booking, address = body("reserved", "FR-CPO"), f"{RECEIVER}/FR/CPO/B1"
    assert (await hub.call("cpo", "PUT", address, body=booking)).outcome == (201, 1000)
    change = {"reservation_status": "FULFILLED", "last_updated": LATER}
    assert (await hub.call("cpo", "PATCH", address, body=change)).outcome == (200, 1000)
    assert (await hub.call("cpo", "GET", address)).data == booking | change
    for other in ("riv", "aaa"):
        assert (await hub.call(other, "GET", address)).code == 2001
        assert (await hub.call(other, "PUT", address, body=booking)).code == 2001
    rows = await hub.services.database.reader.fetch("SELECT source, scope FROM bookings")
    assert [tuple(row) for row in rows] == [("cpo", "DE-HME")]


@pytest.mark.ocpi_cell("bookings", "2.3.0", "receiver", "client")
async def test_what_a_hosted_cpo_offers_and_decides_is_pushed(hub: HubInProcess) -> None:
    async with answering_partner(hub, "aaa", "DE-AAA", "EMSP") as partner, delivering(hub):
        await offer(hub)
        end = f"{RECEIVER}/NL/HUB/booking_locations/BL1"
        (told,) = await until(lambda: partner.of("PUT", end))  # type: ignore[misc]
        assert told.body == body("place_for_trucks")
        id = (await ask(hub)).data["id"]
        await decide(hub, id, is_accepted=True)
        told = await until(lambda: [e for e in partner.of("PUT", id) if e.body["reservation_status"] == "RESERVED"])
        assert told[0].path == f"{RECEIVER}/NL/HUB/{id}"  # type: ignore[index]
        other = (await ask(hub, "bbb")).data["id"]
        await decide(hub, other, is_accepted=True)
        await offer(hub, last_updated=LATER)
        await until(lambda: len(partner.of("PUT", end)) == 2)
        assert not partner.of("PUT", other), "another eMSP's"


@pytest.mark.ocpi_cell("bookings", "2.3.0", "sender", "client")
async def test_a_hosted_emsp_asks_a_cpo_and_reads_its_lists(hub: HubInProcess) -> None:
    wish = service.REQUEST_CODECS[Version.V2_3_0].decode(body("request", "FR-CPO")).value
    pair = Pair(emsp=HOME, cpo=CPO)
    async with answering_partner(hub, "cpo", "FR-CPO", "CPO") as partner:
        partner.answers["sender/bookings"] = body("reserved", "FR-CPO", id="ASKED")
        cpo = (await hub.services.directory.current()).partners["cpo"]
        assert (await asking.request(hub.services, cpo, pair, wish)).id == "ASKED"
        (taken,) = partner.of("POST")
        assert (taken.path, taken.body) == (SENDER, body("request", "FR-CPO"))
        assert (taken.headers["ocpi-from-party-id"], taken.headers["ocpi-to-party-id"]) == ("HME", "CPO")
        partner.answers["sender/bookings"] = body("reserved", "FR-RIV")
        with pytest.raises(NotDone, match="FR-RIV"):
            await asking.request(hub.services, cpo, pair, wish)
    listing = ListingPartner(
        {
            "booking_locations": [body("place_for_trucks", "FR-CPO", id=id) for id in "ABC"] + [{"id": "X"}],
            "bookings": [body("reserved", "FR-CPO", id="B9"), body("reserved", "FR-RIV", id="B8")],
        }
    )
    async with ScriptedPartner(listing) as listening:
        await listen_at(hub, "cpo", listening.url, ("bookings",), version="2.3.0")
        places, bookings = await pull_lists(hub, "cpo", "bookings/booking_locations", "bookings")
    assert (places.state, places.progress.new, places.progress.refused) == ("DONE", 3, 1)
    assert (bookings.state, bookings.progress.new, bookings.progress.refused) == ("DONE", 1, 1)
    rows = await hub.services.database.reader.fetch("SELECT object_id FROM booking_locations")
    assert sorted(row[0] for row in rows) == ["A", "B", "C"]
    rows = await hub.services.database.reader.fetch("SELECT object_id, scope FROM bookings")
    assert sorted(tuple(row) for row in rows) == [("ASKED", "DE-HME"), ("B9", "DE-HME")]

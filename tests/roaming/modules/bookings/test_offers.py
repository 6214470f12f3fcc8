"""Who is shown what can be booked: by agreement, rules, time, and whoever gave it to the hub."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from roaming.hub import retelling
from roaming.hub.retelling import Reteller
from roaming.model.identifiers import PartyId
from roaming.modules.bookings import repository, service, showing
from roaming.partners import registry
from roaming.partners.agreements import Rule
from roaming.partners.views import View
from roaming.store import migrate
from roaming.store.database import Database
from roaming.store.locks import ProcessLocks
from tests.kit.answering_partner import answering_partner, delivering
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.ruling import a_rule, change, rule
from tests.kit.wait import until

GOLDEN = Path(__file__).parents[3] / "golden" / "bookings" / "2.3.0"
SENDER, RECEIVER = "/2.3.0/sender/bookings", "/2.3.0/receiver/bookings"
OFFERED = f"{SENDER}/booking_locations"
TO_HOSTED = {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "HME"}
CPO, AAA = PartyId("FR", "CPO"), PartyId("DE", "AAA")


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """FR-CPO has an agreement with DE-AAA, and with no other partner."""
    async with hub_in_process(database_url, tmp_path, version="2.3.0", hub_party="NL-ZZZ") as running:
        async with running.services.database.work() as work:
            await registry.agree(work, cpo=CPO, emsp=AAA)
        await running.connect("aaa", "DE-AAA", "EMSP", more_modules=("bookings",))
        yield running


def body(case: str = "place_for_trucks", party: str = "NL-HUB", **values: Any) -> dict[str, Any]:
    text = (GOLDEN / f"{case}.json").read_text().replace("2026-12-01T", "2096-12-01T")
    found: dict[str, Any] = json.loads(text)["wire"]
    return found | {"country_code": party[:2], "party_id": party[3:]} | values


def slots(*times: str) -> list[dict[str, Any]]:
    """A calendar with a timeslot for each ``08:00-09:00``."""
    entries = [
        {"start_date_time": f"2096-12-01T{begin}:00Z", "end_date_time": f"2096-12-01T{end}:00Z"}
        for begin, _, end in (time.partition("-") for time in times)
    ]
    return [body()["calendars"][0] | {"available_timeslots": entries}]


async def offer(hub: HubInProcess, *ids: str, **values: Any) -> None:
    async with hub.services.database.work() as work:
        (codec,) = service.CODECS["booking_locations"].values()
        for id in ids:
            await service.publish(work, codec.decode(body(id=id, **values)).value)


async def seen(hub: HubInProcess, who: str = "aaa", query: str = "") -> list[str]:
    """Ids of the whole list, in pages of one, whose count is right."""
    pages = await hub.pages(who, f"{OFFERED}?limit=1{query}")
    ids = [entry["id"] for page in pages for entry in page.data]
    assert [page.headers["x-total-count"] for page in pages] == [str(len(ids))] * len(pages)
    return sorted(ids)


@pytest.mark.parametrize(
    ("begin", "end", "found"),
    [
        ("", "", ["DAY", "EVENING", "NEVER"]),
        ("09:00", "", ["DAY", "EVENING"]),
        ("12:00", "18:00", []),
        ("11:59", "18:01", ["DAY", "EVENING"]),
        ("", "08:00", []),
        ("18:00", "18:30", ["EVENING"]),
        ("22:00", "", []),
    ],
)
async def test_a_list_is_narrowed_to_when_something_is_available(
    hub: HubInProcess, begin: str, end: str, found: list[str]
) -> None:
    await offer(hub, "DAY", calendars=slots("08:00-09:30", "10:00-12:00"))
    await offer(hub, "EVENING", calendars=slots("19:00-20:00"))
    await offer(hub, "EVENING", calendars=slots("18:00-22:00"))  # the slots of before are gone
    await offer(hub, "NEVER", calendars=[])
    query = "".join(
        f"&{name}={quote(f'2096-12-01T{time}:00Z')}"
        for name, time in (("timeslot_from", begin), ("timeslot_to", end))
        if time
    )
    assert await seen(hub, query=query) == found


async def test_a_time_that_is_none_is_named(hub: HubInProcess) -> None:
    answer = await hub.call("aaa", "GET", f"{OFFERED}?timeslot_from=noon")
    assert answer.outcome == (200, 2001)
    assert "timeslot_from" in answer.message


@pytest.mark.parametrize("is_timed", [False, True])
async def test_rules_hide_places_and_offer_other_tariffs(hub: HubInProcess, is_timed: bool) -> None:
    query = f"&timeslot_from={quote('2096-12-01T00:00:00Z')}" if is_timed else ""
    await offer(hub, "HERE")
    await offer(hub, "THERE", location_id="OTHER", booking_option={"vehicle_types": ["BUS"]})
    database = hub.services.database
    await rule(database, [a_rule("deny", "locations", object_id="OURS", partner="aaa")])
    assert await seen(hub, query=query) == ["THERE"]
    assert (await hub.call("aaa", "GET", f"{OFFERED}/HERE")).http_status == 404
    assert (await hub.call("aaa", "POST", SENDER, body=body("request", booking_location_id="HERE"))).http_status == 404
    assert await seen(hub, "bbb", query=query) == ["HERE", "THERE"]
    await rule(database, [a_rule("deny", "locations", object_id="OURS", evse_uid="OURS-1")])
    assert await seen(hub, query=query) == ["THERE"]
    everything = a_rule("deny", "locations", partner="aaa")
    await rule(database, [everything, a_rule("allow", "locations", object_id="OURS", partner="aaa")])
    assert await seen(hub, query=query) == ["HERE"]
    await rule(database, [a_rule("price", "locations", object_id="OURS", partner="aaa", tariffs=["DEAR"])])
    listed = (await hub.call("aaa", "GET", f"{OFFERED}?limit=9{query}")).data
    assert {entry["id"]: entry["tariff_ids"] for entry in listed} == {"HERE": ["DEAR"], "THERE": ["OURS"]}
    assert (await hub.call("aaa", "GET", f"{OFFERED}/HERE")).data == body(id="HERE", tariff_ids=["DEAR"])
    asked = await hub.call("aaa", "POST", SENDER, body=body("request", booking_location_id="HERE"))
    assert asked.data["tariff_ids"] == ["DEAR"]
    await rule(database, [a_rule("deny", "tokens", object_id="OURS", partner="aaa")])
    other = body("request", booking_location_id="HERE", request_id="R2")
    assert (await hub.call("aaa", "POST", SENDER, body=other)).http_status == 404, "its drivers may not charge there"


async def test_a_push_is_as_rules_say(hub: HubInProcess) -> None:
    rules = [
        a_rule("deny", "locations", object_id="OURS", partner="aaa"),
        a_rule("price", "locations", object_id="OTHER", partner="aaa", tariffs=["DEAR"]),
    ]
    await rule(hub.services.database, rules)
    async with answering_partner(hub, "aaa", "DE-AAA", "EMSP") as partner, delivering(hub):
        await offer(hub, "HIDDEN")
        await offer(hub, "SHOWN", location_id="OTHER")
        (told,) = await until(lambda: partner.of("PUT", "SHOWN"))  # type: ignore[misc]
        assert told.body == body(id="SHOWN", location_id="OTHER", tariff_ids=["DEAR"])
        assert not partner.of("PUT", "HIDDEN")


async def change_and_tell(hub: HubInProcess, *rules: Rule, drop: int | None = None) -> int:
    """Puts rules, or drops one, and has partners told; the number of the last one."""
    number = await change(hub.services.database, *rules, drop=drop)
    reteller = Reteller(hub.services, hub.services.modules, ProcessLocks())
    while await reteller.tell_once():
        pass
    return number


async def test_a_change_of_rules_is_told(hub: HubInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retelling, "BATCH", 1)
    await offer(hub, "BL1", "BL2")
    await offer(hub, "OTHER", location_id="ELSEWHERE")
    required = {"country_code", "party_id", "id", "location_id", "last_updated"}
    async with answering_partner(hub, "ccc", "DE-CCC", "EMSP") as partner, delivering(hub):

        async def told(count: int) -> list[tuple[str, Any]]:
            """What came since the last look, once all is told."""
            found = await until(lambda: len(partner.of("PUT")) >= count and partner.of("PUT"))  # type: ignore[misc]
            bodies = sorted((entry.body["id"], entry.body) for entry in found if "booking_locations" in entry.path)
            partner.taken.clear()
            return bodies

        await told(3)
        number = await change_and_tell(hub, a_rule("deny", "locations", object_id="OURS", partner="ccc"))
        assert [(id, each.keys()) for id, each in await told(2)] == [("BL1", required), ("BL2", required)]
        await change_and_tell(hub, drop=number)
        assert await told(2) == [(id, body(id=id)) for id in ("BL1", "BL2")]
        await change_and_tell(hub, a_rule("price", "locations", partner="ccc", tariffs=["DEAR"]))
        changed_prices = await told(3)
        assert [(id, each["tariff_ids"]) for id, each in changed_prices] == [
            (id, ["DEAR"]) for id in ("BL1", "BL2", "OTHER")
        ]
        await change_and_tell(hub, a_rule("deny", "locations", object_id="OURS", partner="aaa"))
        assert partner.taken == [], "it is about another"


async def test_each_party_of_a_platform_sees_what_is_its_own(hub: HubInProcess) -> None:
    """With agreements alone, and with rules."""
    one, two = ({"OCPI-from-country-code": "DE", "OCPI-from-party-id": id} for id in ("TW1", "TW2"))
    await hub.connect("two", "DE-TW1 DE-TW2", "EMSP", more_modules=("bookings",))
    async with hub.services.database.work() as work:
        await registry.agree(work, cpo=CPO, emsp=PartyId("DE", "TW1"))
    await offer(hub, "OURS")
    place, address = body(party="FR-CPO"), f"{RECEIVER}/FR/CPO/booking_locations/BL1"
    assert (await hub.call("cpo", "PUT", address, body=place)).code == 1000

    async def sees(headers: dict[str, str]) -> list[str]:
        listed = [entry["id"] for entry in (await hub.call("two", "GET", OFFERED, headers=headers)).data]
        for id in ("OURS", "BL1"):
            answer = await hub.call("two", "GET", f"{OFFERED}/{id}", headers=headers)
            assert (answer.http_status == 200) == (id in listed), id
        return sorted(listed)

    assert [await sees(each) for each in (one, two, {})] == [["BL1", "OURS"], ["OURS"], ["BL1", "OURS"]]
    await rule(hub.services.database, [a_rule("deny", "locations", object_id="OURS", party="DE-TW1")])
    assert [await sees(each) for each in (one, two, {})] == [["BL1"], ["OURS"], ["BL1", "OURS"]]
    for party, headers in (("DE-TW2", two), ("DE-TW1", one)):
        wish = body("request", party=party, booking_location_id="OURS", request_id=party)
        answer = await hub.call("two", "POST", SENDER, body=wish, headers=headers)
        assert (answer.http_status == 200) == (headers is two)
    assert len((await hub.call("two", "GET", SENDER, headers=two)).data) == 1
    async with hub.services.database.work() as work:
        await registry.agree(work, cpo=PartyId("NL", "HUB"), emsp=PartyId("DE", "TW2"), is_active=False)
    assert (await hub.call("two", "GET", SENDER, headers=two)).data == []


async def test_what_a_partner_offers_reaches_the_others_under_agreement(hub: HubInProcess) -> None:
    place, address = body(party="FR-CPO"), f"{RECEIVER}/FR/CPO/booking_locations/BL1"
    async with answering_partner(hub, "aaa", "DE-AAA", "EMSP") as partner, delivering(hub):
        assert (await hub.call("cpo", "PUT", address, body=place)).outcome == (201, 1000)
        (told,) = await until(lambda: partner.of("PUT", "FR/CPO/booking_locations/BL1"))  # type: ignore[misc]
        assert told.body == place
        assert told.headers["ocpi-from-party-id"] == "ZZZ", "the hub tells it"
    assert await seen(hub) == ["BL1"]
    assert (await hub.call("aaa", "GET", f"{OFFERED}/BL1/C1")).data == place["calendars"][0]
    assert await seen(hub, "bbb") == []
    assert (await hub.call("bbb", "GET", f"{OFFERED}/BL1")).http_status == 404


async def test_what_is_for_one_hosted_party_is_shown_to_nobody(hub: HubInProcess) -> None:
    address = f"{RECEIVER}/FR/CPO/booking_locations/BL1"
    assert (await hub.call("cpo", "PUT", address, body=body(party="FR-CPO"), headers=TO_HOSTED)).code == 1000
    assert await seen(hub) == []
    assert (await hub.call("aaa", "GET", f"{OFFERED}/BL1")).http_status == 404


async def test_one_request_makes_one_booking_however_often_it_comes_at_once(hub: HubInProcess) -> None:
    await offer(hub, "BL1")
    answers = await asyncio.gather(*(hub.call("aaa", "POST", SENDER, body=body("request")) for _ in range(5)))
    assert {answer.outcome for answer in answers} == {(200, 1000)}
    assert len({answer.data["id"] for answer in answers}) == 1
    (booking,) = (await hub.call("aaa", "GET", SENDER)).data
    assert len(booking["booking_requests"]) == 1


async def test_a_booking_is_known_by_the_id_of_its_request_too(hub: HubInProcess) -> None:
    booking = body("reserved", "FR-CPO")
    of_request = f"{RECEIVER}/FR/CPO/{booking['request_id'].lower()}"
    assert (await hub.call("cpo", "PUT", of_request, body=booking, headers=TO_HOSTED)).outcome == (201, 1000)
    assert (await hub.call("cpo", "GET", of_request)).data == booking
    assert (await hub.call("cpo", "GET", f"{RECEIVER}/FR/CPO/{booking['id']}")).data == booking
    change = {"reservation_status": "NO_SHOW", "last_updated": "2026-11-24T10:00:00Z"}
    assert (await hub.call("cpo", "PATCH", of_request, body=change)).outcome == (200, 1000)
    assert (await hub.call("cpo", "GET", of_request)).data == booking | change
    assert (await hub.call("riv", "GET", of_request)).code == 2001


async def test_addresses_as_in_the_examples_are_good_too(hub: HubInProcess) -> None:
    place, address = body(party="FR-CPO"), f"{RECEIVER}/bookinglocations/FR/CPO/BL1"
    assert (await hub.call("cpo", "PUT", address, body=place)).outcome == (201, 1000)
    change = {"timeslot_increment": 30, "last_updated": "2026-11-24T10:00:00Z"}
    assert (await hub.call("cpo", "PATCH", f"{address}/C1", body=change)).outcome == (200, 1000)
    stored = await hub.call("cpo", "GET", f"{RECEIVER}/FR/CPO/booking_locations/BL1/C1")
    assert stored.data == place["calendars"][0] | change == (await hub.call("cpo", "GET", f"{address}/C1")).data


async def test_an_upgrade_finds_what_was_there_before(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    await migrate.upgrade(url, "0023")
    database = await Database.open(url)
    golden = {name: json.loads((GOLDEN / f"{name}.json").read_text()) for name in ("place_for_trucks", "reserved")}
    async with database.work() as work:
        for table, case in (("booking_locations", "place_for_trucks"), ("bookings", "reserved")):
            await work.connection.exec_driver_sql(
                f"INSERT INTO {table} (key, country_code, party_id, object_id, source, scope, is_listed,"
                " origin_version, last_updated, received_at, revision, document, live)"
                " VALUES ('k', 'NL', 'HUB', 'x', '', '', 1, '2.3.0', '', '', 1, ?, '')",
                (json.dumps(golden[case]["canonical"]),),
            )
    await database.close()
    await migrate.upgrade(url)
    database = await Database.open(url)
    assert await database.reader.fetch("SELECT place, evse_uid FROM booking_locations") == [("ours", "ours-1")]
    (slot,) = await database.reader.fetch("SELECT key, number, start_at, end_at FROM booking_slots")
    assert (slot[:2], slot[2][:13], slot[3][:13]) == (("k", 0), "2026-12-01T08", "2026-12-01T09")
    assert await database.reader.fetch("SELECT request_id FROM bookings") == [
        (golden["reserved"]["canonical"]["request_id"].lower(),)
    ]
    await database.close()


async def test_places_of_other_cpos_are_not_even_read(hub: HubInProcess) -> None:
    await offer(hub, "HERE")
    database = hub.services.database
    read: list[int] = []

    class Counting:
        members = database.reader.members

        async def fetch(self, sql: str, *parameters: Any) -> Any:
            rows = await database.reader.fetch(sql, *parameters)
            read.append(len(rows))
            return rows

    (place,) = await repository.available(Counting(), [PartyId("NL", "HUB"), CPO], repository.Window())  # type: ignore[arg-type]
    assert str(place.owner) == "NL-HUB"
    assert await repository.available(Counting(), [CPO], repository.Window()) == []  # type: ignore[arg-type]
    assert await repository.available(Counting(), [], repository.Window()) == []  # type: ignore[arg-type]
    assert read == [1, 0, 0]


def test_many_named_places_are_gone_through_once() -> None:
    hashed: list[str] = []

    class Key(str):
        def __hash__(self) -> int:
            hashed.append(self)
            return super().__hash__()

    places = [repository.Place(key=Key(f"FR/CPO/b{n}"), location_id=f"l{n}", evse_uid="") for n in range(100)]
    view = View(party="DE-AAA", is_open=True, are_tariffs_open=True, locations={"l1": False})
    found = showing.sight([CPO], {CPO: view}, places, is_all=False)
    assert found.without == {CPO: ["FR/CPO/b1"]}
    assert len(hashed) <= 3 * len(places)

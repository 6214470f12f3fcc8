"""What a CPO pushes to one eMSP reaches it as rules show it, as what it pushes to all does; untouched where they change
nothing."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from roaming.partners.agreements import Rule
from tests.kit import ocpi_bodies
from tests.kit.passing import Passing, passing_hub
from tests.kit.ruling import a_rule, rule

L1 = "/2.2.1/receiver/locations/ES/OPE/L1"


@pytest.fixture
async def passing(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Passing]:
    async with passing_hub(sqlite_url, tmp_path, ope="2.2.1", msp="2.2.1", ms2="2.3.0") as running:
        yield running


@pytest.fixture
async def on_both(database_url: str, tmp_path: Path) -> AsyncIterator[Passing]:
    async with passing_hub(database_url, tmp_path, ope="2.2.1", msp="2.2.1", ms2="2.3.0") as running:
        yield running


def hides(evse_uid: str = "") -> Rule:
    return a_rule("deny", "locations", owner="ES-OPE", object_id="L1", evse_uid=evse_uid)


def prices(evse_uid: str = "") -> Rule:
    return a_rule("price", "locations", owner="ES-OPE", object_id="L1", evse_uid=evse_uid, tariffs=["FLEET"])


def two_evses() -> dict[str, Any]:
    evses = [ocpi_bodies.evse(uid=uid, evse_id=None, x_unknown=uid) for uid in ("E1", "E2")]
    return ocpi_bodies.location("ES-OPE", evses=evses, x_unknown=[1.10, None])


def tariffs(location: Any) -> dict[str, Any]:
    return {evse["uid"]: evse["connectors"][0].get("tariff_ids") for evse in location["evses"]}


async def test_a_location_is_passed_with_what_its_receiver_sees(on_both: Passing) -> None:
    await rule(on_both.hub.services.database, [hides("E1"), prices("E2")])
    for receiver in (on_both.msp, on_both.ms2):
        answer = await on_both.ope.push("PUT", "locations", "L1", to=receiver, body=two_evses())
        assert answer.code == 1000, answer.text
        assert tariffs(receiver.last_body) == {"E2": ["FLEET"]}
        assert receiver.last_body["x_unknown"] == [1.1, None]
        assert receiver.last_body["last_updated"] == ocpi_bodies.NOW


async def test_what_is_pushed_to_one_looks_like_what_is_pushed_to_all(passing: Passing) -> None:
    await rule(passing.hub.services.database, [hides("E1"), prices()])
    await passing.ope.push("PUT", "locations", "L1", to=passing.msp, body=two_evses())
    one = passing.msp.last_body
    await passing.ope.push("PUT", "locations", "L1", body=two_evses())
    listed = await passing.msp.call("GET", "/2.2.1/sender/locations")
    assert listed.data == [one]


@pytest.mark.parametrize("other", ["L2", "no rule"])
async def test_what_no_rule_changes_is_passed_byte_for_byte(passing: Passing, other: str) -> None:
    await rule(passing.hub.services.database, [] if other == "no rule" else [hides("E9")])
    body = json.dumps(two_evses(), indent=3).encode()
    answer = await passing.ope.call("PUT", L1, to=passing.msp, content=body)
    assert answer.code == 1000
    assert passing.msp.last.body == body


@pytest.mark.parametrize(
    ("method", "below", "body", "passed"),
    [
        ("PUT", "/E2", ocpi_bodies.evse(uid="E2", evse_id=None), ["FLEET"]),
        ("PUT", "/E2/1", ocpi_bodies.connector(), ["FLEET"]),
        ("PATCH", "/E2/1", {"tariff_ids": ["OWN"], "last_updated": ocpi_bodies.NOW}, ["FLEET"]),
        ("PATCH", "/E2/1", {"tariff_ids": None, "last_updated": ocpi_bodies.NOW}, ["FLEET"]),
        ("PATCH", "/E2", {"connectors": [ocpi_bodies.connector()], "last_updated": ocpi_bodies.NOW}, ["FLEET"]),
        ("PATCH", "/E2", {"status": "CHARGING", "last_updated": ocpi_bodies.NOW}, None),
    ],
)
async def test_parts_are_passed_at_the_receivers_price(
    passing: Passing, method: str, below: str, body: Any, passed: Any
) -> None:
    await rule(passing.hub.services.database, [hides("E1"), prices("E2")])
    answer = await passing.ope.call(method, L1 + below, to=passing.msp, body=body)
    assert answer.code == 1000, answer.text
    got = passing.msp.last_body
    inner = got["connectors"][0] if "connectors" in got else got
    assert inner.get("tariff_ids") == passed
    if passed is None:
        assert got == body


async def test_a_change_of_a_location_leaves_out_evses_that_are_hidden(passing: Passing) -> None:
    await rule(passing.hub.services.database, [hides("E1")])
    changes = [{"uid": uid, "status": "CHARGING", "last_updated": ocpi_bodies.NOW} for uid in ("E1", "E2")]
    body = {"name": "New", "evses": changes, "last_updated": ocpi_bodies.NOW}
    assert (await passing.ope.call("PATCH", L1, to=passing.msp, body=body)).code == 1000
    assert passing.msp.last_body == body | {"evses": changes[1:]}
    assert (await passing.ope.call("PATCH", L1, to=passing.msp, body=body | {"evses": changes[:1]})).code == 1000
    assert passing.msp.last_body == {"name": "New", "last_updated": ocpi_bodies.NOW}


async def test_what_the_receiver_does_not_see_at_all_is_for_nobody(passing: Passing) -> None:
    await rule(passing.hub.services.database, [hides("E1")])
    evse = ocpi_bodies.evse(uid="E1", evse_id=None)
    assert (await passing.ope.call("PUT", f"{L1}/E1", to=passing.msp, body=evse)).outcome == (200, 4001)
    await rule(passing.hub.services.database, [hides()])
    assert (await passing.ope.call("PUT", L1, to=passing.msp, body=two_evses())).outcome == (200, 4001)
    assert passing.msp.asked == []


async def test_a_price_that_the_body_cannot_be_read_for_is_not_passed(passing: Passing) -> None:
    await rule(passing.hub.services.database, [prices()])
    answer = await passing.ope.call("PUT", L1, to=passing.msp, body={"id": "L1", "country_code": "ES"})
    assert answer.code == 2001
    assert passing.msp.asked == []

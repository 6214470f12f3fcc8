from typing import Any

import pytest

from tests.kit.hub_in_process import RECEIVER, SENDER, HubInProcess
from tests.kit.ocpi_bodies import connector, evse, location

L1 = f"{RECEIVER}/locations/FR/CPO/L1"
LATER = "2026-11-23T11:00:00Z"


async def test_what_is_put_is_got(hub: HubInProcess) -> None:
    assert (await hub.call("cpo", "PUT", L1, body=location())).outcome == (201, 1000)
    assert (await hub.call("cpo", "PUT", L1, body=location(name="Pier", last_updated=LATER))).outcome == (200, 1000)
    stored = (await hub.call("cpo", "GET", L1)).data
    assert stored == location(name="Pier", last_updated=LATER)
    assert (await hub.call("cpo", "GET", f"{L1}/E1")).data == evse()
    assert (await hub.call("cpo", "GET", f"{L1}/E1/1")).data == connector()


async def test_an_older_put_is_acknowledged_and_left_alone(hub: HubInProcess) -> None:
    await hub.call("cpo", "PUT", L1, body=location(name="New", last_updated=LATER))
    assert (await hub.call("cpo", "PUT", L1, body=location(name="Old"))).outcome == (200, 1000)
    assert (await hub.call("cpo", "GET", L1)).data["name"] == "New"


async def test_a_patch_changes_what_it_names_at_every_level(hub: HubInProcess) -> None:
    await hub.call("cpo", "PUT", L1, body=location())
    changes: list[tuple[str, dict[str, Any]]] = [
        (L1, {"name": "Patched"}),
        (f"{L1}/E1", {"status": "CHARGING"}),
        (f"{L1}/E1/1", {"max_amperage": 16}),
    ]
    for path, change in changes:
        answer = await hub.call("cpo", "PATCH", path, body=change | {"last_updated": LATER})
        assert answer.outcome == (200, 1000), path
    stored = (await hub.call("cpo", "GET", L1)).data
    assert (stored["name"], stored["city"], stored["last_updated"]) == ("Patched", "Lyon", LATER)
    assert stored["evses"][0]["status"] == "CHARGING"
    assert stored["evses"][0]["last_updated"] == LATER
    assert stored["evses"][0]["connectors"][0]["max_amperage"] == 16


async def test_an_evse_and_a_connector_are_put_below_what_is_there(hub: HubInProcess) -> None:
    assert (await hub.call("cpo", "PUT", f"{L1}/E2", body=evse(uid="E2"))).code == 2003
    await hub.call("cpo", "PUT", L1, body=location())
    assert (await hub.call("cpo", "PUT", f"{L1}/E2", body=evse(uid="E2"))).outcome == (201, 1000)
    assert (await hub.call("cpo", "PUT", f"{L1}/E3/1", body=connector())).code == 2003
    assert (await hub.call("cpo", "PUT", f"{L1}/E2/2", body=connector(id="2"))).outcome == (201, 1000)
    assert [e["uid"] for e in (await hub.call("cpo", "GET", L1)).data["evses"]] == ["E1", "E2"]
    assert [c["id"] for c in (await hub.call("cpo", "GET", f"{L1}/E2")).data["connectors"]] == ["1", "2"]


async def test_ids_differ_in_case_only_and_keep_their_spelling(hub: HubInProcess) -> None:
    await hub.call("cpo", "PUT", L1, body=location())
    answer = await hub.call("cpo", "GET", f"{RECEIVER}/locations/fr/cpo/l1")
    assert answer.data["id"] == "L1"


async def test_an_id_may_hold_a_slash(hub: HubInProcess) -> None:
    path = f"{RECEIVER}/locations/FR/CPO/A%2FB%20C"
    assert (await hub.call("cpo", "PUT", path, body=location(id="A/B C"))).outcome == (201, 1000)
    assert (await hub.call("cpo", "GET", path)).data["id"] == "A/B C"


async def test_unknown_fields_and_words_are_kept(hub: HubInProcess) -> None:
    odd = location(x_owner={"a": [1, 2.5]}, evses=[evse(status="ON_FIRE", capabilities=["TELEPORT"], x_e=True)])
    assert (await hub.call("cpo", "PUT", L1, body=odd)).outcome == (201, 1000)
    stored = (await hub.call("cpo", "GET", L1)).data
    assert stored["x_owner"] == {"a": [1, 2.5]}
    assert stored["evses"][0]["status"] == "ON_FIRE"
    assert stored["evses"][0]["capabilities"] == ["TELEPORT"]
    assert stored["evses"][0]["x_e"] is True


@pytest.mark.parametrize("path", [L1, f"{L1}/E1", f"{L1}/E1/1"])
async def test_a_patch_without_last_updated_is_refused(hub: HubInProcess, path: str) -> None:
    await hub.call("cpo", "PUT", L1, body=location())
    before = (await hub.call("cpo", "GET", L1)).data
    answer = await hub.call("cpo", "PATCH", path, body={"x": 1})
    assert answer.outcome == (200, 2001)
    assert "last_updated" in answer.message
    assert (await hub.call("cpo", "GET", L1)).data == before


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (L1, location(id="OTHER"), "id"),
        (L1, location(party_id="RIV"), "party_id"),
        (L1, location(country_code="NL"), "country_code"),
        (f"{L1}/E1", evse(uid="OTHER"), "uid"),
        (f"{L1}/E1/1", connector(id="OTHER"), "id"),
    ],
)
async def test_body_and_address_must_name_the_same_object(
    hub: HubInProcess, path: str, body: dict[str, Any], field: str
) -> None:
    await hub.call("cpo", "PUT", L1, body=location())
    answer = await hub.call("cpo", "PUT", path, body=body)
    assert answer.outcome == (200, 2001)
    assert answer.message.startswith(f"{field}:")


async def test_our_list_is_followed_to_its_end(hub: HubInProcess) -> None:
    for number in range(24):
        await hub.host_location(f"MORE-{number:02}")
    pages = await hub.pages("aaa", f"{SENDER}/locations?limit=7")
    assert [len(page.data) for page in pages] == [7, 7, 7, 4]
    assert {page.headers["x-total-count"] for page in pages} == {"25"}
    ids = [entry["id"] for page in pages for entry in page.data]
    assert len(set(ids)) == 25
    assert all("limit=7" in page.headers["link"] for page in pages[:-1])
    plain = await hub.call("aaa", "GET", f"{SENDER}/locations?offset=20&limit=100")
    assert [entry["id"] for entry in plain.data] == ids[20:]


async def test_date_filters_are_half_open(hub: HubInProcess) -> None:
    (ours,) = (await hub.call("aaa", "GET", f"{SENDER}/locations")).data
    stamp = ours["last_updated"]
    for query, count in (
        (f"date_from={stamp}", 1),
        (f"date_to={stamp}", 0),
        ("date_from=2099-01-01T00:00:00Z", 0),
        ("date_to=2099-01-01T00:00:00Z", 1),
        ("date_from=2020-01-01", None),
    ):
        answer = await hub.call("aaa", "GET", f"{SENDER}/locations?{query}")
        if count is not None:
            assert len(answer.data) == count, query
            assert answer.headers["x-total-count"] == str(count)


async def test_ours_at_every_level(hub: HubInProcess) -> None:
    (ours,) = (await hub.call("aaa", "GET", f"{SENDER}/locations")).data
    assert (await hub.call("aaa", "GET", f"{SENDER}/locations/OURS")).data == ours
    assert (await hub.call("aaa", "GET", f"{SENDER}/locations/OURS/OURS-1")).data == ours["evses"][0]
    connectors = ours["evses"][0]["connectors"]
    assert (await hub.call("aaa", "GET", f"{SENDER}/locations/OURS/OURS-1/1")).data == connectors[0]
    for path in ("NONE", "OURS/NONE", "OURS/OURS-1/9"):
        assert (await hub.call("aaa", "GET", f"{SENDER}/locations/{path}")).outcome == (404, 2000)


async def test_a_partners_location_is_not_listed_as_ours(hub: HubInProcess) -> None:
    await hub.call("cpo", "PUT", L1, body=location())
    assert [entry["id"] for entry in (await hub.call("aaa", "GET", f"{SENDER}/locations")).data] == ["OURS"]
    assert (await hub.call("aaa", "GET", f"{SENDER}/locations/L1")).http_status == 404


async def test_one_of_ours_is_the_same_before_and_after_a_list_was_read(hub: HubInProcess) -> None:
    await hub.host_location("OURS")
    path = f"{SENDER}/locations/OURS"
    before = (await hub.call("aaa", "GET", path)).data
    (listed,) = (await hub.call("aaa", "GET", f"{SENDER}/locations")).data
    assert before == listed == (await hub.call("aaa", "GET", path)).data
    assert (await hub.call("aaa", "GET", f"{path}/ours-1")).data == listed["evses"][0]
    assert (await hub.call("aaa", "GET", f"{path}/ours-1/1")).data == listed["evses"][0]["connectors"][0]
    assert (await hub.call("aaa", "GET", f"{path}/ours-2")).outcome == (404, 2000)


async def test_what_is_not_published_is_for_its_owner_only(hub: HubInProcess) -> None:
    await hub.host_location("HIDDEN", publish=False)
    assert (await hub.call("aaa", "GET", f"{SENDER}/locations/HIDDEN")).outcome == (404, 2000)
    assert (await hub.call("aaa", "GET", f"{SENDER}/locations/HIDDEN/HIDDEN-1")).outcome == (404, 2000)
    await hub.call("cpo", "PUT", L1, body=location(publish=False))
    assert (await hub.call("cpo", "GET", L1)).data["publish"] is False

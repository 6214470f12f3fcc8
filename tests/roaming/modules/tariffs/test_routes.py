from roaming.model.identifiers import PartyId
from roaming.partners import registry
from tests.kit.hub_in_process import RECEIVER, SENDER, HubInProcess
from tests.kit.ocpi_bodies import tariff

T1 = f"{RECEIVER}/tariffs/FR/CPO/T1"
LATER = "2026-11-23T11:00:00Z"


async def test_what_is_put_is_got_until_it_is_deleted(hub: HubInProcess) -> None:
    assert (await hub.call("cpo", "PUT", T1, body=tariff())).outcome == (201, 1000)
    assert (await hub.call("cpo", "GET", T1)).data == tariff()
    changed = tariff(currency="SEK", last_updated=LATER)
    assert (await hub.call("cpo", "PUT", T1, body=changed)).outcome == (200, 1000)
    assert (await hub.call("cpo", "PUT", T1, body=tariff())).outcome == (200, 1000), "older: acknowledged, not taken"
    assert (await hub.call("cpo", "GET", T1)).data == changed
    assert (await hub.call("cpo", "DELETE", T1)).outcome == (200, 1000)
    assert (await hub.call("cpo", "GET", T1)).outcome == (404, 2000)
    assert (await hub.call("cpo", "DELETE", T1)).outcome == (404, 2000)


async def test_prices_keep_every_digit(hub: HubInProcess) -> None:
    text = '{"country_code":"FR","party_id":"CPO","id":"T1","currency":"EUR","elements":[{"price_components":[{"type":'
    text += '"ENERGY","price":0.1000000000000001,"step_size":1}]}],"last_updated":"2026-11-23T10:00:00Z"}'
    assert (await hub.call("cpo", "PUT", T1, content=text.encode())).outcome == (201, 1000)
    assert '"price":0.1000000000000001,' in (await hub.call("cpo", "GET", T1)).text


async def test_a_tariff_takes_no_patch(hub: HubInProcess) -> None:
    answer = await hub.call("cpo", "PATCH", T1, body={"currency": "SEK", "last_updated": LATER})
    assert answer.outcome == (405, 2000)
    assert set(answer.headers["allow"].split(", ")) == {"DELETE", "GET", "PUT"}


async def test_our_list_holds_our_tariffs(hub: HubInProcess) -> None:
    await hub.call("cpo", "PUT", T1, body=tariff())
    answer = await hub.call("aaa", "GET", f"{SENDER}/tariffs")
    assert [entry["id"] for entry in answer.data] == ["OURS"]
    assert answer.headers["x-total-count"] == "1"
    assert "link" not in answer.headers


async def test_one_id_of_two_operators_is_two_tariffs(hub: HubInProcess) -> None:
    """ocpi/ocpi#177: an id is its owner's only, also behind a clearing house; ids differ in case only."""
    for partner, party, currency in (("cpo", "FR-CPO", "EUR"), ("riv", "FR-RIV", "SEK")):
        path = f"{RECEIVER}/tariffs/{party.replace('-', '/')}/OURS"
        assert (
            await hub.call(partner, "PUT", path, body=tariff(party, id="OURS", currency=currency))
        ).http_status == 201
        async with hub.services.database.work() as work:
            await registry.agree(work, cpo=PartyId.parse(party), emsp=PartyId("DE", "AAA"))
    listed = (await hub.call("aaa", "GET", f"{SENDER}/tariffs")).data
    assert {(entry["party_id"], entry["currency"]) for entry in listed if entry["id"] == "OURS"} == {
        ("HUB", "EUR"),
        ("CPO", "EUR"),
        ("RIV", "SEK"),
    }
    assert (await hub.call("riv", "DELETE", f"{RECEIVER}/tariffs/FR/RIV/ours")).outcome == (200, 1000)
    listed = (await hub.call("aaa", "GET", f"{SENDER}/tariffs")).data
    assert sorted(entry["party_id"] for entry in listed if entry["id"] == "OURS") == ["CPO", "HUB"]


async def test_a_tariff_without_prices_is_not_stored(hub: HubInProcess) -> None:
    """It could be told to nobody: each list has one entry at least."""
    assert (await hub.call("cpo", "PUT", T1, body=tariff())).outcome == (201, 1000)
    free = {"price_components": [], "restrictions": {"max_kwh": 5}}
    elements = [*tariff()["elements"], free]
    for body, field in (
        (tariff(elements=[], last_updated=LATER), "elements: "),
        (tariff(elements=elements, last_updated=LATER), f"elements[{len(elements) - 1}].price_components: "),
    ):
        answer = await hub.call("cpo", "PUT", T1, body=body)
        assert answer.outcome == (200, 2001)
        assert answer.message.startswith(field), answer.message
    assert (await hub.call("cpo", "GET", T1)).data == tariff()

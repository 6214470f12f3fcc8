"""What one partner gives to the hub as a whole reaches the others under agreement, by push and in lists."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from roaming.hub.fan_out import FanOut
from roaming.model.identifiers import PartyId
from roaming.partners import registry
from roaming.store.locks import ProcessLocks
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import RECEIVER, SENDER, HubInProcess, hub_in_process

TO_HUB = {"OCPI-to-country-code": "NL", "OCPI-to-party-id": "ZZZ"}
TO_HOSTED = {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "HME"}


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """FR-CPO has an agreement with DE-AAA, and with no other partner."""
    async with hub_in_process(sqlite_url, tmp_path, hub_party="NL-ZZZ") as running:
        async with running.services.database.work() as work:
            await registry.agree(work, cpo=PartyId("FR", "CPO"), emsp=PartyId("DE", "AAA"))
        yield running


async def told(hub: HubInProcess, module: str) -> list[tuple[Any, ...]]:
    """(partner, from, to) of what is to be delivered."""
    await FanOut(hub.services, hub.services.modules, ProcessLocks()).fan_out_once()
    rows = await hub.services.database.reader.fetch(
        "SELECT partner_id, from_party, to_party FROM deliveries WHERE module = $1 ORDER BY partner_id", module
    )
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("headers", [TO_HUB, {}])
async def test_a_location_for_all_reaches_the_emsp_under_agreement_only(
    hub: HubInProcess, headers: dict[str, str]
) -> None:
    body = ocpi_bodies.location("FR-CPO", id="L1")
    put = await hub.call("cpo", "PUT", f"{RECEIVER}/locations/FR/CPO/L1", body=body, headers=headers)
    assert put.outcome == (201, 1000), put.text
    assert await told(hub, "locations") == [("aaa", "NL-ZZZ", "DE-AAA")]
    seen = await hub.call("aaa", "GET", f"{SENDER}/locations", headers=headers)
    assert [(entry["party_id"], entry["id"], entry["last_updated"]) for entry in seen.data] == [
        ("CPO", "L1", body["last_updated"])
    ]
    assert seen.headers["x-total-count"] == "1"
    assert (await hub.call("aaa", "GET", f"{SENDER}/locations/L1", headers=headers)).data["id"] == "L1"
    assert (await hub.call("bbb", "GET", f"{SENDER}/locations", headers=headers)).data == []
    assert (await hub.call("bbb", "GET", f"{SENDER}/locations/L1", headers=headers)).http_status == 404


async def test_a_location_for_one_party_is_told_to_nobody_else(hub: HubInProcess) -> None:
    body = ocpi_bodies.location("FR-CPO", id="L1")
    await hub.call("cpo", "PUT", f"{RECEIVER}/locations/FR/CPO/L1", body=body, headers=TO_HOSTED)
    assert await told(hub, "locations") == []
    assert (await hub.call("aaa", "GET", f"{SENDER}/locations")).data == []
    assert (await hub.call("aaa", "GET", f"{SENDER}/locations/L1")).http_status == 404


async def test_tokens_and_tariffs_reach_the_other_side(hub: HubInProcess) -> None:
    token, tariff = ocpi_bodies.token("DE-AAA", uid="CARD"), ocpi_bodies.tariff("FR-CPO", id="T1")
    await hub.call("aaa", "PUT", f"{RECEIVER}/tokens/DE/AAA/CARD", body=token, headers=TO_HUB)
    await hub.call("cpo", "PUT", f"{RECEIVER}/tariffs/FR/CPO/T1", body=tariff, headers=TO_HUB)
    assert ("cpo", "NL-ZZZ", "FR-CPO") in await told(hub, "tokens")
    assert "riv" not in [partner for partner, *_ in await told(hub, "tokens")]
    assert await told(hub, "tariffs") == [("aaa", "NL-ZZZ", "DE-AAA")]
    assert [entry["uid"] for entry in (await hub.call("cpo", "GET", f"{SENDER}/tokens")).data] == ["CARD"]
    assert (await hub.call("riv", "GET", f"{SENDER}/tokens")).data == []
    await hub.call("cpo", "DELETE", f"{RECEIVER}/tariffs/FR/CPO/T1")
    assert await told(hub, "tariffs") == [("aaa", "NL-ZZZ", "DE-AAA")]
    assert (await hub.call("aaa", "GET", f"{SENDER}/tariffs")).data == []


async def test_what_is_told_to_all_continues_the_chain_of_the_push(hub: HubInProcess) -> None:
    location, tariff = ocpi_bodies.location("FR-CPO", id="L1"), ocpi_bodies.tariff("FR-CPO", id="T1")
    token = ocpi_bodies.token("DE-AAA", uid="CARD")
    change = {"name": "New", "last_updated": ocpi_bodies.NOW}
    pushes: list[tuple[str, str, str, Any]] = [
        ("cpo", "PUT", "locations/FR/CPO/L1", location),
        ("cpo", "PATCH", "locations/FR/CPO/L1", change),
        ("cpo", "PUT", "tariffs/FR/CPO/T1", tariff),
        ("cpo", "DELETE", "tariffs/FR/CPO/T1", None),
        ("aaa", "PUT", "tokens/DE/AAA/CARD", token),
    ]
    for number, (partner, method, path, body) in enumerate(pushes):
        headers = TO_HUB | {"X-Correlation-ID": f"chain-{number}"}
        answer = await hub.call(partner, method, f"{RECEIVER}/{path}", body=body, headers=headers)
        assert answer.code == 1000, answer.text
        await FanOut(hub.services, hub.services.modules, ProcessLocks()).fan_out_once()
        module = path.partition("/")[0]
        rows = await hub.services.database.reader.fetch(
            "SELECT DISTINCT correlation_id FROM deliveries WHERE module = $1", module
        )
        assert [tuple(row) for row in rows] == [(f"chain-{number}",)], (method, path)


async def test_a_cdr_for_all_is_refused(hub: HubInProcess) -> None:
    cdr = ocpi_bodies.cdr("FR-CPO", id="C1", cdr_token=ocpi_bodies.cdr_token("DE-AAA", "CARD"))
    assert (await hub.call("cpo", "POST", f"{RECEIVER}/cdrs", body=cdr, headers=TO_HUB)).outcome == (200, 2001)
    assert await told(hub, "cdrs") == []

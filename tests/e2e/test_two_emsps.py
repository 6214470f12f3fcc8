"""Two eMSPs whose drivers charge at the same stations: each gets all of its own and nothing of the other's,
whichever way anything leaves the hub."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from adapters.ocpp.simulator import SimulatorConfig
from roaming.model.identifiers import PartyId
from roaming.ocpi.addresses import join
from roaming.ocpi.client import Answer, Call
from roaming.ocpi.credentials_token import header_value
from roaming.ocpi.headers import RequestIds, RoutingHeaders
from roaming.sandbox.emsp import Driver
from tests.e2e.fleets import CPO, PASSWORD, running_fleets, set_up
from tests.e2e.hub import Hub
from tests.e2e.partner import Partner
from tests.kit.wait import until

PATIENCE = 60.0
SHARED = "04C0FFEE00"
"""One uid, printed by both: allowed at one of them, whose charge it then is."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
async def red() -> AsyncIterator[Partner]:
    drivers = (Driver("04AAAA0001", "Rosa", "DE-RED-C00000001"), Driver(SHARED, "Ruben", "DE-RED-C00000002"))
    async with Partner("DE-RED", drivers) as listening:
        yield listening


@pytest.fixture
async def blue() -> AsyncIterator[Partner]:
    drivers = (
        Driver("04BBBB0001", "Betty", "FR-BLU-C00000001"),
        Driver(SHARED, "Bruno", "FR-BLU-C00000002", is_allowed=False),
    )
    async with Partner("FR-BLU", drivers) as listening:
        yield listening


def words_of(partner: Partner) -> list[str]:
    """What would give a driver or a charge of this eMSP away."""
    emsp = partner.emsp
    own = [driver.uid for driver in emsp.drivers.values() if driver.uid != SHARED]
    contracts = [driver.contract_id for driver in emsp.drivers.values()]
    ids = [entry["id"] for module in ("sessions", "cdrs") for entry in emsp.objects[module].values()]
    return [*own, *contracts, *ids, *(driver.name for driver in emsp.drivers.values())]


def check_silent(text: str, other: Partner) -> None:
    for word in words_of(other):
        assert word.lower() not in text.lower(), f"{word} in {text[:500]}"


async def test_each_gets_its_own_and_nothing_of_the_other(embedded_hub: Hub, red: Partner, blue: Partner) -> None:
    await set_up(embedded_hub, red, ["SIM-001", "SIM-002", "SIM-003"])
    added = await asyncio.to_thread(embedded_hub.cli, "partner", "add", "blue", "--party", "FR-BLU")
    await blue.emsp.register(embedded_hub.versions_url, added["TOKEN_A"])
    for partner in (red, blue):
        await partner.emsp.push_tokens()
    config = SimulatorConfig(
        url=embedded_hub.ocpp_url(), stations=3, password=PASSWORD, arrival_seconds=0, speed=240, meter_seconds=240
    )
    async with running_fleets(config) as fleets:
        stations = [station for fleet in fleets for station in fleet.stations.values()]
        await until(lambda: all(station.is_connected for station in stations), seconds=PATIENCE)
        uids = ("04AAAA0001", "04BBBB0001", SHARED)
        charges = [await station.plug(uid, minutes=8) for station, uid in zip(stations, uids, strict=True)]
        assert all(charge is not None for charge in charges)
        await until(lambda: len(red.cdrs) == 2 and len(blue.cdrs) == 1, seconds=PATIENCE)
    assert sorted(cdr["cdr_token"]["uid"] for cdr in red.cdrs) == ["04AAAA0001", SHARED]
    assert [cdr["cdr_token"]["uid"] for cdr in blue.cdrs] == ["04BBBB0001"]
    for me, other in ((red, blue), (blue, red)):
        for told in me.emsp.history:
            check_silent(json.dumps([told.key, told.body]), other)
        await check_lists(me, other)
        await check_prying(me, other)


async def call(me: Partner, method: str, url: str, *, sender: PartyId | None = None) -> Answer:
    """A request with this partner's token, perhaps in another's name."""
    emsp = me.emsp
    return await emsp.client.request(
        Call(
            partner_key="hub",
            method=method,
            url=url,
            token_header=header_value(emsp._hub_token, "base64"),
            headers=RoutingHeaders(sender or emsp.party, CPO),
            ids=RequestIds.fresh(),
        )
    )


async def check_lists(me: Partner, other: Partner) -> None:
    """Pages, their links and counts."""
    for module in ("locations", "tariffs", "sessions", "cdrs", "tokens"):
        if (module, "SENDER") not in me.emsp._hub:
            continue
        url: str | None = me.emsp._hub[module, "SENDER"] + "?date_from=2020-01-01T00:00:00Z&limit=1"
        seen = 0
        while url:
            page = await call(me, "GET", url)
            assert page.is_delivered
            check_silent(page.body.decode() + str(page.headers), other)
            seen += len(page.data)
            link = page.headers.get("link", "")
            url = link[1 : link.index(">")] if "next" in link else None
        if module in ("sessions", "cdrs"):
            assert seen == len(me.emsp.objects[module])


async def check_prying(me: Partner, other: Partner) -> None:
    """Another's page link, name, token and session: refused in words that say nothing."""
    hub = me.emsp._hub
    for module in ("sessions", "cdrs"):
        for query in ("limit=1&offset=1", "limit=50", "party_id=BLU&country_code=FR"):
            url = f"{hub[module, 'SENDER']}?date_from=2020-01-01T00:00:00Z&{query}"
            check_silent((await call(me, "GET", url)).body.decode(), other)
            forged = await call(me, "GET", url, sender=other.emsp.party)
            assert not forged.is_delivered
            check_silent(forged.body.decode(), other)
    own = other.emsp.party
    for uid in other.emsp.drivers:
        answer = await call(me, "GET", join(hub["tokens", "RECEIVER"], own.country_code, own.party_id, uid))
        assert not answer.is_delivered
        assert other.emsp.drivers[uid].contract_id not in answer.body.decode()
    foreign, missing = [
        await me.emsp.stop(session_id) for session_id in (next(iter(other.sessions))["id"], "no-such-session")
    ]
    assert foreign[1] == missing[1], "STOP_SESSION tells whether another's session exists"

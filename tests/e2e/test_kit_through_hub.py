"""Two CPOs and two eMSPs, all made of the crate ocpi-kit, one of each in each version, reach each other through a hub
that hosts nobody: point to point, broadcast, by open routing and from the hub's store."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from roaming.app import open_services
from roaming.model.identifiers import PartyId
from roaming.partners import registry
from roaming.settings import Settings
from tests.e2e.hub import SECRET, Hub
from tests.e2e.outside.kit_platform import KitFailed, KitPlatform
from tests.kit.ocpi_speech import Speech
from tests.kit.wait import until

PATIENCE = 60.0
HUB = "NL-HUB"
CPOS = {"NL-TNM": "2.2.1", "FR-CPO": "2.3.0"}
EMSPS = {"DE-ABC": "2.3.0", "BE-EMP": "2.2.1"}
LATE = ("FR-CPO", "BE-EMP")
"""They agree when the others have pushed already."""
PAIRS = [(cpo, emsp) for cpo in CPOS for emsp in EMSPS]
SPEECH = Speech("2.3.0")
"""What the crate's models are made of; it turns them into 2.2.1 by itself."""

pytestmark = [pytest.mark.outside, pytest.mark.slow, pytest.mark.timeout(240)]

Platforms = dict[str, KitPlatform]
Said = tuple[str, str, str]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    # No list is pulled meanwhile: what the CPOs and eMSPs do not push must come from themselves
    settings = {"ROAMING_HUB_PARTY": HUB, "ROAMING_PULL_FIRST_DELAY": "3600", "ROAMING_AUTHORIZATION_TIMEOUT": "30"}
    running = Hub("embedded", tmp_path, settings=settings)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
async def platforms(hub: Hub) -> AsyncIterator[Platforms]:
    """All four, registered in this order."""
    tokens = await prepare(hub)
    found: Platforms = {}
    async with AsyncExitStack() as stack:
        for party, version in (CPOS | EMSPS).items():
            role, others = ("cpo", EMSPS) if party in CPOS else ("emsp", CPOS)
            found[party] = await stack.enter_async_context(KitPlatform(role, party, version, list(others)))
            await found[party].register(hub.versions_url, tokens[party])
        yield found


async def prepare(hub: Hub) -> dict[str, str]:
    """What the operator says beforehand: the partners, each with its TOKEN_A, and agreements but for one."""
    tokens = {party: f"token-a-of-{party}" for party in CPOS | EMSPS}
    settings = Settings(database_url=hub.database_url, secret=SECRET, data_dir=hub.folder)
    async with open_services(settings) as services, services.database.work() as work:
        for party, token in tokens.items():
            name = party.lower()
            await registry.add_partner(work, id=name, name=name, allowed_parties=[PartyId.parse(party)])
            digest = services.secrets.digest(token)
            await registry.allow_token(work, partner_id=name, digest=digest, is_registration=True)
        for cpo, emsp in PAIRS:
            if (cpo, emsp) != LATE:
                await registry.agree(work, cpo=PartyId.parse(cpo), emsp=PartyId.parse(emsp))
    return tokens


async def test_the_crates_client_through_the_hub(hub: Hub, platforms: Platforms) -> None:
    await check_registrations(platforms)
    await check_broadcast(hub, platforms)
    await check_lists(platforms)
    await check_authorisation(platforms)
    for cpo, emsp in PAIRS:
        await check_commands(platforms[cpo], platforms[emsp])
        await check_charge(platforms[cpo], platforms[emsp])
    await check_open_routing(platforms)
    await check_store(platforms)


async def check_registrations(platforms: Platforms) -> None:
    """Each took the hub for a hub, in its own version, hears who came after it and reads who else is connected."""
    everybody = [(name, "CPO" if name in CPOS else "EMSP", "CONNECTED") for name in platforms]
    for number, platform in enumerate(platforms.values()):
        assert (platform.registered["hub"], platform.registered["version"]) == ("NL/HUB", platform.version)

        def is_told(platform: KitPlatform = platform, later: Sequence[Said] = everybody[number + 1 :]) -> bool:
            told = platform.told("PUT", "/hubclientinfo/")
            return {said_of(entry["body"]) for entry in told if entry["status"] == 201} >= set(later)

        await until(is_told, seconds=PATIENCE)
        listed = {said_of(info) for info in await platform.do("list client info")}
        assert listed == set(everybody) - {everybody[number]}


def said_of(info: dict[str, Any]) -> Said:
    """Party, role and status of a ClientInfo."""
    return f"{info['country_code']}-{info['party_id']}", info["role"], info["status"]


async def ids_held(platform: KitPlatform, module: str) -> set[str]:
    """Ids of the objects in its store with their owners."""
    held = await platform.do("show", module=module)
    return {f"{item['country_code']}-{item['party_id']}/{item.get('id', item.get('uid'))}" for item in held}


async def holds(platform: KitPlatform, module: str, ids: set[str]) -> None:
    async def is_so() -> bool:
        return await ids_held(platform, module) == ids

    await until(is_so, seconds=PATIENCE, every=0.1)


async def check_broadcast(hub: Hub, platforms: Platforms) -> None:
    """What is pushed to the hub's own party reaches all under agreement, and who agrees later gets it then."""
    for cpo in CPOS:
        tariff, location = SPEECH.tariff(cpo, id=f"T-{cpo}"), SPEECH.location(cpo, id=f"L-{cpo}")
        await platforms[cpo].do("put tariff", to=HUB, object=tariff)
        await platforms[cpo].do("put location", to=HUB, object=location)
        patch = {"status": "CHARGING", "last_updated": "2026-11-23T10:05:00Z"}
        await platforms[cpo].do("patch evse", to=HUB, id=location["id"], evse="E1", patch=patch)
    for emsp in EMSPS:
        await platforms[emsp].do("put token", to=HUB, object=SPEECH.token(emsp, uid=f"U-{emsp}"))
    await check_pushed({pair for pair in PAIRS if pair != LATE}, platforms)
    refused = platforms[LATE[1]].do("get location", to=LATE[0], id="L1")
    with pytest.raises(KitFailed):
        await refused
    await asyncio.to_thread(hub.cli, "agreement", "add", *LATE)
    await check_pushed(set(PAIRS), platforms)


async def check_pushed(pairs: set[tuple[str, str]], platforms: Platforms) -> None:
    for emsp in EMSPS:
        cpos = [cpo for cpo, other in pairs if other == emsp]
        await holds(platforms[emsp], "tariffs", {f"{cpo}/T-{cpo}" for cpo in cpos})
        await holds(platforms[emsp], "locations", {f"{cpo}/L-{cpo}" for cpo in cpos})

        async def is_charging(emsp: str = emsp) -> bool:
            locations = await platforms[emsp].do("show", module="locations")
            return {evse["status"] for location in locations for evse in location["evses"]} == {"CHARGING"}

        await until(is_charging, seconds=PATIENCE, every=0.1)
    for cpo in CPOS:
        emsps = [emsp for other, emsp in pairs if other == cpo]
        await holds(platforms[cpo], "tokens", {f"{emsp}/U-{emsp}" for emsp in emsps})


async def check_lists(platforms: Platforms) -> None:
    """Point to point: the CPO itself answers, with what it never pushed, and hears who asks."""
    for cpo, emsp in PAIRS:
        own = SPEECH.location(cpo, id="NEVER-PUSHED")
        await platforms[cpo].do("keep", module="locations", object=own)
        listed = await platforms[emsp].do("list locations", to=cpo)
        assert [location["id"] for location in listed] == ["NEVER-PUSHED"]
        got = await platforms[emsp].do("get location", to=cpo, id="NEVER-PUSHED")
        assert got == listed[0]
        assert got["evses"][0]["connectors"][0]["tariff_ids"] == ["T1"]
        for asked in platforms[cpo].told("GET", "/locations")[-2:]:
            check_routing(asked, sender=emsp, receiver=cpo)


def check_routing(told: dict[str, Any], *, sender: str, receiver: str) -> None:
    headers = told["headers"]
    assert f"{headers['ocpi-from-country-code']}-{headers['ocpi-from-party-id']}" == sender
    assert f"{headers['ocpi-to-country-code']}-{headers['ocpi-to-party-id']}" == receiver


async def check_authorisation(platforms: Platforms) -> None:
    """Without a receiver the hub asks the eMSPs; an eMSP that is named is asked alone."""
    for emsp in EMSPS:
        await platforms[emsp].do("keep", module="tokens", object=SPEECH.token(emsp, uid=f"DRIVER-{emsp}"))
    for cpo, emsp in PAIRS:
        place = {"location_id": f"L-{cpo}", "evse_uids": ["E1"]}
        for to in (None, emsp):
            info = await platforms[cpo].do("authorize", to=to, uid=f"DRIVER-{emsp}", location=place)
            assert (info["allowed"], info["token"]["party_id"]) == ("ALLOWED", emsp[3:])
            assert info["location"]["location_id"] == f"L-{cpo}"
    with pytest.raises(KitFailed):
        await platforms["NL-TNM"].do("authorize", uid="NOBODYS")


async def check_commands(cpo: KitPlatform, emsp: KitPlatform) -> None:
    """Answered at once by the CPO, and later by way of an address of the hub's."""
    token = SPEECH.token(emsp.party, uid=f"DRIVER-{emsp.party}")
    place = {"location_id": f"L-{cpo.party}", "evse_uid": "E1"}
    bodies: dict[str, dict[str, Any]] = {
        "START_SESSION": {"token": token, **place},
        "RESERVE_NOW": {"token": token, "expiry_date": "2099-01-01T00:00:00Z", "reservation_id": "R1", **place},
        "CANCEL_RESERVATION": {"reservation_id": "R1"},
        "UNLOCK_CONNECTOR": {**place, "connector_id": "1"},
        "STOP_SESSION": {"session_id": session_of(cpo, emsp)},
    }
    for name, body in bodies.items():
        id = f"{cpo.party}-{name}"
        answer = await emsp.do("command", to=cpo.party, name=name, id=id, object=body)
        assert answer["result"] == "ACCEPTED"
        asked = cpo.told("POST", f"/commands/{name}")[-1]
        check_routing(asked, sender=emsp.party, receiver=cpo.party)
        assert {key: value for key, value in asked["body"].items() if key in place} == {
            key: value for key, value in body.items() if key in place
        }
        result = {"result": "ACCEPTED"}
        code = await cpo.do("answer", to=emsp.party, url=asked["body"]["response_url"], object=result)
        assert code == 1000
        (told,) = emsp.told("POST", f"/commands/result/{id}")
        assert (told["body"]["result"], told["status"]) == ("ACCEPTED", 200)
        check_routing(told, sender=cpo.party, receiver=emsp.party)


def session_of(cpo: KitPlatform, emsp: KitPlatform) -> str:
    """One between the two. The crate's store would take the same id of two CPOs for one session."""
    return f"S-{cpo.party}-{emsp.party}"


async def check_charge(cpo: KitPlatform, emsp: KitPlatform) -> None:
    """Session, charging profile and CDR go to the eMSP whose driver it is, and to nobody else."""
    id = session_of(cpo, emsp)
    session = SPEECH.session(cpo.party, emsp.party, id=id)
    await cpo.do("put session", to=emsp.party, object=session)
    patch = {"kwh": 2.5, "last_updated": "2026-11-23T10:30:00Z"}
    await cpo.do("patch session", to=emsp.party, id=id, patch=patch)
    held = [item for item in await emsp.do("show", module="sessions") if item["id"] == id]
    assert [(item["kwh"], item["cdr_token"]["uid"]) for item in held] == [(2.5, "TOKEN1")]

    profile = {"charging_profile": {"charging_rate_unit": "W", "min_charging_rate": 1000.0}}
    answer = await emsp.do("set charging profile", to=cpo.party, session=id, id=cpo.party, object=profile)
    assert answer["result"] == "ACCEPTED"
    asked = cpo.told("PUT", f"/chargingprofiles/{id}")[-1]
    url = asked["body"]["response_url"]
    assert await cpo.do("answer", to=emsp.party, url=url, object={"result": "ACCEPTED"}) == 1000
    (told,) = emsp.told("POST", f"/chargingprofiles/result/set/{cpo.party}")
    assert (told["body"], told["status"]) == ({"result": "ACCEPTED"}, 200)

    cdr = SPEECH.cdr(cpo.party, emsp.party, id=f"C-{cpo.party}-{emsp.party}", session_id=id)
    address = await cpo.do("post cdr", to=emsp.party, object=cdr)
    got = [item for item in await emsp.do("show", module="cdrs") if item["id"] == cdr["id"]]
    assert [(item["total_energy"], item["total_cost"]["before_taxes"]) for item in got] == [(1.5, 0.45)]
    with pytest.raises(KitFailed, match="not found"):
        await cpo.do("get cdr", to=emsp.party, url=address)
    # The way to it leads through the hub; the crate's server names an address that it does not serve
    assert [told["status"] for told in emsp.told("GET", f"/cdrs/{cdr['id']}")] == [404]


async def check_open_routing(platforms: Platforms) -> None:
    """Without a receiver a session and a CDR find the eMSP by the driver in them."""
    for cpo, emsp in PAIRS:
        session = SPEECH.session(cpo, emsp, id=f"OPEN-{cpo}-{emsp}")
        await platforms[cpo].do("put session", object=session)
        cdr = SPEECH.cdr(cpo, emsp, id=f"OPEN-{cpo}-{emsp}", session_id=session["id"])
        await platforms[cpo].do("post cdr", object=cdr)
    for emsp in EMSPS:
        for module, prefix in (("sessions", "S"), ("cdrs", "C")):
            ids = {f"{cpo}/{kind}-{cpo}-{emsp}" for cpo in CPOS for kind in (prefix, "OPEN")}
            assert await ids_held(platforms[emsp], module) == ids


async def check_store(platforms: Platforms) -> None:
    """A list of the hub's own party is of all that was given to it for who asks."""
    for emsp in EMSPS:
        for module, prefix in (("locations", "L"), ("tariffs", "T")):
            listed = await platforms[emsp].do(f"list {module}", to=HUB)
            assert {item["id"] for item in listed} == {f"{prefix}-{cpo}" for cpo in CPOS}
    for cpo in CPOS:
        tokens = await platforms[cpo].do("list tokens", to=HUB)
        assert {item["uid"] for item in tokens} == {f"U-{emsp}" for emsp in EMSPS}

"""The handshake in each version, both ways; going to another version by PUT; the one party that 2.1.1 is spoken for."""

import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole
from roaming.model.version import Version
from roaming.modules.credentials import service
from roaming.ocpi.errors import NoMatchingEndpoints
from roaming.partners.directory import Directory, Partner
from roaming.partners.registry import agreements_of
from tests.kit.hub_in_process import HOSTED_CPO, HOSTED_EMSP, PUBLIC_URL, HubInProcess, hub_in_process
from tests.kit.ocpi_speech import ALL, Speech
from tests.kit.scripted_partner import Received, ScriptedPartner, enveloped, http_answer

PARTY = PartyId("DE", "NEW")
CPO, EMSP = PartyId.parse(HOSTED_CPO), PartyId.parse(HOSTED_EMSP)


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(sqlite_url, tmp_path, offered_versions=ALL, hub_party="NL-HUB") as running:
        yield running


@asynccontextmanager
async def platform(*versions: str) -> AsyncIterator[ScriptedPartner]:
    """A partner that serves discovery in ``versions`` and takes credentials; its tokens come raw in 2.1.1, in Base64
    later."""

    async def script(request: Received, writer: Any) -> None:
        _, *path = request.target.split("/")
        data: Any = [{"version": version, "url": f"{partner.url}/{version}"} for version in versions]
        if path[0] in ALL and len(path) == 1:
            endpoints = [{"identifier": m, "url": f"{partner.url}/{path[0]}/{m}"} for m in ("credentials", "tokens")]
            sides: Sequence[dict[str, str]] = [{}] if path[0] == "2.1.1" else [{"role": r} for r in InterfaceRole]
            data = {"version": path[0], "endpoints": [endpoint | side for endpoint in endpoints for side in sides]}
        elif len(path) == 2:
            data = Speech(path[0]).credentials(str(PARTY), f"{partner.url}/versions", token="their-token-c")
        is_raw = request.headers["authorization"] in ("Token their-token-a", "Token their-token-c", f"Token {TOKEN_B}")
        if is_raw != (versions == ("2.1.1",)):
            writer.write(http_answer(enveloped(None, status_code=2000), status="401 Unauthorized"))
            return
        writer.write(http_answer(enveloped(data)))

    partner = ScriptedPartner(script)
    async with partner:
        yield partner


TOKEN_B = Speech("2.2.1").credentials()["token"]


async def planned(hub: HubInProcess, counterpart: PartyId | None) -> str:
    return await hub.add_planned("new", str(PARTY), counterpart=counterpart)


async def post(hub: HubInProcess, version: str, partner: ScriptedPartner, token_a: str, method: str = "POST") -> Any:
    body = Speech(version).credentials(str(PARTY), f"{partner.url}/versions")
    return await hub.call(None, method, f"/{version}/credentials", token=token_a, body=body)


async def known(hub: HubInProcess) -> Partner:
    return (await hub.services.directory.current()).partners["new"]


async def agreed(hub: HubInProcess) -> set[tuple[PartyId, PartyId]]:
    pairs = (await hub.services.directory.current()).agreements
    return {pair for pair in pairs if PARTY in pair}


@pytest.mark.ocpi_cell("credentials", "2.1.1", "both", "server")
@pytest.mark.parametrize(("ours", "role"), [(CPO, "EMSP"), (EMSP, "CPO")])
async def test_a_partner_registers_in_2_1_1(hub: HubInProcess, ours: PartyId, role: str) -> None:
    token_a = await planned(hub, ours)
    async with platform("2.1.1") as partner:
        answer = await post(hub, "2.1.1", partner, token_a)
        assert answer.outcome == (201, 1000), answer.text
        assert {request.headers["authorization"] for request in partner.requests} == {f"Token {TOKEN_B}"}
        assert not [name for request in partner.requests for name in request.headers if name.startswith("ocpi-")]
    assert set(answer.data) == {"token", "url", "business_details", "country_code", "party_id"}
    assert PartyId.of(answer.data["country_code"], answer.data["party_id"]) == ours
    assert answer.data["url"] == f"{PUBLIC_URL}/versions"
    assert not [name for name in answer.headers if name.startswith(("ocpi-", "x-request"))]
    partner_now = await known(hub)
    assert [(entry.party, entry.role) for entry in partner_now.roles] == [(PARTY, role)]
    assert str(partner_now.version) == "2.1.1"
    addresses = {partner_now.endpoint("tokens", side) for side in InterfaceRole}
    assert addresses == {f"{partner.url}/2.1.1/tokens"}
    assert await agreed(hub) == {(ours, PARTY) if role == "EMSP" else (PARTY, ours)}
    again = await hub.call(None, "GET", "/2.1.1/credentials", token=answer.data["token"])
    assert again.data == answer.data
    assert (await hub.call(None, "DELETE", "/2.1.1/credentials", token=answer.data["token"])).outcome == (200, 1000)
    assert not (await known(hub)).is_connected


async def test_2_1_1_needs_one_party_of_ours(hub: HubInProcess) -> None:
    token_a = await planned(hub, None)
    async with platform("2.1.1") as partner:
        answer = await post(hub, "2.1.1", partner, token_a)
        assert partner.requests == []
    assert answer.outcome == (200, 3003)
    assert "partner add new --as" in answer.message
    assert not (await known(hub)).is_connected


@pytest.mark.ocpi_cell("credentials", "2.1.1", "both", "server")
@pytest.mark.ocpi_cell("credentials", "2.2.1", "both", "server")
@pytest.mark.ocpi_cell("credentials", "2.3.0", "both", "server")
async def test_the_version_is_changed_by_put(hub: HubInProcess) -> None:
    token = await planned(hub, CPO)
    everybody = {(CPO, PARTY)}
    for method, version in (("POST", "2.3.0"), ("PUT", "2.1.1"), ("PUT", "2.2.1"), ("PUT", "2.3.0")):
        async with platform(version) as partner:
            answer = await post(hub, version, partner, token, method)
            assert answer.code == 1000, answer.text
            token = answer.data["token"]
            now = await known(hub)
            assert (now.version, now.endpoint("tokens", InterfaceRole.SENDER)) == (
                version,
                f"{partner.url}/{version}/tokens",
            )
        assert await agreed(hub) == everybody
    assert answer.data["hub_party_id"] == "NLHUB"
    assert {role["party_id"] for role in answer.data["roles"]} == {"HUB", "HME", "AAA", "BBB", "CPO", "RIV"}


async def test_agreements_with_other_parties_rest_while_2_1_1_is_spoken(hub: HubInProcess) -> None:
    other = PartyId("NL", "OTH")
    from roaming.partners import registry

    async with hub.services.database.work() as work:
        await registry.host_party(work, other, "CPO", name="Another CPO of ours")
    token = await planned(hub, CPO)
    expected = {"2.2.1": {(CPO, PARTY), (other, PARTY)}, "2.1.1": {(CPO, PARTY)}}
    for method, version in (("POST", "2.2.1"), ("PUT", "2.1.1"), ("PUT", "2.2.1")):
        async with platform(version) as partner:
            token = (await post(hub, version, partner, token, method)).data["token"]
        assert await agreed(hub) == expected[version], version
        async with hub.services.database.reading() as connection:
            told = {entry.operator: entry.emsps for entry in await agreements_of(connection, [CPO, other])}
        assert {cpo for cpo, emsps in told.items() if str(PARTY) in emsps} == {str(c) for c, _ in expected[version]}


@pytest.mark.ocpi_cell("versions", "$taken", "both", "client")
@pytest.mark.ocpi_cell("credentials", "$taken", "both", "client")
@pytest.mark.parametrize(
    ("offered", "taken"), [(["2.1.1"], "2.1.1"), (["2.1.1", "2.2.1"], "2.2.1"), (["2.3.0", "2.1.1", "9.9"], "2.3.0")]
)
async def test_we_register_in_the_best_common_version(hub: HubInProcess, offered: list[str], taken: str) -> None:
    await planned(hub, CPO)
    async with platform(*offered) as partner:
        offer = await service.register(
            hub.services, "new", versions_url=f"{partner.url}/versions", token_a="their-token-a"
        )
        sent = json.loads(next(request.body for request in partner.requests if request.method == "POST"))
        header = partner.requests[-1].headers["authorization"]
    assert offer.version == taken == (await known(hub)).version
    assert ("roles" in sent) == (taken != "2.1.1")
    encoded = base64.b64encode(b"their-token-a").decode()
    assert header == ("Token their-token-a" if taken == "2.1.1" else f"Token {encoded}")


async def test_a_version_that_is_not_offered_has_no_address(sqlite_url: str, tmp_path: Path) -> None:
    async with hub_in_process(sqlite_url, tmp_path, offered_versions=("2.2.1",)) as narrow:
        for version in ("2.1.1", "2.3.0"):
            assert (await narrow.call("aaa", "GET", f"/{version}")).outcome == (404, 2000)
            assert (await narrow.call("aaa", "GET", f"/{version}/credentials")).outcome == (404, 2000)


@pytest.mark.parametrize("party", ["LHUB", "NL-HU", "N/HUBX", "NLHUB2", " "])
async def test_a_hub_party_that_is_none_is_refused_by_name(hub: HubInProcess, party: str) -> None:
    token_a = await planned(hub, CPO)
    async with platform("2.3.0") as partner:
        body = Speech("2.3.0").credentials(str(PARTY), f"{partner.url}/versions") | {"hub_party_id": party}
        answer = await hub.call(None, "POST", "/2.3.0/credentials", token=token_a, body=body)
    assert answer.outcome == (200, 2001), answer.text
    assert answer.message.startswith("hub_party_id: ")


@pytest.mark.parametrize(
    ("version", "role"), [("2.1.1", ""), ("2.2.1", "HUB"), ("2.3.0", "OTHER")], ids=["2.1.1", "2.2.1", "2.3.0"]
)
async def test_a_hub_that_hosts_nobody_speaks_for_itself(hub: HubInProcess, version: Version, role: str) -> None:
    """Its first partner has nobody to hear of, and both versions want one role at least."""
    alone = Directory(revision=1)
    partner = (await hub.services.directory.current()).partners["aaa"]
    if not role:
        with pytest.raises(NoMatchingEndpoints, match="hosts no party yet"):
            service.encode_ours(hub.services, alone, partner, Version(version), "token")
        return
    said = json.loads(service.encode_ours(hub.services, alone, partner, Version(version), "token"))
    assert [(entry["role"], entry["country_code"], entry["party_id"]) for entry in said["roles"]] == [
        (role, "NL", "HUB")
    ]
    with pytest.raises(NoMatchingEndpoints, match="hosts no party yet"):
        service.encode_ours(replace(hub.services, hub_party=None), alone, partner, Version(version), "token")

"""The handshake as a partner starts it. The partner's side is scripted, on a real socket."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from roaming.model.identifiers import PartyId
from roaming.modules.credentials import service
from roaming.modules.credentials.service import RegistrationFailed
from roaming.ocpi.module import dialect_of
from roaming.partners.dialects import forget_switch, set_switch
from tests.kit.hub_in_process import PUBLIC_URL, RECEIVER, SENDER, HubInProcess, hub_in_process
from tests.kit.ocpi_bodies import credentials
from tests.kit.scripted_partner import Received, ScriptedPartner, enveloped, http_answer
from tests.kit.server_process import free_port

CREDENTIALS = "/2.2.1/credentials"
THEIR_TOKEN = credentials()["token"]


@asynccontextmanager
async def platform(
    *,
    versions: Sequence[str] = ("2.2.1",),
    modules: Sequence[str] = ("credentials",),
    status: str = "200 OK",
    more: Sequence[object] = (),
) -> AsyncIterator[ScriptedPartner]:
    """A partner that serves discovery; ``more`` endpoints, as they stand in its details."""

    async def script(request: Received, writer: object) -> None:
        data: object = [{"version": version, "url": f"{partner.url}/{version}"} for version in versions]
        if request.target != "/versions":
            endpoints = [{"identifier": m, "role": "SENDER", "url": f"{partner.url}/{m}"} for m in modules]
            data = {"version": request.target[1:], "endpoints": [*endpoints, *more]}
        writer.write(http_answer(enveloped(data), status=status))  # type: ignore[attr-defined]

    partner = ScriptedPartner(script)
    async with partner:
        yield partner


async def register(hub: HubInProcess, partner: ScriptedPartner, token_a: str, party: str = "DE-NEW") -> str:
    """Registers; returns TOKEN_C."""
    answer = await hub.call(
        None, "POST", CREDENTIALS, token=token_a, body=credentials(party, f"{partner.url}/versions")
    )
    assert answer.outcome == (201, 1000), answer.text
    token: str = answer.data["token"]
    return token


async def status_with(hub: HubInProcess, token: str) -> int:
    """HTTP status of the versions for this token."""
    return (await hub.call(None, "GET", "/versions", token=token)).http_status


@pytest.mark.ocpi_cell("credentials", "2.2.1", "both", "server")
async def test_a_partner_registers(hub: HubInProcess) -> None:
    token_a = await hub.add_planned("new", "DE-NEW")
    async with platform(modules=("credentials", "cdrs")) as partner:
        token_c = await register(hub, partner, token_a)
        expected = "Token " + base64.b64encode(THEIR_TOKEN.encode()).decode()
        assert {request.headers["authorization"] for request in partner.requests} == {expected}
    answer = await hub.call(None, "GET", CREDENTIALS, token=token_c)
    assert answer.data["token"] == token_c
    assert {(r["country_code"], r["party_id"], r["role"]) for r in answer.data["roles"]} == {
        ("NL", "HUB", "CPO"),
        ("DE", "HME", "EMSP"),
    }
    known = (await hub.services.directory.current()).partners["new"]
    assert known.is_connected
    assert {endpoint.module for endpoint in known.endpoints} == {"credentials", "cdrs"}
    assert THEIR_TOKEN not in known.sealed_token


@pytest.mark.ocpi_cell("credentials", "$version", "both", "server")
@pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])
@pytest.mark.parametrize("form", ["raw", "base64"])
async def test_get_answers_with_ours_and_the_token_that_asked(
    sqlite_url: str, tmp_path: Path, version: str, form: str
) -> None:
    """It is stored as a digest: only the request knows it (ocpi/ocpi#394). The parties are ours, never the caller's."""
    async with hub_in_process(sqlite_url, tmp_path) as hub:
        token_a = await hub.add_planned("new", "DE-NEW", counterpart=PartyId("NL", "HUB"))
        for token in (token_a, hub.tokens["aaa"]):
            sent = token if form == "raw" else base64.b64encode(token.encode()).decode()
            headers = {"Authorization": f"Token {sent}"}
            answer = await hub.call(None, "GET", f"/{version}/credentials", headers=headers)
            assert answer.outcome == (200, 1000), answer.text
            assert answer.data["token"] == token
            assert answer.data["url"] == f"{PUBLIC_URL}/versions"
            roles = answer.data.get("roles") or [answer.data]
            assert {f"{role['country_code']}-{role['party_id']}" for role in roles} <= {"NL-HUB", "DE-HME"}
        tables = await hub.services.database.reader.fetch("SELECT name FROM sqlite_master WHERE type = 'table'")
        stored = [await hub.services.database.reader.fetch(f"SELECT * FROM {name}") for (name,) in tables]
        kept = json.dumps([[list(map(str, row)) for row in rows] for rows in stored])
        assert "token-a-of-new" not in kept
        assert hub.tokens["aaa"] not in kept


async def test_token_a_lives_until_c_is_used(hub: HubInProcess) -> None:
    token_a = await hub.add_planned("new", "DE-NEW")
    async with platform() as partner:
        lost = await register(hub, partner, token_a)
        token_c = await register(hub, partner, token_a)
    assert lost != token_c
    assert await status_with(hub, token_a) == 200
    assert await status_with(hub, token_c) == 200
    assert await status_with(hub, token_a) == 401


@pytest.mark.parametrize("module", ["locations", "tariffs", "sessions", "cdrs", "tokens"])
async def test_token_a_opens_nothing_else(hub: HubInProcess, module: str) -> None:
    token_a = await hub.add_planned("new", "DE-NEW")
    for path in (f"{SENDER}/{module}", f"{RECEIVER}/{module}/DE/NEW/1"):
        assert (await hub.call(None, "GET", path, token=token_a)).outcome == (401, 2000)


async def test_post_is_for_newcomers_and_put_for_members(hub: HubInProcess) -> None:
    token_a = await hub.add_planned("new", "DE-NEW")
    assert (await hub.call(None, "PUT", CREDENTIALS, token=token_a, body=credentials("DE-NEW"))).http_status == 405
    assert (await hub.call(None, "DELETE", CREDENTIALS, token=token_a)).http_status == 405
    assert (await hub.call("aaa", "POST", CREDENTIALS, body=credentials())).http_status == 405


async def test_a_renewal_replaces_the_token_and_looks_again(hub: HubInProcess) -> None:
    token_a = await hub.add_planned("new", "DE-NEW")
    async with platform() as partner:
        old = await register(hub, partner, token_a)
    async with platform(modules=("credentials", "tokens")) as moved:
        body = credentials("DE-NEW", f"{moved.url}/versions")
        answer = await hub.call(None, "PUT", CREDENTIALS, token=old, body=body)
        assert answer.outcome == (200, 1000)
    assert answer.data["token"] != old
    assert await status_with(hub, answer.data["token"]) == 200
    known = (await hub.services.directory.current()).partners["new"]
    assert {endpoint.module for endpoint in known.endpoints} == {"credentials", "tokens"}
    assert known.versions_url == f"{moved.url}/versions"


@pytest.mark.ocpi_cell("credentials", "$version", "both", "server")
@pytest.mark.parametrize("version", ["2.2.1", "2.3.0"])
async def test_whoever_leaves_is_out_at_once(hub: HubInProcess, version: str) -> None:
    assert (await hub.call("aaa", "DELETE", f"/{version}/credentials")).outcome == (200, 1000)
    assert (await hub.call("aaa", "GET", f"{SENDER}/locations")).outcome == (401, 2000)
    known = (await hub.services.directory.current()).partners["aaa"]
    assert (known.is_connected, known.sealed_token) == (False, "")


@pytest.mark.parametrize(
    ("versions", "modules", "status", "code"),
    [
        (["2.2.1"], ["credentials"], "500 Internal Server Error", 3001),
        (["2.2.1"], ["credentials"], "401 Unauthorized", 3001),
        (["2.1.1", "3.0"], ["credentials"], "200 OK", 3002),
        ([], ["credentials"], "200 OK", 3002),
        (["2.2.1"], ["cdrs"], "200 OK", 3003),
    ],
)
async def test_a_platform_that_cannot_be_used(
    hub: HubInProcess, versions: list[str], modules: list[str], status: str, code: int
) -> None:
    token_a = await hub.add_planned("new", "DE-NEW")
    async with platform(versions=versions, modules=modules, status=status) as partner:
        body = credentials("DE-NEW", f"{partner.url}/versions")
        answer = await hub.call(None, "POST", CREDENTIALS, token=token_a, body=body)
    assert answer.code == code, answer.text
    assert THEIR_TOKEN not in answer.text
    assert await status_with(hub, token_a) == 200, "nothing has changed"
    assert not (await hub.services.directory.current()).partners["new"].is_connected


async def test_a_platform_where_nobody_listens(hub: HubInProcess) -> None:
    token_a = await hub.add_planned("new", "DE-NEW")
    body = credentials("DE-NEW", f"http://127.0.0.1:{free_port()}/versions")
    assert (await hub.call(None, "POST", CREDENTIALS, token=token_a, body=body)).code == 3001


@pytest.mark.parametrize("party", ["NL-HUB", "DE-HME", "DE-BBB", "FR-CPO", "DE-OTH"])
async def test_a_party_of_somebody_else_cannot_be_claimed(hub: HubInProcess, party: str) -> None:
    token_a = await hub.add_planned("new", "DE-NEW")
    async with platform() as partner:
        body = credentials(party, f"{partner.url}/versions")
        answer = await hub.call(None, "POST", CREDENTIALS, token=token_a, body=body)
        assert partner.requests == []
    assert answer.outcome == (200, 2001)
    assert answer.message.startswith("roles")


async def test_a_party_that_is_taken_while_we_look_cannot_be_claimed(hub: HubInProcess) -> None:
    token_a = await hub.add_planned("new")

    async def script(request: Received, writer: asyncio.StreamWriter) -> None:
        if request.target == "/versions":
            await hub.connect("faster", "DE-NEW", "EMSP")
        data: object = [{"version": "2.2.1", "url": f"{slower.url}/2.2.1"}]
        if request.target != "/versions":
            endpoint = {"identifier": "credentials", "role": "SENDER", "url": f"{slower.url}/credentials"}
            data = {"version": "2.2.1", "endpoints": [endpoint]}
        writer.write(http_answer(enveloped(data)))

    async with ScriptedPartner(script) as slower:
        body = credentials("DE-NEW", f"{slower.url}/versions")
        answer = await hub.call(None, "POST", CREDENTIALS, token=token_a, body=body)
    assert answer.outcome == (200, 2001), answer.text
    assert answer.message.startswith("roles")
    assert not (await hub.services.directory.current()).partners["new"].is_connected


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/versions", "ftp://127.0.0.1/versions", "http://a:b@127.0.0.1/", "http://2130706433/", "x"]
)
async def test_a_url_that_we_would_not_call_is_refused(hub: HubInProcess, url: str) -> None:
    token_a = await hub.add_planned("new", "DE-NEW")
    answer = await hub.call(None, "POST", CREDENTIALS, token=token_a, body=credentials("DE-NEW", url))
    assert answer.outcome == (200, 2001)
    assert answer.message.startswith("url")


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/cdrs", "https://169.254.169.254/", "file:///etc/passwd", "http://a:b@127.0.0.1/", "/cdrs"]
)
async def test_an_endpoint_that_we_would_not_call_is_refused(hub: HubInProcess, url: str) -> None:
    token_a = await hub.add_planned("new", "DE-NEW")
    forbidden = {"identifier": "cdrs", "role": "RECEIVER", "url": url}
    async with platform(more=[forbidden]) as partner:
        body = credentials("DE-NEW", f"{partner.url}/versions")
        answer = await hub.call(None, "POST", CREDENTIALS, token=token_a, body=body)
        assert answer.outcome == (200, 3001)
        assert "endpoints: cdrs (RECEIVER): url: the URL " in answer.message
        with pytest.raises(RegistrationFailed, match=r"endpoints: cdrs \(RECEIVER\): url: the URL "):
            await service.register(hub.services, "new", versions_url=f"{partner.url}/versions", token_a="theirs")
    known = (await hub.services.directory.current()).partners["new"]
    assert (known.is_connected, known.endpoints) == (False, ())


async def test_endpoints_that_are_nothing_to_us_are_left_out(hub: HubInProcess) -> None:
    token_a = await hub.add_planned("new", "DE-NEW")
    more = [
        {"identifier": "nltnm-tokens", "role": "SENDER", "url": "http://10.0.0.1/"},
        {"identifier": "cdrs", "role": "NEITHER", "url": "http://10.0.0.1/"},
        {"identifier": "cdrs", "role": "SENDER", "url": 3},
        "http://10.0.0.1/",
        None,
    ]
    async with platform(more=more) as partner:
        await register(hub, partner, token_a)
    known = (await hub.services.directory.current()).partners["new"]
    assert [endpoint.module for endpoint in known.endpoints] == ["credentials"]


async def test_a_partner_that_takes_the_token_raw_is_spoken_to_so(hub: HubInProcess) -> None:
    token_a = await hub.add_planned("new", "DE-NEW")
    async with platform() as partner:
        inner = partner.script

        async def wary(request: Received, writer: asyncio.StreamWriter) -> None:
            if request.headers["authorization"] == f"Token {THEIR_TOKEN}":
                await inner(request, writer)
            else:
                writer.write(http_answer(b"", status="401 Unauthorized"))

        partner.script = wary
        await register(hub, partner, token_a)
        forms = [request.headers["authorization"] == f"Token {THEIR_TOKEN}" for request in partner.requests]
    assert forms == [False, True, True], "tried once, then known"
    known = (await hub.services.directory.current()).partners["new"]
    assert dialect_of(known).token_encoding == "raw"
    assert "401 to base64" in known.dialect["token_encoding"]["seen"]["why"]


async def test_2_2_stands_for_2_2_1_unless_a_person_says_no(hub: HubInProcess) -> None:
    token_a = await hub.add_planned("new", "DE-NEW")
    async with platform(versions=("2.1", "2.2")) as partner:
        await set_switch_of(hub, "new", "version_2_2", "refused")
        body = credentials("DE-NEW", f"{partner.url}/versions")
        refused = await hub.call(None, "POST", CREDENTIALS, token=token_a, body=body)
        assert refused.code == 3002
        await set_switch_of(hub, "new", "version_2_2", "taken")
        token_c = await register(hub, partner, token_a)
        assert [request.target for request in partner.requests][-1] == "/2.2"
    known = (await hub.services.directory.current()).partners["new"]
    assert known.version == "2.2.1"
    offered = (await hub.call(None, "GET", "/versions", token=token_c)).data
    assert "2.2" not in {entry["version"] for entry in offered}, "by hand it is taken, not offered"
    async with hub.services.database.work() as work:
        await forget_switch(work, "new", "version_2_2")
    async with platform(versions=("2.1", "2.2")) as partner:
        body = credentials("DE-NEW", f"{partner.url}/versions")
        assert (await hub.call(None, "PUT", CREDENTIALS, token=token_c, body=body)).code == 1000
        token_c = (await hub.call(None, "PUT", CREDENTIALS, token=token_c, body=body)).data["token"]
    offered = (await hub.call(None, "GET", "/versions", token=token_c)).data
    url = next(entry["url"] for entry in offered if entry["version"] == "2.2")
    details = (await hub.call(None, "GET", url, token=token_c)).data
    assert details["version"] == "2.2"
    assert all("/2.2.1/" in endpoint["url"] for endpoint in details["endpoints"])


async def set_switch_of(hub: HubInProcess, partner: str, name: str, value: str) -> None:
    async with hub.services.database.work() as work:
        await set_switch(work, partner, name, value)

from tests.kit.hub_in_process import PUBLIC_URL, HubInProcess


async def test_versions_lead_to_every_endpoint(hub: HubInProcess) -> None:
    versions = await hub.call("aaa", "GET", "/versions")
    offered = [str(version) for version in hub.services.versions]
    assert versions.data == [{"version": version, "url": f"{PUBLIC_URL}/{version}"} for version in offered]
    assert "2.2.1" in offered
    details = await hub.call("aaa", "GET", f"{PUBLIC_URL}/2.2.1")
    endpoints = {(e["identifier"], e["role"]): e["url"] for e in details.data["endpoints"]}
    modules = {"locations", "tariffs", "sessions", "cdrs", "tokens", "commands", "chargingprofiles"}
    assert {module for module, _ in endpoints} == modules | {"credentials", "hubclientinfo"}
    for (module, role), url in endpoints.items():
        answer = await hub.call("aaa", "GET", url)
        is_list = role == "SENDER" and module not in ("commands", "credentials", "chargingprofiles")
        if is_list:
            assert answer.http_status == 200, (module, role)
        else:
            assert answer.http_status in (200, 405, 404), (module, role)


async def test_versions_are_the_same_with_and_without_slash(hub: HubInProcess) -> None:
    assert (await hub.call("aaa", "GET", "/versions/")).data == (await hub.call("aaa", "GET", "/versions")).data


async def test_configuration_modules_answer_without_routing_headers(hub: HubInProcess) -> None:
    answer = await hub.call("aaa", "GET", "/versions", headers={"X-Request-ID": "one", "X-Correlation-ID": "two"})
    assert (answer.headers["X-Request-ID"], answer.headers["X-Correlation-ID"]) == ("one", "two")
    assert not [name for name in answer.headers if name.startswith("ocpi-")]


async def test_nobody_gets_in_without_a_token(hub: HubInProcess) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Token"}, {"Authorization": "Token \x7f"}):
        answer = await hub.call(None, "GET", "/versions", headers=headers)
        assert answer.outcome == (401, 2000)

"""Rules decide what lists, single objects and pushes show, and all three agree with each other and with ``decide``."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roaming.model.identifiers import PartyId
from roaming.modules.locations import service as locations
from roaming.modules.tariffs import service as tariffs
from roaming.ocpi.module import Outgoing
from roaming.partners.agreements import Effect, Kind, Object, Rule, Subject, SubjectKind, Thing
from roaming.store.documents import object_key
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import HOSTED_CPO, RECEIVER, SENDER, HubInProcess, decoded, hub_in_process
from tests.kit.ruling import EVERYBODY, a_rule, rule

OURS = PartyId.parse(HOSTED_CPO)
PLACES = {"L1": ("A", "B"), "L2": ("A", "B"), "L3": ("A",)}
TARIFFS = ("T1", "T2", "T3")


async def host(hub: HubInProcess) -> None:
    for id, uids in PLACES.items():
        evses = [ocpi_bodies.evse(uid=uid, evse_id=f"NL*HUB*E{uid}") for uid in uids]
        await hub.host_location(id, evses=evses)
    async with hub.services.database.work() as work:
        for id in TARIFFS:
            await tariffs.publish(work, decoded(tariffs.CODECS, ocpi_bodies.tariff(HOSTED_CPO, id=id)))


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(database_url, tmp_path, versions=("2.1.1", "2.2.1", "2.3.0")) as running:
        await host(running)
        yield running


async def listed(hub: HubInProcess, partner: str, module: str, version: str = "2.2.1") -> list[dict[str, Any]]:
    """The whole list, page by page; its total must be right."""
    where = f"/{version}/sender/{module}" if version != "2.1.1" else f"/2.1.1/{module}"
    pages = await hub.pages(partner, f"{where}?limit=2")
    assert pages[0].http_status == 200, pages[0].text
    found = [entry for page in pages for entry in page.data]
    assert [page.headers["x-total-count"] for page in pages] == [str(len(found))] * len(pages)
    return found


def evses_of(found: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {entry["id"]: [evse["uid"] for evse in entry.get("evses", [])] for entry in found}


async def test_a_location_that_is_denied_is_nowhere(hub: HubInProcess) -> None:
    await rule(hub.services.database, [a_rule("deny", "locations", object_id="l1", partner="aaa")])
    assert sorted(evses_of(await listed(hub, "aaa", "locations"))) == ["L2", "L3"]
    assert sorted(evses_of(await listed(hub, "bbb", "locations"))) == ["L1", "L2", "L3"]
    for path in ("L1", "L1/A", "L1/A/1"):
        assert (await hub.call("aaa", "GET", f"{SENDER}/locations/{path}")).outcome == (404, 2000)
        assert (await hub.call("bbb", "GET", f"{SENDER}/locations/{path}")).outcome == (200, 1000)


async def test_a_group_is_all_that_is_seen(hub: HubInProcess) -> None:
    rules = [a_rule("deny", "locations"), a_rule("allow", "locations", group="north", partner="aaa")]
    await rule(hub.services.database, rules, {"north": [("NL-HUB", "L1"), ("NL-HUB", "L3"), ("FR-CPO", "L2")]})
    assert sorted(evses_of(await listed(hub, "aaa", "locations"))) == ["L1", "L3"]
    since = await hub.call("aaa", "GET", f"{SENDER}/locations?date_from=2020-01-01T00:00:00Z")
    assert (since.headers["x-total-count"], len(since.data)) == ("2", 2)
    assert await listed(hub, "bbb", "locations") == []


async def test_an_evse_is_shown_alone_with_the_tariffs_that_are_offered(hub: HubInProcess) -> None:
    rules = [
        a_rule("deny", "locations", object_id="L1", partner="aaa"),
        a_rule("allow", "locations", object_id="L1", evse_uid="B", partner="aaa"),
        a_rule("price", "locations", partner="aaa", tariffs=["T3"]),
    ]
    await rule(hub.services.database, rules)
    found = {entry["id"]: entry for entry in await listed(hub, "aaa", "locations")}
    assert evses_of(list(found.values())) == {"L1": ["B"], "L2": ["A", "B"], "L3": ["A"]}
    assert found["L1"]["evses"][0]["connectors"][0]["tariff_ids"] == ["T3"]
    one = await hub.call("aaa", "GET", f"{SENDER}/locations/L1")
    assert one.data == found["L1"]
    assert (await hub.call("aaa", "GET", f"{SENDER}/locations/L1/A")).http_status == 404
    assert (await hub.call("aaa", "GET", f"{SENDER}/locations/L1/B/1")).data["tariff_ids"] == ["T3"]
    assert [entry["id"] for entry in await listed(hub, "aaa", "tariffs")] == ["T3"]
    assert [entry["id"] for entry in await listed(hub, "bbb", "tariffs")] == ["T1", "T2"]
    assert (await hub.call("bbb", "GET", f"{SENDER}/locations/L1")).data["evses"][0]["connectors"][0]["tariff_ids"] == [
        "T1"
    ]


async def test_tokens_are_kept_from_an_operator(hub: HubInProcess) -> None:
    headers = {"OCPI-to-country-code": "NL", "OCPI-to-party-id": "HUB"}
    token = ocpi_bodies.token("DE-AAA", uid="CARD")
    assert (await hub.call("aaa", "PUT", f"{RECEIVER}/tokens/DE/AAA/CARD", body=token)).http_status == 201, headers
    await hub.host_objects()
    await rule(hub.services.database, [a_rule("deny", "tokens", owner="DE-HME", partner="cpo")])
    assert await listed(hub, "cpo", "tokens") == []
    assert [entry["uid"] for entry in await listed(hub, "riv", "tokens")] == ["HOME1"]


subjects = st.sampled_from(
    [
        EVERYBODY,
        Subject(kind=SubjectKind.PARTNER, name="aaa"),
        Subject(kind=SubjectKind.PARTY, name="DE-AAA"),
        Subject(kind=SubjectKind.PARTY, name="DE-BBB"),
    ]
)
places = st.one_of(
    st.just(Object(owner=OURS)),
    st.just(Object(group="some")),
    st.builds(Object, owner=st.just(OURS), object_id=st.sampled_from([*PLACES])),
    st.builds(Object, owner=st.just(OURS), object_id=st.sampled_from([*PLACES]), evse_uid=st.sampled_from("AB")),
)
grants = st.sampled_from([Effect.ALLOW, Effect.DENY])
of_locations = st.builds(
    Rule, id=st.just(0), effect=grants, subject=subjects, kind=st.just(Kind.LOCATIONS), object=places
)
of_tariffs = st.builds(
    Rule,
    id=st.just(0),
    effect=grants,
    subject=subjects,
    kind=st.just(Kind.TARIFFS),
    object=st.builds(Object, owner=st.just(OURS), object_id=st.sampled_from(["", *TARIFFS])),
)
prices = st.builds(
    Rule,
    id=st.just(0),
    effect=st.just(Effect.PRICE),
    subject=subjects,
    kind=st.just(Kind.LOCATIONS),
    object=places,
    tariff_ids=st.sampled_from([("T1",), ("T2", "T3")]),
)


def test_lists_single_objects_and_pushes_do_what_decide_says(sqlite_url: str, tmp_path: Path) -> None:
    versions = ("2.1.1", "2.2.1", "2.3.0")
    with asyncio.Runner() as runner:
        opened = hub_in_process(sqlite_url, tmp_path, versions=versions)
        hub = runner.run(opened.__aenter__())
        runner.run(host(hub))

        @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(st.one_of(of_locations, of_tariffs, prices), max_size=6), st.sampled_from(versions))
        def holds(rules: list[Rule], version: str) -> None:
            runner.run(rule(hub.services.database, rules, {"some": [("NL-HUB", "L1"), ("NL-HUB", "L2")]}))
            for partner in ("aaa", "bbb"):
                runner.run(agrees(hub, partner, version))

        try:
            holds()
        finally:
            runner.run(opened.__aexit__(None, None, None))


async def agrees(hub: HubInProcess, partner_id: str, version: str) -> None:
    directory = await hub.services.directory.current()
    partner = directory.partners[partner_id]
    view = directory.view(partner, OURS)

    def allows(kind: Kind, id: str, uid: str = "") -> bool:
        return directory.decide(partner, Thing(kind=kind, owner=OURS, object_id=id, evse_uid=uid)).is_allowed

    sender = f"/{version}/sender" if version != "2.1.1" else "/2.1.1"
    found = evses_of(await listed(hub, partner_id, "locations", version))
    for id, uids in PLACES.items():
        evses = [uid for uid in uids if allows(Kind.LOCATIONS, id, uid)]
        assert found.get(id, []) == evses, (id, directory.rulebook.rules)
        assert (id in found) == (allows(Kind.LOCATIONS, id) or bool(evses))
        assert await is_told(hub, partner_id, locations.audience, "locations", id) == (id in found)
        for uid in uids:
            one = await hub.call(partner_id, "GET", f"{sender}/locations/{id}/{uid}")
            assert (one.http_status == 200) == (uid in evses)
            assert await is_told(hub, partner_id, locations.audience, "locations", id, uid) == (uid in evses)
    seen = {entry["id"] for entry in await listed(hub, partner_id, "tariffs", version)}
    for id in TARIFFS:
        assert (id in seen) == allows(Kind.TARIFFS, id) == view.sees_tariff(id)
        assert await is_told(hub, partner_id, tariffs.audience, "tariffs", id) == (id in seen)


async def is_told(hub: HubInProcess, partner_id: str, audience: Any, module: str, id: str, part: str = "") -> bool:
    key = object_key(OURS, id)
    rules = next(entry.delivery for entry in hub.services.modules if entry.id == module)
    assert rules is not None
    kept = (await rules.read(hub.services.database.reader, [key]))[key]
    outgoing = Outgoing(module=module, object_key=key, owner=OURS, part=part)
    told = audience(outgoing, kept, await hub.services.directory.current())
    return partner_id in {recipient.partner_id for recipient in told}

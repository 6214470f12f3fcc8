"""Two eMSPs and two CPOs at one hub: nobody learns of another's drivers, changes another's objects, or can tell from a
refusal whether they exist."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from roaming.model.identifiers import PartyId
from roaming.ocpi.module import Outgoing
from roaming.store.documents import object_key
from tests.kit import ocpi_bodies as bodies
from tests.kit.hub_in_process import RECEIVER, SENDER, HubInProcess, hub_in_process

SINCE = "date_from=2020-01-01T00:00:00Z"
LATER = "2026-11-23T12:00:00Z"


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """Charges of both eMSPs, a token of each, and objects of ``cpo``."""
    async with hub_in_process(sqlite_url, tmp_path) as running:
        await running.host_objects()
        for number in range(4):
            await running.host_charge("DE-AAA", f"MORE-AAA-{number}")
            await running.host_charge("DE-BBB", f"MORE-BBB-{number}")
        for partner, method, path, body in THEIRS:
            answer = await running.call(partner, method, path, body=body)
            assert answer.outcome == (201, 1000), (path, answer.text)
        yield running


THEIRS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("aaa", "PUT", f"{RECEIVER}/tokens/DE/AAA/KEY-AAA", bodies.token("DE-AAA", uid="KEY-AAA")),
    ("bbb", "PUT", f"{RECEIVER}/tokens/DE/BBB/KEY-BBB", bodies.token("DE-BBB", uid="KEY-BBB")),
    ("cpo", "PUT", f"{RECEIVER}/locations/FR/CPO/L1", bodies.location()),
    ("cpo", "PUT", f"{RECEIVER}/tariffs/FR/CPO/T1", bodies.tariff()),
    ("cpo", "PUT", f"{RECEIVER}/sessions/FR/CPO/S1", bodies.session()),
    ("cpo", "POST", f"{RECEIVER}/cdrs", bodies.cdr()),
]


def check_silent(text: str, other: str) -> None:
    """Nothing of the drivers of eMSP ``other``."""
    for word in (f"CARD-{other}", f"OURS-{other}", f"MORE-{other}", f"KEY-{other}", f"DE-{other}"):
        assert word not in text, text


def party_headers(side: str, party: str) -> dict[str, str]:
    return {f"OCPI-{side}-country-code": party[:2], f"OCPI-{side}-party-id": party[3:]}


FILTERS = [
    "",
    "limit=1",
    "limit=3&offset=2",
    "offset=5",
    "date_to=2099-01-01T00:00:00Z",
    "party_id=BBB&country_code=DE",
]


@pytest.mark.parametrize("module", ["sessions", "cdrs"])
@pytest.mark.parametrize(("me", "other"), [("aaa", "BBB"), ("bbb", "AAA")])
async def test_a_list_holds_the_callers_drivers_only(hub: HubInProcess, module: str, me: str, other: str) -> None:
    for query in FILTERS:
        for headers in ({}, party_headers("from", f"DE-{me.upper()}"), party_headers("to", "NL-HUB")):
            pages = await hub.pages(me, f"{SENDER}/{module}?{SINCE}&{query}", headers)
            for page in pages:
                assert page.code == 1000
                check_silent(page.text + str(page.headers), other)
                assert page.headers["x-total-count"] == "5"
            if "offset" not in query:
                assert len({entry["id"] for page in pages for entry in page.data}) == 5


@pytest.mark.parametrize("module", ["sessions", "cdrs"])
async def test_a_page_link_of_another_leads_to_the_callers_own(hub: HubInProcess, module: str) -> None:
    first = await hub.call("bbb", "GET", f"{SENDER}/{module}?{SINCE}&limit=2")
    link = first.headers["link"]
    answer = await hub.call("aaa", "GET", link[1 : link.index(">")])
    assert answer.code == 1000
    assert {entry["cdr_token"]["party_id"] for entry in answer.data} <= {"AAA"}
    assert answer.headers["x-total-count"] == "5"


@pytest.mark.parametrize("module", ["locations", "tariffs", "sessions", "cdrs", "tokens"])
async def test_nobody_speaks_for_another(hub: HubInProcess, module: str) -> None:
    for party in ("DE-BBB", "NL-HUB", "XX-YYY"):
        answer = await hub.call("aaa", "GET", f"{SENDER}/{module}?{SINCE}", headers=party_headers("from", party))
        assert answer.outcome == (200, 2001)
        assert "data" not in answer.body
        check_silent(answer.text.replace(party, ""), "BBB")


async def test_cpos_see_no_sessions_cdrs_or_tokens_of_partners(hub: HubInProcess) -> None:
    for module in ("sessions", "cdrs", "tokens"):
        answer = await hub.call("cpo", "GET", f"{SENDER}/{module}?{SINCE}")
        check_silent(answer.text, "AAA")
        check_silent(answer.text, "BBB")
        assert answer.headers["x-total-count"] == ("1" if module == "tokens" else "0")


@pytest.mark.parametrize("emsp", ["AAA", "BBB"])
async def test_a_push_goes_to_the_drivers_emsp_alone(hub: HubInProcess, emsp: str) -> None:
    directory, owner = await hub.services.directory.current(), PartyId.parse("NL-HUB")
    for module in ("sessions", "cdrs"):
        key = object_key(owner, f"OURS-{emsp}")
        (rules,) = (entry.delivery for entry in hub.services.modules if entry.id == module)
        assert rules is not None
        found = await rules.read(hub.services.database.reader, [key])
        told = rules.audience(Outgoing(module=module, object_key=key, owner=owner), found.get(key), directory)
        assert [(recipient.partner_id, str(recipient.to_party)) for recipient in told] == [
            (emsp.lower(), str(PartyId.parse(f"DE-{emsp}")))
        ]


Intrusion = tuple[str, str, str, Callable[[str], dict[str, Any]]]
INTRUSIONS: list[Intrusion] = [
    (
        "locations/FR/CPO/{}",
        "L1",
        "cpo",
        lambda id: bodies.location(id=id, name="taken over", last_updated=LATER),
    ),
    ("locations/FR/CPO/{}/E1", "L1", "cpo", lambda id: bodies.evse(status="BLOCKED", last_updated=LATER)),
    ("locations/FR/CPO/{}/E1/1", "L1", "cpo", lambda id: bodies.connector(max_voltage=1, last_updated=LATER)),
    ("tariffs/FR/CPO/{}", "T1", "cpo", lambda id: bodies.tariff(id=id, currency="SEK", last_updated=LATER)),
    ("sessions/FR/CPO/{}", "S1", "cpo", lambda id: bodies.session(id=id, kwh=999, last_updated=LATER)),
    ("cdrs/FR/CPO/{}", "C1", "cpo", lambda id: bodies.cdr(id=id, total_energy=999)),
    ("cdrs", "", "", lambda id: bodies.cdr(id=id or "C1", total_energy=999)),
    ("tokens/DE/BBB/{}", "KEY-BBB", "bbb", lambda id: bodies.token("DE-BBB", uid=id, valid=False, last_updated=LATER)),
]


@pytest.mark.parametrize("intruder", ["aaa", "riv"])
@pytest.mark.parametrize(("path", "id", "owner", "body"), INTRUSIONS, ids=[row[0] for row in INTRUSIONS])
async def test_objects_of_another_party_cannot_be_read_changed_or_found(
    hub: HubInProcess, intruder: str, path: str, id: str, owner: str, body: Callable[[str], dict[str, Any]]
) -> None:
    address = f"{RECEIVER}/{path}"
    before = await hub.call(owner, "GET", address.format(id)) if owner else None
    for method in ("GET", "PUT", "PATCH", "POST", "DELETE"):
        answers = []
        for name in (id, "NOPE"):
            has_body = method in ("PUT", "PATCH", "POST")
            answer = await hub.call(intruder, method, address.format(name), body=body(name) if has_body else None)
            assert answer.code != 1000, (method, answer.text)
            assert "data" not in answer.body
            answers.append((answer.outcome, answer.message.replace(name, "*") if name else answer.message))
        assert answers[0] == answers[1], f"{method} tells whether the object exists"
    if before is not None:
        after = await hub.call(owner, "GET", address.format(id))
        assert after.data == before.data


@pytest.mark.parametrize(
    ("partner", "path", "body"),
    [
        ("riv", "locations/FR/RIV/L1", bodies.location(last_updated=LATER)),
        ("riv", "tariffs/FR/RIV/T1", bodies.tariff(last_updated=LATER)),
        ("riv", "sessions/FR/RIV/S1", bodies.session(last_updated=LATER)),
        ("aaa", "tokens/DE/AAA/KEY-BBB", bodies.token("DE-BBB", uid="KEY-BBB", valid=False, last_updated=LATER)),
    ],
)
async def test_a_body_of_another_owner_at_ones_own_address_is_refused(
    hub: HubInProcess, partner: str, path: str, body: dict[str, Any]
) -> None:
    answer = await hub.call(partner, "PUT", f"{RECEIVER}/{path}", body=body)
    assert answer.outcome == (200, 2001)
    assert answer.message.startswith(("party_id", "country_code"))
    assert (await hub.call(partner, "GET", f"{RECEIVER}/{path}")).outcome == (404, 2000), "nothing was stored"


async def test_authorising_a_partners_token_is_as_unknown_as_none(hub: HubInProcess) -> None:
    answers = [await hub.call("riv", "POST", f"{SENDER}/tokens/{uid}/authorize") for uid in ("KEY-BBB", "NOPE")]
    assert {answer.outcome for answer in answers} == {(404, 2004)}
    assert answers[0].message == answers[1].message

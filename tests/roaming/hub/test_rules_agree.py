"""Whatever rules there are: what a party lists, GETs, is pushed, is passed and is told by `why` is the same, down to
the tariffs at a connector; and so are its tokens and commands."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roaming.hub.why import why
from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole, Role
from roaming.ocpi.module import DeliveryJob, Outgoing, Recipient
from roaming.partners import registry
from roaming.partners.agreements import Effect, Kind, Object, Rule, Subject, SubjectKind, Thing
from roaming.partners.telling import view_towards
from roaming.store.documents import object_key
from tests.kit import ocpi_bodies
from tests.kit.answering_partner import AnsweringPartner, answering_partner
from tests.kit.hub_in_process import RECEIVER, SENDER, HubInProcess, hub_in_process
from tests.kit.ruling import EVERYBODY, rule

OWNER, ONE, TWO = PartyId("FR", "CPO"), PartyId("DE", "TW1"), PartyId("DE", "TW2")
PLACES = {"L1": ("A", "B"), "L2": ("A",)}
TARIFFS = ("T1", "T2", "T3")
BODIES: Mapping[str, Any] = {
    id: ocpi_bodies.location(
        str(OWNER),
        id=id,
        evses=[
            ocpi_bodies.evse(uid=uid, evse_id=None, connectors=[ocpi_bodies.connector(tariff_ids=["T1"])])
            for uid in uids
        ],
    )
    for id, uids in PLACES.items()
}
COMMANDS = ("START_SESSION", "UNLOCK_CONNECTOR")

of_two = [
    Subject(kind=SubjectKind.PARTNER, name="two"),
    *(Subject(kind=SubjectKind.PARTY, name=str(p)) for p in (ONE, TWO)),
]
subjects = st.sampled_from([EVERYBODY, *of_two])
places = st.one_of(
    st.just(Object(owner=OWNER)),
    st.just(Object(group="some")),
    st.builds(Object, owner=st.just(OWNER), object_id=st.sampled_from([*PLACES])),
    st.builds(Object, owner=st.just(OWNER), object_id=st.sampled_from([*PLACES]), evse_uid=st.sampled_from("AB")),
)
grants = st.sampled_from([Effect.ALLOW, Effect.DENY])
of_tariffs = st.builds(Object, owner=st.just(OWNER), object_id=st.sampled_from(["", *TARIFFS]))
to_cpo = st.sampled_from([EVERYBODY, Subject(kind=SubjectKind.PARTNER, name="cpo")])
number, price = st.just(0), st.just(Effect.PRICE)
offers = st.sampled_from([("T2",), ("T2", "T3")])
rules = st.one_of(
    st.builds(Rule, id=number, effect=grants, subject=subjects, kind=st.just(Kind.LOCATIONS), object=places),
    st.builds(Rule, id=number, effect=grants, subject=subjects, kind=st.just(Kind.TARIFFS), object=of_tariffs),
    st.builds(Rule, id=number, effect=grants, subject=subjects, kind=st.just(Kind.TOKENS), object=places),
    st.builds(
        Rule,
        id=number,
        effect=grants,
        subject=to_cpo,
        kind=st.just(Kind.TOKENS),
        object=st.builds(Object, owner=st.sampled_from([ONE, TWO])),
    ),
    st.builds(
        Rule,
        id=number,
        effect=grants,
        subject=subjects,
        kind=st.just(Kind.COMMANDS),
        object=places,
        command=st.sampled_from(["", *COMMANDS]),
    ),
    st.builds(
        Rule, id=number, effect=price, subject=subjects, kind=st.just(Kind.LOCATIONS), object=places, tariff_ids=offers
    ),
)


def sides(sender: PartyId, receiver: PartyId | None = None) -> dict[str, str]:
    found = {"OCPI-from-country-code": sender.country_code, "OCPI-from-party-id": sender.party_id}
    if receiver is not None:
        found |= {"OCPI-to-country-code": receiver.country_code, "OCPI-to-party-id": receiver.party_id}
    return found


async def set_up(stack: AsyncExitStack, url: str, folder: Path) -> tuple[HubInProcess, AnsweringPartner]:
    hub = await stack.enter_async_context(hub_in_process(url, folder, hub_party="NL-ZZZ"))
    two = await stack.enter_async_context(answering_partner(hub, "two", f"{ONE} {TWO}", Role.EMSP))
    async with hub.services.database.work() as work:
        for emsp in (ONE, TWO):
            await registry.agree(work, cpo=OWNER, emsp=emsp)
    for id, body in BODIES.items():
        await hub.call("cpo", "PUT", f"{RECEIVER}/locations/FR/CPO/{id}", body=body)
    for id in TARIFFS:
        body = ocpi_bodies.tariff(str(OWNER), id=id)
        await hub.call("cpo", "PUT", f"{RECEIVER}/tariffs/FR/CPO/{id}", body=body)
    for emsp in (ONE, TWO):
        token = ocpi_bodies.token(str(emsp), uid=f"CARD{emsp.party_id}")
        path = f"{RECEIVER}/tokens/DE/{emsp.party_id}/CARD{emsp.party_id}"
        assert (await hub.call("two", "PUT", path, body=token, headers=sides(emsp))).code == 1000
    return hub, two


def test_all_that_a_party_is_shown_agrees(database_url: str, tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        hub, two = runner.run(set_up(stack, database_url, tmp_path))

        @settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(rules, max_size=6))
        def holds(found: list[Rule]) -> None:
            runner.run(rule(hub.services.database, found, {"some": [("FR-CPO", "L1")]}))
            runner.run(agrees(hub, two))

        try:
            holds()
        finally:
            runner.run(stack.aclose())


async def agrees(hub: HubInProcess, two: AnsweringPartner) -> None:
    for party in (ONE, TWO):
        for module, ids in (("locations", PLACES), ("tariffs", TARIFFS)):
            listed = await hub.call("two", "GET", f"{SENDER}/{module}", headers=sides(party))
            seen = {entry["id"]: entry for entry in listed.data}
            assert listed.headers["x-total-count"] == str(len(seen))
            for id in ids:
                assert await pushed(hub, module, id, party) == seen.get(id), (module, id, party)
                assert await passed(hub, two, module, id, party) == seen.get(id), (module, id, party)
                assert await told_by_why(hub, module, id, party) == (id in seen)
        places = {
            entry["id"]: entry
            for entry in (await hub.call("two", "GET", f"{SENDER}/locations", headers=sides(party))).data
        }
        for id in PLACES:
            one = await hub.call("two", "GET", f"{SENDER}/locations/{id}", headers=sides(party))
            assert (one.data if one.http_status == 200 else None) == places.get(id)
        await offers_agree(hub, places, party)
        await commands_agree(hub, party)
    await tokens_agree(hub)


async def pushed(hub: HubInProcess, module: str, id: str, party: PartyId) -> Any:
    """The body of the push that ``party`` gets, by itself or with the others of its platform."""
    key, directory = object_key(OWNER, id), await hub.services.directory.current()
    delivery = next(entry.delivery for entry in hub.services.modules if entry.id == module)
    assert delivery is not None
    kept = (await delivery.read(hub.services.database.reader, [key]))[key]
    told = delivery.audience(Outgoing(module=module, object_key=key, owner=OWNER), kept, directory)
    mine: list[Recipient] = [each for each in told if each.partner_id == "two"]
    mine = [each for each in mine if each.to_party == party or not each.is_apart]
    if not mine:
        return None
    (recipient,) = mine
    partner = directory.partners["two"]
    job = DeliveryJob(
        id=1,
        module=module,
        object_key=key,
        owner=OWNER,
        part="",
        detail="",
        partner=partner,
        recipient=recipient,
        attempts=0,
        is_full=False,
        view=view_towards(directory, partner, OWNER, recipient.to_party).view,
    )
    request = delivery.build(job, kept, partner.endpoint(module, InterfaceRole.RECEIVER) or "")
    assert request is not None
    assert request.body is not None
    return json.loads(request.body)


async def passed(hub: HubInProcess, two: AnsweringPartner, module: str, id: str, party: PartyId) -> Any:
    """What reaches ``party`` of a push of the owner to it alone."""
    body = BODIES[id] if module == "locations" else ocpi_bodies.tariff(str(OWNER), id=id)
    two.taken.clear()
    path = f"{RECEIVER}/{module}/FR/CPO/{id}"
    answer = await hub.call("cpo", "PUT", path, body=body, headers=sides(OWNER, party))
    assert answer.code == (1000 if two.taken else 4001), answer.text
    return two.taken[-1].body if two.taken else None


async def reasons_of(hub: HubInProcess, partner: str, what: str, kind: str) -> dict[str, str]:
    owner = OWNER if kind != "token" else PartyId("DE", what[-3:])
    return {each["question"]: each["answer"] for each in await why(hub.services, partner, what, kind=kind, party=owner)}


def of_party(reasons: Mapping[str, str], party: PartyId, question: str) -> str:
    """The answer about one party, or about all of the platform where they are alike."""
    return reasons.get(f"{party} {question}") or reasons[question]


async def told_by_why(hub: HubInProcess, module: str, id: str, party: PartyId) -> bool:
    kind = module.removesuffix("s")
    return of_party(await reasons_of(hub, "two", id, kind), party, f"sees the {kind}") == "yes"


async def offers_agree(hub: HubInProcess, places: Mapping[str, Any], party: PartyId) -> None:
    for id, uids in PLACES.items():
        shown = {evse["uid"]: evse["connectors"][0]["tariff_ids"] for evse in places.get(id, {}).get("evses", [])}
        for uid in uids:
            reasons = await reasons_of(hub, "two", f"{id}/{uid}", "location")
            assert (of_party(reasons, party, "sees the EVSE") == "yes") == (uid in shown), (id, uid, reasons)
            offered = of_party(reasons, party, "is offered there")
            if uid in shown:
                assert offered == (", ".join(shown[uid]) if shown[uid] != ["T1"] else "the connectors' own tariffs")


async def commands_agree(hub: HubInProcess, party: PartyId) -> None:
    directory = await hub.services.directory.current()
    for id, uids in PLACES.items():
        for uid in uids:
            place = {"location_id": id, "evse_uid": uid}
            bodies = {
                "START_SESSION": ocpi_bodies.start_session(str(party), **place),
                "UNLOCK_CONNECTOR": ocpi_bodies.unlock_connector(**place),
            }
            for name in COMMANDS:
                path = f"{RECEIVER}/commands/{name}"
                answer = await hub.call("two", "POST", path, body=bodies[name], headers=sides(party, OWNER))
                may = [
                    directory.decide_for(party, Thing(kind=kind, owner=OWNER, object_id=id, evse_uid=uid, command=name))
                    for kind in (Kind.COMMANDS, Kind.LOCATIONS)
                ]
                is_allowed = all(decision.is_allowed for decision in may)
                if name == "START_SESSION":
                    is_allowed &= directory.may_charge(cpo=OWNER, emsp=party, location_id=id, evse_uids=[uid])
                assert answer.code == (4003 if is_allowed else 4001), (name, id, uid, answer.text)
                reasons = await reasons_of(hub, "two", f"{id}/{uid}", "location")
                assert not may[0].is_allowed or reasons[f"may send {name}"] == "yes"


async def tokens_agree(hub: HubInProcess) -> None:
    directory = await hub.services.directory.current()
    delivery = next(entry.delivery for entry in hub.services.modules if entry.id == "tokens")
    assert delivery is not None
    listed = {entry["uid"] for entry in (await hub.call("cpo", "GET", f"{SENDER}/tokens")).data}
    for emsp in (ONE, TWO):
        uid, key = f"CARD{emsp.party_id}", object_key(emsp, f"CARD{emsp.party_id}", "RFID")
        kept = (await delivery.read(hub.services.database.reader, [key]))[key]
        told = delivery.audience(Outgoing(module="tokens", object_key=key, owner=emsp), kept, directory)
        decided = directory.decide(directory.partners["cpo"], Thing(kind=Kind.TOKENS, owner=emsp)).is_allowed
        assert (uid in listed) == decided == ("cpo" in {each.partner_id for each in told})
        assert (await reasons_of(hub, "cpo", uid, "token"))["sees the token"] == ("yes" if decided else "no")

"""Which rule decides: whatever the order in which rules were made, the narrowest, and of equals the refusal."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roaming.model.identifiers import PartyId, fold
from roaming.partners.agreements import (
    ChargeBegun,
    Effect,
    Kind,
    Object,
    Rule,
    Rulebook,
    Subject,
    SubjectKind,
    Thing,
    Viewer,
)
from roaming.partners.views import NOTHING, View, changed_locations, changed_tariffs, view_of

CPO, OTHER_CPO = PartyId("NL", "TNM"), PartyId("DE", "CPO")
PARTIES = (PartyId("DE", "AAA"), PartyId("DE", "BBB"))
IDS, EVSES, TARIFFS = ("L1", "l2", "L3"), ("E1", "E2"), ("T1", "T2", "T3")
PARTIES_IN = {"big": frozenset(PARTIES[:1]), "all": frozenset(PARTIES)}
LOCATIONS_IN = {"north": frozenset({(CPO, "l1"), (CPO, "l2"), (OTHER_CPO, "l1")})}
TOKENS_IN = {"fleet": frozenset({(PARTIES[0], "card-1"), (PARTIES[0], "pool")})}
VIEWERS = (Viewer(partner_id="aaa", party=PARTIES[0]), Viewer(partner_id="bbb", party=PARTIES[1]))

subjects = st.sampled_from(
    [
        Subject(kind=SubjectKind.EVERYBODY),
        *(Subject(kind=SubjectKind.GROUP, name=name) for name in (*PARTIES_IN, "nobody")),
        *(Subject(kind=SubjectKind.PARTNER, name=name) for name in ("aaa", "bbb")),
        *(Subject(kind=SubjectKind.PARTY, name=str(party)) for party in PARTIES),
    ]
)
owners = st.sampled_from([CPO, OTHER_CPO])
places = st.one_of(
    st.builds(Object, owner=owners),
    st.builds(Object, group=st.sampled_from(["north", "empty"])),
    st.builds(Object, owner=owners, object_id=st.sampled_from(IDS)),
    st.builds(Object, owner=owners, object_id=st.sampled_from(IDS), evse_uid=st.sampled_from(EVSES)),
)
grants = st.sampled_from([Effect.ALLOW, Effect.DENY])
rules = st.one_of(
    st.builds(Rule, id=st.just(0), effect=grants, subject=subjects, kind=st.just(Kind.LOCATIONS), object=places),
    st.builds(
        Rule,
        id=st.just(0),
        effect=grants,
        subject=subjects,
        kind=st.just(Kind.COMMANDS),
        object=places,
        command=st.sampled_from(["", "STOP_SESSION"]),
    ),
    st.builds(
        Rule,
        id=st.just(0),
        effect=grants,
        subject=subjects,
        kind=st.just(Kind.TARIFFS),
        object=st.builds(Object, owner=owners, object_id=st.sampled_from(["", *TARIFFS])),
    ),
    st.builds(
        Rule,
        id=st.just(0),
        effect=st.just(Effect.PRICE),
        subject=subjects,
        kind=st.just(Kind.LOCATIONS),
        object=places,
        tariff_ids=st.sampled_from([("T1",), ("T2",), ("T1", "T2")]),
        token_group=st.sampled_from(["", "", "fleet"]),
        is_in_force=st.sampled_from([True, True, False]),
    ),
)
rulebooks = st.lists(rules, max_size=8).map(
    lambda found: [replace(rule, id=number) for number, rule in enumerate(found, 1)]
)
things = st.one_of(
    st.builds(
        Thing,
        kind=st.sampled_from([Kind.LOCATIONS, Kind.COMMANDS]),
        owner=owners,
        object_id=st.sampled_from(IDS),
        evse_uid=st.sampled_from(["", *EVSES]),
        command=st.sampled_from(["STOP_SESSION", "START_SESSION"]),
    ),
    st.builds(Thing, kind=st.just(Kind.TARIFFS), owner=owners, object_id=st.sampled_from(TARIFFS)),
)
viewers = st.sampled_from(VIEWERS)


def book(found: list[Rule]) -> Rulebook:
    return Rulebook(rules=tuple(found), parties_in=PARTIES_IN, locations_in=LOCATIONS_IN, tokens_in=TOKENS_IN)


def seen_by(viewer: Viewer, found: list[Rule]) -> View:
    return view_of(book(found), viewer.partner_id, CPO, takers=[viewer.party], is_told=False)


@settings(max_examples=50)
@given(rulebooks, viewers, things, st.randoms(use_true_random=False))
def test_the_order_of_rules_does_not_matter(
    found: list[Rule], viewer: Viewer, thing: Thing, chance: random.Random
) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)
    expected = book(found).decide(viewer, thing, has_agreement=True)
    assert book(shuffled).decide(viewer, thing, has_agreement=True) == expected
    views = [
        view_of(book(each), viewer.partner_id, CPO, takers=[viewer.party], is_told=True) for each in (found, shuffled)
    ]
    assert views[0] == views[1]


@settings(max_examples=50)
@given(rulebooks, viewers, things)
def test_the_narrowest_decides_and_of_equals_the_refusal(found: list[Rule], viewer: Viewer, thing: Thing) -> None:
    decision = book(found).decide(viewer, thing, has_agreement=True)
    if decision.rule is None:
        assert not decision.considered
        return
    best = decision.considered[0]
    assert decision.rule == best
    equals = [rule for rule in decision.considered if rule.rank[:4] == best.rank[:4]]
    assert all(rule.rank[:4] <= best.rank[:4] for rule in decision.considered)
    assert decision.is_allowed == (not any(rule.effect == Effect.DENY for rule in equals))


@settings(max_examples=80)
@given(rulebooks, viewers, things, st.randoms(use_true_random=False))
def test_the_order_in_which_rules_were_made_opens_and_closes_nothing(
    found: list[Rule], viewer: Viewer, thing: Thing, chance: random.Random
) -> None:
    numbers = [rule.id for rule in found]
    chance.shuffle(numbers)
    made_otherwise = [replace(rule, id=number) for rule, number in zip(found, numbers, strict=True)]
    one, other = (book(each).decide(viewer, thing, has_agreement=True) for each in (found, made_otherwise))
    assert one.is_allowed == other.is_allowed
    assert {replace(rule, id=0) for rule in one.considered} == {replace(rule, id=0) for rule in other.considered}


@settings(max_examples=100)
@given(rulebooks, rules.filter(lambda rule: rule.effect == Effect.DENY), viewers, things)
def test_a_refusal_more_never_shows_more(found: list[Rule], denial: Rule, viewer: Viewer, thing: Thing) -> None:
    more = [*found, replace(denial, id=len(found) + 1)]
    before, after = (book(each).decide(viewer, thing, has_agreement=True) for each in (found, more))
    assert before.is_allowed or not after.is_allowed
    views = [seen_by(viewer, each) for each in (found, more)]
    for id in (*IDS, "elsewhere"):
        assert views[0].sees_location(id) or not views[1].sees_location(id)
        assert all(views[0].sees_evse(id, uid) or not views[1].sees_evse(id, uid) for uid in (*EVSES, "e9"))
    assert all(views[0].sees_tariff(id) or not views[1].sees_tariff(id) for id in (*TARIFFS, "elsewhere"))


@settings(max_examples=100)
@given(rulebooks)
def test_parties_that_look_together_see_what_any_sees_at_a_price_that_is_for_all(found: list[Rule]) -> None:
    partner = "aaa"
    viewers = [Viewer(partner_id=partner, party=party) for party in PARTIES]
    one, other = (seen_by(viewer, found) for viewer in viewers)
    both = view_of(book(found), partner, CPO, takers=list(PARTIES), is_told=False)
    for id in (*IDS, "elsewhere"):
        assert both.sees_location(id) == (one.sees_location(id) or other.sees_location(id))
        for uid in (*EVSES, "e9"):
            assert both.sees_evse(id, uid) == (one.sees_evse(id, uid) or other.sees_evse(id, uid))
            offers = {view.tariffs_at(id, uid) for view in (one, other) if view.sees_evse(id, uid)}
            if offers:
                assert both.tariffs_at(id, uid) == (offers.pop() if len(offers) == 1 else None)
    for id in (*TARIFFS, "elsewhere"):
        assert both.sees_tariff(id) == (one.sees_tariff(id) or other.sees_tariff(id))


@settings(max_examples=50)
@given(rulebooks, viewers, things)
def test_nothing_flows_without_an_agreement(found: list[Rule], viewer: Viewer, thing: Thing) -> None:
    decision = book(found).decide(viewer, thing, has_agreement=False)
    assert (decision.is_allowed, decision.rule) == (False, None)
    assert view_of(book(found), viewer.partner_id, CPO, takers=[], is_told=False) == NOTHING


@settings(max_examples=80)
@given(rulebooks, viewers)
def test_a_view_says_what_the_rules_say(found: list[Rule], viewer: Viewer) -> None:
    rulebook = book(found)
    view = seen_by(viewer, found)
    assert msgspec.json.decode(msgspec.json.encode(view), type=View) == view

    def sees(kind: Kind, id: str, uid: str = "") -> bool:
        thing = Thing(kind=kind, owner=CPO, object_id=id, evse_uid=uid)
        return rulebook.decide(viewer, thing, has_agreement=True).is_allowed

    for id in (*IDS, "elsewhere"):
        for uid in (*EVSES, "e9"):
            assert view.sees_evse(id, uid) == sees(Kind.LOCATIONS, id, uid)
            price = rulebook.price(viewer, CPO, id, uid)
            assert view.tariffs_at(id, uid) == (price.tariff_ids if price else None)
        any_evse = any(sees(Kind.LOCATIONS, id, uid) for uid in EVSES)
        named = any(
            rule.object.evse_uid and fold(rule.object.object_id) == fold(id) and rule.object.owner == CPO
            for rule in found
        )
        assert view.sees_location(id) == (sees(Kind.LOCATIONS, id) or (named and any_evse))
        hidden, seen = view.named_locations(is_seen=False), view.named_locations(is_seen=True)
        assert view.sees_location(id) == (fold(id) in seen if not view.is_open else fold(id) not in hidden)
    for id in (*TARIFFS, "elsewhere"):
        assert view.sees_tariff(id) == sees(Kind.TARIFFS, id)


@settings(max_examples=80)
@given(rulebooks, rulebooks, viewers)
def test_the_difference_of_two_views_names_all_that_differs(
    first: list[Rule], second: list[Rule], viewer: Viewer
) -> None:
    before, after = seen_by(viewer, first), seen_by(viewer, second)
    changed = changed_locations(before, after)
    for id in IDS:
        looks = [
            (view.sees_location(id), [(view.sees_evse(id, uid), view.tariffs_at(id, uid)) for uid in (*EVSES, "e9")])
            for view in (before, after)
        ]
        if looks[0] != looks[1]:
            assert changed is None or fold(id) in changed
    gone = changed_tariffs(before, after)
    for id in TARIFFS:
        if before.sees_tariff(id) != after.sees_tariff(id):
            assert gone is None or fold(id) in gone
    assert changed_locations(before, before) == frozenset()


def test_tariffs_are_seen_by_those_they_apply_to() -> None:
    price = Rule(
        id=1,
        effect=Effect.PRICE,
        subject=Subject(kind=SubjectKind.PARTNER, name="aaa"),
        kind=Kind.LOCATIONS,
        object=Object(owner=CPO, object_id="L1"),
        tariff_ids=("T2",),
    )
    rulebook = book([price])
    seen = {
        viewer.partner_id: [
            id
            for id in TARIFFS
            if rulebook.decide(viewer, Thing(kind=Kind.TARIFFS, owner=CPO, object_id=id), has_agreement=True).is_allowed
        ]
        for viewer in VIEWERS
    }
    assert seen == {"aaa": ["T1", "T2", "T3"], "bbb": ["T1", "T3"]}
    everywhere = book([replace(price, object=Object(owner=CPO))])
    thing = Thing(kind=Kind.TARIFFS, owner=CPO, object_id="T1")
    assert not everywhere.decide(VIEWERS[0], thing, has_agreement=True).is_allowed, "T1 is offered to it nowhere"


@pytest.mark.parametrize("where", [Object(owner=CPO), Object(owner=CPO, object_id="L1"), Object(group="north")])
def test_a_price_says_nothing_about_tariffs_of_others_with_the_same_id(where: Object) -> None:
    third = PartyId("FR", "CPO")
    rule = Rule(
        id=1,
        effect=Effect.PRICE,
        subject=Subject(kind=SubjectKind.PARTNER, name="aaa"),
        kind=Kind.LOCATIONS,
        object=where,
        tariff_ids=("T2",),
    )
    owners = (CPO, OTHER_CPO, third)
    views = {
        (viewer.partner_id, owner): view_of(
            book([rule]), viewer.partner_id, owner, takers=[viewer.party], is_told=False
        )
        for viewer in VIEWERS
        for owner in owners
    }
    priced = {CPO, OTHER_CPO} if where.group else {CPO}
    assert {owner for owner in owners if not views["bbb", owner].sees_tariff("t2")} == priced
    assert all(views["aaa", owner].sees_tariff("T2") for owner in owners)
    assert all(views["bbb", owner].sees_tariff("T1") for owner in owners)


@pytest.mark.parametrize(("id", "text"), [("a/b", "NL-TNM/a%2Fb"), ("a%2Fb", "NL-TNM/a%252Fb")])
def test_ids_with_slashes_can_be_written(id: str, text: str) -> None:
    assert str(Object(owner=CPO, object_id=id)) == text


def test_a_group_is_decided_once_not_for_each_of_its_locations() -> None:
    asked: list[Thing] = []

    class Counting(Rulebook):
        def fitting(self, viewer: Viewer, thing: Thing) -> list[Rule]:
            asked.append(thing)
            return super().fitting(viewer, thing)

    many = frozenset((CPO, f"m{number}") for number in range(1000))
    subject = Subject(kind=SubjectKind.EVERYBODY)
    kept = {"subject": subject, "kind": Kind.LOCATIONS}
    rules = (
        Rule(id=1, effect=Effect.DENY, object=Object(group="many"), **kept),
        Rule(id=2, effect=Effect.ALLOW, object=Object(owner=CPO, object_id="M7"), **kept),
        Rule(id=3, effect=Effect.PRICE, object=Object(group="many"), tariff_ids=("T1",), **kept),
        *(
            Rule(id=n, effect=Effect.DENY, object=Object(owner=OTHER_CPO, object_id=f"O{n}"), **kept)
            for n in range(500)
        ),
    )
    rulebook = Counting(rules=rules, locations_in={"many": many})
    view = view_of(rulebook, "aaa", CPO, takers=[PARTIES[0]], is_told=False)
    assert [view.sees_location(id) for id in ("M6", "M7", "elsewhere")] == [False, True, True]
    assert view.tariffs_at("m6", "") == view.tariffs_at("m7", "") == ("T1",)
    assert len(asked) < 20


DAY = datetime(2026, 12, 10, tzinfo=UTC)
_EVERYBODY = Subject(kind=SubjectKind.EVERYBODY)
_AAA = Subject(kind=SubjectKind.PARTY, name=str(PARTIES[0]))
_L1, _ALL = Object(owner=CPO, object_id="L1"), Object(owner=CPO)
_FIVE, _TWO, _ONE = (timedelta(days=days) for days in (5, 2, 1))


@pytest.mark.parametrize(
    ("rules", "decides"),
    [
        ([{"object": _L1}, {"object": _ALL, "token_group": "fleet"}], 1),
        ([{"subject": _AAA}, {"token_group": "fleet"}], 2),
        ([{"token_group": "fleet", "subject": _AAA}, {"token_group": "fleet"}], 1),
        ([{}, {"valid_from": DAY}], 2),
        ([{}, {"valid_until": DAY}], 1),
        ([{}, {"valid_until": DAY + _ONE}], 2),
        ([{"valid_from": DAY + _ONE}, {}], 2),
        ([{"valid_from": DAY - _FIVE}, {"valid_from": DAY - _TWO}], 2),
        ([{"subject": _AAA}, {"valid_from": DAY - _TWO}], 1),
        ([{"valid_from": DAY - _TWO}, {"valid_from": DAY - _TWO, "note": "again"}], 1),
        ([{"is_in_force": False, "valid_from": DAY}], 1),
    ],
)
def test_which_price_a_charge_has(rules: list[dict[str, object]], decides: int) -> None:
    """By place, then tokens, then who, then time; whether partners have been told already does not matter."""
    kept = {
        "effect": Effect.PRICE,
        "subject": _EVERYBODY,
        "kind": Kind.LOCATIONS,
        "object": _ALL,
        "tariff_ids": ("T1",),
    }
    made = [Rule(id=number, **{**kept, **given}) for number, given in enumerate(rules, 1)]  # type: ignore[arg-type]
    for token in ("CARD-1", "any of the pool"):
        charge = ChargeBegun(at=DAY, token_uid=token, group_id="POOL")
        for order in (made, made[::-1]):
            found = book(order).pricing(VIEWERS[0], CPO, "L1", "E1", charge)
            assert found[0].id == decides


def test_a_price_for_tokens_is_no_others_and_shown_at_no_connector() -> None:
    kept = {"effect": Effect.PRICE, "subject": _EVERYBODY, "kind": Kind.LOCATIONS, "object": _ALL}
    rule = Rule(id=1, tariff_ids=("T2",), token_group="fleet", **kept)  # type: ignore[arg-type]
    charges = {uid: ChargeBegun(at=DAY, token_uid=uid) for uid in ("card-1", "card-2")}
    assert book([rule]).pricing(VIEWERS[0], CPO, "L1", "E1", charges["card-1"]) == [rule]
    assert book([rule]).pricing(VIEWERS[0], CPO, "L1", "E1", charges["card-2"]) == []
    assert book([rule]).pricing(VIEWERS[1], CPO, "L1", "E1", charges["card-1"]) == [], "the same uid of another eMSP"
    views = [seen_by(viewer, [rule]) for viewer in VIEWERS]
    assert [view.tariffs_at("L1", "E1") for view in views] == [None, None]
    assert [[view.sees_tariff(id) for id in TARIFFS] for view in views] == [[True, True, True], [True, False, True]]
    over = replace(rule, is_in_force=False)
    assert [seen_by(viewer, [over]).sees_tariff("T2") for viewer in VIEWERS] == [False, False]

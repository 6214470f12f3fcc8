"""Which partners' sight of which owners is compared after a change: all that differs, and little else."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.partners.affected import affected
from roaming.partners.agreements import Effect, Kind, Object, Rule, Rulebook, Subject, SubjectKind
from roaming.partners.directory import Directory, Partner, PartyRole
from tests.roaming.partners.test_agreements import (
    CPO,
    LOCATIONS_IN,
    OTHER_CPO,
    PARTIES,
    PARTIES_IN,
    TOKENS_IN,
    rulebooks,
)

EMSP = PartyId("NL", "OUR")


def a_partner(id: str, party: PartyId, role: str) -> Partner:
    return Partner(
        id=id,
        name=id,
        state="CONNECTED",
        version=None,
        versions_url="",
        endpoints=(),
        roles=(PartyRole(party=party, role=role, name=id),),
        dialect={},
        allowed_parties=frozenset(),
        is_agreeing=True,
        sealed_token="",
    )


PARTNERS = {
    "aaa": a_partner("aaa", PARTIES[0], Role.EMSP),
    "bbb": a_partner("bbb", PARTIES[1], Role.EMSP),
    "ccc": a_partner("ccc", OTHER_CPO, Role.CPO),
}
PAIRS = [(cpo, emsp) for cpo in (CPO, OTHER_CPO) for emsp in (*PARTIES, EMSP)]


def picture(agreements: frozenset[tuple[PartyId, PartyId]], rulebook: Rulebook) -> Directory:
    hosted = (PartyRole(party=CPO, role=Role.CPO, name=""), PartyRole(party=EMSP, role=Role.EMSP, name=""))
    return Directory(revision=1, partners=PARTNERS, hosted=hosted, agreements=agreements, rulebook=rulebook)


@st.composite
def pictures(draw: st.DrawFn) -> Directory:
    groups = st.frozensets(st.sampled_from(sorted(LOCATIONS_IN["north"])))
    members = st.frozensets(st.sampled_from(PARTIES))
    return picture(
        draw(st.frozensets(st.sampled_from(PAIRS))),
        Rulebook(
            rules=tuple(draw(rulebooks)),
            parties_in={name: draw(members) for name in PARTIES_IN},
            locations_in={"north": draw(groups)},
            tokens_in={"fleet": draw(st.frozensets(st.sampled_from(sorted(TOKENS_IN["fleet"]))))},
        ),
    )


@settings(max_examples=200)
@given(
    pictures(), pictures(), st.sampled_from(["all", "agreements", "rules", "parties_in", "locations_in", "tokens_in"])
)
def test_whatever_differs_is_named(before: Directory, after: Directory, aspect: str) -> None:
    if aspect == "agreements":
        after = replace(before, agreements=after.agreements)
    elif aspect != "all":
        after = replace(before, rulebook=replace(before.rulebook, **{aspect: getattr(after.rulebook, aspect)}))
    named = {(partner.id, owner) for partner, owner in affected(before, after)}
    for partner in PARTNERS.values():
        for owner in {CPO, OTHER_CPO, EMSP} - {*partner.parties()}:
            if before.view(partner, owner) != after.view(partner, owner):
                assert (partner.id, owner) in named


@pytest.mark.parametrize(
    "subject",
    [
        Subject(kind=SubjectKind.PARTY, name=str(PARTIES[0])),
        Subject(kind=SubjectKind.PARTNER, name="aaa"),
        Subject(kind=SubjectKind.GROUP, name="big"),
    ],
)
def test_only_what_a_rule_names_is(subject: Subject) -> None:
    agreed, kept = frozenset(PAIRS), {"id": 1, "effect": Effect.DENY, "kind": Kind.LOCATIONS}
    before = picture(agreed, Rulebook(parties_in=PARTIES_IN))
    rule = Rule(subject=subject, object=Object(owner=OTHER_CPO), **kept)
    after = picture(agreed, Rulebook(rules=(rule,), parties_in=PARTIES_IN))
    assert [(partner.id, owner) for partner, owner in affected(before, after)] == [("aaa", OTHER_CPO)]
    assert list(affected(after, after)) == []


def test_a_price_of_one_owner_is_told_of_that_owner_alone() -> None:
    agreed = frozenset(PAIRS)
    before = picture(agreed, Rulebook())
    price = Rule(
        id=1,
        effect=Effect.PRICE,
        subject=Subject(kind=SubjectKind.PARTNER, name="aaa"),
        kind=Kind.LOCATIONS,
        object=Object(owner=CPO, object_id="L1"),
        tariff_ids=("T1",),
    )
    named = [(partner.id, owner) for partner, owner in affected(before, picture(agreed, Rulebook(rules=(price,))))]
    assert named == [("aaa", CPO), ("bbb", CPO), ("ccc", CPO)]

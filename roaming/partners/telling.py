"""To which parties of a partner objects of an owner are told, and what each of them sees. Pure.

A platform is told once, whatever parties it speaks for, as long as all of them see the same. Where a rule makes a
difference between them each is told by itself, named in OCPI-to. A neighbour hub is told once for all behind it, and so
is a partner of 2.1.1, which knows no parties: they get what any of their parties sees.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from roaming.model.identifiers import PartyId
from roaming.model.version import Version
from roaming.partners.directory import RECEIVING_ROLES, Directory, Partner
from roaming.partners.views import View


@dataclass(frozen=True, kw_only=True)
class Told:
    """One that is told."""

    partner: Partner
    party: PartyId | None
    """Named as the receiver; ``None`` where none is under agreement with the owner."""
    view: View
    is_apart: bool = False
    """Other parties of the same partner are told by themselves."""


def told_of(directory: Directory, partner: Partner, owner: PartyId) -> tuple[Told, ...]:
    """Who of ``partner`` is told of ``owner``: one, or several that are told apart."""
    whole = directory.view(partner, owner)
    party = partner.hub_party or (PartyId.parse(whole.party) if whole.party else None)
    together = (Told(partner=partner, party=party, view=whole),)
    if partner.hub_party is not None or partner.version == Version.V2_1_1 or not directory.rulebook.rules:
        return together
    takers = [t for t in partner.parties(*RECEIVING_ROLES) if directory.may_exchange(cpo=owner, emsp=t)]
    views = [directory.view(partner, owner, taker) for taker in takers]
    if all(is_same(view, whole) for view in views):
        return together
    return tuple(
        Told(partner=partner, party=taker, view=view, is_apart=True) for taker, view in zip(takers, views, strict=True)
    )


def viewers_of(directory: Directory, cpo: PartyId) -> Iterator[Told]:
    """All that are told of a CPO's locations and tariffs, as far as they see them."""
    for partner, _ in directory.takers_of(cpo):
        yield from told_of(directory, partner, cpo)


def view_towards(directory: Directory, partner: Partner, owner: PartyId, party: PartyId | None) -> Told:
    """What is told to ``party`` now, whether by itself or with all others of its partner."""
    told = told_of(directory, partner, owner)
    if len(told) == 1 and not told[0].is_apart:
        return told[0]
    found = next((each for each in told if each.party == party), None)
    return found or Told(partner=partner, party=party, view=directory.view(partner, owner, party), is_apart=True)


def is_same(one: View, other: View) -> bool:
    """Whether two parties see the same."""
    return msgspec.structs.replace(one, party="") == msgspec.structs.replace(other, party="")


def differences(
    before: Directory, was_partner: Partner, after: Directory, partner: Partner, owner: PartyId
) -> Iterator[tuple[View, View]]:
    """What a partner's parties saw of ``owner`` and see now, where that differs; ``party`` of the first says whose it
    is."""
    was, now = told_of(before, was_partner, owner), told_of(after, partner, owner)
    if len(was) == len(now) == 1 and not was[0].is_apart and not now[0].is_apart:
        if was[0].view != now[0].view:
            yield was[0].view, now[0].view
        return
    parties = dict.fromkeys(each.party for each in (*was, *now) if each.party is not None and each.is_apart)
    for number, party in enumerate(parties):
        old = msgspec.structs.replace(view_towards(before, was_partner, owner, party).view, party=str(party))
        new = view_towards(after, partner, owner, party).view
        if number:  # tokens are told to a partner's CPO, not to each of these
            old = msgspec.structs.replace(old, are_tokens_open=new.are_tokens_open)
        if not is_same(old, new):
            yield old, new

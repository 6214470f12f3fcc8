"""Whose sight of whom a change of agreements, rules or groups may alter: found from what differs between two pictures,
so that only these are compared. Pure. May name too many, never too few."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.partners.agreements import Rule, Rulebook, Subject, SubjectKind
from roaming.partners.directory import Directory, Partner

Member = TypeVar("Member")


def affected(before: Directory, after: Directory) -> Iterator[tuple[Partner, PartyId]]:
    """Connected partners of ``after``, each with the owners of whom it may see other things than in ``before``, in
    order."""
    owners = {
        *after.hosted_parties(Role.CPO, Role.EMSP),
        *(party for partner in after.partners.values() for party in partner.parties(Role.CPO, Role.EMSP)),
    }
    partners = [partner for partner in after.partners.values() if partner.is_connected]
    is_all = (before.partners, before.hosted) != (after.partners, after.hosted)
    named = {} if is_all else _named(before, after, partners, owners)
    for partner in partners:
        if partner.id in before.partners:
            found = owners if is_all else named.get(partner.id, set()) & owners
            for owner in sorted(found - {*partner.parties()}):
                yield partner, owner


def _named(
    before: Directory, after: Directory, partners: Sequence[Partner], owners: set[PartyId]
) -> dict[str, set[PartyId]]:
    """By partner, the owners that something which differs names."""
    found: dict[str, set[PartyId]] = {partner.id: set() for partner in partners}
    for pair in before.agreements ^ after.agreements:
        for partner in partners:
            if not {*partner.parties()}.isdisjoint(pair):
                found[partner.id].update(pair)
    books = (before.rulebook, after.rulebook)
    for rule, about in _rules(*books):
        for partner in partners:
            if _is_about(rule.subject, partner, books):
                found[partner.id] |= about
    for name in _differing(before.rulebook.parties_in, after.rulebook.parties_in):
        moved = before.rulebook.parties_in.get(name, frozenset()) ^ after.rulebook.parties_in.get(name, frozenset())
        about = {
            owner
            for book in books
            for rule in book.rules
            if rule.subject == Subject(kind=SubjectKind.GROUP, name=name)
            for owner in _owners(rule, books)
        }
        for partner in partners:
            if not moved.isdisjoint(partner.parties()):
                found[partner.id] |= about
    # A tariff that a price rule offers to some is nobody else's
    special = [{owner: book.special_tariffs(owner) for owner in owners} for book in books]
    for each in found.values():
        each |= {owner for owner in owners if special[0][owner] != special[1][owner]}
    return found


def _rules(before: Rulebook, after: Rulebook) -> Iterator[tuple[Rule, set[PartyId]]]:
    """Rules that are new, gone or other than they were, each with the owners it is about, those for a group of tokens
    that differs, and those about a group of locations that differs, each with the owners of what came or went."""
    books = (before, after)
    changed = {*before.rules} ^ {*after.rules}
    for rule in changed:
        yield rule, _owners(rule, books)
    moved_tokens = {*_differing(before.tokens_in, after.tokens_in)}
    for rule in after.rules:
        if rule.token_group in moved_tokens and rule not in changed:
            yield rule, _owners(rule, books)
    for name in _differing(before.locations_in, after.locations_in):
        moved = before.locations_in.get(name, frozenset()) ^ after.locations_in.get(name, frozenset())
        about = {owner for owner, _ in moved}
        for rule in after.rules:
            if rule.object.group == name and rule not in changed:
                yield rule, about


def _owners(rule: Rule, books: tuple[Rulebook, Rulebook]) -> set[PartyId]:
    return {owner for book in books for owner in book.owners(rule)}


def _differing(before: Mapping[str, frozenset[Member]], after: Mapping[str, frozenset[Member]]) -> Iterator[str]:
    return (name for name in sorted({*before, *after}) if before.get(name) != after.get(name))


def _is_about(subject: Subject, partner: Partner, books: tuple[Rulebook, Rulebook]) -> bool:
    match subject.kind:
        case SubjectKind.EVERYBODY:
            return True
        case SubjectKind.PARTNER:
            return subject.name == partner.id
        case SubjectKind.PARTY:
            return subject.name in {str(party) for party in partner.parties()}
        case _:
            return any(
                not book.parties_in.get(subject.name, frozenset()).isdisjoint(partner.parties()) for book in books
            )

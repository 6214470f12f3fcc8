"""What people and programs wish of rules and groups, in their words, and the rules that these make. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from roaming.model.command import CommandType
from roaming.model.identifiers import PartyId, fold
from roaming.partners.agreements import CHARGING_PROFILE, Effect, Kind, Object, Rule, Subject, SubjectKind
from roaming.partners.directory import Directory
from roaming.partners.refusing import Refused
from roaming.partners.rules import LOCATIONS, PARTIES, TOKENS, Member

COMMANDS = (*(command.value for command in CommandType), CHARGING_PROFILE)
Word = Annotated[str, msgspec.Meta(max_length=255, pattern="^[^\\x00]*$")]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class RuleWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule as it is asked for."""

    effect: Annotated[str, msgspec.Meta(description="allow, deny or price")]
    kind: Annotated[str, msgspec.Meta(description="locations, tariffs, tokens or commands")]
    of: Annotated[Word, msgspec.Meta(description="The owner, such as NL-TNM, or group:NAME of locations")]
    who: Annotated[Word, msgspec.Meta(description="everybody, partner:ID, party:NL-TNM or group:NAME")] = "everybody"
    location: Word = ""
    evse: Annotated[Word, msgspec.Meta(description="The uid of an EVSE of the location")] = ""
    tariff: Word = ""
    command: Annotated[Word, msgspec.Meta(description="One of OCPI, or CHARGING_PROFILE; empty: all")] = ""
    tariffs: Annotated[tuple[Word, ...], msgspec.Meta(description="What a price rule offers", max_length=100)] = ()
    tokens: Annotated[Word, msgspec.Meta(description="A group of tokens whose charges alone a price is for")] = ""
    valid_from: Annotated[Moment | None, msgspec.Meta(description="Charges that begin earlier have another price")] = (
        None
    )
    valid_until: Annotated[
        Moment | None, msgspec.Meta(description="Charges that begin then or later have another price")
    ] = None
    note: Word = ""
    force: Annotated[bool, msgspec.Meta(description="Even where what it names is not there yet")] = False


def rule_of(directory: Directory, wish: RuleWish) -> Rule:
    """The rule that is meant, without a number. Raises ``Refused``."""
    _check(wish)
    return Rule(
        id=0,
        effect=Effect(wish.effect),
        subject=_subject(directory, wish.who),
        kind=Kind(wish.kind),
        object=_object(wish),
        command=wish.command.upper(),
        tariff_ids=wish.tariffs,
        note=wish.note,
        token_group=wish.tokens.removeprefix("group:"),
        valid_from=_moment(wish.valid_from),
        valid_until=_moment(wish.valid_until),
    )


def _check(wish: RuleWish) -> None:
    effect, kind = wish.effect, wish.kind
    if effect not in tuple(Effect):
        raise Refused("effect", f"{effect}: give one of {', '.join(Effect)}")
    if kind not in tuple(Kind):
        raise Refused("kind", f"{kind}: give one of {', '.join(Kind)}")
    if (effect == Effect.PRICE) != bool(wish.tariffs):
        raise Refused("tariffs", "those that a price rule offers, one at least; other rules have none")
    if effect == Effect.PRICE and kind != Kind.LOCATIONS:
        raise Refused("kind", "a price is about locations, whose connectors are offered with other tariffs")
    _check_bounds(wish)
    if wish.tariff and kind != Kind.TARIFFS:
        raise Refused("tariff", "only where the rule is about tariffs")
    if wish.location and kind == Kind.TARIFFS:
        said = "not where the rule is about tariffs; to offer others at a place make a price rule about locations"
        raise Refused("location", said)
    if wish.evse and not wish.location:
        raise Refused("location", "required where an EVSE is named")
    if wish.command and kind != Kind.COMMANDS:
        raise Refused("command", "only where the rule is about commands")
    if wish.command and wish.command.upper() not in COMMANDS:
        raise Refused("command", f"{wish.command} is none of {', '.join(COMMANDS)}")


def _check_bounds(wish: RuleWish) -> None:
    """What a price alone is bound to."""
    for field in ("tokens", "valid_from", "valid_until"):
        if getattr(wish, field) and wish.effect != Effect.PRICE:
            raise Refused(field, "only of a price rule: what is allowed or denied is so for all tokens, at all times")
    if wish.valid_from is not None and wish.valid_until is not None and wish.valid_until <= wish.valid_from:
        raise Refused("valid_until", "must be later than valid_from, or no charge would ever be priced by the rule")


def _moment(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC).replace(microsecond=0)


def _object(wish: RuleWish) -> Object:
    object_id = wish.location or wish.tariff
    if wish.of.startswith("group:"):
        if object_id:
            field = "location" if wish.location else "tariff"
            raise Refused(field, "not of a group; make a rule about its owner")
        return Object(group=wish.of.removeprefix("group:"))
    return Object(owner=party("of", wish.of), object_id=object_id, evse_uid=wish.evse)


def _subject(directory: Directory, who: str) -> Subject:
    if who == "everybody":
        return Subject(kind=SubjectKind.EVERYBODY)
    word, _, name = who.partition(":")
    if word == "partner":
        if name not in directory.partners:
            raise Refused("who", f"no partner {name}: see `roaming partner list`")
        return Subject(kind=SubjectKind.PARTNER, name=name)
    if word == "party":
        return Subject(kind=SubjectKind.PARTY, name=str(party("who", name)))
    if word != "group" or not name:
        raise Refused("who", f"{who} is none of everybody, partner:ID, party:NL-TNM, group:NAME")
    return Subject(kind=SubjectKind.GROUP, name=name)


def members_of(kind: str, texts: Sequence[str]) -> list[Member]:
    """Members of a group as they are written. Raises ``Refused``."""
    if kind not in (PARTIES, LOCATIONS, TOKENS):
        raise Refused("kind", f"{kind}: give {PARTIES}, {LOCATIONS} or {TOKENS}")
    return [_member(kind, text) for text in texts]


def _member(kind: str, text: str) -> Member:
    owner, _, id = text.partition("/")
    if bool(id) != (kind != PARTIES):
        said = (
            f"{text}: name a party such as NL-TNM in a group of parties, NL-TNM/LOC1 in a group of locations,"
            " DE-EMS/UID in a group of tokens"
        )
        raise Refused("members", said)
    return party("members", owner), fold(id)


def party(field: str, text: str) -> PartyId:
    """A party as it is written. Raises ``Refused``."""
    try:
        return PartyId.parse(text)
    except ValueError as error:
        raise Refused(field, str(error)) from None

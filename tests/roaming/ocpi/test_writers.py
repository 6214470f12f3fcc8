"""The functions made from tables against the tables: whatever an object holds, a writer says, loses and refuses what
going through the rules one by one says, loses and refuses."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from roaming.model.canonical import CanonicalObject
from roaming.model.version import Version
from roaming.ocpi.codec import EncodeContext, EncodeError, Loss, dump_json
from roaming.ocpi.fields import Form
from roaming.ocpi.kinds import WHOLE, Id, Kind
from roaming.ocpi.rules import Assumed, Field, Joint, ListOf, Lost
from roaming.ocpi.translation import Writing
from tests.roaming.ocpi.codecs import CODECS, codec_of
from tests.roaming.ocpi.objects import some_object
from tests.roaming.ocpi.test_codec_properties import surroundings

Outcome = tuple[object, list[Loss]]


def by_the_table(form: Form[Any], value: Any, writing: Writing, prefix: str) -> dict[str, Any]:
    """What ``Form.write`` means, rule by rule."""
    if form.prepare is not None:
        value = form.prepare(value, writing, prefix)
    body: dict[str, Any] = {}
    for rule in form.rules:
        if not isinstance(rule, Field):
            continue
        item = getattr(value, rule.attribute)
        if item is None or item == ():
            if rule.is_required:
                body[rule.wire] = _absent(rule, value, writing, prefix)
        elif rule.may_fail:
            _say(rule, item, body, writing, prefix)
        else:
            body[rule.wire] = _said(rule.kind, item, writing, prefix, rule.attribute)
    for rule in form.rules:
        if isinstance(rule, Joint):
            body.update(rule.encode(value, writing, prefix))
    unsaid = [rule for rule in form.rules if isinstance(rule, (Lost, Assumed))]
    defaults = {item.name: item.default for item in msgspec.structs.fields(form.of)}
    expected = [rule.value if isinstance(rule, Assumed) else defaults[rule.attribute] for rule in unsaid]
    if [getattr(value, rule.attribute) for rule in unsaid] != expected:
        for rule in unsaid:
            _declare(rule, getattr(value, rule.attribute), writing, prefix)
    if value.extra and writing.is_extra_wanted:
        known = {wire for rule in form.rules for wire in rule.wires}
        for wire, item in value.extra.items():
            if wire in known:
                writing.lose(f"{prefix}extra", f"{wire} means something in {writing.version}, and came unchecked")
            else:
                body[wire] = item
    return body


def _said(kind: Kind, value: Any, writing: Writing, prefix: str, name: str) -> Any:
    if isinstance(kind, Form):
        return by_the_table(kind, value, writing, f"{prefix}{name}.")
    if not isinstance(kind, ListOf):
        return kind.encode(value, writing, prefix, name)
    said = []
    for index, entry in enumerate(value):
        place = f"{name}[{index}]"
        reason = kind.omit(entry) if kind.omit else None
        if reason is not None:
            writing.lose(f"{prefix}{place}", reason)
            continue
        known = len(writing.losses)
        try:
            said.append(_said(kind.kind, entry, writing, prefix, place))
        except EncodeError as error:
            if not kind.drops:
                raise
            del writing.losses[known:]
            where = error.path.removeprefix(f"{prefix}{place}").lstrip(".")
            writing.lose(f"{prefix}{place}", f"{where}: {error.reason}" if where else error.reason)
    return said


def _absent(rule: Field, value: Any, writing: Writing, prefix: str) -> Any:
    if rule.when_absent is not None:
        return rule.when_absent(value, writing, prefix)
    what = "one entry at least is" if rule.is_list else "a value is"
    raise EncodeError(prefix + rule.attribute, f"{what} required in {writing.version}")


def _say(rule: Field, item: Any, body: dict[str, Any], writing: Writing, prefix: str) -> None:
    known = len(writing.losses)
    try:
        said = _said(rule.kind, item, writing, prefix, rule.attribute)
    except EncodeError as error:
        if not rule.drops:
            raise
        writing.lose(prefix + rule.attribute, error.reason)
        return
    if said == [] and rule.is_required:
        raise EncodeError(prefix + rule.attribute, f"no entry can be said: {writing.losses[known].reason}")
    if said != []:
        body[rule.wire] = said


def _declare(rule: Lost | Assumed, item: Any, writing: Writing, prefix: str) -> None:
    if item == rule.value if isinstance(rule, Assumed) else item is None or item == ():
        return
    if rule.refuses:
        raise EncodeError(prefix + rule.attribute, rule.because)
    writing.lose(prefix + rule.attribute, rule.because)


def odd(value: Any, random: Random, rate: float) -> Any:
    """``value`` with things in it that versions cannot say, or say otherwise: each with this probability."""
    if isinstance(value, tuple):
        return () if random.random() < rate / 2 else tuple(odd(entry, random, rate) for entry in value)
    is_bent = random.random() < rate
    match value:
        case CanonicalObject():
            names = set(value.__struct_fields__) - {"extra"}
            changed = {name: odd(getattr(value, name), random, rate) for name in sorted(names)}
            if is_bent:
                changed["extra"] = {"last_updated": 1, "id": 2, "x": [3]}
            return msgspec.structs.replace(value, **changed)
        case bool() if is_bent:
            return None
        case str() if is_bent:
            return random.choice(["", value * 30, "MCS", "EMPLOYEES", "POWER", "4.9", "51.12345678", None])
        case datetime() if is_bent:
            return random.choice([value + timedelta(microseconds=123_456), value.replace(tzinfo=None), None])
        case Decimal() if is_bent:
            return random.choice([Decimal(0), Decimal("1E+3"), None])
        case int() if is_bent:
            return random.choice([0, None])
    return value


def outcome(write: Callable[[Writing], Any], version: Version, context: EncodeContext, *, extra: bool) -> Outcome:
    """Body or error, and the losses until then."""
    writing = Writing(version, context, extra)
    try:
        body = write(writing)
    except Exception as error:  # what no object can be is refused by both in the same way
        return (type(error), str(error)), writing.losses
    return (list(body), dump_json(body)), writing.losses


@pytest.mark.parametrize("version", list(Version))
@settings(max_examples=15, deadline=None)
@given(random=st.randoms(use_true_random=True), extra=st.booleans())
def test_a_writer_says_what_the_table_says(version: Version, random: Random, extra: bool) -> None:
    for (_, name, _), codec in [item for item in CODECS.items() if item[0][2] == version]:
        value = some_object(codec_of(name, Version.V2_3_0).form, random)
        bent = odd(value, random, random.choice([0.0, 0.01, 0.1]))
        context = surroundings(value)[0]
        got = outcome(lambda w: codec.form.write(bent, w, "in[0]."), version, context, extra=extra)  # noqa: B023
        wanted = outcome(lambda w: by_the_table(codec.form, bent, w, "in[0]."), version, context, extra=extra)  # noqa: B023
        event("said" if isinstance(got[0], tuple) and isinstance(got[0][0], list) else "refused")
        event("with losses" if got[1] else "without losses")
        assert got == wanted, name
        assert [loss.version for loss in got[1]] == [loss.version for loss in wanted[1]]


class Thing(CanonicalObject):
    """What no table of OCPI has all of."""

    ids: tuple[str, ...] = ()
    name: str | None = None
    kept: int | None = None
    lost: str = "usual"
    lost_too: bool | None = None


def outcome_of(form: Form[Thing], thing: Thing) -> Outcome:
    return outcome(lambda writing: form.write(thing, writing, ""), Version.V2_2_1, EncodeContext(), extra=True)


def test_what_is_false_is_said_and_what_is_absent_is_not() -> None:
    form = Form(
        Thing,
        Field("ids", "ids", ListOf(Id(3), drops=True), is_required=True),
        Field("name", "label", Id(2), is_required=False, drops=True),
        Field("kept", "kept", WHOLE, is_required=False),
        Lost("lost", "no room"),
        Lost("lost_too", "no room"),
    )
    assert outcome_of(form, Thing(ids=("a",), name="", kept=0)) == (
        (["ids", "label", "kept"], b'{"ids":["a"],"label":"","kept":0}'),
        [],
    )
    body, losses = outcome_of(form, Thing(ids=("a", "long", "b"), name="long", lost_too=False))
    assert body == (["ids"], b'{"ids":["a","b"]}')
    assert [loss.path for loss in losses] == ["ids[1]", "name", "lost", "lost_too"]
    assert outcome_of(form, Thing(ids=("long",)))[0] == (
        EncodeError,
        "ids: no entry can be said: longer than the 3 characters of this version",
    )
    assert outcome_of(form, Thing())[0] == (EncodeError, "ids: one entry at least is required in 2.2.1")

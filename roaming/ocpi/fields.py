"""A form: the table of one object in one version, from which both ways of translation and the PATCH form follow.

The table of 2.3.0 is written out; older ones are derived from it, so that reading them is reading the difference.
A form is itself a kind, so that objects hold objects. It knows nothing of any module.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec

from roaming.model.canonical import CanonicalObject
from roaming.ocpi.kinds import Kind
from roaming.ocpi.patch import Patch
from roaming.ocpi.rules import Assumed, Field, Given, Ignored, Joint, ListOf, Lost, Rule
from roaming.ocpi.translation import DecodeError, EncodeError, FindingCode, Reading, Writing
from roaming.ocpi.writers import Preparation, Writer, declare, say, writer_of

T = TypeVar("T", bound=CanonicalObject)


class Form(Generic[T]):
    """The table of one object. Every attribute of ``of`` stands in exactly one rule, no field in two: checked here,
    when the module is imported."""

    def __init__(self, of: type[T], *rules: Rule, prepare: Preparation | None = None) -> None:
        self.of = of
        self.rules = rules
        self.prepare = prepare
        self._check()
        self._compile()

    def without(self, *attributes: str, because: str) -> "Form[T]":
        """A version that lacks these: what they hold is lost, and declared."""
        return self.replace(*(Lost(name, because) for name in attributes))

    def refusing(self, *attributes: str, because: str) -> "Form[T]":
        """A version that lacks these, and would say something untrue without them: the object is held."""
        return self.replace(*(Lost(name, because, refuses=True) for name in attributes))

    def rename(self, **wires: str) -> "Form[T]":
        """A version that names fields otherwise: ``attribute="wire name"``."""
        return self.replace(*(replace(self.field(name), wire=wire) for name, wire in wires.items()))

    def retype(self, **kinds: Kind) -> "Form[T]":
        """A version in which fields hold another kind; cardinality and the rest stay."""
        return self.replace(*(self.field(name).of(kind) for name, kind in kinds.items()))

    def change(self, attribute: str, **settings: Any) -> "Form[T]":
        """A version in which one field has other settings (see ``Field``)."""
        return self.replace(replace(self.field(attribute), **settings))

    def replace(self, *rules: Rule) -> "Form[T]":
        """Each rule takes the place of those that cover its attributes."""
        kept: list[Rule] = list(self.rules)
        for rule in rules:
            places = [index for index, old in enumerate(kept) if set(old.attributes) & set(rule.attributes)]
            if not places:
                raise TypeError(f"{self.of.__name__} has no rule for {rule.attributes}")
            kept = [old for index, old in enumerate(kept) if index not in places[1:]]
            kept[places[0]] = rule
        return Form(self.of, *kept, prepare=self.prepare)

    def extend(self, *rules: Rule) -> "Form[T]":
        """A version with further fields."""
        return Form(self.of, *self.rules, *rules, prepare=self.prepare)

    def prepared(self, prepare: Preparation) -> "Form[T]":
        """A version for which an object is changed as a whole before it is said."""
        return Form(self.of, *self.rules, prepare=prepare)

    def field(self, attribute: str) -> Field:
        """The field of that attribute. Raises ``TypeError`` when it has none."""
        for rule in self.rules:
            if isinstance(rule, Field) and rule.attribute == attribute:
                return rule
        raise TypeError(f"{self.of.__name__} has no field for {attribute!r}")

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> T:
        if type(value) is not dict:
            raise DecodeError(prefix + name, f"expected an object, got {type(value).__name__}")
        return self.read(value, reading, f"{prefix}{name}.")

    def encode(self, value: T, writing: Writing, prefix: str, name: str) -> dict[str, Any]:
        return self.write(value, writing, f"{prefix}{name}.")

    def read(self, body: dict[str, Any], reading: Reading, prefix: str) -> T:
        """The object in ``body``; paths begin with ``prefix``."""
        values: dict[str, Any] = {}
        seen = 0
        get = body.get
        for wire, attribute, decode, absent_rule, rule in self._reading_plan:
            item = get(wire)
            if item is None:
                if absent_rule is not None:
                    self._fill(absent_rule, body, values, reading, prefix)
                continue
            seen += 1
            try:
                values[attribute] = decode(item, reading, prefix, wire)
            except DecodeError:
                if item != "" or rule.is_required:
                    raise
                reading.find(prefix + wire, FindingCode.EMPTY, "taken as absent")
                if absent_rule is not None:
                    self._fill(absent_rule, body, values, reading, prefix)
        for attribute, wire in self._nonempty:
            if values.get(attribute) == ():
                reading.find(prefix + wire, FindingCode.EMPTY, "one entry at least is due")
        for special in self._special_rules:
            _read_special(special, body, values, reading, prefix)
        if seen != len(body):
            self._read_rest(body, values, reading, prefix)
        return self.of(**values)

    def _fill(
        self, rule: Field, body: Mapping[str, Any], values: dict[str, Any], reading: Reading, prefix: str
    ) -> None:
        """The value of a field that the body lacks."""
        found = rule.otherwise(body, reading) if rule.otherwise is not None else None
        if found is not None:
            values[rule.attribute] = found
        elif rule.attribute not in self._defaults:
            hint = "required" if rule.otherwise is None else f"required, or needs {rule.otherwise}"
            raise DecodeError(prefix + rule.wire, hint)
        if rule.is_required and not rule.is_taken_quietly:
            reading.find(prefix + rule.wire, FindingCode.MISSING)

    def _read_rest(self, body: Mapping[str, Any], values: dict[str, Any], reading: Reading, prefix: str) -> None:
        """Fields that no line of the table took: unknown ones are kept, explicit nulls noted."""
        unknown = {}
        for wire, item in body.items():
            rule = self._by_wire.get(wire)
            if rule is None:
                unknown[wire] = item
            elif item is None:
                reading.find(prefix + wire, FindingCode.NULL)
            elif isinstance(rule, Ignored):
                reading.find(prefix + wire, FindingCode.NOT_CARRIED, rule.because)
        if unknown:
            values["extra"] = unknown

    def write(self, value: T, writing: Writing, prefix: str) -> dict[str, Any]:
        """``value`` as the body of this version; loss paths begin with ``prefix``."""
        return self.writer(value, writing, prefix)

    @cached_property
    def writer(self) -> Writer:
        """What ``write`` does."""
        return writer_of(
            self.of.__name__,
            self.rules,
            unsaid={
                rule.attribute: rule.value if isinstance(rule, Assumed) else self._defaults[rule.attribute]
                for rule in self.rules
                if isinstance(rule, (Lost, Assumed))
            },
            writer_of_kind=lambda kind: kind.writer if isinstance(kind, Form) else None,
            write_extra=self._write_extra,
            prepare=self.prepare,
        )

    def _write_extra(self, extra: Mapping[str, Any], body: dict[str, Any], writing: Writing, prefix: str) -> None:
        for wire, item in extra.items():
            if wire in self._by_wire:
                writing.lose(f"{prefix}extra", f"{wire} means something in {writing.version}, and came unchecked")
            else:
                body[wire] = item

    def read_changes(self, body: Any, reading: Reading, prefix: str = "") -> Patch[T]:
        """The PATCH form of ``body``: only the fields it gives. ``null`` clears an optional attribute."""
        if type(body) is not dict:
            raise DecodeError(prefix.rstrip("."), f"expected an object, got {type(body).__name__}")
        changes: dict[str, Any] = {}
        unknown: dict[str, Any] = {}
        for wire, item in body.items():
            rule = self._by_wire.get(wire)
            if rule is None:
                unknown[wire] = item
            elif isinstance(rule, Ignored):
                reading.find(prefix + wire, FindingCode.NOT_CARRIED, rule.because)
            elif isinstance(rule, Joint):
                if rule.attributes[0] not in changes:
                    changes |= rule.decode(_present(body, rule), reading, prefix)
            else:
                changes[rule.attribute] = self._read_change(rule, item, reading, prefix)
        keys = {name: key for name, key in self._keys.items() if name in changes}
        return Patch(changes, unknown, keys, tuple(reading.findings))

    def _read_change(self, rule: Field, item: Any, reading: Reading, prefix: str) -> Any:
        is_optional = not rule.is_required and rule.attribute in self._defaults
        if item is None or (item == "" and is_optional):
            if not is_optional:
                raise DecodeError(prefix + rule.wire, "required, cannot be cleared")
            return self._defaults[rule.attribute]
        if rule.keyed_by is not None and type(item) is list:
            form = _entry_form(rule)
            path = prefix + rule.wire
            return tuple(
                form._read_entry(entry, rule.keyed_by, reading, f"{path}[{index}].") for index, entry in enumerate(item)
            )
        return rule.kind.decode(item, reading, prefix, rule.wire)

    def _read_entry(self, entry: Any, key: str, reading: Reading, prefix: str) -> "T | Patch[T]":
        """One entry of a list that is merged: whole, or a change of one that is there already."""
        if type(entry) is not dict:
            raise DecodeError(prefix.rstrip("."), f"expected an object, got {type(entry).__name__}")
        if all(entry.get(wire) is not None for wire in self._required_wires):
            return self.read(entry, reading, prefix)
        change = self.read_changes(entry, reading, prefix)
        if key not in change.changes:
            raise DecodeError(prefix + self.field(key).wire, "required")
        return change

    def write_changes(self, patch: Patch[T], writing: Writing, prefix: str = "") -> dict[str, Any]:
        """``patch`` as a PATCH body of this version. Raises ``EncodeError`` when only the whole object can say it."""
        if self.prepare is not None:
            raise EncodeError(prefix.rstrip("."), "cannot be changed in part in this version, send it whole")
        body: dict[str, Any] = {}
        for attribute, item in patch.changes.items():
            rule = self._by_attribute[attribute]
            if isinstance(rule, Joint):
                raise EncodeError(prefix + attribute, "cannot be changed alone in this version, send the whole object")
            if isinstance(rule, (Lost, Assumed)):
                declare(rule, item, writing, prefix)
            elif isinstance(rule, Field):
                self._write_change(rule, item, body, writing, prefix)
        if patch.extra and writing.is_extra_wanted:
            self._write_extra(patch.extra, body, writing, prefix)
        return body

    def _write_change(self, rule: Field, item: Any, body: dict[str, Any], writing: Writing, prefix: str) -> None:
        if item is None or item == ():
            raise EncodeError(prefix + rule.attribute, "a PATCH cannot take a value away, send the whole object")
        if rule.keyed_by is None or not any(isinstance(entry, Patch) for entry in item):
            say(rule, item, body, writing, prefix)
            return
        form = _entry_form(rule)
        body[rule.wire] = [
            form.write_changes(entry, writing, f"{prefix}{rule.attribute}[{index}].")
            if isinstance(entry, Patch)
            else form.encode(entry, writing, prefix, f"{rule.attribute}[{index}]")
            for index, entry in enumerate(item)
        ]

    def _check(self) -> None:
        """Each attribute once, no field twice, nothing unsaid that the object cannot do without."""
        said = [name for rule in self.rules for name in rule.attributes]
        wires = [wire for rule in self.rules for wire in rule.wires]
        expected = set(self.of.__struct_fields__) - {"extra"}
        problems = [f"no rule for {name}" for name in sorted(expected - set(said))]
        problems += [f"{name} is no attribute" for name in sorted(set(said) - expected)]
        problems += [f"two rules for {name}" for name in sorted({name for name in said if said.count(name) > 1})]
        problems += [f"two fields {wire}" for wire in sorted({wire for wire in wires if wires.count(wire) > 1})]
        for rule in self.rules:
            has_default = all(name in _defaults(self.of) for name in rule.attributes)
            if isinstance(rule, Lost) and not has_default:
                problems.append(f"{rule.attribute} cannot be left out of the object")
            if isinstance(rule, Field) and not (rule.is_required or has_default or rule.otherwise):
                problems.append(f"{rule.attribute} has no value when the field is absent")
        if problems:
            raise TypeError(f"table of {self.of.__name__}: {'; '.join(problems)}")

    def _compile(self) -> None:
        """Flat tuples for the loop of ``read``."""
        fields = [rule for rule in self.rules if isinstance(rule, Field)]
        self._defaults = _defaults(self.of)
        self._by_wire = {
            wire: rule for rule in self.rules if isinstance(rule, (Field, Joint, Ignored)) for wire in rule.wires
        }
        self._by_attribute = {name: rule for rule in self.rules for name in rule.attributes}
        self._special_rules = tuple(rule for rule in self.rules if isinstance(rule, (Given, Assumed, Joint)))
        self._keys = {rule.attribute: rule.keyed_by for rule in fields if rule.keyed_by is not None}
        self._nonempty = tuple((rule.attribute, rule.wire) for rule in fields if rule.is_required and rule.is_list)
        self._required_wires = tuple(rule.wire for rule in fields if rule.is_required)
        self._reading_plan = tuple(
            (rule.wire, rule.attribute, rule.kind.decode, rule if rule.is_required or rule.otherwise else None, rule)
            for rule in fields
        )


def _defaults(of: type[CanonicalObject]) -> dict[str, Any]:
    """The attributes that an object need not have, and what stands there then."""
    return {
        item.name: item.default
        for item in msgspec.structs.fields(of)
        if item.default is not msgspec.NODEFAULT and item.name != "extra"
    }


def _present(body: Mapping[str, Any], rule: Joint) -> dict[str, Any]:
    return {wire: body[wire] for wire in rule.wires if body.get(wire) is not None}


def _entry_form(rule: Field) -> Form[Any]:
    """The table of the entries of a merged list."""
    form = rule.kind.kind if isinstance(rule.kind, ListOf) else None
    assert isinstance(form, Form), f"{rule.attribute} is no list of objects"
    return form


def _read_special(
    rule: Given | Assumed | Joint, body: Mapping[str, Any], values: dict[str, Any], reading: Reading, prefix: str
) -> None:
    if isinstance(rule, Assumed):
        values[rule.attribute] = rule.value
    elif isinstance(rule, Joint):
        values.update(rule.decode(_present(body, rule), reading, prefix))
    else:
        found = rule.source(body, reading)
        if found is None:
            raise DecodeError(prefix + rule.attribute, f"{reading.version} does not say it, needs {rule.source}")
        values[rule.attribute] = found
